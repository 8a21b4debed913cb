"""What `skyreels-avatar plan` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from skyreels_avatar.pipeline.estimate import ShotEstimate


def plan_table(shot: ShotEstimate) -> Table:
    """Return the estimate of a shot as rows of a name and a value."""
    table = Table(box=None, show_header=False, pad_edge=False)
    rows = {
        "video": f"{shot.width}x{shot.height}, {shot.num_frames} frames at {shot.fps:g} fps, "
        f"{shot.duration_s:.2f} s",
        "windows": f"{len(shot.segments)} of up to {max(s.num_frames for s in shot.segments)} "
        f"motion frames, {shot.num_inference_steps} steps each",
        "memory": f"about {shot.memory_mb / 1000:.1f} GB, whatever the length",
        "time": f"about {shot.seconds:.0f} s on {shot.machine}",
    }
    if shot.num_workers > 1:
        rows["time"] += " for each worker"
        rows["workers"] = _rounds(shot)
    for name, value in rows.items():
        table.add_row(name, value)
    for segment in shot.segments:
        first, last = segment.keep[0], segment.keep[1] - 1
        known = segment.num_known_frames + segment.num_last_frames
        said = f", {known} known" if known else ""
        shown = f"motion frames {first} to {last} of" if last >= first else "motion frames:"
        table.add_row(
            f"  {segment.role} {segment.index + 1}",
            f"{shown} {segment.num_frames} from {segment.first_frame}{said}",
        )
    return table


def _rounds(shot: ShotEstimate) -> str:
    first, pictures = shot.rounds
    said = f"{shot.num_workers}; {pictures} rounds of windows with their pictures"
    if any(segment.role == "keyframe" for segment in shot.segments):
        return f"{said}, after {first} rounds of key frames"
    return f"{said}, after one has sampled {first} windows in turn" if first else said
