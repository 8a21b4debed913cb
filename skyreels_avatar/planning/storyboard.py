"""The clips of long shots in the published pipelines of talking video: pure arithmetic.

SkyReels-V3 makes one extra clip first, the storyboard, and reads it as the whole shot in short.
Every later clip starts with the last frames of the one before and ends in a frame of the
storyboard, so that a person cannot drift away. InfiniteTalk streams: every clip goes on from the
one before and is shown the picture again. Clips are as long as those that the networks were
trained on, always; what is beyond the end of the shot is not kept.
"""

from __future__ import annotations

from dataclasses import replace

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.tiers import Tier
from skyreels_avatar.planning.segments import Segment, ShotPlan, plan_segments

_OF_ONE_LENGTH = {"streaming": "stream", "continuation": "window"}
END_FRAMES = 5  # at the end of a clip that show its key frame


def with_scheme(plan: ShotPlan, tier: Tier, filmed: bool = False) -> ShotPlan:
    """Return the plan of a shot as the tier's networks were trained to be given it.

    Args:
        filmed: the shot is footage, whose own frames are the key frames.
    """
    if tier.scheme == "overlap":
        return plan
    windows = tier.window, tier.overlap
    if tier.scheme in _OF_ONE_LENGTH:
        role = _OF_ONE_LENGTH[tier.scheme]
        segments = plan_segments(
            plan.num_motion_frames, *windows, shortest=tier.window, time_factor=plan.time_factor
        )
        return replace(plan, segments=tuple(replace(one, role=role) for one in segments))
    clips = plan_clips(plan.num_motion_frames, *windows, tier.num_dropped, storyboard=not filmed)
    return replace(plan, segments=clips)


def plan_clips(
    num_frames: int,
    window: int = 81,
    overlap: int = 5,
    num_dropped: int = 12,
    storyboard: bool = True,
) -> tuple[Segment, ...]:
    """Return the clips of a shot in the order in which they are made, the storyboard first.

    A shot shorter than a window is one free window.

    Args:
        num_frames: length of the shot in motion frames.
        window: frames of a clip.
        overlap: frames that a clip takes over from the one before.
        num_dropped: frames at the end of a clip that lead into its key frame and are not shown.
        storyboard: make one; else key frames are there already.

    Raises:
        InputError: clips of such lengths make no video.
    """
    if num_frames < window and storyboard:
        return (Segment(0, 0, window, 0, (0, num_frames)),)
    stride = window - overlap - num_dropped
    if stride < 1 or num_dropped < 0 or END_FRAMES + overlap > window:
        raise InputError(
            f"clips of {window} frames cannot take over {overlap} and drop {num_dropped} of them"
        )
    num_clips = 1 + max(0, -(-(num_frames - window) // stride))
    span = window + stride * (num_clips - 1)
    clips = [Segment(0, 0, window, 0, (0, 0), "storyboard", span=span)] if storyboard else []
    first = len(clips)
    for clip in range(num_clips):
        index, start = first + clip, stride * clip
        known = overlap if clip else 0
        stop = num_frames if clip == num_clips - 1 else start + window - num_dropped
        needs = (index - 1,) * bool(clip) + (0,) * storyboard
        keep = start + known, stop
        clips.append(Segment(index, start, window, known, keep, "clip", END_FRAMES, needs))
    return tuple(clips)
