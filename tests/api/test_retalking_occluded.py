"""What is before a mouth from the first frame to the last stays; lips beside it speak."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from tests.api.test_retalking import retalked, source_of
from tests.samples import write_voice

NUM_FRAMES = 30


def draw_microphone(frame: np.ndarray, x: float, y: float, height: float) -> np.ndarray:
    """Draw a microphone whose head is round (x, y), in place; return where it is."""
    where = np.zeros(frame.shape[:2], np.uint8)
    radius, head = round(0.13 * height), (round(x), round(y))
    end = round(x + 0.15 * height), round(y + 1.2 * height)
    cv2.line(where, head, end, 255, round(0.13 * height), cv2.LINE_AA)
    cv2.circle(where, head, radius, 255, -1, cv2.LINE_AA)
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    ball = np.clip(1 - np.hypot(columns - x + radius / 3, rows - y + radius / 3) / radius / 2, 0, 1)
    grille = 40 + 130 * ball * (0.7 + 0.3 * ((rows // 2 + columns // 2) % 2))
    colours = np.where(np.hypot(columns - x, rows - y) <= radius + 1, grille, 28)[..., None]
    share = cv2.GaussianBlur(where, (3, 3), 0)[..., None] / 255
    frame[:] = frame + share * (colours - frame)
    return where > 0


@pytest.fixture(scope="module")
def covered(shared, tmp_path_factory) -> tuple[Path, np.ndarray, np.ndarray]:
    """A real talker with a microphone before the lower lip's right half; where it and lips are."""
    folder = tmp_path_factory.mktemp("covered")
    reader = sa.VideoReader(shared / "inputs" / "video" / "v03_real_grid_greyhair.mp4")
    frames = np.stack([reader.read(i, i + 1)[0] for i in range(NUM_FRAMES)])
    points = FaceAnalyzer(max_faces=1).find(frames[0])[0].landmarks
    height = float(np.linalg.norm(points[10, :2] - points[152, :2]))
    x, y = points[[61, 291], :2].mean(0)
    for frame in frames:
        thing = draw_microphone(frame, x + 0.1 * height, y + 0.1 * height, height)
    lips = np.zeros_like(thing)
    top, left = round(y - 0.05 * height), round(x - 0.16 * height)
    lips[top : round(y + 0.12 * height), left : round(x)] = True
    path = folder / "covered.mp4"
    with sa.VideoWriter(path, *frames.shape[1:3], reader.fps) as writer:
        writer.write(frames)
    return path, thing, lips & ~cv2.dilate(thing.astype(np.uint8), np.ones((5, 5))).astype(bool)


def test_a_microphone_stays_where_it_is_while_the_lips_beside_it_speak(covered, tmp_path):
    path, thing, lips = covered
    made, _ = retalked(path, write_voice(tmp_path, 1.2), keep="lips")
    change = np.abs(made.astype(int) - source_of(path)[: len(made)]).mean(-1)
    inner = cv2.erode(thing.astype(np.uint8), np.ones((5, 5))).astype(bool)
    assert change[:, inner].mean() < 1.0
    assert change[4:, lips].mean() > 1.5
