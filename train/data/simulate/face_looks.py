"""What belongs to a head and may look like a thing before it: beards, paint, glasses, shadows."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.faces.face import FACE_OVAL

OUTER_LIPS = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181]
OUTER_LIPS += [91, 146]
_JAW = [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361]
_JAW += [323, 454]
_UPPER_LIP, _NOSE = [57, 40, 37, 0, 267, 270, 287], [322, 327, 2, 98, 92]
_EYES = ([33, 159, 133, 145], [263, 386, 362, 374])
_HAIR = ((25, 20, 18), (60, 40, 28), (110, 75, 45), (150, 70, 40), (140, 138, 135), (225, 222, 215))


def change_look(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give a face (h, w, 3) uint8 beards, make-up, paint, glasses, shadows, another medium.

    Args:
        points: (478, 2) of it, pixels.
    """
    for look, share in (
        (_beard, 0.16), (_moustache, 0.10), (_lipstick, 0.12), (_paint, 0.15), (_hair, 0.12),
        (_glasses, 0.12), (_shadow, 0.25), (_medium, 0.22), (_recoloured, 0.2),
    ):  # fmt: skip
        if rng.random() < share:
            face = look(face, points, rng)
    return face


def _height(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[10] - points[152]))


def _filled(shape: tuple[int, ...], outline: np.ndarray) -> np.ndarray:
    """Return (h, w) float32, 1 inside."""
    mask = np.zeros(shape[:2], np.uint8)
    return cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1).astype(np.float32)


def _mixed(face: np.ndarray, colours: np.ndarray, share: np.ndarray) -> np.ndarray:
    mixed = face + share[..., None] * (colours - face.astype(np.float32))
    return mixed.clip(0, 255).astype(np.uint8)


