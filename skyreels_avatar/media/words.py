"""Where the words of a spoken text are: from a speech engine's marks to `SpokenWord`."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from skyreels_avatar.media.spoken_text import Phone, SpokenWord

# Each of these is a word to a reader of subtitles: no spaces stand between them.
_UNSPACED = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_STOPS = "\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b"  # full width: , . , ! ? : ;
_PIECE = re.compile(f"[{_UNSPACED}]|[^{_UNSPACED}{_STOPS}]+|[{_STOPS}]+")
_FIRST_PICTOGRAM = 0x1F000


def word_times(
    text: str, marks: Sequence[tuple[int, float]], phones: Sequence[Phone]
) -> tuple[SpokenWord, ...]:
    """Return the words of a text with their times.

    An engine may mark a word several times (numbers), and run some together ("of the"): a word
    starts at the first mark within it, and words without one share the time of the word before.

    Args:
        marks: (offset in the text, start in seconds) of words, in order of time.
        phones: at least one that sounds.
    """
    spans = _word_spans(text)
    starts = [start for start, _, _ in spans]
    first_s: list[float | None] = [None] * len(spans)
    for offset, start_s in marks:
        index = max(0, bisect_right(starts, offset) - 1)
        if first_s[index] is None:
            first_s[index] = start_s
    sounds = [phone for phone in phones if phone.ipa]
    if first_s[0] is None:
        first_s[0] = sounds[0].start_s
    starts_s = [phone.start_s for phone in sounds]
    words: list[SpokenWord] = []
    index = 0
    while index < len(spans):
        after = index + 1
        while after < len(spans) and first_s[after] is None:
            after += 1
        next_s = first_s[after] if after < len(spans) else math.inf
        last = sounds[max(0, bisect_left(starts_s, next_s) - 1)]  # before the next word
        start_s = first_s[index]
        end_s = max(start_s, min(last.end_s, next_s))
        words += _shared(text, spans[index:after], start_s, end_s)
        index = after
    return tuple(words)


def _word_spans(text: str) -> list[tuple[int, int, bool]]:
    """Return (start, stop, glued) of each word with the punctuation before and after it."""
    spans: list[tuple[int, int, bool]] = []
    pending: int | None = None  # where punctuation that stands alone began
    for block in re.finditer(r"\S+", text):
        for piece in _PIECE.finditer(block.group()):
            start, stop = block.start() + piece.start(), block.start() + piece.end()
            if not any(c.isalnum() or ord(c) >= _FIRST_PICTOGRAM for c in text[start:stop]):
                if spans and start == spans[-1][1]:
                    spans[-1] = (spans[-1][0], stop, spans[-1][2])
                elif pending is None:
                    pending = start
                continue
            glued = bool(spans) and pending is None and start == spans[-1][1]
            spans.append((start if pending is None else pending, stop, glued))
            pending = None
    if pending is not None and spans:
        spans[-1] = (spans[-1][0], len(text), spans[-1][2])
    return spans or [(0, len(text), False)]


def _shared(text, spans, start_s: float, end_s: float) -> Iterator[SpokenWord]:
    """Yield words that sound between two times, each as long as its share of the letters."""
    total = sum(stop - start for start, stop, _ in spans)
    passed = 0
    for start, stop, glued in spans:
        begin_s = start_s + (end_s - start_s) * passed / total
        passed += stop - start
        until_s = start_s + (end_s - start_s) * passed / total
        yield SpokenWord(text[start:stop], begin_s, until_s, glued)
