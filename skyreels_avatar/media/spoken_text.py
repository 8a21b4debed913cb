"""A sound whose words and phonemes know their times: what a speech engine returns."""

from __future__ import annotations

from dataclasses import dataclass, replace

from skyreels_avatar.media.audio import AudioTrack


@dataclass(frozen=True)
class Phone:
    """One phoneme: IPA text with stress marks ("" = silence), start and end in seconds."""

    ipa: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class SpokenWord:
    """One word as it is written, punctuation included, and when it sounds, in seconds.

    Args:
        glued: no space stands before it in the text, as between Chinese characters.
    """

    text: str
    start_s: float
    end_s: float
    glued: bool = False


@dataclass(frozen=True, eq=False)
class SpokenText:
    """A text that was spoken.

    Args:
        audio: the sound.
        words: in order; together they are the text.
        phonemes: in order, without gap; empty where the engine does not tell.
        voice: whose name `find_voice` knows.
    """

    audio: AudioTrack
    words: tuple[SpokenWord, ...]
    phonemes: tuple[Phone, ...]
    voice: str

    def __repr__(self) -> str:
        return f"SpokenText({self.voice!r}, {len(self.words)} words, {self.audio.duration_s:.2f} s)"

    def cut(self, start_s: float | None = None, end_s: float | None = None) -> SpokenText:
        """Return the piece from `start_s` to `end_s` with the words that sound in it."""
        audio = self.audio.cut(start_s, end_s)
        first_s = start_s or 0.0
        last_s = first_s + audio.duration_s

        def moved(item: SpokenWord | Phone) -> SpokenWord | Phone:
            times = (min(max(t, first_s), last_s) - first_s for t in (item.start_s, item.end_s))
            return replace(item, **dict(zip(("start_s", "end_s"), times)))

        words, phonemes = (
            tuple(moved(x) for x in items if x.end_s > first_s and x.start_s < last_s)
            for items in (self.words, self.phonemes)
        )
        return SpokenText(audio, words, phonemes, self.voice)
