"""Motion of a stream: it grows window by window and depends on sound and seed alone."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.live.performer import (
    QUICK,
    STEADY,
    WINDOW,
    Direction,
    Interrupted,
    Performer,
)
from skyreels_avatar.live.scene import LiveScene
from skyreels_avatar.live.timeline import Timeline
from skyreels_avatar.rig.coefficients import NUM_MOTION


@pytest.fixture(scope="module")
def scene(avatar, parts) -> LiveScene:
    with torch.no_grad():
        return LiveScene(avatar, parts, 25.0, 0)


def _roll(parts, scene, seed=0, frames=40, change=None, pace=STEADY) -> torch.Tensor:
    performer = Performer(parts, torch.zeros(1, NUM_MOTION), seed, 7)
    performer.hop = pace.hop
    timeline, rows = Timeline(1920), []
    for frame in range(frames):
        while timeline.num_blocks < frame + 1 + pace.lookahead:
            timeline.append(None)
        if change is not None:
            change(frame, performer)
        passage = performer.passage(float(frame), timeline, scene)
        rows.append(parts.vae.unpack(passage.latents)[0, frame - passage.first])
    return torch.stack(rows)


@torch.no_grad()
def test_the_first_frame_is_the_photo_and_a_seed_is_a_performance(parts, scene):
    motion = _roll(parts, scene)
    assert motion.shape == (40, NUM_MOTION) and not motion[0].any()
    assert torch.equal(motion, _roll(parts, scene))
    assert not torch.allclose(motion[20:], _roll(parts, scene, seed=1)[20:])


@torch.no_grad()
@pytest.mark.parametrize("pace", [STEADY, QUICK])
def test_a_window_makes_a_few_frames_and_memory_stays_flat(parts, scene, pace):
    performer = Performer(parts, torch.zeros(1, NUM_MOTION), 0, 7)
    performer.hop = pace.hop
    timeline = Timeline(1920)
    for frame in range(120):
        while timeline.num_blocks < frame + 1 + pace.lookahead:
            timeline.append(None)
        passage = performer.passage(float(frame), timeline, scene)
        assert frame < performer.made == passage.made <= frame + pace.hop
        assert timeline.num_blocks > performer.made  # it hears beyond what it keeps
    assert len(passage.motion) == 2 * WINDOW


@torch.no_grad()
@pytest.mark.parametrize("pace", [STEADY, QUICK])
@pytest.mark.parametrize("shown", [26, 27, 28, 29])
def test_an_interrupted_mouth_is_shut_in_the_second_frame_after_that_on_show(
    parts, scene, shown, pace
):
    def interrupt(frame, performer):
        if frame == shown + 1:
            performer.interrupt(shown)
            assert performer.made > shown + 2  # sampling takes as long as there is time

    plain = _roll(parts, scene, pace=pace)
    motion = _roll(parts, scene, frames=46, change=interrupt, pace=pace)
    assert torch.allclose(motion[: shown + 1], plain[: shown + 1])
    assert motion[shown + 2 : shown + 13, :8].abs().max() < 1e-4
    assert plain[shown + 2, :8].abs().max() > 1e-3


@torch.no_grad()
def test_where_pictures_are_few_a_mouth_is_shut_in_the_next_frame(parts, scene):
    def interrupt(frame, performer):
        if frame == 28:
            performer.interrupt(27, at_once=True)

    motion = _roll(parts, scene, frames=46, change=interrupt)
    assert motion[28:39, :8].abs().max() < 1e-4


@torch.no_grad()
def test_what_is_not_wanted_any_more_is_not_sampled_to_its_end(parts, scene):
    def stop():
        raise Interrupted

    def interrupt(frame, performer):
        if frame != 25:
            return
        performer.check, made = stop, performer.made
        timeline = Timeline(1920)
        for _ in range(60):
            timeline.append(None)
        with pytest.raises(Interrupted):
            performer.passage(float(made), timeline, scene)
        assert performer.made == made
        performer.check = lambda: None

    assert torch.equal(_roll(parts, scene, change=interrupt), _roll(parts, scene))


@torch.no_grad()
@pytest.mark.parametrize("ahead", [1, 4, 9, 25])
def test_a_mouth_is_interrupted_before_frames_that_were_made(parts, scene, ahead):
    performer = Performer(parts, torch.zeros(1, NUM_MOTION), 0, 7)
    timeline = Timeline(1920)
    for _ in range(40 + STEADY.lookahead):
        timeline.append(None)

    def mouths(first, count):
        rows = []
        for frame in range(first, first + count):
            passage = performer.passage(float(frame), timeline, scene)
            rows.append(parts.vae.unpack(passage.latents)[0, frame - passage.first, :8])
        return torch.stack(rows)

    mouths(0, 36)
    shown = 35 - ahead
    performer.interrupt(shown)
    assert mouths(shown + 1, 12)[1:].abs().max() < 1e-4


@torch.no_grad()
def test_a_direction_changes_what_comes_and_nothing_before(parts, scene):
    def calm(frame, performer):
        if frame == 21:
            performer.direct(Direction("", "calm", 20.0))

    plain, motion = _roll(parts, scene), _roll(parts, scene, change=calm)
    assert torch.equal(motion[:21], plain[:21])
