"""Draws the pictures of a stream: the face over what its camera sees, and the marks on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from skyreels_avatar.live.avatar import Avatar
from skyreels_avatar.live.scene import LiveScene, Piece
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.label import draw_label
from skyreels_avatar.parallel import one_thread
from skyreels_avatar.provenance.watermark import mark_frames


@dataclass(frozen=True)
class Look:
    """What pictures of a stream have beside the avatar.

    Attributes:
        fps: of the stream.
        seed: of mouth and light.
        number: that the watermark says; None = there is none.
        label: that is written on them; None = nothing.
    """

    fps: float
    seed: int
    number: int | None
    label: str | None


@dataclass(frozen=True, eq=False)
class Job:
    """Pictures that are drawn together, which costs much less than one by one.

    Attributes:
        frames: of the stream.
        latents: (1, 32, T, 1, 4) float32.
        positions: in motion frames of the latents, one for each frame.
    """

    frames: list[int]
    latents: np.ndarray
    positions: list[float]


class Stages(dict[str, float]):
    """Seconds of a core by stage."""

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.thread_time()
        yield
        self.add({name: time.thread_time() - start})

    def add(self, spent: dict[str, float]) -> None:
        """Add what was spent elsewhere."""
        for name, seconds in spent.items():
            self[name] = self.get(name, 0.0) + seconds


class Painter:
    """Draws at once, in the thread that asks.

    Attributes:
        scene: what the camera sees.
        stages: what drawing took.
        left_s: until what was asked for is drawn.
        busy_s: how long somebody else has drawn.
    """

    left_s = busy_s = 0.0

    def __init__(self, avatar: Avatar, parts: Components, look: Look):
        self._look, self.stages = look, Stages()
        self._drawing = threading.Lock()
        self.scene = LiveScene(avatar, parts, look.fps, look.seed)

    def submit(self, job: Job) -> Future[dict[int, np.ndarray]]:
        """Return the pictures (H, W, 3) uint8 by frame."""
        drawn: Future[dict[int, np.ndarray]] = Future()
        drawn.set_result(self.draw(job))
        return drawn

    def draw(self, job: Job) -> dict[int, np.ndarray]:
        """Return the pictures of a job by frame."""
        pictures = dict[int, np.ndarray]()
        with self._drawing, torch.no_grad(), one_thread():
            latents, positions = torch.from_numpy(job.latents), iter(job.positions)
            for piece in self.scene.pieces(job.frames):
                at = [next(positions) for _ in piece.frames]
                pictures |= zip(piece.frames, self._draw(piece, latents, at))
        return pictures

    def light(self, prompt: str) -> None:
        """See `LiveScene.light`; done already."""

    def film(self, camera: object, frame: int) -> None:
        """See `LiveScene.film`; done already."""

    def advance(self, frames: list[int]) -> None:
        """Come to frames that are drawn by somebody else; nobody else draws."""

    def drop(self, after: int) -> None:
        """Draw nothing beyond a frame of what was asked for; nothing waits."""

    def close(self) -> None:
        """End."""

    def _draw(self, piece: Piece, latents: torch.Tensor, at: list[float]) -> np.ndarray:
        places, look = piece.places, self._look
        with self.stages("picture"):
            pixels = piece.decoder.canvas(places.start, places.stop)
        with self.stages("face"):
            piece.decoder.draw_at(pixels, latents, at, places.start)
        with self.stages("marks"):
            if look.number is not None:
                pixels = mark_frames(pixels, look.number)
            if look.label is not None:
                pixels = draw_label(pixels, look.label)
        return pixels
