"""The watermark is found after a video was encoded again, scaled and cropped, and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.media import VideoReader, VideoWriter
from skyreels_avatar.provenance.watermark import NUM_BITS, find_watermark, mark_frames

NUMBER = 0xC0FFEE


@pytest.fixture(scope="module")
def frames(root):
    """Twelve frames of 512 pixels in which the portrait drifts."""
    picture = cv2.cvtColor(
        cv2.imread(str(root / "assets/examples/portrait.png")), cv2.COLOR_BGR2RGB
    )
    picture = cv2.resize(picture, (540, 540), interpolation=cv2.INTER_AREA)
    return np.stack([picture[i : i + 512, i : i + 512] for i in range(12)])


@pytest.fixture(scope="module")
def marked(frames):
    return mark_frames(frames, NUMBER)


def encoded(frames: np.ndarray, path, crf: int) -> list[np.ndarray]:
    """Return frames as they come back from H.264."""
    with VideoWriter(path, *frames.shape[1:3], 25.0, crf=crf) as writer:
        writer.write(np.ascontiguousarray(frames))
    return list(VideoReader(path))


def scaled(frames: np.ndarray, factor: float) -> np.ndarray:
    size = [2 * round(factor * side / 2) for side in frames.shape[2:0:-1]]
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def test_it_cannot_be_seen(frames, marked):
    difference = marked.astype(int) - frames
    assert 0 < np.abs(difference).max() <= 10
    assert 0.2 < difference.std() < 2
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 42  # dB


def test_marks_are_repeatable_and_differ_by_number(frames, marked):
    assert (mark_frames(frames[:2], NUMBER) == marked[:2]).all()
    assert (mark_frames(frames[:2], NUMBER + 1) != marked[:2]).any()


@pytest.mark.parametrize("number", [0, NUMBER, 2**NUM_BITS - 1])
def test_a_number_is_read(frames, number):
    found = find_watermark([mark_frames(frames[:4], number)])
    assert found.numbers == (number,) and found.chip_error < 0.1


@pytest.mark.parametrize("crf, factor, crop", [(23, 1, 0), (26, 1, 0), (18, 0.5, 0), (23, 1, 27)])
def test_it_survives_encoding_scaling_and_cropping(marked, tmp_path, crf, factor, crop):
    """Cropped by 27 of 512 pixels on each side: a fifth of the picture is gone."""
    changed = marked[:, crop : 512 - crop, crop : 512 - crop] if crop else marked
    changed = changed if factor == 1 else scaled(changed, factor)
    found = find_watermark([encoded(changed, tmp_path / "again.mp4", crf)])
    assert found.numbers == (NUMBER,)
    assert found.scale == pytest.approx(factor, rel=0.01)


def test_parts_of_a_film_spell_their_own_numbers(frames):
    found = find_watermark([mark_frames(frames[:6], 7), mark_frames(frames[6:], 8)])
    assert found.numbers == (7, 8)


def test_a_picture_without_it_has_none(frames, rng):
    assert find_watermark([frames]) is None
    noise = rng.integers(0, 256, (4, 256, 256, 3), dtype=np.uint8)
    assert find_watermark([noise]) is None


def test_frames_may_lie_in_memory_in_any_order(frames, marked):
    """Those of a video VAE are transposed, and OpenCV refused to write into such."""
    planes = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert (mark_frames(planes, NUMBER) == marked).all()
