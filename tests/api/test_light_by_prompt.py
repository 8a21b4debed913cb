"""Light by prompt in whole runs: whom it touches, whom not, and that its bytes are repeatable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.workers.fingerprint import fingerprint_of
from skyreels_avatar.workers.shot import generate_request
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier

SECONDS = 2.0
CHANGING = "a person speaks, candlelight from the left slowly turns red"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait, two seconds of a voice, a tiny tier, and the same tier that knows no light."""
    folder = tmp_path_factory.mktemp("light")
    write_portrait(folder), write_voice(folder, SECONDS)
    lines = Path(write_tier(folder)).read_text().splitlines()
    (folder / "dull.yaml").write_text("\n".join(line for line in lines if "light" not in line))
    return folder


def made(folder: Path, prompt: str, tier: str = "tiny", **how) -> Path:
    """Make a video of 96x96 and return it."""
    usual = {"camera": "push_in:60", "size": "96x96", "tier": str(folder / f"{tier}.yaml")}
    usual["output"] = folder / "out.mp4"
    image, audio = folder / "person.png", folder / "voice.wav"
    return sa.generate(image, audio, prompt, **{**usual, **how}).path


def frames_of(path: Path) -> np.ndarray:
    return np.stack(list(sa.VideoReader(path))).astype(float)


def test_a_prompt_without_light_gives_the_same_frames_as_a_tier_that_knows_none(folder):
    """Bytes of the files differ in the name of the tier."""
    prompt = "a black man in a red shirt beams"
    lit = frames_of(made(folder, prompt))
    assert np.array_equal(frames_of(made(folder, prompt, "dull")), lit)


def test_black_and_white_is_so_from_the_first_frame_to_the_last(folder):
    frames = frames_of(made(folder, "a man speaks, black and white film"))
    assert np.ptp(frames, axis=-1).max() <= 6  # what H.264 rounds
    assert np.ptp(frames_of(made(folder, "a man speaks")), axis=-1).mean() > 20


def test_a_light_that_changes_begins_with_the_picture(folder):
    plain, lit = (frames_of(made(folder, p)) for p in ("a man speaks", "the light turns red"))
    assert np.abs(plain[0] - lit[0]).mean() < 2
    red = lit[-1, ..., 0].mean() / lit[-1, ..., 2].mean()
    assert red > 1.3 * plain[-1, ..., 0].mean() / plain[-1, ..., 2].mean()


def test_a_run_that_goes_on_has_the_same_light(folder):
    """Windows are made again, each alone, and frames are lit by their place in the shot."""
    work = folder / "work"
    how = {"work_folder": work, "windows": "keyframes"}
    whole = made(folder, CHANGING, **how).read_bytes()
    pieces = sorted(work.glob("*/piece_*.mp4"))
    assert len(pieces) > 1
    pieces[1].unlink()
    assert made(folder, CHANGING, **how).read_bytes() == whole


def test_other_weights_of_light_are_another_shot(folder):
    shot = sa.Shot(image=folder / "person.png", audio=folder / "voice.wav", prompt=CHANGING)
    prints = []
    for tier in ("tiny", "dull"):
        request = sa.GenerationRequest(shot, folder / "o.mp4", str(folder / f"{tier}.yaml"))
        prints.append(fingerprint_of(request, load_components(request.tier)))
    assert len(prints[0].made_of["tier"]["weights"]["light"]) == 64
    assert prints[0].digest != prints[1].digest


def test_retalking_leaves_the_light_of_a_video(folder):
    video = made(folder, "a man speaks", output=folder / "source.mp4")
    shot = sa.Shot(
        video=video, audio=folder / "voice.wav", keep="lips", prompt="black and white, it gets dark"
    )
    request = sa.GenerationRequest(shot, folder / "again.mp4", str(folder / "tiny.yaml"))
    again = frames_of(generate_request(request).path)
    assert np.abs(again - frames_of(video))[:, :20].mean() < 3
