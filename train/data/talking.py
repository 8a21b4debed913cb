"""Lips that were seen with their sound: clips for the sync network, as points and log-mel."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.lip_sync import (
    POINTS,
    lip_motion,
    lip_points,
    puppet,
    sound_picture,
)
from skyreels_avatar.faces.alignment import RIGID
from skyreels_avatar.media.audio import AudioTrack
from train.data.clips import NUM_TRAINING_CLIPS

HELD_OUT_PEOPLE = 16  # of the talkers
_LATEST = 5  # frames: what is further off is not a measurement of the clip's delay


@dataclass(frozen=True)
class TalkingClip:
    """One person talking for some seconds.

    Args:
        group: "grid", "grid others" or "talkers".
        points: (F, 94), see `lip_points`. sound: (4 F, 80) log-mel.
        late: frames by which the picture is known to come after the sound.
        held_out: not to be trained on.
    """

    group: str
    points: np.ndarray
    sound: np.ndarray
    late: int
    held_out: bool

    @cached_property
    def doll(self) -> np.ndarray:
        """(F, 94): the puppet of this mouth and sound."""
        return puppet(self.points, self.sound)


def load_talking(grid: str, talkers: str) -> list[TalkingClip]:
    """Return the clips of GRID talker s1 and of a folder of talkers; "" leaves one out.

    Raises:
        InputError: neither is there.
    """
    clips = list(grid_clips(Path(grid))) if grid else []
    clips += list(_talker_clips(Path(talkers))) if talkers else []
    if not clips:
        raise InputError("no clips of talking people; set data.grid=FOLDER or data.talkers=FOLDER")
    return clips


def grid_clips(folder: Path, shards: Sequence[int] = range(10)) -> Iterator[TalkingClip]:
    """Yield the clips of GRID talker s1 whose every frame shows a face, 100 a shard."""
    import soundfile

    if not (folder / "points.json").is_file():
        raise InputError(f"{folder} holds no GRID clips (points.json); set data.grid=FOLDER")
    kept = json.loads((folder / "points.json").read_text())["mediapipe_index"]
    rigid, lips = ([kept.index(point) for point in some] for some in (RIGID, POINTS))
    seen = np.load(folder / "curves.npz")["face_ok"]
    for shard in shards:
        sound = soundfile.read(folder / f"audio_{shard:02d}.ogg", dtype="float32")[0]
        sound = sound.reshape(100, -1)
        stored = np.load(folder / f"landmarks_{shard:02d}.npz")
        landmarks = stored["lm"].transpose(2, 3, 0, 1).astype(np.float32)
        landmarks[..., :2] += stored["origin"][:, None, None]
        for row in range(100):
            index = 100 * shard + row
            if seen[index].all():
                points = lip_motion(landmarks[row][:, rigid], landmarks[row][:, lips])
                picture = sound_picture(AudioTrack(sound[row], 16000), len(points))
                held_out = index >= NUM_TRAINING_CLIPS
                yield TalkingClip("grid", points, picture, 0, held_out)


def _talker_clips(folder: Path) -> Iterator[TalkingClip]:
    rows = [row for row in _manifest(folder) if row["sync_ok"] == "1"]
    people = sorted({row["person"] for row in rows})
    held_back = set(np.random.default_rng(5).permutation(people)[:HELD_OUT_PEOPLE])
    own = [row["person"] for row in rows if row["group"] == "grid"]
    usual = max(set(own), key=own.count) if own else None  # s1, who is among the GRID clips, too
    for row in rows:
        if row["person"] == usual:
            continue
        others = row["group"] == "grid"
        points = lip_points(read_landmarks(folder / "landmarks" / f"{row['id']}.npz"))
        sound = AudioTrack.load(folder / row["file"])
        late = 0 if others or abs(int(row["sync_lag3"])) > _LATEST else int(row["sync_lag3"])
        yield TalkingClip(
            "grid others" if others else "talkers",
            points, sound_picture(sound, len(points)), late, others or row["person"] in held_back,
        )  # fmt: skip


def talker_landmarks(folder: Path, origin: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield person and landmarks (F, 478, 3), 25 frames a second, of each clip of a folder.

    Args:
        origin: "real" or "generated", as the folder's table says.
    """
    for row in _manifest(folder):
        if row["origin"] == origin:
            yield row["person"], read_landmarks(folder / "landmarks" / f"{row['id']}.npz")


def _manifest(folder: Path) -> list[dict[str, str]]:
    if not (folder / "MANIFEST.csv").is_file():
        raise InputError(f"{folder} holds no MANIFEST.csv; set data.talkers=FOLDER")
    with open(folder / "MANIFEST.csv", newline="") as file:
        return list(csv.DictReader(file))


def read_landmarks(path: Path) -> np.ndarray:
    """Return (F, 478, 3) px; stored as differences in time."""
    stored = np.load(path)
    return np.cumsum(stored["dq"].astype(np.int32), 0).astype(np.float32) * float(stored["scale"])
