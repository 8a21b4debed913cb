"""Performances as files: what is written is read, and what cannot be read is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.request.motion_track import MotionTrack
from skyreels_avatar.rig.arkit import CHANNELS


def track(num_frames: int = 130, fps: float = 25.0) -> MotionTrack:
    values = np.random.default_rng(0).uniform(-0.2, 1, (num_frames, len(CHANNELS)))
    return MotionTrack(fps, dict(zip(CHANNELS, values.T)))


@pytest.mark.parametrize("name", ["out.json", "out.csv"])
@pytest.mark.parametrize(("num_frames", "fps"), [(130, 25.0), (300, 60.0), (95, 24.0)])
def test_what_is_written_is_read(tmp_path, name, num_frames, fps):
    made = track(num_frames, fps)
    made.save(tmp_path / name)
    found = MotionTrack.load(tmp_path / name)
    assert found.fps == fps and found.num_frames == num_frames
    for channel in CHANNELS:
        np.testing.assert_allclose(found.weights[channel], made.weights[channel], atol=1e-6)


def test_a_recording_of_a_capture_program_is_read(tmp_path):
    """Live Link Face: 60 frames a second, capital letters, angles of the eyes besides."""
    lines = ["Timecode,BlendshapeCount,EyeBlinkLeft,JawOpen,HeadYaw,LeftEyeYaw"]
    for index in range(150):
        frame = index + 47
        code = f"15:43:{41 + frame // 60}:{frame % 60:02d}.593"
        lines.append(f"{code},61,0.25,{index / 150},-0.1,0.3")
    (tmp_path / "take.csv").write_text("\n".join(lines))
    found = MotionTrack.load(tmp_path / "take.csv")
    assert found.fps == 60 and found.num_frames == 150
    assert set(found.weights) == {"eyeBlinkLeft", "jawOpen", "headYaw"}


def test_rates_are_converted_between_the_middles_of_frames():
    ramp = MotionTrack(50.0, {"jawOpen": np.arange(100.0)})
    half = ramp.resampled(50, 25.0).weights["jawOpen"]
    np.testing.assert_allclose(half, 2 * np.arange(50) + 0.5)
    longer = ramp.resampled(120, 50.0).weights["jawOpen"]
    assert (longer[100:] == 99).all()


def test_shapes_that_cannot_be_shown_are_named(tmp_path, caplog):
    path = tmp_path / "puff.json"
    MotionTrack(25.0, {"cheekPuff": np.ones(3)}).save(path)
    MotionTrack.load(path)
    assert "cheekPuff cannot be shown" in caplog.text


def changed(**values: object) -> str:
    good = {"format": "skyreels-avatar motion", "version": 1, "fps": 25}
    return json.dumps({**good, "channels": ["jawOpen"], "frames": [[0.1], [0.2]], **values})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged JSON"),
        ("[]", "is not a motion file"),
        ('{"a": 1}', "is not a motion file"),
        (changed(version=2), "version 2"),
        (changed(fps=None), "fps"),
        (changed(fps=1000), "fps"),
        (changed(channels=["jawOpne"]), "did you mean jawOpen"),
        (changed(channels=[]), "needs channels"),
        (changed(channels=["jawOpen", "JawOpen"]), "each of them once"),
        (changed(frames=[]), "no frames"),
        (changed(frames=[[0.1, 0.2]]), "frame 1 needs 1 values"),
        (changed(frames=[[0.1], 3]), "frame 2 needs 1 values"),
        (changed(frames=[["a"]]), "not a number"),
        (changed(frames=[[float("nan")]]), "between"),
        (changed(frames=[[1e9]]), "between"),
        (changed(frames={}), "frames, a list"),
        ("[" * 100_000, "damaged JSON"),
    ],
)
def test_unusable_json_is_told(tmp_path, text, message):
    path = tmp_path / "in.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        MotionTrack.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("JawOpen\n0.1\n", "column Timecode"),
        ("Timecode,JawOpen\n00:00:00:00,0.1\n", "shorter than a second"),
        ("Timecode,JawOpen\nabc,0.1\n", "no timecode like"),
        ("Timecode,JawOpen\n00:00:00:00\n", "2 values in every line"),
        ("Timecode,Jaw\n00:00:00:00,1\n00:00:01:00,1\n", "unknown channel"),
    ],
)
def test_unusable_csv_is_told(tmp_path, text, message):
    path = tmp_path / "in.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        MotionTrack.load(path)


@pytest.mark.parametrize("name", ["in.txt", "none.json"])
def test_other_and_missing_files_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"\.json or \.csv|not found"):
        MotionTrack.load(tmp_path / name)
