"""Similarity fits: exact on similarities, and signs of head angles as a viewer sees them."""

import numpy as np
import pytest

from skyreels_avatar.faces.alignment import align, fit_similarity, head_angles_deg
from skyreels_avatar.faces.template import template
from tests.faces.turned import turned


@pytest.mark.parametrize("dims", [2, 3])
def test_a_similarity_is_found_exactly(rng, dims):
    points = rng.standard_normal((5, 17, dims))
    rotation = np.linalg.qr(rng.standard_normal((5, dims, dims)))[0]
    rotation[:, :, 0] *= np.sign(np.linalg.det(rotation))[:, None]
    scale, shift = rng.uniform(0.2, 4, 5), rng.standard_normal((5, dims))
    target = scale[:, None, None] * points @ rotation.transpose(0, 2, 1) + shift[:, None]
    found = fit_similarity(points, target)
    for got, wanted in zip(found, (scale, rotation, shift)):
        assert got == pytest.approx(wanted, abs=1e-9)


def test_a_mirror_is_never_fitted(rng):
    points = rng.standard_normal((1, 17, 3))
    _, rotation, _ = fit_similarity(points, points[0] * (-1, 1, 1))
    assert np.linalg.det(rotation[0]) == pytest.approx(1)


@pytest.mark.parametrize("angle", ["yaw", "pitch", "roll"])
@pytest.mark.parametrize("degrees", [-20, -3, 12])
def test_head_angles_have_the_signs_of_the_picture(angle, degrees):
    reference = template() * 300
    _, rotation = align(turned(reference, **{angle: degrees})[None], reference)
    wanted = np.array([[degrees * (name == angle) for name in ("yaw", "pitch", "roll")]])
    assert head_angles_deg(rotation) == pytest.approx(wanted, abs=1e-3)


def test_angles_survive_being_combined():
    reference = template() * 300
    _, rotation = align(turned(reference, 15, -8, 5)[None], reference)
    assert head_angles_deg(rotation)[0] == pytest.approx((15, -8, 5), abs=1e-3)


def test_turning_right_moves_the_nose_right_and_up_moves_it_up():
    face = template() * 300
    assert turned(face - face[6], yaw=20)[4, 0] > (face - face[6])[4, 0]
    assert turned(face - face[6], pitch=20)[4, 1] < (face - face[6])[4, 1]


def test_aligned_faces_lie_on_the_reference():
    reference = template() * 300
    moved = 1.3 * turned(reference, 10, 5, -4) + (40, -20, 3)
    aligned, _ = align(np.stack([reference, moved]), reference)
    assert aligned == pytest.approx(np.stack([reference] * 2), abs=1e-3)
