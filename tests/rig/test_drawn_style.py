"""A drawn mouth opens in the drawing's own colors, with its own line."""

from __future__ import annotations

import numpy as np
import torch

from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.rig.drawn_style import find_style
from skyreels_avatar.rig.mouth import make_look
from skyreels_avatar.rig.reference_clip import ReferenceClip, as_pixels
from skyreels_avatar.rig.renderer import render, rest_motion
from tests.drawings import INK, SKIN, Drawing, draw_face
from tests.faces.test_drawing import face_of


def clip_of(drawing: Drawing) -> ReferenceClip:
    points = fit_drawing(drawing.pixels, face_of(drawing.mesh())).landmarks
    landmarks = torch.from_numpy(points).float()
    frames = torch.from_numpy(drawing.pixels).permute(2, 0, 1)[None].float() / 255
    look = make_look(frames[0], landmarks)
    return ReferenceClip(as_pixels(frames), landmarks[None], torch.zeros(1), look)


def spoken(drawing: Drawing, gap: float) -> np.ndarray:
    clip = clip_of(drawing)
    motion = rest_motion(clip.landmarks)
    motion[:, 0] = gap
    frames, matte = render(motion, clip)
    shown = frames[0, :3].permute(1, 2, 0).numpy()
    return np.where(matte[0, 0].numpy()[..., None], shown, drawing.pixels).astype(int)


def test_the_style_is_the_drawing_s():
    drawing = draw_face()
    style = clip_of(drawing).look.drawn
    assert np.abs(style.ink.numpy() * 255 - INK).max() < 40
    assert 0.008 < float(style.line) < 0.02  # 3 pixels of about 195
    opened = clip_of(draw_face(mouth_height=16)).look.drawn
    assert np.abs(opened.inside.numpy() * 255 - (150, 50, 55)).max() < 25


def test_photos_have_none():
    rough = draw_face(grain=6.0)
    frame = torch.from_numpy(rough.pixels).permute(2, 0, 1).float() / 255
    assert find_style(frame, torch.from_numpy(rough.mesh())) is None


def test_a_line_opens_into_a_flat_mouth_with_a_line_round_it():
    """Between the lips of a drawing stood the teeth of a photo, or nothing at all."""
    drawing = draw_face()
    left, right, row = drawing.mouth
    column = spoken(drawing, 0.08)[row - 6 : row + 26, 160]
    ink = np.abs(column - INK).sum(1) < 90
    inside = (column[:, 0] > column[:, 1] + 40) & (np.abs(column - SKIN).sum(1) > 120)
    assert ink.any() and inside.sum() >= 6
    rows = np.flatnonzero(inside)
    assert ink[: rows[0]].any() and ink[rows[-1] :].any()
    beside = spoken(drawing, 0.08)[row - 6 : row + 26, [left - 8, right + 8]]
    assert np.abs(beside - SKIN).sum(-1).max() < 60


def test_an_open_mouth_shuts_to_a_line():
    drawing = draw_face(mouth_height=16)
    row = drawing.mouth[2]
    column = spoken(drawing, 0.0)[row - 8 : row + 24, 160]
    marked = np.abs(column - SKIN).sum(1) > 120
    assert 1 <= marked.sum() <= 9


def test_teeth_that_are_drawn_stay_above_what_opens():
    drawing = draw_face(mouth_height=16, inside=(252, 252, 250))
    style = clip_of(drawing).look.drawn
    assert float(style.teeth.min()) > 0.9 and float(style.shown) > 0.03
    row = drawing.mouth[2]
    column = spoken(drawing, 0.16)[row : row + 40, 160]
    white, red = column.min(1) > 235, (column[:, 0] > column[:, 1] + 40) & (column[:, 1] < 140)
    assert white[2:8].all() and red[:10].sum() == 0 and red.sum() >= 5
