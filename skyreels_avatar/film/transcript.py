"""Word times of a soundtrack from a subtitle or lyrics file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skyreels_avatar.documents import read_text
from skyreels_avatar.errors import InputError

_SRT_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_SRT_SPAN = re.compile(rf"\s*{_SRT_TIME}\s*-->\s*{_SRT_TIME}")
_LRC_TIME = r"(\d{1,6}):(\d{1,2})(?:[.:](\d{1,3}))?"
_LRC_LINE = re.compile(rf"\s*((?:\[{_LRC_TIME}\]\s*)+)(.*)")
_LRC_WORD = re.compile(rf"<{_LRC_TIME}>")
# A word is what spaces, dashes and points leave together; in scripts without spaces, one letter.
_UNSPACED = r"\u3040-\u30ff\u3400-\u9fff"
_LETTERS = rf"(?:(?![{_UNSPACED}])[^\W_])+"
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTERS}(?:['\u2019]{_LETTERS})*")
_LAST_LINE_S = 4.0  # lyrics give no end; the last line lasts at most so long


@dataclass(frozen=True)
class Word:
    """A word and when it sounds, in seconds of the soundtrack."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Transcript:
    """The words of a soundtrack, in order of time."""

    words: tuple[Word, ...]

    @classmethod
    def load(cls, path: Path) -> Transcript:
        """Read subtitles (.srt, .vtt) or lyrics (.lrc, with times of lines or of words).

        Raises:
            InputError: the file is missing, of another kind, or holds no times.
        """
        readers = {".srt": _read_subtitles, ".vtt": _read_subtitles, ".lrc": _read_lyrics}
        if path.suffix.lower() not in readers:
            raise InputError(f"a transcript ends in .srt, .vtt or .lrc, got {path}")
        lines = read_text(path, "transcript").splitlines()
        words = sorted(readers[path.suffix.lower()](lines), key=lambda word: word.start_s)
        if not words:
            raise InputError(f"{path} holds no words with times")
        return cls(tuple(words))

    def find(self, phrase: str, after_s: float = 0.0) -> tuple[float, float]:
        """Return when a phrase begins and ends, the first time at `after_s` or later.

        Case, accents' encoding and punctuation do not count.

        Raises:
            InputError: the phrase is empty, or is not there from that time on.
        """
        wanted = _normal_words(phrase)
        if not wanted:
            raise InputError(f"words of the transcript are needed, got {phrase!r}")
        said = [" ".join(_normal_words(word.text)) for word in self.words]
        size = len(wanted)
        starts = [i for i in range(len(said) - size + 1) if said[i : i + size] == wanted]
        for first in starts:
            if self.words[first].start_s >= after_s - 1e-6:
                return self.words[first].start_s, self.words[first + size - 1].end_s
        if starts:
            raise InputError(
                f"{phrase!r} is in the transcript at {self.words[starts[-1]].start_s:.2f} s, but "
                f"not at {after_s:.2f} s or later, where the shot before has come to"
            )
        raise InputError(f"{phrase!r} is not in the transcript{self._near(wanted)}")

    def _near(self, wanted: Sequence[str]) -> str:
        import difflib

        size = len(wanted)
        texts = [word.text for word in self.words]
        runs = [" ".join(texts[i : i + size]) for i in range(max(1, len(texts) - size + 1))]
        near = difflib.get_close_matches(" ".join(wanted), runs, n=1, cutoff=0.6)
        return f"; did you mean {near[0]!r}?" if near else "; give words as they stand in it"


def _normal_words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return _WORD.findall(folded)


def _spread(text: str, start_s: float, end_s: float) -> list[Word]:
    """Return the words of a line, sharing its time by their lengths."""
    texts = _WORD.findall(text)
    total = sum(len(word) for word in texts)
    words, done = [], 0
    for word in texts:
        times = [start_s + (end_s - start_s) * n / total for n in (done, done + len(word))]
        words.append(Word(word, *times))
        done += len(word)
    return words


def _read_subtitles(lines: Sequence[str]) -> list[Word]:
    words: list[Word] = []
    span, text = None, []
    for line in [*lines, ""]:
        if found := _SRT_SPAN.match(line):
            span, text = (_seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])), []
        elif line.strip():
            text.append(re.sub(r"<[^<>]*>|\{[^{}]*\}", "", line))
        elif span:
            words += _spread(" ".join(text), *span)
            span = None
    return words


def _read_lyrics(lines: Sequence[str]) -> list[Word]:
    timed = [
        (_seconds(None, *stamp), found[5])
        for found in map(_LRC_LINE.match, lines)
        if found
        for stamp in re.findall(_LRC_TIME, found[1])
    ]
    timed.sort(key=lambda pair: pair[0])
    words: list[Word] = []
    for index, (start_s, text) in enumerate(timed):
        last_s = start_s + _LAST_LINE_S
        end_s = timed[index + 1][0] if index + 1 < len(timed) else last_s
        pieces = _LRC_WORD.split(text)
        stamps = [start_s]
        stamps += [_seconds(None, *pieces[i : i + 3]) for i in range(1, len(pieces), 4)]
        for piece, begin_s, stop_s in zip(pieces[::4], stamps, [*stamps[1:], end_s]):
            words += _spread(piece, begin_s, max(begin_s, stop_s))
    return words


def _seconds(hours: str | None, minutes: str, seconds: str, part: str | None) -> float:
    fraction = float(f"0.{part}") if part else 0.0
    return 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds) + fraction
