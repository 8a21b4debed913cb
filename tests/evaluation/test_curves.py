import numpy as np
import pytest

from skyreels_avatar.evaluation.curves import STRIP_FRAMES, curves_of
from skyreels_avatar.faces.template import template


def test_a_turning_head_and_its_sound_become_curves():
    angle = np.radians(np.linspace(0, 12, 40))
    turn = np.zeros((40, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 1, 0], turn[:, 0, 1], turn[:, 2, 2] = np.sin(angle), -np.sin(angle), 1
    face = 100 * template() @ turn.transpose(0, 2, 1) + 300
    curves = curves_of(face, 25.0, np.zeros(40), np.linspace(-90, -10, 40), None)
    assert curves.head_deg[-1, 2] == pytest.approx(12, abs=0.2)  # roll, clockwise
    assert abs(curves.head_deg[:, :2]).max() < 0.2
    assert curves.loudness[0] == 0 and 1 < curves.loudness[-1] <= 1.2
    assert curves.strip[0] == 0 and curves.strip[-1] == 39 and len(curves.strip) == STRIP_FRAMES
    assert curves.distance is None
    x, y, width, height = curves.box
    assert x < face[..., 0].min() and x + width > face[..., 0].max()
    assert y < face[..., 1].min() and y + height > face[..., 1].max()


def test_a_silent_video_has_no_loudness():
    face = np.repeat(100 * template()[None], 5, 0)
    assert curves_of(face, 25.0, np.zeros(5), None, None).loudness is None
