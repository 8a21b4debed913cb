"""Performances as files: ARKit weights over time, JSON of ours or CSV of face-capture programs.

JSON: {"format": "skyreels-avatar motion", "version": 1, "fps": 25, "channels": [...], "frames":
[[...], ...]}. CSV: a column a channel, as Live Link Face records them: `Timecode`
(hours:minutes:seconds:frames), `BlendshapeCount`, then `EyeBlinkLeft` and its like.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import logging
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyreels_avatar.checks import check_number, short_repr, user_path
from skyreels_avatar.documents import read_text
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.files import atomic_write
from skyreels_avatar.rig.arkit import BLEND_SHAPES, CHANNELS, WITHOUT_COUNTERPART

logger = logging.getLogger(__name__)

SUFFIXES = (".json", ".csv")
_FORMAT, _VERSION = "skyreels-avatar motion", 1
_MAX_BYTES = 200 * 10**6  # ten hours at 25 frames a second
_LARGEST = 20.0  # of a weight; capture programs stay near 1
_DECIMALS = 7
_NOT_CHANNELS = re.compile(r"timecode|time|frame|blendshapecount|(left|right)eye(yaw|pitch|roll)")


@dataclass(frozen=True, eq=False)
class MotionTrack:
    """A performance of one person.

    Attributes:
        fps: frames per second, 1 to 240.
        weights: (F,) of each channel of `rig.arkit.CHANNELS` that is given; the others are 0.
    """

    fps: float
    weights: Mapping[str, np.ndarray]

    @property
    def num_frames(self) -> int:
        """F, the number of frames."""
        return len(next(iter(self.weights.values())))

    def resampled(self, num_frames: int, fps: float) -> MotionTrack:
        """Return the performance at another rate, held at its end where it is too short.

        Values between frames are interpolated. Both rates show the middle of each interval.
        """
        at = (np.arange(num_frames) + 0.5) * self.fps / fps - 0.5
        known = np.arange(self.num_frames)
        return MotionTrack(fps, {n: np.interp(at, known, w) for n, w in self.weights.items()})

    @classmethod
    def load(cls, path: str | Path) -> MotionTrack:
        """Read a .json or .csv file.

        Raises:
            InputError: it cannot be read, a channel is unknown, or a value is not a number.
        """
        path = motion_path(path)
        text = read_text(path, "motion file", _MAX_BYTES)
        try:
            fps, channels, rows = (_read_json if path.suffix == ".json" else _read_csv)(text)
            weights = _as_weights(channels, rows)
            check_number("fps", fps, 1, 240)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        ignored = [n for n in WITHOUT_COUNTERPART if n in weights and weights[n].any()]
        if ignored:
            logger.warning("%s: %s cannot be shown and is ignored", path, ", ".join(ignored))
        return cls(float(fps), weights)

    def save(self, path: str | Path) -> None:
        """Write every channel into a .json or .csv file, which appears when it is complete."""
        path = motion_path(path)
        zero = np.zeros(self.num_frames)
        values = np.stack([self.weights.get(name, zero) for name in CHANNELS], axis=1)
        rows = np.round(values, _DECIMALS).tolist()
        write = self._json if path.suffix == ".json" else self._csv
        try:
            with atomic_write(path) as partial:
                partial.write_text(write(rows), encoding="utf-8", newline="")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error

    def _json(self, rows: list[list[float]]) -> str:
        head = {"format": _FORMAT, "version": _VERSION, "fps": self.fps, "channels": CHANNELS}
        frames = ",\n".join(json.dumps(row) for row in rows)
        return json.dumps(head)[:-1] + ', "frames": [\n' + frames + "\n]}\n"

    def _csv(self, rows: list[list[float]]) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["Timecode", "BlendshapeCount", *map(_capitalised, CHANNELS)])
        for index, row in enumerate(rows):
            writer.writerow([_timecode(index, self.fps), len(BLEND_SHAPES), *row])
        return text.getvalue()


def motion_path(path: str | Path) -> Path:
    """Return the path of a motion file.

    Raises:
        InputError: it ends in neither .json nor .csv.
    """
    path = user_path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"a motion file ends in .json or .csv, got {path}")
    return path


def _read_json(text: str) -> tuple[float, list, list]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is damaged JSON: {str(error)[:200]}") from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise InputError(f'is not a motion file; one begins with {{"format": "{_FORMAT}"')
    if found.get("version") != _VERSION:
        raise InputError(f"has version {short_repr(found.get('version'))}; known is {_VERSION}")
    if not all(isinstance(found.get(name), list) for name in ("channels", "frames")):
        raise InputError("needs channels, a list of names, and frames, a list of lists")
    return found.get("fps"), found["channels"], found["frames"]


def _read_csv(text: str) -> tuple[float, list, list]:
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows:
        raise InputError("is empty")
    names = [name.strip() for name in rows[0]]
    if "timecode" not in map(str.lower, names):
        raise InputError("needs a column Timecode, such as 00:00:01:12 for frame 12 of second 1")
    at = [name.lower() for name in names].index("timecode")
    columns = [i for i, name in enumerate(names) if not _NOT_CHANNELS.fullmatch(name.lower())]
    if any(len(row) != len(names) for row in rows[1:]):
        raise InputError(f"needs {len(names)} values in every line, as in its first")
    frames = [[row[i] for i in columns] for row in rows[1:]]
    return _rate([row[at] for row in rows[1:]]), [names[i] for i in columns], frames


def _as_weights(channels: list, rows: list) -> dict[str, np.ndarray]:
    known = {name.lower(): name for name in CHANNELS}
    names = []
    for channel in channels:
        name = known.get(str(channel).lower().replace("_", ""))
        if name is None:
            near = difflib.get_close_matches(str(channel), CHANNELS, n=2, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise InputError(f"unknown channel {short_repr(channel)}{hint}")
        names.append(name)
    if len(set(names)) < len(names) or not names:
        raise InputError("needs channels, each of them once")
    if not rows:
        raise InputError("has no frames")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(names):
            raise InputError(f"frame {number} needs {len(names)} values, one a channel")
    try:
        values = np.array(rows, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"has a value that is not a number: {str(error)[:100]}") from error
    if not (np.isfinite(values).all() and (np.abs(values) <= _LARGEST).all()):
        raise InputError(f"has a value that is not between -{_LARGEST:g} and {_LARGEST:g}")
    return dict(zip(names, values.T))


def _rate(timecodes: list[str]) -> float:
    """Return frames per second of timecodes: how many share a second, in most whole seconds."""
    seconds = []
    for code in timecodes:
        parts = re.fullmatch(r"\s*(\d+):(\d+):(\d+)[:;.](\d+(?:\.\d+)?)\s*", code)
        if parts is None:
            raise InputError(f"has no timecode like 00:00:01:12 but {short_repr(code)}")
        hours, minutes, whole = (int(part) for part in parts.groups()[:3])
        seconds.append(3600 * hours + 60 * minutes + whole)
    counts = Counter(seconds)
    whole = [counts[second] for second in list(dict.fromkeys(seconds))[1:-1]]
    if whole:
        return float(Counter(whole).most_common(1)[0][0])
    if len(counts) < 2:
        raise InputError("is shorter than a second, too short to tell its rate; give JSON")
    return float(max(counts.values()))  # it begins or ends with a whole one


def _timecode(index: int, fps: float) -> str:
    second = math.floor(index / fps + 1e-9)
    frame = index - math.ceil(second * fps - 1e-9)
    minutes, seconds = divmod(second, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}:{frame:02d}.000"


def _capitalised(name: str) -> str:
    return name[0].upper() + name[1:]
