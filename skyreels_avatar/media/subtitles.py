"""Subtitles of a spoken text: SRT, WebVTT, LRC, or JSON with every word and phoneme."""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from skyreels_avatar.checks import user_path
from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.files import atomic_write
from skyreels_avatar.media.outputs import check_regular
from skyreels_avatar.media.sentences import ends_sentence
from skyreels_avatar.media.spoken_text import SpokenText, SpokenWord

KINDS = ("srt", "vtt", "lrc", "json")
# What broadcasters ask for: two lines that can be read at a glance, for a few seconds.
MAX_LINE = 42
MAX_CUE_S = 7.0
_PAUSE_S = 0.7


@dataclass(frozen=True)
class Cue:
    """One subtitle: its lines, and from when to when it is shown, in seconds."""

    lines: tuple[str, ...]
    start_s: float
    end_s: float


def subtitle_path(wanted: str | Path, video: Path) -> Path:
    """Return where subtitles go: a path, or for "srt" and its like a file beside the video.

    Raises:
        MediaError: the kind is unknown, or there is no such folder.
    """
    beside = str(wanted).lower() in KINDS
    path = video.with_suffix(f".{str(wanted).lower()}") if beside else user_path(wanted)
    if path.suffix.lower()[1:] not in KINDS:
        raise MediaError(f"subtitles must end in .{', .'.join(KINDS)}, got {path}")
    check_regular(path, "subtitle file")
    if not path.parent.is_dir():
        raise MediaError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    return path


def write_subtitles(spoken: SpokenText, path: Path) -> Path:
    """Write the subtitles of a spoken text in the format of the name's ending; never half a file.

    Raises:
        MediaError: see `subtitle_path`, or the file cannot be written.
    """
    path = subtitle_path(path, Path(path))
    try:
        with atomic_write(path) as partial:
            partial.write_text(subtitle_text(spoken, path.suffix.lower()[1:]), encoding="utf-8")
    except OSError as error:
        raise MediaError(f"cannot write the subtitles {path}: {error}") from error
    return path


def subtitle_text(spoken: SpokenText, kind: str) -> str:
    """Return what a subtitle file holds.

    Args:
        kind: one of `KINDS`. LRC has one line a cue; JSON has words and phonemes in seconds.
    """
    if kind == "json":
        values = {
            "voice": spoken.voice,
            "duration_s": spoken.audio.duration_s,
            "words": [asdict(word) for word in spoken.words],
            "phonemes": [asdict(phone) for phone in spoken.phonemes],
        }
        return json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    cues = group_words(spoken.words)
    if kind == "lrc":
        return "".join(f"[{_minutes(cue.start_s)}]{' '.join(cue.lines)}\n" for cue in cues)
    if kind == "vtt":
        blocks = [
            f"{_clock(cue.start_s)} --> {_clock(cue.end_s)}\n"
            + html.escape("\n".join(cue.lines), quote=False)
            for cue in cues
        ]
        return "\n\n".join(["WEBVTT", *blocks]) + "\n"
    blocks = [
        f"{number}\n{_clock(cue.start_s)} --> {_clock(cue.end_s)}\n".replace(".", ",")
        + "\n".join(cue.lines)
        for number, cue in enumerate(cues, start=1)
    ]
    return "\n\n".join(blocks) + "\n"


def group_words(words: Sequence[SpokenWord]) -> tuple[Cue, ...]:
    """Return the subtitles of words: a sentence each, or what fits into two lines and 7 s."""
    groups: list[list[SpokenWord]] = []
    for word in words:
        if not groups or _ends_before(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return tuple(
        Cue(tuple(_lines(group)), group[0].start_s, max(w.end_s for w in group)) for group in groups
    )


def _ends_before(group: list[SpokenWord], word: SpokenWord) -> bool:
    """Tell whether a subtitle ends before a word."""
    return (
        ends_sentence(group[-1].text, word.text)
        or word.start_s - group[-1].end_s > _PAUSE_S
        or word.end_s - group[0].start_s > MAX_CUE_S
        or len(_lines([*group, word])) > 2
    )


def _lines(words: Sequence[SpokenWord]) -> list[str]:
    """Return words as lines, filled from the first on; a wide character counts as two."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]}{'' if word.glued or not lines[-1] else ' '}{word.text}"
        if lines[-1] and _width(longer) > MAX_LINE:
            lines.append(word.text)
        else:
            lines[-1] = longer
    return lines


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _clock(time_s: float) -> str:
    minutes, milliseconds = divmod(round(time_s * 1000), 60_000)
    return (
        f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
    )


def _minutes(time_s: float) -> str:
    minutes, hundredths = divmod(round(time_s * 100), 6000)
    return f"{minutes:02}:{hundredths // 100:02}.{hundredths % 100:02}"
