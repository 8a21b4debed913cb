"""A performance written into a file is performed again by the same pictures, and can be edited."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.motion_track import MotionTrack
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.speaker import Speaker
from skyreels_avatar.rig.arkit import CHANNELS
from skyreels_avatar.workers.shot import generate_request
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier

SECONDS, FPS = 2.0, 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("motion")
    write_portrait(path)
    write_voice(path, SECONDS)
    write_tier(path)
    made(path, "first.mp4", save_motion=path / "first.json")
    return path


def made(folder, name: str, work=None, save_motion=None, **shot) -> np.ndarray:
    request = GenerationRequest(
        Shot(folder / "person.png", audio=folder / "voice.wav", **shot),
        folder / name,
        str(folder / "tiny.yaml"),
        sampling=SamplingParams(seed=1),
        save_motion=save_motion,
    )
    generate_request(request, work_folder=work, sign=False)
    return frames(folder / name)


def made_of_other_seed(folder):
    if not (folder / "other.mp4").exists():
        made(folder, "other.mp4", seed=7)
    return folder / "other.mp4"


def frames(path) -> np.ndarray:
    return np.stack(list(VideoReader(path))).astype(int)


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_saved_performance_gives_the_same_pictures(folder, kind):
    track = MotionTrack.load(folder / "first.json")
    assert track.fps == FPS and track.num_frames == SECONDS * FPS
    track.save(folder / f"again.{kind}")
    again = made(folder, f"again_{kind}.mp4", motion=folder / f"again.{kind}")
    first = frames(folder / "first.mp4")
    assert again.shape == first.shape
    away = np.abs(again - first).mean((1, 2, 3))  # of 255
    assert away[:24].max() < 0.4  # H.264 makes more of the file's rounding than it is
    # The last window reaches beyond the end of the file, and hair follows what comes there.
    assert away.mean() < 0.2
    other = frames(made_of_other_seed(folder))
    assert np.abs(other - first).mean() > 1


def test_an_edited_performance_is_shown(folder):
    still = {name: np.zeros(50) for name in CHANNELS}
    MotionTrack(FPS, still).save(folder / "still.json")
    MotionTrack(FPS, {**still, "jawOpen": np.linspace(0, 1, 50)}).save(folder / "open.json")
    rests, opens = (
        made(folder, f"{n}.mp4", motion=folder / f"{n}.json") for n in ("still", "open")
    )
    away = np.abs(opens - rests).mean((1, 2, 3))
    assert away[0] < 0.3 and away[-1] > 4 * away[0], away


def test_a_work_folder_gives_the_same_file_before_and_after_it_is_full(folder):
    for name in ("once.json", "twice.json"):
        made(folder, "worked.mp4", work=folder / "work", save_motion=folder / name)
    first = (folder / "first.json").read_bytes()
    assert (folder / "once.json").read_bytes() == (folder / "twice.json").read_bytes() == first


def test_a_short_file_is_held_at_its_end(folder, caplog):
    MotionTrack(FPS, {"jawOpen": np.full(10, 0.8)}).save(folder / "short.json")
    shown = made(folder, "short.mp4", motion=folder / "short.json")
    assert "its last frame is held" in caplog.text
    assert np.abs(shown[-1] - shown[5]).mean() < 0.5


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"motion": "dance.bvh"}, "json or .csv"),
        ({"video": "a.mp4", "image": None, "motion": "a.json"}, "one person in a picture"),
        (
            {"motion": "a.json", "audio": None,
             "speakers": [Speaker("a.wav", face="0"), Speaker("b.wav", face="1")]},
            "one person",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_performed_is_refused(asked, message):
    with pytest.raises(InputError, match=message):
        Shot(**{"image": "a.png", "audio": "a.wav", **asked})


def test_the_performance_is_never_written_over_what_is_read(folder):
    with pytest.raises(InputError):
        made(folder, "c.mp4", motion=folder / "first.json", save_motion=folder / "first.json")
