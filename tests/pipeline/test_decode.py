"""Frames of a window come in their light, counted from the beginning of the shot."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from skyreels_avatar.pipeline.decode import decode
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Reporter


class Numbering:
    """A light that adds to each frame its number."""

    def apply_to_chunks(self, chunks, first):
        for chunk in chunks:
            yield chunk + np.arange(first, first + len(chunk))[:, None, None, None]
            first += len(chunk)


@pytest.mark.parametrize("light", [None, Numbering()])
def test_light_goes_over_the_frames_that_a_window_makes(light):
    plan = plan_shot(4.0, 25.0)
    window = plan.segments[1]
    start, stop = plan.video_range(window)
    black = (np.zeros((n, 1, 1, 3), int) for n in (8, stop - start - 8))
    space = SimpleNamespace(frames=lambda latents, segment: black)
    marks = SimpleNamespace(apply=lambda frames: frames)
    reference = SimpleNamespace(frame_light=light)
    shot = SimpleNamespace(space=space, plan=plan, reference=reference, marks=marks)
    reporter = Reporter()
    frames = np.concatenate(list(decode(shot, window, None, reporter)))[:, 0, 0, 0]
    assert frames.tolist() == (list(range(start, stop)) if light else [0] * (stop - start))
    assert "decode" in reporter.seconds
