"""Smooth sampled coefficients: blend windows, remove tremor, complete blinks.

Motion is (B, F, 32) rig coefficients of a window, of which the first `num_known` and the last
`num_last` frames were given to the sampler.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.geometry import smoothstep

LIDS = slice(MOTION_INDEX["blink_r"], MOTION_INDEX["blink_l"] + 1)
FIRST_SLOW = LIDS.stop  # coefficients after the mouth and the lids move without jerks
FIRST_STEADY = MOTION_INDEX["brow_r"]  # and from here on without sudden changes
# Where sampled jaws begin to be held, and what they come close to, / H. One in ten lively talkers
# opens lips to 0.16 and lowers the chin by 0.14; further down a rendered chin is drawn out.
OPENING = {"lip_gap": (0.09, 0.14), "jaw_drop": (0.075, 0.11)}
BROWS = slice(MOTION_INDEX["brow_r"], MOTION_INDEX["brow_l"] + 1)
LIPS = [MOTION_INDEX[name] for name in ("lip_gap", "jaw_drop", "upper_raise")]
# What few steps show less of them than is learnt.
LIPS_LOST, BROWS_LOST, TURNS_LOST, GAZE_LOST = 1.05, 1.45, 1.15, 1.25
GAZE = slice(MOTION_INDEX["gaze_x"], MOTION_INDEX["gaze_y"] + 1)
TURNS = slice(MOTION_INDEX["yaw"], MOTION_INDEX["roll"] + 1)
# Radians that yaw, pitch and roll come close to: one talker in thirty swings by twice as much, and
# pictures turned that far no longer look like themselves.
FURTHEST = 0.28, 0.2, 0.2
PUCKER = MOTION_INDEX["pucker"]
PUCKER_SURE = 0.3  # a smaller one is what few steps leave on sounds that are not rounded
# Of H: sampled talkers hold their brows that much above the picture's while they speak, where the
# skin below has no more to unfold and a raise shows no longer. Grief (0.025) and fear (0.05), which
# draw brows together, do raise them; anger (0.0) does not.
BROWS_HELD_UP = 0.019
GRIEF = 0.005, 0.02
FURROW = slice(BROWS.stop, BROWS.stop + 1)
# In a still, full smiles are faint as they were learnt, as is the lifted corner of contempt.
SMILE = MOTION_INDEX["smile"]
CORNERS = slice(MOTION_INDEX["corner_r"], MOTION_INDEX["corner_l"] + 1)
SMILES, BROADER, CORNERS_LIFTED, CORNERS_LOST = (0.3, 0.8), 0.5, 0.014, 1.5
# Fear was learnt without the lips that it stretches: brows raised and drawn together, wide eyes.
SQUINT, WIDTH = MOTION_INDEX["squint"], MOTION_INDEX["width"]
WIDE_EYED, STRETCHED = (0.3, 0.7), 0.16
BLEND_FRAMES = 24
BLINK_FRAMES = 13  # lids that are lowered for longer do not blink


def blend_at_joins(motion: torch.Tensor, num_known: int, num_last: int = 0) -> torch.Tensor:
    """Blend the slow parts of motion with the known frames at its start and end.

    Sampling leaves an error of a few hundredths of a scale, the same over many frames, which
    shows where a window begins or ends. The new frame beside the known ones is moved to where
    those were heading, and the correction fades over a second. Lips and lids are left alone.
    """
    motion = motion.clone()
    stop = motion.shape[1] - num_last
    new = motion[:, num_known:stop, FIRST_SLOW:]
    away = torch.arange(stop - num_known, device=motion.device) / BLEND_FRAMES
    before = motion[:, max(0, num_known - 2) : num_known, FIRST_SLOW:]
    after = motion[:, stop : stop + 2, FIRST_SLOW:].flip(1)
    start_error = _extrapolation_error(before, new[:, 0])
    end_error = _extrapolation_error(after, new[:, -1]) if num_last else 0 * start_error
    new += smoothstep(1.0, 0.0, away)[:, None] * start_error[:, None]
    new += smoothstep(1.0, 0.0, away.flip(0))[:, None] * end_error[:, None]
    return motion


def smooth(
    motion: torch.Tensor,
    num_known: int,
    num_last: int = 0,
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> torch.Tensor:
    """Return motion without the sampler's tremor, as wide as learnt, jaws within limits.

    Sampling in few steps leaves noise from frame to frame, a hundredth of a scale. The mean of
    a frame and its neighbors (1 2 1) leaves a quarter of it; of two nods a second 94 % stay.
    Lids and gaze, which may jump, and known frames are not smoothed. Lips, brows, gaze and turns
    are shown as far as they were learnt, lips are round or not, full smiles and lifted corners
    are broader, fear stretches the lips, and jaws that open beyond what `OPENING` says are held,
    as are heads: see `FURTHEST`. Both limits grow with the first gain.

    Args:
        gains: how much further lips open, brows move and heads turn aside than the networks can
            be told.
    """
    motion = motion.clone()
    slow = motion[..., FIRST_STEADY:]
    after = torch.cat([slow[:, 1:], slow[:, -1:]], 1)
    before = torch.cat([slow[:, :1], slow[:, :-1]], 1)
    mean = slow / 2 + (before + after) / 4
    new = slice(num_known, motion.shape[1] - num_last)
    motion[:, new, FIRST_STEADY:] = mean[:, new]
    brows, furrow = motion[:, new, BROWS], motion[:, new, FURROW].clamp(0.0, 1.0)
    motion[:, new, WIDTH] += STRETCHED * _fear(motion[:, new], brows, furrow)
    # Brows that move further come down further: they would be held up where skin ends.
    held_up = gains[1] ** 0.5 * BROWS_HELD_UP * (1 - furrow * smoothstep(*GRIEF, brows))
    motion[:, new, BROWS] = gains[1] * (BROWS_LOST * brows - held_up)
    motion[:, new, LIPS] *= LIPS_LOST * gains[0]
    smile = motion[:, new, SMILE]
    full = smoothstep(*SMILES, smile)
    motion[:, new, CORNERS] = (
        CORNERS_LOST * motion[:, new, CORNERS] + CORNERS_LIFTED * full[..., None]
    )
    motion[:, new, SMILE] = smile * (1 + BROADER * full)
    motion[:, new, PUCKER] *= smoothstep(0.0, PUCKER_SURE, motion[:, new, PUCKER])
    motion[:, new, GAZE] *= GAZE_LOST
    furthest, turns = gains[0] * motion.new_tensor(FURTHEST), motion[:, new, TURNS].clone()
    turns[..., 0] *= TURNS_LOST * gains[2]
    motion[:, new, TURNS] = furthest * torch.tanh(turns / furthest)
    for name, limits in OPENING.items():
        begins, most = (gains[0] * limit for limit in limits)
        opened = motion[:, new, MOTION_INDEX[name]]
        beyond = (opened - begins).clamp_min(0.0)
        opened += (most - begins) * torch.tanh(beyond / (most - begins)) - beyond
    return motion


def _fear(motion: torch.Tensor, brows: torch.Tensor, furrow: torch.Tensor) -> torch.Tensor:
    """Return (B, F) 0..1: brows that are raised and drawn together over wide eyes."""
    drawn = furrow[..., 0] * smoothstep(*GRIEF, brows.mean(-1))
    return drawn * smoothstep(*WIDE_EYED, -motion[..., SQUINT])


def complete_blinks(motion: torch.Tensor) -> torch.Tensor:
    """Return (B, F, 32) sampled motion whose blinks close the eyes.

    At the height of a blink, which lasts for a frame or two, samplers reach 0.4 to 0.8: an eye that
    never quite shuts. Lids that are lowered for longer, of tired people, stay about where they are.
    """
    lids = motion[..., LIDS].transpose(1, 2)  # B 2 F
    lowered = _moving_max(-_moving_max(-lids, BLINK_FRAMES), BLINK_FRAMES)
    held = smoothstep(0.03, 0.75, lowered)
    shut = held + (1 - held) * smoothstep(0.06, 0.45, lids - lowered)
    shut = shut.transpose(1, 2)
    return torch.cat([motion[..., : LIDS.start], shut, motion[..., LIDS.stop :]], -1)


def _moving_max(values: torch.Tensor, size: int) -> torch.Tensor:
    return F.max_pool1d(values, size, stride=1, padding=size // 2)


def _extrapolation_error(known: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Return how far (B, N) motion is from where its known neighbors (B, 2, N) lead."""
    return 2 * known[:, -1] - known[:, 0] - new
