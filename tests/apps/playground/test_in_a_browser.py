"""The whole way through each page in a real browser: minutes, so only when asked for.

python -m pytest tests/apps/playground -m slow
"""

from __future__ import annotations

import re
import time

import pytest

from tests.apps.playground.conftest import DESKTOP, PHONE, running
from tests.samples import write_pair

pytestmark = pytest.mark.slow
VISIBLE = ":not([hidden])"


def _make_small(page):
    page.click("#more summary")
    page.select_option("#size", "256x256")


def _go(page):
    page.check("#consent")
    page.click("#go")
    page.wait_for_selector(f"#working{VISIBLE}")


def _result(page):
    page.wait_for_selector(f"#result{VISIBLE}")
    page.locator("#result").evaluate("one => new Promise(done => { one.onloadedmetadata = done; "
                                     "if (one.duration) done() })")  # fmt: skip
    return page.locator("#result").evaluate("one => [one.duration, one.videoWidth]")


@pytest.fixture(scope="module")
def made(chromium, playground):
    """Return the state of a browser that has made two videos of the example, by their seeds."""
    context = chromium.new_context(base_url=playground, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto("/")
    page.click("#example")
    page.wait_for_selector(f"#preview{VISIBLE}")
    page.check('input[value="text"]')
    page.fill("#text", "Hello, <b>you</b>.")
    _make_small(page)
    _go(page)
    page.wait_for_selector(f"#result{VISIBLE}")
    page.click("#again")
    page.wait_for_selector(f"#working{VISIBLE}")
    page.wait_for_selector(f"#result{VISIBLE}")
    context.close()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_stranger_makes_a_first_video_with_the_example(open_page, size):
    started = time.monotonic()
    page = open_page("/", size)
    page.click("#example")
    page.wait_for_selector(f"#preview{VISIBLE}")
    _make_small(page)
    _go(page)
    page.reload()  # the job goes on, and the form is as it was
    page.wait_for_selector(f"#working{VISIBLE}, #result{VISIBLE}")
    assert page.input_value("#prompt").startswith("a person speaks")
    duration_s, width = _result(page)
    assert duration_s == pytest.approx(9.7, abs=0.2) and width == 256
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert time.monotonic() - started < 120


def test_a_preview_follows_the_move_and_the_strength(open_page):
    page = open_page("/")
    page.click("#example")
    page.wait_for_selector(f"#preview{VISIBLE}")
    seen = {_preview_hash(page)}
    for move in ("pan_left", "crane_up"):
        before = page.get_attribute("#preview", "src")
        page.locator(f'input[value="{move}"]').check(force=True)
        page.locator(f'#preview:not([src="{before}"])').wait_for()
        seen.add(_preview_hash(page))
    before = page.get_attribute("#preview", "src")
    page.locator("#strength").press("ArrowRight")
    page.locator(f'#preview:not([src="{before}"])').wait_for()
    assert len({*seen, _preview_hash(page)}) == 4


def _preview_hash(page):
    return page.evaluate(
        """async () => {
          const video = await (await fetch(document.querySelector("#preview").src)).arrayBuffer();
          return new Uint8Array(video).reduce((hash, byte) => (31 * hash + byte) | 0, 0);
        }"""
    )


def test_what_is_missing_is_said_beside_its_field(open_page):
    page = open_page("/")
    page.click("#go")
    for field in ("image", "text", "consent"):
        assert page.locator(f'[data-error="{field}"]').is_visible()
    page.set_input_files("#photo", {"name": "a.png", "mimeType": "image/png", "buffer": b"none"})
    page.locator('[data-error="image"]').filter(has_text="cannot be used").wait_for()


def test_a_voice_is_recorded_and_a_photo_taken(open_page):
    page = open_page("/")
    page.check('input[value="record"]')
    page.click("#record")
    page.wait_for_timeout(1500)
    page.click("#record")
    page.locator("#heard-name").filter(has_text="Recording").wait_for()
    page.click("#take")
    page.locator("#snap:enabled").click()
    # The false camera shows no face: that is said beside the photo.
    problem = page.locator('[data-error="image"]').filter(has_text="face")
    problem.wait_for()
    assert problem.is_visible()


def test_a_job_is_canceled(open_page):
    page = open_page("/")
    page.click("#example")
    page.wait_for_selector(f"#preview{VISIBLE}")
    _go(page)
    page.click("#cancel")
    page.locator("#toast").filter(has_text="Canceled").wait_for()
    assert page.locator("#preview").is_visible()


def test_one_of_two_faces_gets_new_words(open_page, tmp_path, made):
    import numpy as np
    from PIL import Image

    import skyreels_avatar as sa

    picture = np.asarray(Image.open(write_pair(tmp_path)))
    with sa.VideoWriter(tmp_path / "pair.mp4", *picture.shape[:2], 25) as writer:
        writer.write(np.repeat(picture[None], 30, 0))
    page = open_page("/retalk")
    page.set_input_files("#footage-file", tmp_path / "pair.mp4")
    page.wait_for_selector(f"#faces{VISIBLE}")
    faces = page.locator("#faces label")
    assert faces.count() == 2
    right = max(range(2), key=lambda index: faces.nth(index).bounding_box()["x"])
    faces.nth(right).locator("input").check(force=True)
    page.fill("#text", "Good morning.")
    with page.expect_request("**/v1/jobs") as sent:
        _go(page)
    assert sent.value.post_data_json["input"]["face"]["x"] > 0.5
    assert _result(page)[1] == 600


def test_a_film_is_cut_rendered_and_one_shot_made_again(open_page):
    page = open_page("/film")
    page.click("#blank #example")
    page.wait_for_selector(f"#form{VISIBLE}")
    page.locator("#screens video").nth(2).wait_for(state="attached")
    cut = page.locator("#cuts button").first
    before = float(cut.get_attribute("aria-valuenow"))
    box = cut.bounding_box()
    page.mouse.move(box["x"] + 12, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] - 50, box["y"] + 100, steps=4)
    page.mouse.up()
    dragged = float(cut.get_attribute("aria-valuenow"))
    assert dragged < before - 0.5
    cut.press("ArrowRight")
    assert float(cut.get_attribute("aria-valuenow")) == pytest.approx(dragged + 0.2, abs=0.05)
    page.click("#play")
    page.locator("#time").filter(has_text=re.compile(r"0:0[1-9]")).wait_for()
    page.click("#play")
    with page.expect_download() as export:
        page.click("#export")
    assert "portrait_man.png" in export.value.path().read_text(encoding="utf-8")
    page.select_option("#film-size", "512x512")
    _go(page)
    assert _result(page)[0] == pytest.approx(21.1, abs=0.2)
    page.click("#back-to-animatic")
    page.locator("#shots button").nth(2).click()
    page.locator('input[value="pan_left"]').check(force=True)
    page.click("#go")
    page.locator("#toast").filter(has_text="made: 1, kept: 2").wait_for()
    page.reload()
    assert page.locator("#shots button").count() == 3


