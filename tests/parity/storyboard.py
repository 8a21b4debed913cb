"""The clips of long shots in the published pipeline, which this one plans in another way.

One extra clip, the storyboard, is made first and read as the whole shot in short. Every later clip
starts with the last frames of the one before and ends at a frame of the storyboard, so that a
person cannot drift away. Pure arithmetic. Source: the long-video scheme of SkyReels-V3 A2V.
"""

from __future__ import annotations

from dataclasses import dataclass

END_FRAMES = 5  # at the end of a clip that show its key frame


@dataclass(frozen=True)
class Clip:
    """One pass of the network over `window` frames.

    Attributes:
        first_frame: frame of the shot at which the clip starts, and its first row of audio.
        num_motion: leading frames taken over from the clip before; 0 = starts from the picture.
        keyframe: frame of the storyboard that its last `END_FRAMES` frames show; None = free.
        keep: (start, stop) of its own frames that are shown.
    """

    first_frame: int
    num_motion: int
    keyframe: int | None
    keep: tuple[int, int]


def plan_clips(
    num_frames: int, window: int = 81, num_motion: int = 5, num_dropped: int = 12
) -> tuple[Clip, ...]:
    """Return the clips of a shot in the order in which they are made.

    A shot shorter than a window is one free clip. Else the first clip is the storyboard, of which
    nothing is shown.

    Args:
        num_frames: length of the shot.
        window: frames of a clip.
        num_motion: frames that a clip takes over from the one before.
        num_dropped: frames at the end of a clip that lead into its key frame and are not shown.
    """
    stride = window - num_motion - num_dropped
    if num_frames < 1 or num_motion < 1 or num_dropped < 0 or stride < 1:
        raise ValueError(
            f"{num_frames} frames in windows of {window} with {num_motion} taken over and "
            f"{num_dropped} dropped cannot be planned"
        )
    if num_frames < window:
        return (Clip(0, 0, None, (0, num_frames)),)
    num_clips = 1 + -(-(num_frames - window) // stride)
    whole = padded_length(num_frames, window, num_motion, num_dropped)
    clips = [Clip(0, 0, None, (0, 0))]
    for index in range(num_clips):
        end = window - 1 + stride * index
        keyframe = round(end * (window - 1) / (whole - 1))
        start = num_motion if index else 0
        last = index == num_clips - 1
        stop = num_frames - stride * index if last else window - num_dropped
        clips.append(Clip(stride * index, start, keyframe, (start, stop)))
    return tuple(clips)


def padded_length(num_frames: int, window: int, num_motion: int, num_dropped: int) -> int:
    """Return the frames that all clips of a shot cover together."""
    stride = window - num_motion - num_dropped
    return window + stride * max(0, -(-(num_frames - window) // stride))


def audio_row(row: int, num_rows: int, num_padded: int) -> int:
    """Return which row of the sound is heard at a row of the clips: backwards beyond the end.

    Args:
        row: any number; held at the ends of the padded sound.
        num_rows: rows that the sound has.
        num_padded: rows that the clips ask for.
    """
    row = min(max(row, 0), max(num_padded, num_rows) - 1)
    return row if row < num_rows else max(0, 2 * num_rows - 1 - row)
