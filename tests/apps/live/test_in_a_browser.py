"""The page of a live face in a real browser, with the real face: minutes, so only when asked for.

python -m pytest tests/apps/live -m slow
"""

from __future__ import annotations

import json
import urllib.request

import pytest

pytest.importorskip("aiortc", reason="needs the extra live")

from tests.apps.live.fakes import wait_until
from tests.apps.playground.conftest import DESKTOP, PHONE, ROOT, running

pytestmark = pytest.mark.slow
PORTRAIT = ROOT / "assets" / "examples" / "portrait.png"
# How many pictures were decoded, from the connection that the page made last.
DECODED = """async () => {
  const all = [...(await connections.at(-1).getStats()).values()];
  return all.find((one) => one.type === "inbound-rtp" && one.kind === "video")?.framesDecoded ?? 0;
}"""
KEEP = """window.connections = [];
const Real = RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
  constructor(...given) { super(...given); connections.push(this); }
};"""


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    data = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(data))
        arguments = ("--image", str(PORTRAIT), "--size", "256x256", "--port", "0", "--no-open")
        with running("live", *arguments) as address:
            yield address


@pytest.fixture
def open_page(chromium, live):
    contexts, problems = [], []

    def open_one(size=DESKTOP, **settings):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, base_url=live,
            permissions=["microphone"], **{"locale": "en-US", **settings},
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(KEEP)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda one: one.type == "error" and problems.append(one.text))
        page.goto("/")
        page.wait_for_selector("#waiting", state="hidden")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not [one for one in problems if "the server responded with a status" not in one]


def _state(address):
    with urllib.request.urlopen(f"{address}/v1/live", timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_speaks_what_is_typed_and_can_be_interrupted(open_page, live, size):
    page = open_page(size)
    assert page.locator("#face").evaluate("one => one.videoWidth") == 256
    page.fill("#text", "This is a long sentence, which goes on and on, and it will be interrupted.")
    page.press("#text", "Enter")
    wait_until(lambda: _state(live)["speaking"], 60)
    assert page.input_value("#text") == ""
    assert not page.locator("#face").evaluate("one => one.muted")
    page.click("#interrupt")
    wait_until(lambda: not _state(live)["speaking"], 60)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_two_look_on_and_both_pictures_move(open_page, live):
    pages = [open_page(), open_page(PHONE, locale="zh-CN")]
    wait_until(lambda: _state(live)["viewers"] == 2, 60)
    before = [page.evaluate(DECODED) for page in pages]
    for page, count in zip(pages, before):
        wait_until(lambda page=page, count=count: page.evaluate(DECODED) > count + 10, 60)
    pages[1].context.close()
    wait_until(lambda: _state(live)["viewers"] == 1, 60)


def test_what_a_microphone_hears_is_said(open_page, live):
    """The false microphone of the browser beeps once a second."""
    page = open_page()
    page.click("#mic")
    wait_until(lambda: _state(live)["speaking"], 60)
    assert page.get_attribute("#mic", "aria-pressed") == "true"
    assert page.locator("#face").evaluate("one => one.muted")
    page.click("#mic")
    wait_until(lambda: not _state(live)["speaking"], 60)


def test_portrait_performance_and_camera_change(open_page, live):
    page = open_page()
    page.set_input_files("#photo", str(PORTRAIT.with_name("portrait_man.png")))
    page.wait_for_selector("#photo-name:has-text('Preparing')")
    page.wait_for_selector("#photo-name:has-text('Drop')")
    assert not page.inner_text('[data-error="image"]')
    page.click('#prompts button[data-prompt="a person is happy and nods"]')
    page.locator('input[name="move"][value="push_in"]').check(force=True)
    wait_until(lambda: _state(live)["camera"] == "push_in:60", 60)
    assert _state(live)["prompt"] == "a person is happy and nods"
    again = open_page()  # who comes later sees how it is directed
    assert again.input_value("#prompt") == "a person is happy and nods"


def test_nothing_to_say_and_a_file_that_is_no_picture_are_told(open_page, tmp_path):
    page = open_page()
    page.click("#say")
    assert page.inner_text('[data-error="text"]')
    (tmp_path / "no.png").write_text("no picture")
    page.set_input_files("#photo", str(tmp_path / "no.png"))
    page.wait_for_selector('[data-error="image"]:not(:empty)')


def test_it_connects_again_when_no_picture_comes_any_more(open_page, live):
    page = open_page()
    name = page.evaluate("connections.at(-1).name")
    page.evaluate("name => fetch(`/v1/live/connect/${name}`, { method: 'DELETE' })", name)
    # The server lets go of it, as a network does that has changed
    wait_until(lambda: page.evaluate("connections.length") > 1, 60)
    page.wait_for_selector("#waiting", state="hidden")
    wait_until(lambda: page.evaluate(DECODED) > 0, 60)
