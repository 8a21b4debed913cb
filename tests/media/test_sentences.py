"""Sentences: where they end, and that nothing of the text is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyreels_avatar.media.sentences import split_sentences


def _texts(text: str, limit: int = 300) -> list[str]:
    return [" ".join(word for _, word in words) for words in split_sentences(text, limit)]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith paid $3.50 on 3/4. | He left.",
        "He saw Mr. and Mrs. Jones vs. the U.S. Army. | They won.",
        "It was at 5 p.m. | He came from the U.S. | She did not.",
        "No. 5 of St. John St. was full, i.e. closed. | No. | Yes!",
        "On Nov. 29, 2026, J. K. Rowling came. | So do I. | Good.",
        "\u201cStop!\u201d he said. | \u201cWhy?\u201d | Because...",
        "Herr Dr. Meier kommt z.B. am Montag. | Gut.",
        "\u4f60\u597d\u3002 | \u518d\u89c1",
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text):
    sentences = text.split(" | ")
    assert _texts(" ".join(sentences)) == sentences


def test_a_line_ends_a_sentence():
    assert _texts("One two\nthree\n\nfour. Five") == ["One two", "three", "four.", "Five"]


def test_long_sentences_are_cut_at_commas_of_their_second_half():
    assert _texts("one, two three, four five six", 20) == ["one, two three,", "four five six"]
    assert _texts("one two three four", 8) == ["one two", "three", "four"]


@given(st.text(alphabet="aB. ,\n!?\"'19", max_size=60), st.integers(1, 20))
def test_every_word_is_kept_with_its_place(text, limit):
    words = [word for sentence in split_sentences(text, limit) for word in sentence]
    assert [word for _, word in words] == text.split()
    assert all(text[offset : offset + len(word)] == word for offset, word in words)
