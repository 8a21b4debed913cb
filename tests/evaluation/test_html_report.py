"""The page about many videos: comparison, puppet row, plots, strips, links."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skyreels_avatar.evaluation.html_report import COMPARED, interval, linked, write_html
from skyreels_avatar.evaluation.lse import LSE_MEANING, LipSyncError
from skyreels_avatar.evaluation.report import DISTANCE_MEANING, MEANING, evaluate
from skyreels_avatar.evaluation.video_distance import VideoDistance
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoWriter


@pytest.fixture(scope="module")
def reports(root, tmp_path_factory):
    """Reports of two videos of 2.2 s in folders of their own, one without sound."""
    folder = tmp_path_factory.mktemp("report")
    examples = root / "assets" / "examples"
    pixels = Portrait.load(examples / "portrait.png").resized_to(256, 256).pixels
    reports = []
    for name, audio in (
        ("ours", AudioTrack.load(examples / "speech.wav").cut(0, 2.2)),
        ("the <other>", None),
    ):
        path = folder / name / "a clip.mp4"
        path.parent.mkdir()
        with VideoWriter(path, 256, 256, 25, audio) as writer:
            writer.write(np.repeat(pixels[None], 55, axis=0))
        reports.append(evaluate(path))
    return [replace(report, lse=None) for report in reports]  # whatever weights are here


@pytest.fixture(scope="module")
def page(reports):
    """A page about them, beside their folders."""
    folder = Path(reports[0].video).parents[1]
    value = (0.25, 0.125, 0.5)
    distance = VideoDistance(value, value, value, value, None, value, 5, 7)
    return write_html(reports, folder / "pages" / "report.html", distance).read_text()


def test_systems_stand_beside_real_speech_and_the_puppet_in_every_table(page):
    comparison = page[page.index("<table>") : page.index("</table>")]
    heads = re.findall(r"<th>([^<]*)", comparison)
    names = ["ours", "the &lt;other&gt;", "real speech", "loudness puppet"]
    assert heads == ["measure", "", *names]
    assert re.findall(r"<tr><td>([^<]+)<td class=what>\w", comparison) == list(COMPARED)
    assert "<other>" not in page and all(f"<td>{name}" in page for name in MEANING)
    loudness = comparison[comparison.index("<tr><td>sync_r0") :].split("<tr>")[1]
    assert float(re.search(r"<td>(0\.9\d+|1)<br>[^>]+>[^<]*</small>$", loudness)[1]) > 0.9
    for section in page.split("<section>")[1:]:
        rows = re.findall(r"<tr><td>([^<]+)<td>", section)
        assert rows == ["this video", "real speech", "loudness puppet"]


def test_figures_of_syncnet_have_rows_where_a_video_has_them(reports, page, tmp_path):
    assert not any(f"<td>{name}" in page for name in LSE_MEANING)
    some = [replace(reports[0], lse=LipSyncError(6.5, 7.25, -1)), reports[1]]
    found = write_html(some, tmp_path / "page.html").read_text()
    rows = re.findall(r"<tr><td>([^<]+)<td class=what>\w", found)
    assert rows == [*LSE_MEANING, *COMPARED]
    assert found.count("<td>6.5<br><small>6.5 to 6.5</small>") == 1


def test_each_video_has_its_folders_name_a_player_a_strip_and_plots(page):
    assert re.findall(r"<section><h2>([^<]+)", page) == [
        "ours/a clip.mp4", "the &lt;other&gt;/a clip.mp4"
    ]  # fmt: skip
    assert page.count("src='../ours/a%20clip.mp4'") == 1
    assert page.count("data:image/jpeg;base64,") == 2
    assert page.count("<polyline") == (2 + 3 + 1) + (1 + 3)
    ticks = re.findall(r"text-anchor=\w+>([^<]+)</text>", page)
    assert ticks[:4] == ["0", "1", "2", "seconds"] and "frames that the mouth is late" in ticks


def test_a_distance_of_two_folders_stands_with_its_interval(page):
    table = page[page.index("<h2>5 videos against 7") :]
    assert table.count("<td>0.250<td>0.125 to 0.500") == len(DISTANCE_MEANING) - 1  # no floor
    assert "<tr><td>floor" not in table


def test_an_interval_holds_the_median_and_shrinks_with_more_values(rng):
    few, many = rng.normal(size=8), rng.normal(size=200)
    middle, low, high = interval(few)
    assert low <= middle <= high and middle == pytest.approx(np.median(few))
    assert interval(many)[2] - interval(many)[1] < high - low
    assert interval([3.0]) == (3.0, 3.0, 3.0)
    assert interval([0.0, 0.0, 3.0], np.mean)[0] == 1.0


def test_links_go_from_the_page_to_the_video(tmp_path):
    assert linked(tmp_path / "a" / "b c.mp4", tmp_path / "d") == "../a/b%20c.mp4"