def _strokes(
    face: np.ndarray, where: np.ndarray, number: int, length: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw hairs where a mask is, in about one colour, pointing down and out."""
    rows, columns = np.nonzero(where > 0.5)
    if not len(rows):
        return face
    colour = np.array(_HAIR[rng.integers(len(_HAIR))]) * rng.uniform(0.7, 1.2)
    drawn, cover = face.copy(), np.zeros(face.shape[:2], np.uint8)
    middle, curl = columns.mean(), rng.normal(0, 0.3)
    for index in rng.integers(len(rows), size=number):
        x, y = columns[index], rows[index]
        angle = np.pi / 2 - 0.8 * (x - middle) / max(np.ptp(columns), 1) + rng.normal(curl, 0.35)
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        shade = colour * rng.uniform(0.5, 1.4)
        cv2.line(drawn, (int(x), int(y)), end, shade.clip(0, 255).tolist(), 1, cv2.LINE_AA)
        cv2.line(cover, (int(x), int(y)), end, 255, 1, cv2.LINE_AA)
    share = cv2.GaussianBlur(cover, (3, 3), 0).astype(np.float32) / 255
    return _mixed(face, drawn, share * rng.uniform(0.6, 1))


def _beard(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, jaw = _height(points), points[_JAW].copy()
    mouth = points[[61, 291]].mean(0)
    low = jaw.copy()
    low[:, 1] += rng.uniform(0.0, 0.35) * height * np.sin(np.linspace(0, np.pi, len(jaw)))
    trim = int(rng.integers(0, 6))
    inner = mouth + (jaw[trim : len(jaw) - trim] - mouth) * rng.uniform(0.55, 0.8)
    where = _filled(face.shape, np.concatenate([low[trim : len(jaw) - trim], inner[::-1]]))
    where += _filled(face.shape, np.concatenate([low[6:-6], points[[375, 17, 146]]]))
    where = where.clip(0, 1) * (1 - _filled(face.shape, points[OUTER_LIPS]))
    number = int(rng.uniform(200, 900))
    bearded = _strokes(face, where, number, rng.uniform(0.02, 0.14) * height, rng)
    return _moustache(bearded, points, rng) if rng.random() < 0.7 else bearded


def _moustache(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    where = _filled(face.shape, np.concatenate([points[_UPPER_LIP], points[_NOSE]]))
    length = rng.uniform(0.02, 0.09) * _height(points)
    return _strokes(face, where, int(rng.uniform(60, 300)), length, rng)


def _hair(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Let hair hang at one cheek or both."""
    height = _height(points)
    colour = np.array(_HAIR[rng.integers(len(_HAIR))]) * rng.uniform(0.7, 1.2)
    drawn, cover = face.copy(), np.zeros(face.shape[:2], np.uint8)
    for side in (234, 454)[:: rng.choice([-1, 1])][: rng.integers(1, 3)]:
        inwards = np.sign(points[1, 0] - points[side, 0])
        for _ in range(int(rng.integers(30, 160))):
            x = points[side, 0] + inwards * height * rng.normal(0, 0.07)
            y = points[10, 1] + height * rng.uniform(0, 0.5)
            steps = np.linspace(0, 1, 8)
            wave = np.sin(3 * steps + rng.uniform(0, 6)) * rng.uniform(0, 0.06)
            track = np.stack([x + height * wave, y + height * rng.uniform(0.3, 1.2) * steps], 1)
            shade = (colour * rng.uniform(0.5, 1.5)).clip(0, 255).tolist()
            track = [np.round(track).astype(np.int32)]
            cv2.polylines(drawn, track, False, shade, 1, cv2.LINE_AA)
            cv2.polylines(cover, track, False, 255, 1, cv2.LINE_AA)
    return _mixed(face, drawn, cover.astype(np.float32) / 255)


def _lipstick(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share = cv2.GaussianBlur(_filled(face.shape, points[OUTER_LIPS]), (3, 3), 0)
    return _mixed(face, _dyed(face, rng), share * rng.uniform(0.3, 0.9))


def _dyed(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the face in another colour, its light and shade kept."""
    light = face.astype(np.float32).mean(-1, keepdims=True) / max(float(face.mean()), 20)
    return (light * rng.uniform(10, 230, 3)).clip(0, 255)


def _paint(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint stripes, patches or the whole face; light and shade of the skin stay."""
    oval = _filled(face.shape, points[FACE_OVAL])
    height = _height(points)
    for _ in range(int(rng.integers(1, 4))):
        where = np.zeros(face.shape[:2], np.float32)
        centre = points[1] + height * rng.normal(0, 0.25, 2)
        kind = rng.random()
        if kind < 0.4:
            end = centre + height * rng.normal(0, 0.3, 2)
            wide = max(1, int(height * rng.uniform(0.02, 0.08)))
            cv2.line(where, centre.astype(int).tolist(), end.astype(int).tolist(), 1, wide)
        elif kind < 0.85:
            axes = np.maximum(1, height * rng.uniform(0.03, 0.2, 2)).astype(int)
            turn = rng.uniform(0, 180)
            cv2.ellipse(where, centre.astype(int).tolist(), axes.tolist(), turn, 0, 360, 1, -1)
        else:
            where[:] = 1
        share = cv2.GaussianBlur(where * oval, (0, 0), float(rng.uniform(0.5, 4)))
        face = _mixed(face, _dyed(face, rng), share * rng.uniform(0.3, 0.9))
    return face


def _glasses(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, drawn = _height(points), face.copy()
    colour = rng.uniform(0, 200, 3) if rng.random() < 0.5 else rng.uniform(0, 60) * np.ones(3)
    half = height * np.array([rng.uniform(0.12, 0.18), rng.uniform(0.08, 0.16)])
    dark, thick = rng.random() < 0.35, int(rng.integers(1, 4))
    centres = [points[eye].mean(0) + np.array([0, 0.02 * height]) for eye in _EYES]
    for centre in centres:
        whole = centre.astype(int).tolist(), half.astype(int).tolist(), 0, 0, 360
        if dark:
            cv2.ellipse(drawn, *whole, (colour * 0.3).tolist(), -1, cv2.LINE_AA)
        cv2.ellipse(drawn, *whole, colour.tolist(), thick, cv2.LINE_AA)
    ends = [centres[0].astype(int).tolist(), centres[1].astype(int).tolist()]
    inner = [int(ends[0][0] + half[0]), ends[0][1]], [int(ends[1][0] - half[0]), ends[1][1]]
    cv2.line(drawn, *inner, colour.tolist(), thick, cv2.LINE_AA)
    return drawn


def _shadow(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darken or brighten one side of a random edge, hard or soft."""
    height, angle = _height(points), rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[: face.shape[0], : face.shape[1]]
    at = points[1] + height * rng.normal(0, 0.3, 2)
    away = (x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle)
    away = away + height * rng.uniform(0, 0.1) * np.sin(y / height * rng.uniform(3, 20))
    share = 1 / (1 + np.exp(-np.clip(away / (height * rng.uniform(0.005, 0.2)), -30, 30)))
    if rng.random() < 0.4:  # a bar
        wide = height * rng.uniform(0.05, 0.3)
        share = share * (away < wide)
        share = cv2.GaussianBlur(share, (0, 0), float(rng.uniform(0.7, 4)))
    gain = rng.uniform(0.35, 0.8) if rng.random() < 0.75 else rng.uniform(1.2, 1.6)
    return _mixed(face, face * np.float32(gain), share.astype(np.float32))


def _recoloured(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn all hues, or give the picture other colours altogether."""
    if rng.random() < 0.5:
        hues = cv2.cvtColor(face, cv2.COLOR_RGB2HSV)
        hues[..., 0] = (hues[..., 0].astype(int) + int(rng.integers(180))) % 180
        hues[..., 1] = (hues[..., 1] * rng.uniform(0.4, 1.6)).clip(0, 255)
        return cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)
    mixing = np.eye(3) + rng.normal(0, 0.35, (3, 3))
    mixing /= np.abs(mixing.sum(1, keepdims=True)).clip(0.5)
    return (face @ mixing.T.astype(np.float32) + rng.normal(0, 15, 3)).clip(0, 255).astype(np.uint8)


def _medium(face: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a photo look like a painting, a print, a statue or an old picture."""
    kind = rng.random()
    if kind < 0.3:
        grey = face.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)
        return (grey[..., None] * rng.uniform(0.8, 1.1, 3)).clip(0, 255).astype(np.uint8)
    if kind < 0.6:
        return cv2.bilateralFilter(face, 7, rng.uniform(30, 90), rng.uniform(2, 6))
    if kind < 0.8:
        levels = int(rng.integers(5, 14))
        return (np.round(face / 255 * levels) * (255 / levels)).astype(np.uint8)
    grain = rng.normal(0, rng.uniform(4, 14), face.shape[:2]).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.8)[..., None] * 1.6
    return (face + grain).clip(0, 255).astype(np.uint8)
