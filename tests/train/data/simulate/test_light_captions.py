"""Sentences about light say what they are labelled with, in many words."""

from __future__ import annotations

import re

import numpy as np

from skyreels_avatar.models.light_encoder import LIGHT_NUMBERS
from skyreels_avatar.models.text_encoder import split_words
from train.data.simulate.light_captions import Said, light_caption


def _drawn(number: int, seed: int = 0) -> list[Said]:
    rng = np.random.default_rng(seed)
    return [light_caption(rng) for _ in range(number)]


def test_half_of_the_sentences_speak_of_light_and_hardly_two_are_the_same():
    said = _drawn(2000)
    assert 0.45 < np.mean([one.light is not None for one in said]) < 0.7
    assert len({one.text for one in said}) > 1850


def test_the_same_seed_gives_the_same_sentences():
    assert _drawn(50, 3) == _drawn(50, 3)
    assert _drawn(50, 3) != _drawn(50, 4)


def test_every_word_is_marked_as_of_light_or_not():
    for one in _drawn(2000):
        assert len(one.of_light) == len(split_words(one.text))
        assert "{" not in one.text and "}" not in one.text
        if one.light is not None:
            assert any(one.of_light)


def test_numbers_follow_the_words():
    """A plain sentence with one word of light has the number of that word."""
    rules = {
        r"\bcandle\w*( light| flickers)?": ("flicker", 1),
        r"\bmoonlight\b": ("exposure", -1),
        r"\bsepia tone": ("saturation", -1),
        r"\bfrom below\b": ("above", -1),
        r"\bfrom the right\b": ("side", 1),
        r"\bgreen(ish)? (light|lighting|glow|neon)\b": ("tint", -1),
        r"\boverexposed\b": ("exposure", 1),
    }
    seen = dict.fromkeys(rules, 0)
    for one in _drawn(6000):
        words = [word for word, of_light in zip(split_words(one.text), one.of_light) if of_light]
        for rule, (name, sign) in rules.items():
            lit = one.light
            if lit is None or lit.changes or not re.fullmatch(f".{{0,12}}{rule}", " ".join(words)):
                continue
            if not {"no", "not", "without", "never", "avoid"} & set(split_words(one.text)):
                assert sign * getattr(lit.begin, name) > 0.1, one
                seen[rule] += 1
    assert min(seen.values()) >= 1 and sum(seen.values()) > 20, seen


def test_every_number_is_asked_for_in_both_directions_and_changes():
    numbers = np.stack([one.numbers for one in _drawn(4000)])
    assert numbers.shape == (4000, 2 + 2 * len(LIGHT_NUMBERS))
    begin, end = numbers[:, 2 : 2 + len(LIGHT_NUMBERS)], numbers[:, 2 + len(LIGHT_NUMBERS) :]
    for index, name in enumerate(LIGHT_NUMBERS):
        assert (begin[:, index] > 0.05).sum() > 30, name
        if name not in ("back", "spot", "flicker"):
            assert (begin[:, index] < -0.05).sum() > 30, name
    assert (np.abs(begin - end).max(1) > 0.2).mean() > 0.1


def test_negated_light_is_no_light():
    """Three in ten ask for another light beside the one that is not wanted."""
    negated = [one for one in _drawn(6000) if re.search(r"\bwithout (any )?\w+ light", one.text)]
    assert len(negated) > 8
    assert np.mean([one.light is None for one in negated]) > 0.5
