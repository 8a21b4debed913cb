"""Penalties of motion: each falls where motion does what it asks for, and only that."""

import dataclasses

import numpy as np
import pytest
import torch

from skyreels_avatar.evaluation.lip_sync import POINTS
from skyreels_avatar.evaluation.lip_sync import lip_points as measured_points
from skyreels_avatar.evaluation.sync import loudness_db as measured_loudness
from skyreels_avatar.faces.template import template
from skyreels_avatar.models.audio_encoder import log_mel
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.fields import FaceShape
from skyreels_avatar.rig.forward_warp import move_points
from skyreels_avatar.rig.geometry import FaceFrame
from train import reward
from train.data.windows import BESIDE, WindowBatch

FRAMES = 33


def windows(count: int = 3) -> WindowBatch:
    """Return windows that say "ama u f" once each, their heads all different."""
    rng = np.random.default_rng(0)
    motion = np.zeros((count, FRAMES, 32))
    times = np.arange(FRAMES)
    motion[:, :, MOTION_INDEX["lip_gap"]] = 0.05 + 0.02 * np.sin(times * 0.8)
    for frame in (10, 11):
        motion[:, frame, MOTION_INDEX["lip_gap"]] = -0.01
        motion[:, frame, MOTION_INDEX["press"]] = 0.6
    motion[:, 15:18, MOTION_INDEX["pucker"]] = 0.8
    motion[:, 20:22, MOTION_INDEX["tuck"]] = 0.9
    motion[:, 28:, MOTION_INDEX["lip_gap"]] = 0
    for name in ("yaw", "pitch", "roll", "gaze_x", "brow_r", "brow_l", "blink_r"):
        speed, phase = rng.uniform(0.1, 0.5, (count, 1)), rng.uniform(0, 6, (count, 1))
        motion[:, :, MOTION_INDEX[name]] = 0.05 * np.sin(times * speed + phase)
    motion[:, FRAMES // 2 :, MOTION_INDEX["smile"]] = 0.6
    active = np.ones((count, FRAMES))
    active[:, 28:] = 0
    level = np.repeat(np.pad(active, ((0, 0), (BESIDE, BESIDE)), mode="edge"), 4, 1)
    mel = level[..., None] * 3.0 - 2.0 + 0.2 * rng.standard_normal((*level.shape, 80))
    known = np.zeros((count, 1 + (FRAMES - 1) // 4))
    known[:, 0] = 1
    arrays = {
        "mel": mel, "motion": motion, "known": known, "apparent": np.zeros_like(motion),
        "seen": np.ones((count, FRAMES)), "active": active, "style": np.zeros((count, 5)),
        "noise": np.zeros((count, 32, 9, 1, 4)),
    }  # fmt: skip
    tensors = {key: torch.from_numpy(value).float() for key, value in arrays.items()}
    return WindowBatch(captions=[""] * count, **tensors)


def changed(batch: WindowBatch, name: str, frames, value: float) -> torch.Tensor:
    motion = batch.motion.clone()
    motion[:, frames, MOTION_INDEX[name]] = value
    return motion


def test_what_the_windows_do_themselves_is_hardly_penalised():
    batch = windows()
    found = reward.penalties(batch.motion, batch)
    for name in ("closures", "open", "rounding", "tuck", "leaks", "opening", "ranges", "tremor"):
        assert float(found[name]) == pytest.approx(0, abs=1e-6), name
    assert float(found["expression"]) == 0


@pytest.mark.parametrize(
    ("penalty", "number", "frames", "value"),
    [
        ("closures", "lip_gap", slice(9, 13), 0.05),
        ("open", "lip_gap", slice(22, 25), 0.0),
        ("rounding", "pucker", slice(15, 18), 0.1),
        ("leaks", "pucker", slice(22, 26), 0.9),
        ("tuck", "tuck", slice(20, 22), 0.1),
        ("leaks", "tuck", slice(23, 26), 0.9),
        ("pauses", "lip_gap", slice(29, 33, 2), 0.05),
        ("tremor", "yaw", slice(1, 33, 2), 0.2),
        ("expression", "smile", slice(16, 33), 0.0),
        ("opening", "lip_gap", slice(0, 28), 0.04),
        ("ranges", "roll", slice(0, 33), 0.0),
    ],
)
def test_a_fault_is_penalised_by_the_penalty_of_its_name(penalty, number, frames, value):
    batch = windows()
    good = reward.penalties(batch.motion, batch)[penalty]
    bad = reward.penalties(changed(batch, number, frames, value), batch)[penalty]
    assert float(bad) > float(good) + 0.01


def test_what_is_given_is_not_penalised():
    batch = windows()
    batch = dataclasses.replace(batch, known=torch.ones_like(batch.known))
    found = reward.penalties(changed(batch, "lip_gap", slice(0, 33), 0.06), batch)
    assert float(found["closures"]) == float(found["open"]) == 0


def test_a_closure_may_come_a_frame_late_as_the_gate_allows():
    batch = windows()
    assert reward.closures(batch)[0].nonzero().flatten().tolist() == [10]
    late = changed(batch, "lip_gap", slice(9, 12), 0.05)
    late[:, 11, 0] = 0.0
    assert float(reward.penalties(late, batch)["closures"]) == 0


def test_heads_that_move_together_are_penalised():
    batch = windows(6)
    apart = reward.penalties(batch.motion, batch)["alike"]
    same = batch.motion[:1].expand(6, -1, -1)
    assert float(reward.penalties(same, batch)["alike"]) > 0.9 > 0.4 > float(apart)


def test_heads_that_go_on_in_pauses_are_penalised():
    batch = windows()
    active = batch.active.clone()
    active[:, 12:] = 0
    batch = dataclasses.replace(batch, active=active)
    moving = batch.motion.clone()
    still = moving.clone()
    for name in ("yaw", "pitch", "roll"):
        still[:, 12:, MOTION_INDEX[name]] = still[:, 12:13, MOTION_INDEX[name]]
    assert float(reward.penalties(still, batch)["head_pauses"]) == 0
    assert float(reward.penalties(moving, batch)["head_pauses"]) > 0.2


def test_an_opening_that_was_asked_to_be_wider_is_the_goal():
    batch = windows()
    wider = batch.motion.clone()
    wider[..., 0] *= 1.2
    as_asked, as_it_is = (
        float(reward.penalties(motion, batch, 1.2)["opening"]) for motion in (wider, batch.motion)
    )
    assert as_asked == pytest.approx(0, abs=1e-6) and as_it_is > 0.1


def test_few_steps_that_move_less_or_differ_less_between_noises_are_penalised():
    batch = windows(4)
    new = reward.new_frames(batch)
    finely = batch.motion
    same = reward.few_step_penalties(finely, finely, new)
    assert float(same["follow"]) == float(same["spread"]) == 0
    less = reward.few_step_penalties(0.8 * finely, finely, new)
    assert float(less["spread"]) > 0.01 and float(less["follow"]) > 0.001
    alike = torch.cat([finely[:2], finely[:2]])  # as much movement, whatever the noise
    assert float(reward.few_step_penalties(alike, finely, new)["spread"]) > 0.05
    mouth = finely.clone()
    mouth[..., :8] += 0.3
    assert float(reward.few_step_penalties(mouth, finely, new)["follow"]) == 0


def test_lips_that_say_something_else_displease_the_sync_network():
    """Lips of a sound's own closures, and the same lips half a second later."""
    rng = np.random.default_rng(1)
    gap = 0.03 + 0.03 * np.sin(np.cumsum(rng.uniform(0.4, 1.2, 81)))
    mel = np.repeat(gap / 0.03 - 1, 4)[None, :, None] * np.ones((1, 1, 80))
    motion = torch.zeros(1, 49, 32)
    motion[0, :, 0] = torch.from_numpy(gap[BESIDE : BESIDE + 49]).float()
    motion[0, :, 1] = 0.6 * motion[0, :, 0]
    sound = torch.from_numpy(mel).float()
    right = reward.lip_sync_error(motion, sound)
    wrong = reward.lip_sync_error(motion.roll(12, 1), sound)
    assert float(right) < float(wrong)


def test_the_loudness_of_a_window_is_that_of_the_sync_score():
    rng = np.random.default_rng(2)
    level = np.repeat(rng.uniform(0.02, 0.5, 33), 1600)
    samples = (level * rng.standard_normal(len(level)) * 0.2).astype(np.float32)
    frames = 49
    mel = log_mel(samples)[: 4 * (frames + 2 * BESIDE)][None]
    made = reward.loudness_db(mel, frames)[0].numpy()
    true = measured_loudness(samples, 16000, frames + 2 * BESIDE, 25.0)[BESIDE : BESIDE + frames]
    assert np.corrcoef(made, true)[0, 1] > 0.97
    assert np.abs((made - made.mean()) - (true - true.mean())).max() < 3


def test_points_of_the_lips_are_those_of_the_rig():
    motion = torch.zeros(4, 32)
    motion[1, 0], motion[1, 1], motion[2, MOTION_INDEX["pucker"]] = 0.06, 0.03, 0.8
    motion[3, MOTION_INDEX["width"]] = 0.1
    face = FaceFrame.of(torch.from_numpy(template().copy()[None])).points
    whole = move_points(FaceShape.of(face), motion)[:, list(POINTS)]
    moved = reward.lip_points(motion).unflatten(1, (-1, 2))
    torch.testing.assert_close(moved - moved[:1], whole - whole[:1], atol=2e-3, rtol=0)
    # ... and of the measure, which sees pixels
    height = 200.0
    pixels = template().copy() * height
    marks = np.repeat(pixels[None], 4, 0)
    scale = height * np.linalg.norm(template()[10, :2] - template()[152, :2])
    everything = move_points(FaceShape.of(face), motion).numpy()
    marks[..., :2] += (everything - everything[:1]) * scale
    seen = measured_points(marks)
    ours = reward._LIPS_SCALE * (moved - moved.mean(0)).flatten(1).numpy()
    assert np.abs(seen - ours).max() < 0.12


def test_every_penalty_leads_the_motion_that_it_judges():
    batch = windows()
    motion = batch.motion + 0.05 * torch.randn(
        batch.motion.shape, generator=torch.Generator().manual_seed(0)
    )
    motion.requires_grad_(True)
    for name, value in reward.penalties(motion, batch).items():
        if float(value) > 0:
            (gradient,) = torch.autograd.grad(value, motion, retain_graph=True)
            assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0, name
