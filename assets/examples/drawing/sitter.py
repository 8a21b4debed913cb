"""Who sits for the portrait: proportions and colours of the two example people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drawing.canvas import Points, linear


@dataclass(frozen=True)
class Sitter:
    """Proportions (in face heights) and colours (linear light) of one person.

    Attributes:
        outline: right half of the head, from the top to the chin.
        eye_x, eye_w, eye_h: middle, width and opening of the right eye.
        eye_tilt: how much higher the outer corner is than the inner one.
        iris: radius.
        lash: thickness of the upper lash line.
        brow: middle line of the right brow, from the nose outwards; brow_w its thickness.
        nose_w: half width at the wings.
        mouth: right half of the lips: corner, then upper edge to the middle; see face.py.
    """

    outline: Points
    skin: np.ndarray
    blush: np.ndarray
    lip: np.ndarray
    hair: np.ndarray
    hair_shine: np.ndarray
    iris_colour: np.ndarray
    brow_colour: np.ndarray
    eye_x: float = 0.190
    eye_w: float = 0.172
    eye_h: float = 0.066
    eye_tilt: float = 0.012
    iris: float = 0.0405
    lash: float = 0.0125
    brow: Points = ()
    brow_w: float = 0.026
    nose_w: float = 0.096
    mouth_w: float = 0.160
    upper_lip: float = 0.040
    lower_lip: float = 0.058
    mouth_y: float = 0.387
    neck_w: float = 0.225
    makeup: float = 1.0
    stubble: float = 0.0
    seed: int = 0


WOMAN = Sitter(
    outline=[
        (0.0, -0.560),
        (0.16, -0.545),
        (0.290, -0.460),
        (0.362, -0.320),
        (0.387, -0.150),
        (0.390, 0.0),
        (0.381, 0.140),
        (0.356, 0.280),
        (0.316, 0.400),
        (0.254, 0.510),
        (0.176, 0.595),
        (0.090, 0.650),
        (0.0, 0.667),
    ],
    skin=linear(240, 190, 162),
    blush=linear(222, 110, 96),
    lip=linear(190, 78, 80),
    hair=linear(92, 50, 32),
    hair_shine=linear(235, 165, 105),
    iris_colour=linear(74, 128, 112),
    brow_colour=linear(84, 50, 36),
    eye_w=0.186,
    eye_h=0.078,
    iris=0.0435,
    nose_w=0.088,
    lower_lip=0.062,
    brow=[(0.075, -0.106), (0.130, -0.124), (0.205, -0.139), (0.270, -0.130), (0.328, -0.092)],
    seed=3,
)

MAN = Sitter(
    outline=[
        (0.0, -0.570),
        (0.17, -0.550),
        (0.300, -0.470),
        (0.372, -0.320),
        (0.396, -0.150),
        (0.400, 0.0),
        (0.394, 0.140),
        (0.378, 0.280),
        (0.350, 0.400),
        (0.297, 0.510),
        (0.220, 0.598),
        (0.122, 0.655),
        (0.0, 0.671),
    ],
    skin=linear(206, 150, 116),
    blush=linear(190, 96, 78),
    lip=linear(168, 92, 82),
    hair=linear(58, 40, 32),
    hair_shine=linear(190, 150, 125),
    iris_colour=linear(96, 60, 34),
    brow_colour=linear(34, 24, 22),
    eye_w=0.160,
    eye_h=0.057,
    eye_tilt=0.006,
    iris=0.037,
    lash=0.008,
    brow=[(0.070, -0.084), (0.130, -0.104), (0.205, -0.116), (0.275, -0.106), (0.330, -0.072)],
    brow_w=0.040,
    nose_w=0.108,
    mouth_w=0.166,
    upper_lip=0.031,
    lower_lip=0.046,
    neck_w=0.275,
    makeup=0.0,
    stubble=1.0,
    seed=8,
)
