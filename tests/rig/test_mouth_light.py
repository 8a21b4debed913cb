"""The light on a face is read from its skin, its eyes and the teeth it shows."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.geometry import FaceFrame
from skyreels_avatar.rig.mouth_light import (
    EYE_RINGS,
    SKIN_POINTS,
    colors_at,
    colors_nearest,
    estimate_light,
    eye_openness,
    eye_white,
    match_tones,
    monochrome,
    shown_teeth,
)

SKIN = (0.7, 0.5, 0.4)


def picture(color=SKIN) -> torch.Tensor:
    return torch.tensor(color)[:, None, None].expand(3, 300, 280).contiguous()


def test_the_points_light_is_read_from_exist():
    assert max(*SKIN_POINTS, *(index for ring in EYE_RINGS for index in ring)) < 468


def test_brighter_skin_means_more_light_and_warmer_skin_warmer_light(landmarks):
    light, saturation = estimate_light(picture(), landmarks)
    dark, _ = estimate_light(picture(tuple(0.5 * c for c in SKIN)), landmarks)
    warm, _ = estimate_light(picture((0.7, 0.45, 0.3)), landmarks)
    assert (dark < light).all() and saturation == 0  # a picture of one tone
    assert warm[0] / warm[2] > light[0] / light[2]


def test_a_picture_in_one_tone_has_no_saturation_and_is_known_by_that_tone():
    sepia = torch.tensor([1.2, 1.0, 0.8])[:, None, None]
    shades = torch.linspace(0.2, 0.8, 280).expand(1, 300, 280)
    saturation, tone = monochrome(sepia * shades)
    assert saturation == 0
    torch.testing.assert_close(tone, sepia[:, 0, 0], atol=1e-3, rtol=0)
    colored = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert monochrome(colored.repeat_interleave(20, 1).repeat_interleave(20, 2))[0] == 1


def test_colors_are_read_where_they_are(landmarks):
    frame = picture()
    frame[:, 100:140, 60:100] = torch.tensor([0.1, 0.2, 0.9])[:, None, None]
    inside = torch.tensor([[80.0, 120.0]])
    for read in (colors_at, colors_nearest):
        torch.testing.assert_close(read(frame, inside)[0], torch.tensor([0.1, 0.2, 0.9]))
        assert read(frame, torch.tensor([[200.0, 250.0]]))[0].tolist() == pytest.approx(SKIN)
    assert colors_nearest(frame, torch.tensor([[-5.0, 900.0]])).shape == (1, 3)


def test_the_white_of_open_eyes_is_found_and_of_shut_ones_the_skin_is_taken(landmarks):
    skin = torch.tensor(SKIN)
    frame = picture()
    opened = landmarks.clone()
    for ring in EYE_RINGS:
        middle = opened[list(ring), 1].mean()
        opened[list(ring), 1] = middle + 3 * (opened[list(ring), 1] - middle)
        for x, y in opened[list(ring), :2].mean(0)[None].long().tolist():
            frame[:, y - 4 : y + 5, x - 8 : x + 9] = 0.95
    assert min(eye_openness(opened, ring) for ring in EYE_RINGS) > 0.12
    assert eye_white(frame, opened, skin).min() > 0.8
    shut = landmarks.clone()
    for ring in EYE_RINGS:
        shut[list(ring), 1] = shut[list(ring), 1].mean()
    assert torch.equal(eye_white(frame, shut, skin), skin)


def test_teeth_are_seen_in_an_open_mouth_alone(landmarks):
    frame, opened = picture(), landmarks.clone()
    lower = [14, 87, 317, 178, 402]
    upper = [13, 82, 312, 81, 311]
    opened[upper, 1] -= 3
    opened[lower, 1] += 7
    top, bottom = opened[upper, 1].min().long(), opened[lower, 1].max().long()
    left, right = opened[upper + lower, 0].min().long(), opened[upper + lower, 0].max().long()
    frame[:, top : bottom + 1, left - 1 : right + 2] = torch.tensor([0.8, 0.78, 0.7])[:, None, None]
    points = FaceFrame.of(opened[None]).points[0]
    assert shown_teeth(frame, opened, points).tolist() == pytest.approx([0.8, 0.78, 0.7], abs=1e-3)
    assert shown_teeth(picture((0.6, 0.2, 0.2)), opened, points) is None  # lips and tongue
    assert shown_teeth(frame, landmarks, FaceFrame.of(landmarks[None]).points[0]) is None


def test_the_brightest_and_the_darkest_inside_give_light_and_shade():
    usual = torch.tensor(CONSTANTS.light.mean_teeth)
    inside = torch.cat([0.9 * usual.expand(50, 3), torch.full((50, 3), 0.1)])
    skin = torch.tensor([0.8, 0.6, 0.5])
    light, shade = match_tones(torch.ones(3), torch.tensor(1.0), inside, skin)
    torch.testing.assert_close(shade[0], torch.full((3,), 0.1))
    torch.testing.assert_close(shade[0] + (1 - shade[0]) * light * usual, 0.9 * usual)


def test_teeth_in_orange_light_are_told_by_the_skin():
    usual, skin = torch.tensor(CONSTANTS.light.mean_teeth), torch.tensor([0.9, 0.56, 0.24])
    orange = torch.tensor([0.71, 0.48, 0.26])
    inside = torch.cat([orange.expand(50, 3), torch.zeros(50, 3)])
    light, _ = match_tones(torch.ones(3), torch.tensor(1.0), inside, skin)
    torch.testing.assert_close(light * usual, orange)
    light, _ = match_tones(torch.ones(3), torch.tensor(1.0), inside, torch.full((3,), 0.7))
    torch.testing.assert_close(light, light.mean().expand(3))  # flesh: of the hue guessed
