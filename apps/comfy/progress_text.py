"""Lines of text that a node shows while it works, and when it is done."""

from __future__ import annotations

import skyreels_avatar as sa

_STAGES = {
    "wait": "waiting for another run",
    "read": "reading",
    "load": "loading the networks",
    "analyse": "looking at the picture",
    "encode": "listening and reading the prompt",
    "denoise": "sampling the performance",
    "decode": "drawing frames",
    "write": "writing frames",
    "finish": "finishing the file",
}


def progress_text(progress: sa.Progress) -> str:
    """Return what is done, how many frames are finished, and how many seconds are left."""
    number = getattr(progress, "number", 0)  # of a film
    shot = f"shot {number}: " if number else ""
    if not progress.done:
        return f"{shot}{_STAGES.get(progress.stage, progress.stage)} ..."
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    return f"{shot}{progress.done} of {progress.total} frames{left}"


def result_text(made: sa.GenerationResult | sa.FilmResult, seconds: float) -> str:
    """Return what was made, how long it took, and what was adjusted."""
    first = f"{made.num_frames} frames of {made.width}x{made.height} in {seconds:.1f} s"
    return "\n".join([first, *(f"Note: {warning}" for warning in made.warnings)])
