"""What is wrong with sampled motion, as penalties with gradients: 0 is as good as it gets.

Each compares motion with what its window asks: where lips meet and where they must not, rounding,
lower lips under the teeth, pauses, the sound. What people do more or less of is held in bands round
the windows' own statistics: beyond them less is asked for, and never more for more's sake.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F

from skyreels_avatar.evaluation.lip_sync import MAX_OFFSET, POINTS, shipped_network
from skyreels_avatar.evaluation.sync import FLOOR_DB, QUIET_DB
from skyreels_avatar.faces.template import template
from skyreels_avatar.models.audio_encoder import LOG_MEAN, LOG_STD
from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_SCALE
from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    MotionValues,
    face_field,
    mouth_field,
)
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    FaceFrame,
    interpolate_columns,
)
from skyreels_avatar.rig.smoothing import FIRST_STEADY
from train.data.cache import MEL_PER_FRAME
from train.data.windows import BESIDE, WindowBatch
from train.objective import LATENT_STD

_PRESSED = 0.3  # of the motion number `press`, at its height: p, b, m
_SHUT, _PARTED = 0.002, 0.015  # / H: what a closure is asked for, and what all else in speech
_OPEN = 0.02  # / H: where the window's own lips are further apart they are not about to meet
_ROUNDED, _UNROUNDED, _ROUND_SHARE = 0.4, 0.1, 0.85
_TUCKED, _UNTUCKED, _TUCK_SHARE = 0.4, 0.05, 0.8
_LEAK_SLACK = 0.05  # of pucker and tuck, where there is none
_QUIET_RATIO = 0.20  # movement of the lips in pauses by that in speech: people have 0.18
_LOUDNESS_R = 0.45  # of a lively reader: more is a mouth that opens with loudness
_OPENING_BAND, _RANGE_BAND, _TREMOR = 1.03, 1.2, 1.25  # factors
_EXPRESSION_SLACK = 0.25  # of a scale
_ALIKE = 0.05
_HEAD_QUIET_RATIO, _FAR_FROM_SPEECH = 0.38, 4  # speed in pauses by that in speech; frames
_FEW_STEPS_BAND, _LEAST_SPREAD = 1.02, 0.05  # factor; in usual spreads
_SPEECH_BINS = slice(8, 61)  # of the mel axis: 300 to 4000 Hz
_WIDER = 1.0303  # each bin than the one below; what a bin holds is the mean of its band
_FAR, _FILMED = 5, 0.45  # frames; what one filmed reader reaches
_LIPS_SCALE = 20.0  # displacements / H as the sync network sees them
_RANGES = (("yaw",), ("pitch",), ("roll",), ("brow_r", "brow_l"), ("gaze_x",), ("blink_r",))
_HEAD = [MOTION_INDEX[name] for name in ("yaw", "pitch", "roll")]
_EXPRESSION = [
    MOTION_INDEX[name]
    for name in (
        "brow_r", "brow_l", "furrow", "squint", "smile", "frown", "cheek", "sneer", "skew",
        "corner_r", "corner_l", "chin",
    )
]  # fmt: skip


def penalties(
    motion: torch.Tensor, batch: WindowBatch, opening_factor: float = 1.0
) -> dict[str, torch.Tensor]:
    """Return the named penalties of (B, F, 32) motion, scalars of about unit range.

    Args:
        motion: sampled for the windows.
        batch: the windows, on the same device; its sound as it was recorded, without variations.
        opening_factor: the spread of the lip gap that is asked for, by that of the windows.
    """
    new = new_frames(batch)
    spoken = new * (batch.active > 0.5)
    loudness = loudness_db(batch.mel, motion.shape[1])
    return {
        **_lips(motion, batch, spoken),
        **_with_loudness(motion, loudness, new),
        "lips": lip_sync_error(motion, batch.mel),
        **_bands(motion, batch.motion, new, spoken, opening_factor),
        "expression": _expression(motion, batch, new),
        "alike": _alike(motion),
        "head_pauses": _heads_in_pauses(motion, batch.active, new),
    }


def few_step_penalties(
    motion: torch.Tensor, finely: torch.Tensor, new: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return what few steps miss of many that go from the same noise, in head, brows and face.

    Args:
        motion: (2 P, F, 32) of few steps: P windows twice, with other noise the second time.
        finely: the same of many steps.
        new: (2 P, F) of `new_frames`.

    Returns:
        "follow", the mean square in usual spreads, and "spread", by what logarithm the spread over
        frames, and that between the two noises of a window, are off, in the mean over numbers.
    """
    usual = LATENT_STD * torch.tensor(MOTION_SCALE, device=motion.device)[FIRST_STEADY:]
    made, asked = (some[..., FIRST_STEADY:] / usual for some in (motion, finely))
    weights = new[..., None].expand_as(made)
    both = new.chunk(2)[0][..., None].expand_as(made.chunk(2)[0])
    spreads = []
    for some in (made, asked):
        middle = (some * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp_min(1.0)
        first, second = some.chunk(2)
        over_frames = _root_mean_square(some - middle, weights)
        spreads.append(torch.stack([over_frames, _root_mean_square(first - second, both)]))
    return {
        "follow": _mean((made - asked).square(), weights),
        "spread": _outside(*(some + _LEAST_SPREAD for some in spreads), _FEW_STEPS_BAND).mean(),
    }


def new_frames(batch: WindowBatch) -> torch.Tensor:
    """Return (B, F) 1 where the frame is sampled and 0 where it is given."""
    frames = batch.known[:, 1:].repeat_interleave(4, 1)
    return 1 - torch.cat([batch.known[:, :1], frames], 1)


def closures(batch: WindowBatch) -> torch.Tensor:
    """Return (B, F) bool: the frames in the middle of p, b and m."""
    press, gap = _column(batch.motion, "press"), _column(batch.motion, "lip_gap")
    around = F.pad(press, (1, 1))
    peak = (press > around[:, :-2]) & (press >= around[:, 2:])
    return peak & (press > _PRESSED) & (gap < _SHUT) & (batch.active > 0.5)


def least_gap(motion: torch.Tensor) -> torch.Tensor:
    """Return (B, F) the least lip gap within a frame, as the closure gate judges it."""
    return -F.max_pool1d(-_column(motion, "lip_gap"), 3, stride=1, padding=1)


def loudness_db(mel: torch.Tensor, num_frames: int) -> torch.Tensor:
    """Return (B, F) dB of 300 to 4000 Hz in 80 ms round each frame of windows of sound.

    Args:
        mel: (B, 4 (F + 2 BESIDE), 80), with BESIDE frames on either side.
    """
    bins = mel[..., _SPEECH_BINS]
    widths = _WIDER ** torch.arange(bins.shape[-1], device=mel.device)
    power = (10.0 ** (bins * LOG_STD + LOG_MEAN)) @ widths
    smooth = F.avg_pool1d(power[:, None], 2 * MEL_PER_FRAME, stride=1)[:, 0]
    first = MEL_PER_FRAME * BESIDE - MEL_PER_FRAME // 2
    taken = smooth[:, first : first + MEL_PER_FRAME * num_frames : MEL_PER_FRAME]
    return 10 * torch.log10(taken + 1e-12)


def lip_sync_error(motion: torch.Tensor, mel: torch.Tensor) -> torch.Tensor:
    """Return by how much lips and their sound are less alike than those of a filmed reader.

    Of the shipped sync network and the average face: cosine of the embeddings of a frame less the
    mean of those of the same lips and the sound 5 to 15 frames off, mean over a window.
    """
    batch, frames = motion.shape[:2]
    network = _sync_network(motion.device)
    points = lip_points(motion.flatten(0, 1)).unflatten(0, (batch, frames))
    lips = network.embed_lips(_LIPS_SCALE * (points - points.mean(1, keepdim=True)))
    with torch.no_grad():
        inside = mel[:, MEL_PER_FRAME * BESIDE : MEL_PER_FRAME * (BESIDE + frames)]
        heard = network.embed_sound(inside)
    alike = lips @ heard.transpose(1, 2)
    at = torch.arange(frames, device=motion.device)
    apart = (at[:, None] - at).abs()
    wrong = ((apart >= _FAR) & (apart <= MAX_OFFSET)).float().expand_as(alike)
    right = alike.diagonal(dim1=1, dim2=2).mean(1)
    others = (alike * wrong).sum((1, 2)) / wrong.sum((1, 2)).clamp_min(1.0)
    return (_FILMED - right + others).relu().mean()


def lip_points(motion: torch.Tensor) -> torch.Tensor:
    """Return (N, 94), of H: where (N, 32) motion moves lips and chin of the average face."""
    shape, lower = _average_face(motion.device)
    points, values = shape.points[:, list(POINTS), :2], MotionValues(motion)
    sides = mouth_field(points, shape, values)
    mouth = torch.where(lower, sides[:, LOWER], sides[:, UPPER])
    moved = points + mouth + face_field(points, shape, values)
    return moved.flatten(1)


def _lips(
    motion: torch.Tensor, batch: WindowBatch, spoken: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return penalties of lips that do not meet, are not round or tucked, or are so elsewhere."""
    true = batch.motion
    gap, pucker, tuck = (_column(motion, name) for name in ("lip_gap", "pucker", "tuck"))
    middle = closures(batch) * spoken
    near = F.max_pool1d(middle[:, None], 3, stride=1, padding=1)[:, 0]
    apart = spoken * (_column(true, "lip_gap") > _OPEN) * (1 - near)
    true_pucker, true_tuck = _column(true, "pucker"), _column(true, "tuck")
    rounded, unrounded = spoken * (true_pucker > _ROUNDED), spoken * (true_pucker < _UNROUNDED)
    tucked, untucked = spoken * (true_tuck > _TUCKED), spoken * (true_tuck < _UNTUCKED)
    scale = MOTION_SCALE[MOTION_INDEX["lip_gap"]]
    return {
        "closures": _mean((least_gap(motion) - _SHUT).relu() / scale, middle),
        "open": _mean((_PARTED - gap).relu() / scale, apart),
        "rounding": _mean((_ROUND_SHARE * true_pucker - pucker).relu(), rounded),
        "tuck": _mean((_TUCK_SHARE * true_tuck - tuck).relu(), tucked),
        "leaks": _mean((pucker - true_pucker - _LEAK_SLACK).relu(), unrounded)
        + _mean((tuck - true_tuck - _LEAK_SLACK).relu(), untucked),
    }


def _with_loudness(
    motion: torch.Tensor, loudness: torch.Tensor, new: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return penalties of lips that move in pauses, and that do not go with the sound at all."""
    gap = _column(motion, "lip_gap").clamp_min(0.0)  # what is less is shown as 0
    top = loudness.quantile(0.95, 1, keepdim=True)
    quiet = new * (loudness < top - QUIET_DB)
    loud = new * (loudness >= top - QUIET_DB)
    speed = (gap.diff(dim=1)).abs() / MOTION_SCALE[MOTION_INDEX["lip_gap"]]
    in_pauses = _mean(speed, quiet[:, 1:])
    in_speech = _mean(speed, loud[:, 1:]).detach()
    sound = torch.maximum(loudness, top - FLOOR_DB)
    heard = (loudness.amax(1) - loudness.amin(1) > QUIET_DB).float()
    r = pearson(gap, sound, new)
    return {
        "pauses": (in_pauses / in_speech.clamp_min(1e-4) - _QUIET_RATIO).relu(),
        "loudness": _mean((_LOUDNESS_R - r).relu(), heard),
    }


def _bands(
    motion: torch.Tensor,
    true: torch.Tensor,
    new: torch.Tensor,
    spoken: torch.Tensor,
    opening_factor: float,
) -> dict[str, torch.Tensor]:
    """Return how far statistics of the whole batch are outside of bands round the windows' own."""
    ranges = []
    for names in _RANGES:
        made, asked = (
            sum(_column(some, name) for name in names) / len(names) for some in (motion, true)
        )
        ranges.append(_outside(_spread(made, new), _spread(asked, new), _RANGE_BAND))
    gap, true_gap = _column(motion, "lip_gap"), _column(true, "lip_gap")
    still = new[:, 2:] * new[:, :-2]
    tremor = [
        _mean(_jerk(some), still[..., None].expand_as(_jerk(some))) for some in (motion, true)
    ]
    opening = opening_factor * _spread(true_gap, spoken)
    return {
        "opening": _outside(_spread(gap, spoken), opening, _OPENING_BAND),
        "ranges": torch.stack(ranges).mean(),
        "tremor": (tremor[0] / tremor[1].clamp_min(1e-6) - _TREMOR).relu(),
    }


def _expression(motion: torch.Tensor, batch: WindowBatch, new: torch.Tensor) -> torch.Tensor:
    """Return how far the face of the later half is from what the prompt had it do."""
    half = motion.shape[1] // 2
    scale = torch.tensor(MOTION_SCALE, device=motion.device)[_EXPRESSION]
    weight = new[:, half:, None]
    count = weight.sum(1).clamp_min(1.0)
    made, asked = (
        (some[:, half:, _EXPRESSION] * weight).sum(1) / count / scale
        for some in (motion, batch.motion)
    )
    return ((made - asked).abs() - _EXPRESSION_SLACK).relu().mean()


def _alike(motion: torch.Tensor) -> torch.Tensor:
    """Return by how much heads of different windows go together, in the mean over pairs."""
    paths = motion[..., _HEAD]
    paths = F.normalize(paths - paths.mean(1, keepdim=True), dim=1)
    together = torch.einsum("aft,bft->tab", paths, paths)
    count = len(motion)
    pairs = (together.sum((1, 2)) - together.diagonal(dim1=1, dim2=2).sum(1)) / max(
        count * (count - 1), 1
    )
    return (pairs - _ALIKE).relu().mean()


def _heads_in_pauses(motion: torch.Tensor, active: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Return by how much heads move more in pauses than they should, by their speed in speech."""
    speed = (motion[..., _HEAD].diff(dim=1).square().sum(-1) + 1e-10).sqrt()
    reach = _FAR_FROM_SPEECH
    near = F.max_pool1d((active > 0.5).float()[:, None], 2 * reach + 1, 1, reach)[:, 0]
    settled = new[:, 1:] * new[:, :-1]
    in_pauses = _mean(speed, settled * (1 - near[:, 1:]))
    in_speech = _mean(speed, settled * (active[:, 1:] > 0.5)).detach()
    return (in_pauses / in_speech.clamp_min(1e-5) - _HEAD_QUIET_RATIO).relu()


def _column(motion: torch.Tensor, name: str) -> torch.Tensor:
    return motion[..., MOTION_INDEX[name]]


def _jerk(motion: torch.Tensor) -> torch.Tensor:
    """Return the size of the second differences of what should move smoothly, in scales."""
    scale = torch.tensor(MOTION_SCALE, device=motion.device)[FIRST_STEADY:]
    return (motion[..., FIRST_STEADY:] / scale).diff(n=2, dim=1).abs()


def _spread(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation of (B, F) values within their windows, over the batch."""
    middle = (values * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp_min(1.0)
    return (_mean((values - middle).square(), weights) + 1e-10).sqrt()


def _root_mean_square(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return (C,) of (B, F, C) values."""
    total = (values.square() * weights).sum((0, 1)) / weights.sum((0, 1)).clamp_min(1.0)
    return (total + 1e-10).sqrt()


def _outside(made: torch.Tensor, asked: torch.Tensor, factor: float) -> torch.Tensor:
    """Return by what logarithm `made` is further than a factor from `asked`."""
    apart = (made.clamp_min(1e-5) / asked.clamp_min(1e-5)).log().abs()
    return (apart - float(torch.tensor(factor).log())).relu()


def pearson(first: torch.Tensor, second: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return (B,) weighted r of (B, F) curves."""
    share = weights / weights.sum(1, keepdim=True).clamp_min(1.0)
    first, second = (some - (some * share).sum(1, keepdim=True) for some in (first, second))
    spread = ((first**2 * share).sum(1) * (second**2 * share).sum(1) + 1e-8).sqrt()
    return (first * second * share).sum(1) / spread


def _mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1.0)


@cache
def _average_face(device: torch.device) -> tuple[FaceShape, torch.Tensor]:
    """Return the average face and which of POINTS, (1, 47, 1), are of its lower half."""
    points = FaceFrame.of(torch.from_numpy(template().copy()[None])).points.to(device)
    shape = FaceShape.of(points)
    across, down = points[:, list(POINTS), 0], points[:, list(POINTS), 1]
    middle = (shape.upper_y + shape.lower_y) / 2
    lower = down > interpolate_columns(across, shape.lip_x, middle)
    for place, point in enumerate(POINTS):
        if point in INNER_UPPER or point in INNER_LOWER[1:-1]:
            lower[:, place] = point in INNER_LOWER[1:-1]
    return shape, lower[..., None]


@cache
def _sync_network(device: torch.device) -> torch.nn.Module:
    return shipped_network().to(device).eval().requires_grad_(False)
