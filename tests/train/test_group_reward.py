"""What a sample is worth: each penalty falls on the sample that deserves it, and on it alone."""

import numpy as np
import pytest
import torch

from skyreels_avatar.evaluation.motion_statistics import GROUPS, shipped_table
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from tests.train.test_reward import FRAMES, windows
from train.config import RewardConfig
from train.group_reward import Critic, critic_loss, event_penalties, judge_samples, weighed

CLOSURE, OPEN = slice(9, 13), slice(21, 24)


def groups(size: int = 3) -> torch.Tensor:
    """Return samples that are the windows' own motion, all alike."""
    return windows().motion[:, None].repeat(1, size, 1, 1)


def test_the_windows_own_motion_is_right():
    found = event_penalties(windows().motion, windows())
    assert set(found) == {"missed", "untimely", "nods", "unnatural"}
    assert all(float(value.abs().max()) == 0 for value in found.values())


@pytest.mark.parametrize("name, frames, gap", [("missed", CLOSURE, 0.03), ("untimely", OPEN, 0.0)])
def test_events_are_counted_where_they_are(name, frames, gap):
    motion = groups()
    motion[1, 2, frames, MOTION_INDEX["lip_gap"]] = gap
    found = judge_samples(motion, windows(), Critic())
    blamed = torch.zeros(3, 3, dtype=torch.bool)
    blamed[1, 2] = True
    assert torch.equal(found[name] > 0, blamed)
    other = {"missed": "untimely", "untimely": "missed"}[name]
    assert (found[other] == 0).all()


def test_a_frozen_head_does_not_listen_and_is_unnatural():
    batch = windows()
    loud = batch.active.clone() * torch.sin(torch.arange(FRAMES) * 0.3).abs()
    batch.mel[:, 64:-64] += 3 * loud.repeat_interleave(4, 1)[..., None]
    speed = torch.nn.functional.avg_pool1d(loud[:, None], 9, 1, 4)[:, 0]
    batch.motion[..., MOTION_INDEX["yaw"]] = 0.04 * speed.cumsum(1)
    batch.motion[..., MOTION_INDEX["pitch"]] = batch.motion[..., MOTION_INDEX["roll"]] = 0
    frozen = batch.motion.clone()
    frozen[..., 8:] = 0
    own, found = (event_penalties(some, batch) for some in (batch.motion, frozen))
    assert (own["nods"] == 0).all() and (found["nods"] > 0.2).all()
    assert (own["unnatural"] == 0).all() and (found["unnatural"] > 0.1).all()


def test_inside_the_band_of_speakers_more_is_not_better():
    """A lively and a calm head are worth the same; one beyond both speakers and window is not."""
    batch, times = windows(1), torch.arange(FRAMES) / FRAMES
    batch.motion[..., 8:24] = 0
    table = shipped_table()["readings"]["yaw_deg"]["quantiles"]
    worth = []
    for degrees in (float(np.exp(table[10])), float(np.exp(table[30])), 90.0):
        motion = batch.motion.clone()
        motion[0, :, MOTION_INDEX["yaw"]] = np.radians(degrees) * times
        motion[0, :, MOTION_INDEX["pitch"]] = 0.04 * torch.sin(times * 7)
        worth.append(float(event_penalties(motion, batch)["unnatural"][0]))
    assert abs(worth[0] - worth[1]) < 0.25 * worth[2]
    assert worth[2] > max(worth[:2])
    assert len([name for names in GROUPS.values() for name in names]) == 9


def test_heads_that_move_alike_over_voices_are_blamed():
    motion = groups()
    motion[:, 0, :, MOTION_INDEX["yaw"]] = 0.1 * torch.sin(torch.arange(FRAMES) * 0.3)
    found = judge_samples(motion, windows(), Critic())["alike"]
    assert (found[:, 0] > found[:, 1] + 0.1).all()
    torch.testing.assert_close(found[:, 1], found[:, 2])


def test_the_critic_learns_to_tell_samples_from_windows():
    critic, batch = Critic(), windows()
    shivers = groups() + 0.02 * torch.randn(3, 3, FRAMES, 32)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    start = float(critic_loss(critic, shivers, batch).detach())
    for _ in range(40):
        optimizer.zero_grad()
        critic_loss(critic, shivers, batch).backward()
        optimizer.step()
    assert float(critic_loss(critic, shivers, batch).detach()) < 0.5 * start
    samples = torch.stack([batch.motion, shivers[:, 0]], 1)
    found = judge_samples(samples, batch, critic)["critic"]
    assert (found[:, 0] < found[:, 1]).all()


def test_rewards_are_less_the_weighed_penalties_and_groups_have_weights_of_their_own():
    reward = RewardConfig(closures=2.0, alike=7.0)
    reward.group.alike = 0.5
    found = {"closures": torch.tensor([[1.0, 0.0]]), "alike": torch.tensor([[0.0, 2.0]])}
    torch.testing.assert_close(weighed(found, reward), torch.tensor([[-2.0, -1.0]]))
