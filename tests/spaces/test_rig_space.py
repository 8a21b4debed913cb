"""What a window of rig coefficients knows, and what it hands on; the reference is a stub."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.planning.keyframes import Spacing, with_keyframes
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.spaces.rig_space import RigGroupSpace, RigSpace


class Still:
    """A reference in which the head is at rest but for a lip gap, and half of it is seen."""

    def looks(self, seed, device):
        return [seed]

    def first_motion(self):
        motion = torch.zeros(1, NUM_MOTION)
        motion[0, MOTION_INDEX["lip_gap"]] = 0.03
        return motion

    def apparent_motion(self, at):
        motion = torch.zeros(len(at), NUM_MOTION)
        motion[:, MOTION_INDEX["yaw"]] = 0.001 * at
        return motion, torch.full((len(at),), 0.5)


@pytest.fixture(scope="module")
def vae() -> FaceRig:
    return FaceRig(8).eval()


@pytest.fixture(scope="module")
def plan():
    return plan_shot(4.0, 25.0, 25.0, window=33, overlap=9)


@pytest.fixture(scope="module")
def keyed(plan):
    loudness = np.ones(plan.num_motion_frames)
    return with_keyframes(plan, Spacing.of(33, 9, 4), loudness, np.zeros(plan.num_motion_frames))


def rising(segment) -> torch.Tensor:
    """Return coefficients (1, F, 32) whose yaw is the number of the frame of the shot / 1000."""
    motion = torch.zeros(1, segment.num_frames, NUM_MOTION)
    motion[0, :, MOTION_INDEX["yaw"]] = torch.arange(segment.first_frame, segment.stop) / 1000
    return motion


def of(known) -> tuple[torch.Tensor, torch.Tensor]:
    return known.latents, known.mask


def yaw(vae: FaceRig, latents: torch.Tensor) -> torch.Tensor:
    return vae.unpack(latents)[0, :, MOTION_INDEX["yaw"]] * 1000


def test_the_first_window_starts_from_the_picture_and_later_ones_from_the_last_frames(vae, plan):
    space = RigSpace(vae, plan, Still(), 0)
    first, second = plan.segments[:2]
    known, mask = of(space.known(first, ()))
    assert mask[0, 0].flatten(1).sum(1).nonzero().flatten().tolist() == [0]
    gap = vae.unpack(known[:, :, :1])[0, 0, MOTION_INDEX["lip_gap"]]
    assert float(gap) == pytest.approx(0.03, abs=1e-5)
    known, mask = of(space.known(second, [(first, vae.pack(rising(first)))]))
    assert mask[:, :, :3].all() and not mask[:, :, 3:].any()  # 1 + 2 x 4 frames
    frames = torch.arange(first.stop - 9, first.stop).float()
    torch.testing.assert_close(yaw(vae, known[:, :, :3]), frames, atol=1e-3, rtol=0)


def test_a_fill_knows_frames_at_both_of_its_ends_and_a_key_frame_none(vae, keyed):
    space = RigSpace(vae, keyed, Still(), 0)
    key = next(segment for segment in keyed.segments if segment.role == "keyframe")
    known, mask = of(space.known(key, []))
    assert known.abs().sum() == 0 and mask.sum() == 0
    fill = next(s for s in keyed.segments if s.num_known_frames and s.num_last_frames)
    ends = [(keyed.segments[i], vae.pack(rising(keyed.segments[i]))) for i in fill.needs]
    known, mask = of(space.known(fill, ends))
    at = yaw(vae, known)
    given = mask[0, 0, :, 0, 0].bool().nonzero().flatten()
    assert given[0] == 0 and given[-1] == known.shape[2] - 1 and len(given) < known.shape[2]
    torch.testing.assert_close(at[0], torch.tensor(float(fill.first_frame)), atol=1e-3, rtol=0)
    last = torch.arange(fill.stop - fill.num_last_frames, fill.stop).float()
    torch.testing.assert_close(at[-fill.num_last_frames :], last, atol=1e-3, rtol=0)


def test_control_latents_are_the_apparent_motion_of_the_window_and_the_share_that_is_seen(
    vae, plan
):
    control = RigSpace(vae, plan, Still(), 0).control(plan.segments[1])
    channels = vae.pack(rising(plan.segments[1])).shape[1]
    frames = torch.arange(plan.segments[1].first_frame, plan.segments[1].stop).float()
    torch.testing.assert_close(yaw(vae, control[:, :channels]), frames, atol=1e-3, rtol=0)
    assert control.shape[1] == channels + 4 and (control[:, channels:] == 0.5).all()


def test_a_performance_is_cut_into_windows_and_read_back_without_overlap(vae, plan):
    space = RigSpace(vae, plan, Still(), 0)
    motion = torch.randn(plan.num_motion_frames, NUM_MOTION) * 0.01
    read = torch.cat([space.motion(space.latents_of(motion, s), s) for s in plan.segments])
    torch.testing.assert_close(read[: len(motion)], motion, atol=1e-5, rtol=0)


def test_several_persons_are_a_batch_of_their_own_spaces(vae, plan):
    group = RigSpace.open(vae, plan, [Still(), Still()], seed=4)
    assert isinstance(group, RigGroupSpace)
    assert [space.decoder.looks for space in group._spaces] == [[4], [5]]
    first, second = plan.segments[:2]
    known, mask = of(group.known(first, ()))
    assert len(known) == len(mask) == 2
    latents = torch.cat([vae.pack(rising(first)), vae.pack(0 * rising(first))])
    carried = group.known(second, [(first, latents)]).latents[:, :, :3]
    assert yaw(vae, carried[:1]).min() > 1 and yaw(vae, carried[1:]).abs().max() < 1e-3
    assert isinstance(RigSpace.open(vae, plan, [Still()], 0), RigSpace)