def test_results_are_compared_shared_made_again_and_deleted(open_page, made):
    page = open_page("/results")
    page.locator('.card[data-status="succeeded"] .pick').nth(1).wait_for()
    assert page.locator(".said b").count() == 0  # what was typed stays text
    page.locator(".said").filter(has_text="<b>you</b>").first.wait_for()
    for index in range(2):
        page.locator(".pick").nth(index).check()
    page.click("#compare")
    page.wait_for_timeout(1500)
    page.click("#play")
    times = [page.locator("#pair video").nth(i).evaluate("one => one.currentTime") for i in (0, 1)]
    assert abs(times[0] - times[1]) < 0.3
    page.click("#viewer-close")
    page.locator('button[aria-label="Copy link"]').first.click()
    page.locator("#toast").filter(has_text="Link copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert page.request.get(link).headers["content-type"] == "video/mp4"
    count = page.locator(".card").count()
    page.locator(".facts > button").first.click()
    page.locator(".card").nth(count).wait_for()
    delete = page.locator('.card[data-status="succeeded"] button[aria-label="Delete"]').last
    delete.click()
    page.locator("button.danger").click()
    page.locator("#toast").filter(has_text="Deleted").wait_for()


@pytest.mark.parametrize("path", ["/", "/retalk", "/film", "/results"])
def test_pages_fit_a_small_phone_in_chinese_and_in_the_dark(open_page, path):
    page = open_page(path, (360, 740), locale="zh-CN", color_scheme="dark")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.get_attribute("html", "lang") == "zh"
    page.click("#language")
    page.wait_for_selector('html[lang="en"]')


def test_the_form_is_filled_by_keys_alone(open_page):
    page = open_page("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
    wanted = ["photo", "take", "example", "voice-source", "text", "speaker", "prompt", "move",
              "strength", "consent", "go"]  # fmt: skip
    assert [name for name in reached if name in wanted] == wanted


def test_people_sign_in_with_their_token(chromium, tmp_path):
    from skyreels_avatar.apps.server.tokens import add_token

    token = add_token(tmp_path / "tokens", "anna")
    data = ("--data", str(tmp_path / "data"), "--tokens", str(tmp_path / "tokens"))
    with running("serve", "--port", "0", "--workers", "0", *data) as address:
        context = chromium.new_context(base_url=address, locale="en-US")
        page = context.new_page()
        page.goto("/results")
        page.wait_for_url("**/sign-in?next=%2Fresults")
        page.fill("#token", "a guess")
        page.click("button[type=submit]")
        page.locator("#token-error").filter(has_text="no token").wait_for()
        page.fill("#token", token)
        page.click("button[type=submit]")
        page.wait_for_url("**/results")
        page.locator("#blank").wait_for()
        (cookie,) = [one for one in context.cookies() if token not in one["value"]]
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
        context.close()


def test_a_preview_of_one_photo_never_covers_the_next_one(open_page, tmp_path):
    """The answer for the old photo was on its way, and came to lie over the new one."""
    from PIL import Image

    page = open_page("/")
    page.click("#example")
    page.wait_for_selector(f"#preview{VISIBLE}")
    Image.new("RGB", (300, 200), "#88aacc").save(tmp_path / "blank.png")
    page.locator('input[value="pan_right"]').check(force=True)
    page.set_input_files("#photo", tmp_path / "blank.png")
    page.locator('[data-error="image"]').filter(has_text="No face").wait_for()
    page.wait_for_timeout(1500)
    assert not page.locator("#preview").is_visible()
