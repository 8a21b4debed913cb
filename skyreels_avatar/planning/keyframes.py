"""Key frames of long shots: where they are, and which windows make them and lead between them.

A key frame is a short window that depends on no other, at a place where the person pauses. Each
fill is a window that begins in one key frame and ends in the next, so no fill needs another: fills
can be made in any order and by different workers. Pure arithmetic.

Differs from the long videos of SkyReels-V3 (`storyboard`), whose key frames come from one window
that shows the whole shot in short and hears its beginning: these hear their own piece of the sound.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from skyreels_avatar.camera import CameraMove
from skyreels_avatar.camera.moves import eased
from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.request.camera_spec import Camera, CameraKeyframe
from skyreels_avatar.shapes import TIME_FACTOR, covering_latent_frames, pixel_frames

KEY_WINDOW = 33  # frames of the window that makes a key frame, which is in its middle
TRAVEL_BUDGET = 0.25  # of a whole camera move, between neighbouring key frames
_BORDER = 2  # frames of a key frame that the fill before it shows
_FLOOR_DB = 40.0
_SMOOTHING_S = 0.2
_LOUD_COST, _WINDOW_COST, _TRAVEL_COST = 1.0, 0.15, 4.0


@dataclass(frozen=True)
class Spacing:
    """How far apart key frames may stand, in motion frames.

    Attributes:
        window: longest fill, of the form 1 + pk.
        overlap: frames that a fill takes over at its beginning, of that form.
        shortest: shortest fill, of that form.
        time_factor: p, frames of a latent frame.
        num_last: frames at the end of a fill that its second key frame gives.
    """

    window: int = 49
    overlap: int = 9
    shortest: int = 33
    time_factor: int = TIME_FACTOR
    num_last: int = TIME_FACTOR

    @classmethod
    def of(
        cls, window: int, overlap: int, time_factor: int = TIME_FACTOR, num_last: int | None = None
    ) -> Spacing:
        """Return the spacing of a network with such windows; a whole latent frame is last."""
        num_last = time_factor if num_last is None else num_last
        return cls(window, overlap, min(cls.shortest, window), time_factor, num_last)

    @property
    def steps(self) -> range:
        """The distances of key frames: a fill reaches `num_last` frames into its second one."""
        first = max(self.overlap, self.shortest - self.num_last)
        first += (1 - self.num_last - first) % self.time_factor
        return range(first, self.window - self.num_last + 1, self.time_factor)

    @property
    def key_window(self) -> int:
        """Frames of the window that makes a key frame."""
        return min(KEY_WINDOW, self.window)


def with_keyframes(
    plan: ShotPlan, spacing: Spacing, loudness: Sequence[float], travel: Sequence[float]
) -> ShotPlan:
    """Return the plan with key frames and fills; a shot of one window stays as it is.

    Args:
        loudness: of each motion frame, 0 silent to 1 loud.
        travel: how far the camera has gone at each motion frame, 1 = one whole move.
    """
    num_frames, last = plan.num_motion_frames, spacing.num_last
    if num_frames <= spacing.window or not spacing.steps:
        return plan
    starts = place_keyframes(num_frames, spacing, loudness, travel)
    segments: list[Segment] = []
    begins = 0
    before: tuple[int, ...] = ()
    for start in starts:
        key = _keyframe(len(segments), start, spacing)
        known = spacing.overlap if before else 0
        length = start + last - begins
        keep = (begins + _BORDER if before else 0, start + _BORDER)
        needs = (*before, key.index)
        fill = Segment(key.index + 1, begins, length, known, keep, "fill", last, needs)
        segments += [key, fill]
        begins, before = start, (key.index,)
    factor = spacing.time_factor
    covering = pixel_frames(covering_latent_frames(num_frames - begins, factor), factor)
    length = max(spacing.shortest, covering)
    keep = (begins + _BORDER, num_frames)
    last = Segment(len(segments), begins, length, spacing.overlap, keep, "fill", 0, before)
    return replace(plan, segments=(*segments, last))


def place_keyframes(
    num_frames: int, spacing: Spacing, loudness: Sequence[float], travel: Sequence[float]
) -> list[int]:
    """Return the motion frames at which fills begin, but for the first one.

    They stand where it is quiet, and close enough that the camera goes no further than
    TRAVEL_BUDGET from one to the next, if the shortest windows allow it. The sum of what loud
    borders, windows and long ways cost is the smallest possible (dynamic programming).

    Args:
        num_frames: of the shot, more than one window.
        loudness, travel: see `with_keyframes`.
    """
    loudness, travel = np.asarray(loudness, float), np.asarray(travel, float)
    if len(loudness) != num_frames or len(travel) != num_frames:
        raise ValueError(
            f"{num_frames} frames need as many values of loudness and travel, "
            f"got {len(loudness)} and {len(travel)}"
        )
    best = np.full(num_frames, np.inf)
    came_from = np.full(num_frames, -1)
    ends = []
    for start in range(1, num_frames - _BORDER):
        for step in spacing.steps:
            earlier = start - step
            if earlier < 0:
                break
            so_far = best[earlier] if earlier else 0.0
            far = max(0.0, abs(travel[start] - travel[earlier]) - TRAVEL_BUDGET)
            cost = so_far + _LOUD_COST * loudness[start] + _WINDOW_COST + _TRAVEL_COST * far
            if cost < best[start]:
                best[start], came_from[start] = cost, earlier
        if num_frames - start <= spacing.window and np.isfinite(best[start]):
            far = max(0.0, abs(travel[-1] - travel[start]) - TRAVEL_BUDGET)
            ends.append((best[start] + _TRAVEL_COST * far, start))
    starts = [min(ends)[1]]
    while came_from[starts[-1]] > 0:
        starts.append(int(came_from[starts[-1]]))
    return starts[::-1]


def frame_loudness(
    samples: np.ndarray, sample_rate: int, num_frames: int, fps: float
) -> np.ndarray:
    """Return the loudness (F,) of a sound round each frame, 0 silent to 1 as loud as it gets.

    On a scale of 40 dB below the loud frames (95th percentile), averaged over a fifth of a second:
    short stops between syllables are not pauses.

    Args:
        samples: (S,) mono.
    """
    edges = np.round(np.arange(num_frames + 1) * sample_rate / fps).astype(int)
    energy = np.zeros(num_frames)
    for index, (start, stop) in enumerate(itertools.pairwise(edges)):
        heard = samples[start:stop]
        energy[index] = float(np.dot(heard, heard)) / len(heard) if len(heard) else 0.0
    loud = max(float(np.percentile(energy, 95)), 1e-12)
    level = 10 * np.log10(np.maximum(energy / loud, 1e-12))
    level = (1 + level / _FLOOR_DB).clip(0, 1)
    width = max(1, round(_SMOOTHING_S * fps)) | 1
    padded = np.pad(level, width // 2, mode="edge")
    return np.convolve(padded, np.ones(width) / width, "valid")


def camera_travel(camera: Camera, num_frames: int, fps: float) -> np.ndarray:
    """Return how far the camera has gone (F,) at each frame; every move of 100 % adds 1.

    Counted from the moves alone, before the picture is known that limits them. A swing goes
    nowhere.
    """
    if isinstance(camera, CameraMove):
        camera = (CameraKeyframe(0.0, camera),)
    times_s = torch.arange(num_frames, dtype=torch.float64) / fps
    travel = torch.zeros(num_frames, dtype=torch.float64)
    starts = sorted({keyframe.time_s for keyframe in camera})
    for keyframe in camera:
        move = keyframe.move
        if move.name in ("static", "swing"):
            continue
        end_s = next((s for s in starts if s > keyframe.time_s), float(times_s[-1]))
        progress = (times_s - keyframe.time_s) / max(end_s - keyframe.time_s, 1e-9)
        travel += move.strength * eased(progress, move.ease)
    return travel.numpy()


def _keyframe(index: int, start: int, spacing: Spacing) -> Segment:
    """Return the window that makes the frames from `start` on, in its middle."""
    first = max(0, start + spacing.overlap // 2 - spacing.key_window // 2)
    return Segment(index, first, spacing.key_window, 0, (start, start), "keyframe")
