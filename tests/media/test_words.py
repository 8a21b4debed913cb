"""Words of a spoken text: they are the text, in order, and sound when the engine says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyreels_avatar.media.spoken_text import Phone
from skyreels_avatar.media.words import word_times

TEXTS = [
    "Hello world, it's 42 degrees - I paid $1,234.50.",
    "\u4f60\u597d\uff0c\u6211\u670925\u4e2a\u3002 ok",
    "\u3053\u3093\u306b\u3061\u306f\u3001\u3042\u308a\u304c\u3068\u3046\u3002",
    '-- "one" ... two --',
    "\u263a \U0001f600 smile",
]


def _joined(words) -> str:
    return "".join(("" if word.glued else " ") + word.text for word in words).strip()


@pytest.mark.parametrize("text", TEXTS)
def test_words_together_are_the_text(text):
    words = word_times(text, [(0, 0.0)], [Phone("a", 0.0, 1.0)])
    assert _joined(words) == text
    assert words[0].start_s == 0.0 and words[-1].end_s == pytest.approx(1.0)


@given(st.text(min_size=1), st.lists(st.tuples(st.integers(-2, 99), st.floats(0, 1)), max_size=9))
def test_any_text_and_marks_give_words_in_order(text, marks):
    marks = sorted(marks, key=lambda mark: (mark[1], mark[0]))
    words = word_times(text, marks, [Phone("a", 0.0, 0.5), Phone("b", 0.5, 1.0)])
    assert _joined(words).split() == text.split() or not text.strip()
    assert all(0 <= word.start_s <= word.end_s <= 1 for word in words)


def test_a_word_ends_with_its_last_sound_and_not_with_the_pause_after_it():
    phones = [Phone("a", 0.0, 0.4), Phone("", 0.4, 1.0), Phone("b", 1.0, 1.5)]
    first, second = word_times("one, two", [(0, 0.0), (5, 1.0)], phones)
    assert (first.text, first.start_s, first.end_s) == ("one,", 0.0, 0.4)
    assert (second.text, second.start_s, second.end_s) == ("two", 1.0, 1.5)


def test_words_that_were_run_together_share_their_time_by_length():
    phones = [Phone("a", 0.0, 1.0), Phone("b", 1.0, 2.0)]
    words = word_times("of the end", [(0, 0.0), (7, 1.0)], phones)
    assert [(word.text, round(word.end_s, 3)) for word in words] == [
        ("of", 0.4), ("the", 1.0), ("end", 2.0),
    ]  # fmt: skip


def test_a_number_that_is_marked_often_is_one_word():
    phones = [Phone("a", 0.0, 1.0), Phone("b", 1.0, 2.0), Phone("c", 2.0, 3.0)]
    words = word_times("about 1234 of", [(0, 0.0), (6, 1.0), (7, 1.4), (7, 1.9), (11, 2.0)], phones)
    assert [(word.text, word.start_s, word.end_s) for word in words] == [
        ("about", 0.0, 1.0), ("1234", 1.0, 2.0), ("of", 2.0, 3.0),
    ]  # fmt: skip
