"""Words and sounds that wait to be said: spoken sentence by sentence, a little ahead."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.media.sentences import split_sentences

logger = logging.getLogger(__name__)

MAX_WAITING = 200
MAX_CHARACTERS = 5000
_AHEAD_S = 3.0  # of sound that waits in the stream, before the next sentence is handed over
_LOOK_S = 0.05
_NICE = 10  # a picture that is late is seen, a sentence that comes later is not

Samples = tuple[np.ndarray, int]


@dataclass(frozen=True)
class Words:
    """A text to say.

    Attributes:
        voice: as `speak` takes it; None = that of the queue.
    """

    text: str
    voice: str | None = None


@dataclass(frozen=True)
class SoundFile:
    """A sound file to say."""

    path: Path


class SpeechQueue:
    """Says texts and sounds one after the other, in a thread of its own.

    Args:
        stream: returns the stream that is said to, which may change.
        voice: of texts that name none; None = the default one.
    """

    def __init__(self, stream: Callable[[], Any], voice: str | None = None):
        self._stream, self._voice = stream, voice
        self._items: deque[Words | SoundFile] = deque()
        self._changed = threading.Condition()
        self._generation, self._busy, self._closed = 0, False, False
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="live-speech", daemon=True)
        self._thread.start()

    def put(self, item: Words | SoundFile) -> None:
        """Say something after what waits already.

        Raises:
            InputError: nothing to say, too long, or too much waits.
        """
        if isinstance(item, Words):
            if not item.text.strip():
                raise InputError("there is nothing to say; give some words", parameter="text")
            if len(item.text) > MAX_CHARACTERS:
                raise InputError(
                    f"a text may have {MAX_CHARACTERS} characters, got {len(item.text)}; say it in"
                    " parts", parameter="text",
                )  # fmt: skip
        with self._changed:
            if len(self._items) >= MAX_WAITING:
                raise InputError(
                    f"{MAX_WAITING} texts are queued already; wait for some to be spoken"
                )
            self._items.append(item)
            self._changed.notify_all()

    def interrupt(self, stop: Callable[[], None] | None = None) -> None:
        """Drop what waits, and close the mouth.

        Args:
            stop: interrupts the stream; None = the stream itself does.
        """
        with self._changed:
            self._generation += 1
            self._items.clear()
            (stop or self._stream().interrupt)()
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many texts and sounds are not said yet, that one included which is being said."""
        with self._changed:
            return len(self._items) + self._busy

    def is_quiet(self) -> bool:
        """Tell whether everything was said."""
        return not self.waiting and self._stream().queued_s <= 0.0

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._generation += 1
            self._changed.notify_all()
        self._thread.join(timeout=10.0)

    def _run(self) -> None:
        _be_nice()
        while True:
            with self._changed:
                self._busy = False
                while not self._items and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                item, generation = self._items.popleft(), self._generation
                self._busy = True
            try:
                self._say(item, generation)
                self.problem = None
            except AvatarError as error:
                self.problem = str(error)
                logger.warning("not said: %s", error)

    def _say(self, item: Words | SoundFile, generation: int) -> None:
        pieces = _sound_of(item.path) if isinstance(item, SoundFile) else self._spoken(item)
        for samples, sample_rate in pieces:
            with self._changed:
                self._changed.wait_for(
                    lambda: generation != self._generation or self._has_room(), timeout=0.0
                )
                while generation == self._generation and not self._has_room():
                    self._changed.wait(_LOOK_S)
                if generation != self._generation:
                    return
                stream = self._stream()
                stream.push(samples, sample_rate)
                stream.finish()

    def _has_room(self) -> bool:
        return self._stream().queued_s < _AHEAD_S

    def _spoken(self, words: Words) -> Any:
        from skyreels_avatar.media.speech import DEFAULT_VOICE, speak

        voice = words.voice or self._voice or DEFAULT_VOICE
        for sentence in split_sentences(words.text):
            first, last = sentence[0], sentence[-1]
            text = words.text[first[0] : last[0] + len(last[1])]
            sound = speak(text, voice).audio
            yield sound.samples, sound.sample_rate


def _sound_of(path: Path) -> Any:
    from skyreels_avatar.media.audio import AudioTrack

    track = AudioTrack.load(path)
    yield track.samples, track.sample_rate


def _be_nice() -> None:
    """Let this thread, and those it starts, come after the one that makes pictures."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    except (AttributeError, OSError):  # not on Linux, where threads have priorities of their own
        return
