"""The sync network that ships, on real speech: against the clock, and against a puppet."""

import numpy as np
import pytest

from skyreels_avatar.evaluation.lip_sync import (
    POINTS,
    lip_points,
    lip_sync,
    puppet,
    shipped_network,
    sound_picture,
)
from skyreels_avatar.faces.template import template
from skyreels_avatar.media.audio import AudioTrack
from train.data.talking import grid_clips
from train.stages.sync import judge


def moving_face(opening: np.ndarray) -> np.ndarray:
    """Return (F, 478, 3) px: the average face, its lower lip and chin lowered."""
    face = np.repeat(200 * template()[None], len(opening), 0)
    face[:, [14, 17, 87, 317, 84, 314, 152, 148, 377], 1] += 200 * opening[:, None]
    return face


def test_points_do_not_follow_the_head(rng):
    face = moving_face(0.05 * rng.random(30))
    angle = np.linspace(-0.2, 0.2, 30)
    turn = np.zeros((30, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 1, 0], turn[:, 0, 1], turn[:, 2, 2] = np.sin(angle), -np.sin(angle), 1
    turned = 1.3 * face @ turn.transpose(0, 2, 1) + 40
    np.testing.assert_allclose(lip_points(turned), lip_points(face), atol=1e-4)


def test_points_of_50_frames_a_second_are_brought_to_25(rng):
    opening = 0.05 * np.sin(np.arange(100) / 9)
    found = lip_points(moving_face(opening), 50.0)
    assert found.shape == (50, 2 * len(POINTS)) and abs(found.mean(0)).max() < 1e-4
    np.testing.assert_allclose(found, lip_points(moving_face(opening[::2])), atol=0.02)


def test_a_clip_below_two_seconds_is_not_judged():
    points = lip_points(moving_face(np.zeros(49)))
    audio = AudioTrack(np.zeros(49 * 640, np.float32), 16000)
    assert lip_sync(points, sound_picture(audio, 49)) is None


def test_a_puppet_opens_with_loudness(rng):
    audio = AudioTrack(
        (0.2 * rng.standard_normal(32000) * np.repeat([0.02, 1, 0.02, 1], 8000)).astype(np.float32),
        16000,
    )
    sound = sound_picture(audio, 50)
    doll = puppet(lip_points(moving_face(0.03 * rng.random(50))), sound)
    lower_lip = doll[:, 2 * POINTS.index(14) + 1]
    assert np.corrcoef(lower_lip, sound.reshape(50, -1).mean(1))[0, 1] > 0.99


@pytest.fixture(scope="module")
def held_back(shared):
    """The hundred clips of the last shard, which no network was trained on."""
    folder = shared / "speech" / "grid_s1"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return list(grid_clips(folder, [9]))


def test_people_held_back_are_told_from_shifted_ones_and_from_puppets(held_back):
    assert len(held_back) > 50 and all(clip.held_out for clip in held_back)
    figures = judge(shipped_network(), held_back)
    assert figures["grid_shift"] >= 0.95 and figures["grid_place"] >= 0.95
    assert figures["grid_puppet"] >= 0.95


@pytest.mark.parametrize("late", [-4, 3])
def test_a_late_mouth_has_a_positive_offset(held_back, late):
    clip = held_back[0]
    found = lip_sync(np.roll(clip.points, late, 0), clip.sound)
    assert found.sync_offset == pytest.approx(late, abs=1)


def test_the_right_sound_beats_that_of_another_clip(held_back):
    right = [lip_sync(clip.points, clip.sound) for clip in held_back[:20]]
    wrong = [lip_sync(a.points, b.sound) for a, b in zip(held_back[:20], held_back[20:40])]
    assert np.median([one.sync_c for one in right]) > 2 * np.median([one.sync_c for one in wrong])
    assert max(one.sync_d for one in right) < min(one.sync_d for one in wrong)
