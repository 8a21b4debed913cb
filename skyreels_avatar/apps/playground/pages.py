"""The pages: HTML put together of its parts, in the language and the theme of whoever asks.

`{{name}}` stands for a phrase of `strings.json` and `{{>name}}` for a part, a file of `pages/`.
What users type never gets into these pages: it is set as text by their scripts.
"""

from __future__ import annotations

import html
import json
import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).resolve().parent
STATIC = _HERE / "static"
LANGUAGES = ("en", "zh")
THEMES = ("light", "dark")
PAGES = {"": "talk", "retalk": "retalk", "film": "film", "results": "results"}
LIVE = "live"
SIGN_IN = "sign-in"
EXAMPLES = {
    "portrait.png": "image/png",
    "portrait_man.png": "image/png",
    "speech.wav": "audio/wav",
    "film.yaml": "text/plain; charset=utf-8",
    "film.srt": "text/plain; charset=utf-8",
    "film.flac": "audio/flac",
}
# Nothing from elsewhere, nothing inline; blob: is what the page itself has made or received.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self' blob:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Language, Cookie",
}
_PART = re.compile(r"[ \t]*\{\{>(\w+)\}\}")
_NAME = re.compile(r"\{\{(\w+)\}\}")
_PREFERENCE = re.compile(r"([a-z]{1,8})(?:-[\w-]+)?\s*(?:;\s*q=([\d.]+))?", re.IGNORECASE)


@cache
def phrases(language: str) -> dict[str, str]:
    """Return the dictionary of a language."""
    at = LANGUAGES.index(language)
    found = json.loads((_HERE / "strings.json").read_text(encoding="utf-8"))
    return {key: values[at] for key, values in found.items()}


@cache
def page_html(page: str, language: str, theme: str, tabs: bool = True) -> str:
    """Return a page as HTML.

    Args:
        page: a value of `PAGES`, `LIVE` or `SIGN_IN`.
        language: one of `LANGUAGES`.
        theme: one of `THEMES`, or nothing: that of the system.
        tabs: whether it leads to the other pages.
    """
    words = phrases(language)
    given = {"page": page, "theme": theme, "page_title": words[page.replace("-", "_")]}

    def word(found: re.Match[str]) -> str:
        return html.escape(given.get(found[1]) or words.get(found[1], ""))

    text = _part("layout").replace("{{>body}}", _part(page))
    if not tabs:
        text = text.replace("{{>tabs}}", "")
    while _PART.search(text):
        text = _PART.sub(lambda found: _part(found[1]), text)
    return _NAME.sub(word, text)


@cache
def strings_script(language: str) -> str:
    """Return the dictionary of a language as a JavaScript module."""
    return f"export default {json.dumps(phrases(language), ensure_ascii=False)};\n"


def choose_language(cookie: str | None, accepted: str) -> str:
    """Return the language that a user has chosen, else the best of those the browser accepts."""
    if cookie in LANGUAGES:
        return cookie
    wanted = []
    for found in _PREFERENCE.finditer(accepted[:500]):
        if found[1].lower() in LANGUAGES:
            try:
                weight = float(found[2] or 1)
            except ValueError:
                continue
            wanted.append((-weight, len(wanted), found[1].lower()))
    return min(wanted)[2] if wanted else LANGUAGES[0]


def choose_theme(cookie: str | None) -> str:
    """Return the theme that a user has chosen; nothing for that of the system."""
    return cookie if cookie in THEMES else ""


def _part(name: str) -> str:
    return (_HERE / "pages" / f"{name}.html").read_text(encoding="utf-8")
