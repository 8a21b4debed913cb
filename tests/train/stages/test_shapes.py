"""The shapes of a mouth are learned from a head: a toy one, whose lips are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from train.data.head import Head
from train.stages.shapes import CORNER, mouth_shapes

NAMES = (
    "jawOpen", "mouthPucker", "mouthStretch", "mouthSmile", "mouthFrown", "mouthRollUpper",
    "mouthRollLower",
)  # fmt: skip


@pytest.fixture(scope="module")
def head() -> Head:
    """A flat face whose mouth, half as wide as it is away from the chin, moves by formulas."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 81), np.linspace(-0.55, 0.55, 89))
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1)
    near = np.exp(-((points[:, 1:2] / 0.2) ** 2))
    none, across = np.zeros_like(points), points * [1, 0, 0]
    moves = {name: none for name in NAMES}
    moves["jawOpen"] = np.where(points[:, 1:2] < 0, [[0.0, -0.2, 0.0]], none)
    moves["mouthPucker"] = -0.2 * across * near
    moves["mouthStretch"] = 0.25 * across * near
    moves["mouthSmile"] = 0.05 * np.abs(points[:, :1]) / 0.16 * near * [[0.0, 1.0, 0.0]]
    rolled = -np.sign(points[:, 1:2]) * 0.03 * np.exp(-((points[:, 1:2] / 0.08) ** 2))
    moves["mouthRollUpper"] = moves["mouthRollLower"] = rolled * [[0.0, 1.0, 0.0]]
    line = CubicSpline([-0.16, 0.0, 0.16], [0.0, 0.0, 0.0])
    return Head(points, moves, line, (-0.16, 0.16), 0.0, 0.16, (0.05, 0.06), (0.13, 0.26))


def test_the_table_says_what_the_head_does(head: Head) -> None:
    table = mouth_shapes(head)
    width = np.array(table["across"]["width"])
    assert abs(width[:, 0, CORNER] - 1000).max() < 20
    pucker = np.array(table["across"]["pucker"])[:, 0]
    assert abs(pucker[:, CORNER] + 1000 * (1.5 * 0.2 + 0.15 * 0.25)).max() < 20
    assert table["lift"]["smile"][CORNER] == pytest.approx(700 * 0.05, abs=3)
    assert max(map(abs, table["lift"]["width"])) < 3


def test_only_rolled_lips_go_behind_their_line(head: Head) -> None:
    table = mouth_shapes(head)
    for name, away in table["away"].items():
        at_line = np.array(away)[:, 0, :CORNER]
        assert (at_line <= 0).all() if name in ("press", "tuck") else (abs(at_line) < 1).all()
    assert np.array(table["away"]["press"])[:, 0, 0].max() < -5
    assert np.array(table["away"]["tuck"])[0].max() == 0
