"""Sentences of a text: where one ends, in languages that write spaces between words."""

from __future__ import annotations

import re

_OPENING = "\"'([{\u201c\u2018\u201e\u00ab\u00a1\u00bf"
_CLOSING = "\"')]}\u201d\u2019\u00bb\u300d\u300f"
_ENDS = ".!?\u2026\u3002\uff01\uff1f\u0964\u061f"
# A full stop after these belongs to the abbreviation: a name follows, or a number.
_BEFORE_NAMES = (
    " dr mr mrs ms mx prof mt ft gen gov sen rep capt lt col sgt cmdr rev hon pres maj adm cpl hr "
    "fr mme mlle mons sra srta dra sig dott e.g i.e z.b d.h u.a bzw ca vgl vs approx cf op "
)
_BEFORE_NUMBERS = (
    " no nos nr fig vol ch p pp art sec ext jan feb mar apr jun jul aug sep sept oct nov dec "
)
# After these a sentence may end or go on; words that begin sentences decide.
_UNDECIDED = " st ave blvd rd jr sr inc ltd co corp bros etc dept univ est "
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_BEGINNERS = (
    " the a an this that these those it he she we they you i there here his her its our their my "
    "your but and so or if when then what who where why how in on at for as after before "
)


def ends_sentence(word: str, following: str | None) -> bool:
    """Tell whether a sentence ends with a word.

    Args:
        word: with its punctuation.
        following: the next word of the paragraph; None at its end.
    """
    bare = word.rstrip(_CLOSING)
    if bare[-1:] not in tuple(_ENDS):
        return False
    if following is None:
        return True
    following = following.lstrip(_OPENING)
    if following[:1].islower():
        return False
    if bare[-1] != "." or bare.endswith(".."):
        return True
    bare = bare[:-1].lstrip(_OPENING)
    said = f" {bare.lower()} "
    if said in _BEFORE_NUMBERS and following[:1].isdigit():
        return False
    if said in _BEFORE_NAMES or (len(bare) == 1 and bare.isupper() and bare != "I"):
        return False
    if said in _UNDECIDED or _ACRONYM.fullmatch(bare):
        return f" {following.rstrip(_CLOSING + ',').lower()} " in _BEGINNERS
    return True


def split_sentences(text: str, max_characters: int = 300) -> list[list[tuple[int, str]]]:
    """Return the sentences of a text, or pieces of long ones, as words with their offsets.

    Args:
        max_characters: longer sentences are cut, at a comma in the second half where there is one.
    """
    sentences: list[list[tuple[int, str]]] = []
    words: list[tuple[int, str]] = []
    found = list(re.finditer(r"\S+", text))
    for number, match in enumerate(found):
        words.append((match.start(), match.group()))
        after = found[number + 1] if number + 1 < len(found) else None
        if after is not None and "\n" in text[match.end() : after.start()]:
            after = None
        if ends_sentence(match.group(), after and after.group()) or after is None:
            sentences += _pieces(words, max_characters)
            words = []
    return sentences


def _pieces(words: list[tuple[int, str]], limit: int) -> list[list[tuple[int, str]]]:
    """Return a sentence as pieces of at most `limit` characters, or of one longer word."""
    pieces = []
    while words and words[-1][0] + len(words[-1][1]) - words[0][0] > limit and len(words) > 1:
        start = words[0][0]
        fit = max(1, sum(offset + len(word) - start <= limit for offset, word in words))
        commas = [i + 1 for i in range(fit // 2, fit) if words[i][1][-1] in ",;:\u2014\uff0c"]
        cut = commas[-1] if commas else fit
        pieces.append(words[:cut])
        words = words[cut:]
    return [*pieces, words] if words else pieces
