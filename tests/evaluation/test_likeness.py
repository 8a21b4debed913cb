"""A face against its picture: who it is, how sharp, and what changes from beginning to end."""

import cv2
import numpy as np
import pytest

from skyreels_avatar.evaluation.likeness import likeness_of
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import FaceTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader, VideoWriter

NUM_FRAMES = 50


@pytest.fixture(scope="module")
def portraits(root):
    """The pixels and points of the two drawn portraits, at 256x256."""
    analyzer, found = FaceAnalyzer(), []
    for name in ("portrait.png", "portrait_man.png"):
        pixels = Portrait.load(root / "assets" / "examples" / name).resized_to(256, 256).pixels
        found.append((pixels, analyzer.find(pixels)[0].landmarks))
    return found


def _judge(path, frames, points, reference):
    with VideoWriter(path, 256, 256, 25, None) as writer:
        writer.write(np.stack(frames))
    landmarks = np.stack(points)
    seen = np.ones(len(landmarks))
    track = FaceTrack(landmarks, np.zeros((len(landmarks), 4)), seen > 0, seen)
    return likeness_of(VideoReader(path), track, *reference)


def test_a_face_that_becomes_another_drifts(portraits, tmp_path):
    (woman, woman_points), (man, man_points) = portraits
    half = NUM_FRAMES // 2
    frames, points = [woman] * half + [man] * half, [woman_points] * half + [man_points] * half
    found, embeddings = _judge(tmp_path / "two.mp4", frames, points, portraits[0])
    assert found.identity_drift > 0.35 and found.identity_high > 0.45 > found.identity
    assert found.likeness_low < 0.75 < found.likeness and found.colour_drift > 1
    assert embeddings.shape[1] == 128 and len(embeddings) >= 8


def test_a_face_that_blurs_stays_who_it_is_and_loses_detail(portraits, tmp_path):
    woman, points = portraits[0]
    blurred = cv2.GaussianBlur(woman, (0, 0), 1.5)
    half = NUM_FRAMES // 2
    frames = [woman] * half + [blurred] * half
    found, _ = _judge(tmp_path / "soft.mp4", frames, [points] * NUM_FRAMES, portraits[0])
    assert found.sharp_drift < 0.6 and found.identity_high < 0.45
    assert found.likeness > 0.97 and abs(found.identity_drift) < 0.35


def test_in_profile_nobody_is_identified(portraits, tmp_path):
    woman, points = portraits[0]
    turned = points.copy()
    middle = points[:, :1].mean()
    turned[:, 0] = middle + 0.3 * (points[:, 0] - middle)
    turned[:, 2] += 2.0 * (points[:, 0] - middle)
    found, embeddings = _judge(
        tmp_path / "side.mp4", [woman] * NUM_FRAMES, [turned] * NUM_FRAMES, (woman, turned)
    )
    assert found.identity is None and found.identity_drift is None and len(embeddings) == 0
