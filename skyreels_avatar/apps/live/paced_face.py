"""A paced stream for programs of an event loop, as frameworks of voice agents are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.apps.live.host import OpenStream, open_streams
from skyreels_avatar.apps.live.pacer import Pacer, keep_what_is_there
from skyreels_avatar.errors import AvatarError

_LOOK_S = 0.05
_MAX_WAITING = 50  # frames; of a consumer that is slower, pictures are left out, and no sound


class PacedFace:
    """A face that says what is pushed, as frames in real time.

    Args:
        image: a portrait, or an avatar that was saved.
        fps: frames per second.
        open_stream: makes streams; None = `skyreels_avatar.open_stream`.
        settings: of the stream: size, prompt, camera, seed, expressiveness.
    """

    def __init__(
        self,
        image: str | Path,
        fps: float = 25.0,
        open_stream: OpenStream | None = None,
        **settings: Any,
    ):
        self._image, self._fps, self._settings = image, fps, settings
        self._open = open_stream or open_streams()
        self._pacer: Pacer | None = None
        self._frames: asyncio.Queue[Any] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends = False

    async def start(self) -> None:
        """Prepare the portrait and begin; the event loop goes on meanwhile.

        Raises:
            InputError: the portrait or a setting cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        stream = await asyncio.to_thread(self._open, self._image, fps=self._fps, **self._settings)
        self._pacer = Pacer(stream, self._fps)
        self._pacer.add(self)
        keep_what_is_there()
        self._pacer.start()

    @property
    def stream(self) -> Any:
        """The stream, to change prompt, camera and expressiveness.

        Raises:
            AvatarError: it has not begun.
        """
        if self._pacer is None:
            raise AvatarError("the face is not on air; await start() first")
        return self._pacer.stream

    def push(self, pcm: bytes, sample_rate: int, num_channels: int = 1) -> None:
        """Say sound: interleaved 16 bit samples."""
        samples = np.frombuffer(pcm, np.int16).reshape(-1, num_channels)
        self._ends = False
        self.stream.push(samples, sample_rate)

    def end(self) -> None:
        """Say that an utterance is complete."""
        self.stream.finish()
        self._ends = True

    def interrupt(self) -> None:
        """Drop what waits, and close the mouth."""
        self._ends = False
        if self._pacer is None:
            raise AvatarError("the face is not on air; await start() first")
        self._pacer.interrupt()

    def nod(self) -> None:
        """Nod, unless the face speaks."""
        if self._pacer is not None and not self._pacer.stream.speaking:
            self._pacer.stream.nod()

    async def finish_speaking(self) -> None:
        """Wait until what was pushed has been said."""
        self.end()
        while self._pacer is not None and self._pacer.failure is None and self._ends:
            await asyncio.sleep(_LOOK_S)

    def put(self, frame: Any) -> None:
        """Take a frame of the pacer, in its thread."""
        pacer = self._pacer
        if pacer is None:
            return
        ended = self._ends and not frame.speaking and pacer.stream.queued_s <= 0
        if ended:
            self._ends = False
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._frames.put_nowait, (frame, ended))

    async def frames(self) -> AsyncIterator[tuple[Any, bool]]:
        """Yield `LiveFrame`s, and whether an utterance has ended before it; without end.

        The image is None where the picture stays as it was.
        """
        while True:
            frame, ended = await self._frames.get()
            if self._frames.qsize() > _MAX_WAITING:
                frame = replace(frame, image=None)
            yield frame, ended

    async def close(self) -> None:
        """End."""
        pacer, self._pacer = self._pacer, None
        if pacer is not None:
            pacer.remove(self)
            await asyncio.to_thread(pacer.stop)
            pacer.stream.close()


def as_pcm(samples: np.ndarray) -> bytes:
    """Return (S,) float samples in [-1, 1] as 16 bit ones."""
    return np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes()
