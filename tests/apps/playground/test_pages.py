"""The pages as text: complete in both languages, and nothing inline."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from skyreels_avatar.apps.playground import pages

ALL = [*pages.PAGES.values(), pages.SIGN_IN]
SCRIPTS = sorted(pages.STATIC.glob("*.js"))


class _Elements(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.mark.parametrize("language", pages.LANGUAGES)
@pytest.mark.parametrize("page", ALL)
def test_every_word_of_a_page_is_in_the_dictionary(page, language):
    text = pages.page_html(page, language, "")
    assert "{{" not in text and f'lang="{language}"' in text
    parts = [path.read_text(encoding="utf-8") for path in pages.STATIC.parent.glob("pages/*.html")]
    given = {"page", "theme", "page_title"}
    for name in re.findall(r"\{\{(\w+)\}\}", "".join(parts)):
        assert name in given or pages.phrases(language)[name]


@pytest.mark.parametrize("page", ALL)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(page):
    for tag, attributes in _Elements(pages.page_html(page, "en", "")).found:
        assert tag != "style" and "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "script" or attributes["src"].startswith("/static/")
        for name in ("src", "href", "action"):
            assert not re.match(r"[a-z]+:|//", attributes.get(name) or "")


@pytest.mark.parametrize("page", ALL)
def test_every_field_has_a_name_for_screen_readers_and_every_id_is_one(page):
    text = pages.page_html(page, "en", "")
    elements = _Elements(text).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in elements:
        for reference in ("for", "aria-labelledby", "aria-describedby"):
            assert reference not in attributes or attributes[reference] in ids, attributes
        if tag == "img":
            assert "alt" in attributes


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_use_phrases_that_there_are_and_make_no_html_of_text(script):
    text = script.read_text(encoding="utf-8")
    for name in re.findall(r'\bt\("(\w+)"', text):
        assert name in pages.phrases("en"), name
    for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert dangerous not in text
    assert not re.search(r"https?://", text.replace("http://www.w3.org/2000/svg", ""))


def test_both_languages_say_the_same_with_the_same_values():
    for name, phrase in pages.phrases("en").items():
        other = pages.phrases("zh")[name]
        assert sorted(re.findall(r"\{\w+\}", phrase)) == sorted(re.findall(r"\{\w+\}", other)), name


def test_the_dictionary_is_a_script_too():
    script = pages.strings_script("zh")
    values = json.loads(script.removeprefix("export default ").rstrip().rstrip(";"))
    assert values == pages.phrases("zh")


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "de-DE,de;q=0.9,en;q=0.8,zh;q=0.7", "en"),
        (None, "fr", "en"),
        ("zh", "en-US", "zh"),
        ("<script>", "zh", "zh"),
        (None, "zh;q=x", "zh"),
        (None, "zh;q=1.1.1, en", "en"),
    ],
)
def test_the_language_follows_the_browser_unless_one_was_chosen(cookie, accepted, language):
    assert pages.choose_language(cookie, accepted) == language


def test_a_theme_that_is_none_is_left_to_the_system():
    assert pages.choose_theme('"><script>') == "" and pages.choose_theme("dark") == "dark"
