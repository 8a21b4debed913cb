"""English as phonemes: numbers, dates, sums of money and abbreviations read out.

The lexicon, its rules and most readings are those of the package hibari-tts (after misaki).
"""

from __future__ import annotations

import difflib
import functools
import itertools
import re
import unicodedata
from typing import Any

from skyreels_avatar.errors import MissingExtraError
from skyreels_avatar.media.phoneme_network import PronouncedWord

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "\u00a3": ("pound", "pounds", "penny", "pence"),
    "\u20ac": ("euro", "euros", "cent", "cents"),
}
_SAYINGS = {"24/7": "twenty-four seven", "9/11": "nine eleven", "50/50": "fifty-fifty"}
_SAYING = re.compile(rf"(?<![\w/])({'|'.join(_SAYINGS)})(?![\w/])")
# A fraction may follow "by" or "of"; after these a day is meant.
_DATE = re.compile(r"\b(on|since|until|till|before|after|dated|due) (\d{1,2})/(\d{1,2})(?![\w/])")
_SUM = re.compile(
    r"([$\u00a3\u20ac]) ?(\d+(?:,\d{3})*)(?:\.(\d{2}))?(?![.,]?\d)"
    r"(?! ?(?:hundred|thousand|million|billion|trillion|[kKmMbB]\b))"
)
_AFTER_NUMBER = re.compile(r"(?<=[\d%])([.,;:!?]+)(?=\s|$)")


def pronounce(words: list[tuple[int, str]], *, british: bool = False) -> list[PronouncedWord]:
    """Return the phonemes of the words of a sentence, each with its offset.

    Words that are read out together ("3/4" as "March fourth") stand at the first of them.

    Raises:
        MissingExtraError: hibari is not installed.
    """
    said = read_out(" ".join(word for _, word in words)).split()
    phonemes = _phonemes(said, british)
    pronounced = [""] * len(words)
    matcher = difflib.SequenceMatcher(None, [word for _, word in words], said, autojunk=False)
    for _, first, last, first_said, last_said in matcher.get_opcodes():
        if last - first == last_said - first_said:
            pronounced[first:last] = phonemes[first_said:last_said]
        elif first_said < last_said:
            index = min(first, len(words) - 1)
            together = [pronounced[index], *phonemes[first_said:last_said]]
            pronounced[index] = " ".join(filter(None, together))
    return [
        PronouncedWord(offset, one) for (offset, _), one in zip(words, pronounced) if one.strip()
    ]


def read_out(sentence: str) -> str:
    """Return a sentence as it is read: "Dr. Smith paid 3 dollars and 50 cents on March fourth.".

    Plain numbers stay, the lexicon reads them.

    Raises:
        MissingExtraError: hibari is not installed.
    """
    try:
        from hibari.g2p.normalize import normalize
        from hibari.g2p.numbers import ordinal
    except ImportError as error:
        raise MissingExtraError("hibari-tts", "voice") from error

    def date(found: re.Match[str]) -> str:
        month, day = int(found[2]), int(found[3])
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return found[0]
        return f"{found[1]} {_MONTHS[month - 1]} {ordinal(day)}"

    sentence = "".join(_named(letter) for letter in sentence)
    sentence = _SAYING.sub(lambda found: _SAYINGS[found[1]], sentence)
    sentence = _DATE.sub(date, sentence)
    sentence = _SUM.sub(_sum, sentence)
    # A mark right behind a number hides dates, fractions and telephone numbers from `normalize`,
    # which takes the space out again.
    return normalize(_AFTER_NUMBER.sub(r" \1", sentence))


def _sum(found: re.Match[str]) -> str:
    one, many, one_part, parts = _MONEY[found[1]]
    whole, part = found[2], int(found[3] or 0)
    said = f"{whole} {one if whole == '1' else many}"
    if not part:
        return said
    small = f"{part} {one_part if part == 1 else parts}"
    return small if whole == "0" else f"{said} and {small}"


def _named(letter: str) -> str:
    """Return a Greek letter by its name, which the lexicon knows; others as they are."""
    name = unicodedata.name(letter, "") if ord(letter) > 127 else ""
    return (
        f" {name.split()[3].lower()} " if re.match("GREEK (SMALL|CAPITAL) LETTER", name) else letter
    )


@functools.lru_cache
def _grapheme_to_phoneme(british: bool) -> Any:
    from hibari.g2p import G2P

    return G2P(british=british)


def _phonemes(words: list[str], british: bool) -> list[str]:
    """Return the phonemes of each word of a sentence; how a word is read depends on the others."""
    g2p = _grapheme_to_phoneme(british)
    spoken = [""] * len(words)
    # A token of the lexicon is a piece of a word; the last one of a word has the space after it.
    number = itertools.count()
    index = next(number)
    for token in g2p.phonemize_tokens(g2p.tokenize(" ".join(words))):
        if index < len(words):
            spoken[index] += token.phonemes or ""
        if token.whitespace:
            index = next(number)
    return spoken
