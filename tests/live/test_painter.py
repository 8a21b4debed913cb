"""Pictures are drawn here at once, and marked as was asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.live.painter import Job, Look, Painter


@pytest.fixture
def job(parts) -> Job:
    """Three frames of somebody at rest."""
    latents = parts.vae.pack(torch.zeros(1, 33, 32)).numpy()
    return Job([4, 5, 6], latents, [4.0, 5.0, 6.0])


@torch.no_grad()
def test_every_picture_that_was_asked_for_is_there_at_once(avatar, parts, job):
    painter = Painter(avatar, parts, Look(25.0, 0, 7, None))
    pictures = painter.submit(job).result(timeout=0)
    assert list(pictures) == job.frames
    assert {one.shape for one in pictures.values()} == {avatar.picture.shape}
    assert painter.stages.keys() == {"picture", "face", "marks"} and painter.left_s == 0


@torch.no_grad()
def test_marks_are_drawn_where_they_are_wanted(avatar, parts, job):
    plain, marked, labeled = (
        Painter(avatar, parts, Look(25.0, 0, *marks)).draw(job)[4].astype(int)
        for marks in ((None, None), (7, None), (None, "made by a computer"))
    )
    assert np.abs(marked - plain).max() > 0
    assert np.abs(labeled - plain).max() > 50
