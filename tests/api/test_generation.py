"""The whole pass with tiny networks of the real classes, saved to files and loaded again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import skyreels_avatar as sa
from skyreels_avatar.errors import Cancelled, FaceError, InputError
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a tier whose networks are tiny."""
    return write_tier(tmp_path_factory.mktemp("tier"))


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn person of 300x240."""
    return write_portrait(tmp_path_factory.mktemp("portrait"))


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.73 s of a tone that swells four times a second."""
    return write_voice(tmp_path_factory.mktemp("voice"), 1.73)


def frames_of(path: Path) -> np.ndarray:
    return np.stack(list(sa.VideoReader(path)))


def test_the_video_has_exactly_the_frames_of_the_sound(tier, portrait, voice, tmp_path):
    result = sa.generate(
        portrait, voice, "a person smiles", camera="push_in:60", output=tmp_path / "a.mp4",
        tier=tier, size="128x96",
    )  # fmt: skip
    video = sa.VideoReader(result.path)
    assert (video.num_frames, video.fps) == (43, 25.0)  # round(1.73 x 25), two windows
    assert (video.height, video.width) == (96, 128) == (result.height, result.width)
    assert abs(video.audio().duration_s - 1.73) < 0.04
    assert {"analyse", "encode", "denoise", "decode"} <= result.seconds.keys()
    assert result.num_frames == 43 and result.peak_rss_mb > 0
    x, y, w, h = result.face_box
    assert 0 < x < x + w < 128 and 0 < y < y + h < 96


@pytest.mark.parametrize("fps", [12.5, 29.97, 60])
def test_other_frame_rates_show_the_same_time(tier, portrait, voice, tmp_path, fps):
    result = sa.generate(
        portrait, voice, output=tmp_path / "a.mp4", tier=tier, size="64x64", fps=fps
    )
    assert sa.VideoReader(result.path).num_frames == result.num_frames == int(1.73 * fps + 0.5)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    tier, portrait, voice, tmp_path
):
    def made(name: str, seed: int) -> bytes:
        result = sa.generate(
            portrait, voice, output=tmp_path / name, tier=tier, size="96x96", seed=seed
        )
        return result.path.read_bytes()

    first = made("a.mp4", 7)
    assert made("b.mp4", 7) == first
    assert made("c.mp4", 8) != first


def test_the_first_frame_is_the_portrait(tier, portrait, voice, tmp_path):
    result = sa.generate(portrait, voice, output=tmp_path / "a.mp4", tier=tier, size="160x128")
    picture = sa.Portrait.load(portrait)
    x, y, w, h = 100.0, 40.0, 90.0, 110.0
    shown = frames_of(result.path)[0].astype(float)
    expected = picture.resized_to(128, 160, (x + w / 2, y + h / 2)).pixels.astype(float)
    assert np.abs(shown - expected).mean() < 4  # H.264 at quality 18


def test_progress_is_reported_and_false_stops_without_a_trace(tier, portrait, voice, tmp_path):
    reports = []

    def stop_late(progress: sa.Progress) -> bool:
        reports.append(progress)
        return progress.done < 20

    with pytest.raises(Cancelled):
        sa.generate(
            portrait, voice, output=tmp_path / "a.mp4", tier=tier, size="64x64",
            on_progress=stop_late,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert [r.done for r in reports] == sorted(r.done for r in reports)
    assert reports[-1].total == 43 and reports[-1].seconds_left >= 0


def test_wrong_input_is_refused_before_anything_is_made(
    tier, portrait, voice, picture_file, tmp_path
):
    output = tmp_path / "a.mp4"
    for error, changes in (
        (FaceError, {"image": picture_file}),
        (InputError, {"audio": portrait}),
        (InputError, {"image": voice}),
        (InputError, {"size": "101x64"}),
        (InputError, {"fps": 0}),
        (InputError, {"camera": "fly:50"}),
        (InputError, {"audio_start": 99.0}),
        (InputError, {"face": "3"}),
        (InputError, {"tier": "galactic"}),
        (InputError, {"output": tmp_path / "missing" / "a.mp4"}),
        (InputError, {"camera": [(0, "static"), (50, "push_in:10")]}),
    ):
        given = {"image": portrait, "audio": voice, "output": output, "tier": tier} | changes
        with pytest.raises(error):
            sa.generate(**given)
        assert list(tmp_path.iterdir()) == []


def test_warnings_are_part_of_the_result(tier, portrait, voice, tmp_path):
    """A small face is used, and the caller is told."""
    small = tmp_path / "small.png"
    with Image.open(portrait) as picture:
        picture.resize((picture.width // 2, picture.height // 2)).save(small)
    result = sa.generate(
        small, voice, output=tmp_path / "a.mp4", tier=tier, size="64x64", end_s=0.5
    )
    assert any("pixels high" in message for message in result.warnings)


def test_a_text_becomes_a_talking_video_with_subtitles(tier, portrait, tmp_path):
    pytest.importorskip("espeakng_loader")
    output = tmp_path / "o.mp4"
    result = sa.generate(
        image=portrait, text="Hello there.", voice="de", tier=tier, output=output, subtitles="vtt"
    )
    sound = sa.VideoReader(output).audio()
    assert result.num_frames == round(sound.duration_s * 25)
    assert np.abs(sound.samples).max() > 0.1
    lines = (tmp_path / "o.vtt").read_text().splitlines()
    assert lines[0] == "WEBVTT" and lines[-1] == "Hello there."
