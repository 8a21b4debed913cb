"""Talking clips for the sync network, from a folder made here."""

import csv

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.template import template
from skyreels_avatar.media.audio import AudioTrack
from train.data.talking import load_talking

LIPS = [14, 17, 87, 317, 84, 314, 152, 148, 377]
PEOPLE = 20


def write_talkers(folder, num_frames: int = 60) -> None:
    """Write talkers of whom each opens the mouth with the loudness of a noise, two frames late."""
    rng = np.random.default_rng(1)
    (folder / "landmarks").mkdir(parents=True)
    rows = []
    for person in range(PEOPLE):
        loudness = np.repeat(rng.random(num_frames // 3), 3)
        face = np.repeat(150 * template()[None], num_frames, 0)
        face[:, LIPS, 1] += 8 * np.roll(loudness, 2)[:, None]
        stored = np.round(face * 16).astype(np.int32)
        steps = np.diff(stored, axis=0, prepend=np.zeros_like(stored[:1])).astype(np.int16)
        name = f"{person:03d}"
        np.savez(folder / "landmarks" / f"{name}.npz", dq=steps, scale=1 / 16)
        samples = 0.2 * rng.standard_normal(num_frames * 640) * np.repeat(loudness, 640)
        AudioTrack(samples.astype(np.float32), 16000).save(folder / f"{name}.wav")
        rows.append({
            "id": name, "file": f"{name}.wav", "group": "expressive", "person": f"p{person}",
            "sync_ok": str(int(person > 0)), "sync_lag3": "2",
        })  # fmt: skip
    with open(folder / "MANIFEST.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_clips_have_points_sound_and_a_delay_and_some_people_are_held_out(tmp_path):
    write_talkers(tmp_path / "talkers")
    clips = load_talking("", str(tmp_path / "talkers"))
    assert len(clips) == PEOPLE - 1  # one is not in sync
    assert sum(clip.held_out for clip in clips) == 16
    for clip in clips:
        assert clip.points.shape == clip.doll.shape == (60, 94) and clip.sound.shape == (240, 80)
        assert clip.late == 2 and clip.group == "talkers"
    chin = clips[0].points[:, 2 * 40 + 1]
    loudness = clips[0].sound.reshape(60, -1).mean(1)
    assert np.corrcoef(chin[2:], loudness[:-2])[0, 1] > 0.8
    assert abs(np.corrcoef(clips[0].doll[:, 81], loudness)[0, 1]) > 0.95


@pytest.mark.parametrize("names", [("", ""), ("missing", ""), ("", "missing")])
def test_missing_folders_are_named(tmp_path, names):
    with pytest.raises(InputError, match=r"data\.(grid|talkers)"):
        load_talking(*(name and str(tmp_path / name) for name in names))
