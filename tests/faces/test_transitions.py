"""Cuts, cross-fades and fades are found; light, flashes and pans are not taken for them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.transitions import TransitionFinder
from tests.faces.characters import character, mixed, shot

ANN, BEN = character("portrait"), character("portrait_man")
BLACK, WHITE = np.zeros_like(ANN), np.full_like(ANN, 255)


def found(frames) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the first frames of new shots, and the spans of transitions."""
    finder = TransitionFinder()
    shots = [index for index, pixels in enumerate(frames) if finder.add(pixels)]
    finder.finish()
    return shots, finder.spans


@pytest.mark.parametrize("length", [6, 10, 15, 25, 40, 60])
def test_a_cross_fade_is_found_with_its_length(length):
    fade = mixed(shot(ANN, length), shot(BEN, length))
    shots, spans = found(shot(ANN, 30) + fade + shot(BEN, 20))
    (start, stop), slack = spans[0], 2 + 0.3 * length
    assert len(shots) == len(spans) == 1 and shots[0] == stop
    assert 30 - slack <= start <= 30 + 0.1 * length and 30 + length <= stop <= 32 + 1.1 * length


@pytest.mark.parametrize("color", [BLACK, WHITE], ids=["black", "white"])
def test_a_fade_through_one_color_begins_a_shot(color):
    frames = shot(ANN, 20) + mixed(shot(ANN, 9), [color] * 9) + [color] * 3
    shots, spans = found(frames + mixed([color] * 9, shot(BEN, 9)) + shot(BEN, 20))
    assert len(shots) == 1 and 32 <= shots[0] <= 35
    (start, out), (into, stop) = spans
    assert 20 <= start <= 23 and out == into == shots[0] and 37 <= stop <= 41


def test_a_video_that_ends_in_black_says_from_where_it_fades():
    _, spans = found(shot(ANN, 20) + mixed(shot(ANN, 9), [BLACK] * 9) + [BLACK] * 4)
    ((start, stop),) = spans
    assert 20 <= start <= 23 and stop == 33


def test_a_cut_is_no_transition_and_a_flash_is_one():
    assert found(shot(ANN, 10) + shot(BEN, 10)) == ([10], [])
    flash = shot(ANN, 20)
    flash[10] = cv2.addWeighted(flash[10], 0.1, WHITE, 0.9, 0)
    assert found(flash) == ([10, 11], [(10, 11)])


@pytest.mark.parametrize("length", [5, 12, 25])
def test_light_that_goes_down_is_no_transition(length):
    shares = np.clip((np.arange(60) - 20) / length, 0, 1)
    frames = [
        (pixels * (1 - 0.55 * s)).astype(np.uint8) for pixels, s in zip(shot(ANN, 60), shares)
    ]
    assert found(frames) == ([], [])


@pytest.mark.parametrize("step", [1, 3, 8])
def test_a_pan_is_no_transition(step):
    wide = np.concatenate([character("portrait", 256), character("portrait_man", 256)], 1)
    left = np.clip((np.arange(60) - 20) * step, 0, 256)
    assert found([wide[:, x : x + 256] for x in left]) == ([], [])
