"""A face that is on air: its stream on a clock, what it says, who it is, who looks on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.apps.live.pacer import Pacer, Viewer, keep_what_is_there
from skyreels_avatar.apps.live.speech import SpeechQueue, Words
from skyreels_avatar.checks import check_number

OpenStream = Callable[..., Any]
MIN_FPS, MAX_FPS = 5.0, 60.0
_MAX_AVATARS = 8
_FIRST_FRAMES = 5  # the first one, and those whose motion is sampled and drawn together


@dataclass(frozen=True)
class LiveSettings:
    """What is on air at first.

    Attributes:
        image: a portrait, or an avatar that was saved.
        size: of the pictures; None = that of a saved avatar, else 384x384.
        prompt, camera, seed, expressiveness: as `open_stream` takes them.
        fps: frames per second, 5 to 60.
        voice: of texts that name none; None = the default one.
    """

    image: Path
    size: str | None = None
    fps: float = 25.0
    prompt: str | None = None
    camera: str | None = None
    seed: int = 0
    expressiveness: float = 100.0
    voice: str | None = None

    def __post_init__(self) -> None:
        check_number("fps", self.fps, MIN_FPS, MAX_FPS)


class LiveHost:
    """A stream that runs on a clock until it is closed.

    Args:
        settings: what is on air.
        open_stream: makes streams; None = `skyreels_avatar.open_stream`.
        prepare: makes an avatar of a picture, of a size, while another is on air; None = another
            process does, or `open_stream` if one is given.

    Raises:
        InputError: the portrait or a setting cannot be used.
    """

    def __init__(
        self,
        settings: LiveSettings,
        open_stream: OpenStream | None = None,
        prepare: Callable[[Path, str], Any] | None = None,
    ):
        self.settings = settings
        self._open = open_stream or open_streams()
        by_default = _prepare if open_stream is None else (lambda image, size: image)
        self._prepare = prepare or by_default
        self._look = {
            "prompt": settings.prompt, "camera": settings.camera,
            "expressiveness": settings.expressiveness,
        }  # fmt: skip
        self._avatars: dict[Path, Any] = {}
        self._size = settings.size
        self._changing = threading.Lock()
        self._pacer = Pacer(self._new_stream(settings.image, settings.image), settings.fps)
        self._speech = SpeechQueue(lambda: self._pacer.stream, settings.voice)
        self.portrait = settings.image
        keep_what_is_there()
        self._pacer.start()

    def add(self, viewer: Viewer) -> None:
        """Hand frames to a viewer from here on."""
        self._pacer.add(viewer)

    def remove(self, viewer: Viewer) -> None:
        """Hand a viewer no more frames."""
        self._pacer.remove(viewer)

    def say(self, text: str, voice: str | None = None) -> None:
        """Say a text after what waits already; it returns at once.

        Raises:
            InputError: there is nothing to say, it is too long, the voice is unknown, or too much
                waits.
        """
        if voice is not None:
            from skyreels_avatar.media.speech import find_voice

            find_voice(voice)
        self._speech.put(Words(text, voice))

    def play(self, item: Any) -> None:
        """Say `Words` or a `SoundFile` after what waits already."""
        self._speech.put(item)

    def hear(self, samples: np.ndarray, sample_rate: int, ended: bool = False) -> None:
        """Say sound as it comes, as from a microphone: (S,) float32; `ended` closes the mouth."""
        stream = self._pacer.stream
        if len(samples):
            stream.push(samples, sample_rate)
        if ended:
            stream.finish()

    def interrupt(self) -> None:
        """Drop everything that waits, and close the mouth."""
        self._speech.interrupt(self._pacer.interrupt)

    def set(self, **changes: Any) -> None:
        """Change prompt, camera or expressiveness.

        Raises:
            InputError: a value cannot be used; nothing has changed then.
        """
        with self._changing:
            self._pacer.stream.set(**changes)
            self._look |= changes

    def show(self, image: Path, **changes: Any) -> None:
        """Show another portrait as soon as it is prepared, which takes some seconds.

        Args:
            changes: of prompt, camera and expressiveness, at the same time.

        Raises:
            InputError: something cannot be used; all stays as it was.
        """
        with self._changing:
            before, self._look = self._look, self._look | changes
            try:
                avatar = self._avatars.get(image) or self._prepare(image, self._size)
                stream = self._new_stream(image, avatar)
                warm_up(stream)
                self._pacer.switch(stream)
            except Exception:
                self._look = before
                raise
            self.portrait = image

    def is_quiet(self) -> bool:
        """Tell whether everything was said."""
        return self._speech.is_quiet()

    def state(self) -> dict[str, Any]:
        """Return what a page shows: who speaks, what waits, how many pictures a second come."""
        stream = self._pacer.stream
        failure = self._pacer.failure
        return {
            "speaking": bool(stream.speaking),
            "queued_s": round(float(stream.queued_s), 2),
            "waiting": self._speech.waiting,
            "fps": self.settings.fps,
            "picture_fps": round(self._pacer.picture_fps, 2),
            "problem": str(failure) if failure else self._speech.problem,
            **self._look,
            **self._pacer.counts(),
        }

    @property
    def failure(self) -> BaseException | None:
        """What ended the stream, if anything did."""
        return self._pacer.failure

    def close(self) -> None:
        """End it."""
        self._speech.close()
        self._pacer.stop()
        self._pacer.stream.close()

    def _new_stream(self, image: Path, avatar: Any) -> Any:
        """Open a stream; whoever was on air before is there at once, and all are of one size."""
        stream = self._open(
            avatar, size=self._size, fps=self.settings.fps,
            seed=self.settings.seed, **self._look,
        )  # fmt: skip
        self._size = stream.avatar.size
        while len(self._avatars) >= _MAX_AVATARS:
            self._avatars.pop(next(iter(self._avatars)))
        self._avatars[image] = stream.avatar
        return stream

    def __enter__(self) -> LiveHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def warm_up(stream: Any) -> None:
    """Read the first frames of a stream, which take several times as long as those that come.

    Nothing is heard in them, and nobody sees them.
    """
    if getattr(stream, "draws_ahead", False):
        for _ in range(_FIRST_FRAMES):
            last = stream.read(wait=False)
        last.image.result()


def _prepare(image: Path, size: str) -> Any:
    from skyreels_avatar.api.live import prepare_beside_streams

    return prepare_beside_streams(image, size)


def open_streams() -> OpenStream:
    """Return `skyreels_avatar.open_stream`, with low latency where there are two cores."""
    from skyreels_avatar.api.live import open_stream
    from skyreels_avatar.parallel import num_cores

    return partial(open_stream, low_latency=num_cores() > 1)
