"""A second process that draws the pictures of a stream while this one goes on.

Threads of one interpreter gain nothing: drawing is many small operations. Both processes hold the
scene and are told the same in the same order, so either draws the same bytes; until the second is
ready, and after it has ended, this one draws.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.live.avatar import Avatar
from skyreels_avatar.live.painter import Job, Look, Painter
from skyreels_avatar.live.shared_pictures import SharedPictures, shared_file
from skyreels_avatar.loading.components import torch_device
from skyreels_avatar.loading.tiers import Tier
from skyreels_avatar.parallel import num_cores

logger = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "skyreels_avatar.live.drawing_program"
_GONE = EOFError, OSError


class DrawingProcess:
    """Draws jobs one after the other, elsewhere; as `Painter`, but nobody waits.

    It is a program of its own, not a copy of the one that runs, which may have no guard for that.

    Attributes:
        is_ready: whether it takes jobs. It loads for some seconds, in which somebody else draws.
        is_starting: whether it is not ready yet, and will be.
        took_s: from the start of the last job to its end.
    """

    def __init__(self) -> None:
        self.is_ready, self.is_starting, self.took_s = False, True, 0.0
        self._connection, theirs = Pipe()
        self._shared = shared_file()
        numbers = theirs.fileno(), self._shared.fileno()
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, *map(str, numbers)],
            pass_fds=numbers, stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        theirs.close()  # so that the end of either process ends the pipe
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._dropping, self._dropped = threading.Lock(), list[tuple[int, int]]()
        self._asked, self._has_ended, self._is_closed = 0, False, False
        self._thread: threading.Thread | None = None

    @classmethod
    def start(cls, tier: Tier) -> DrawingProcess | None:
        """Start one; None where there is one core, or another device draws."""
        possible = os.name == "posix" and num_cores() > 1  # elsewhere no pipe can be handed on
        return cls() if possible and torch_device(tier.device).type == "cpu" else None

    def open(self, tier: Tier, avatar: Avatar, look: Look, here: Painter) -> None:
        """Tell it what it draws; returns at once.

        Args:
            tier: whose parts draw.
            here: draws the same in this process, where the other one does not.
        """
        self._here = here
        arguments = tier, avatar, look
        name = "live-draw"
        self._thread = threading.Thread(target=self._run, args=arguments, name=name, daemon=True)
        self._thread.start()

    @property
    def process_id(self) -> int:
        """Of the process that draws."""
        return self._process.pid

    def submit(self, job: Job) -> Future[dict[int, np.ndarray]]:
        """Return what will be the pictures (H, W, 3) uint8 by frame; as soon as it is ready."""
        drawn: Future[dict[int, np.ndarray]] = Future()
        self._asked += 1
        self._waiting.put((self._asked, job, drawn))
        return drawn

    def light(self, prompt: str) -> None:
        """See `LiveScene.light`."""
        self._waiting.put(("light", prompt))

    def film(self, camera: object, frame: int) -> None:
        """See `LiveScene.film`."""
        self._waiting.put(("film", camera, frame))

    def advance(self, frames: list[int]) -> None:
        """Come to frames that are drawn by somebody else: where the camera would be, it is."""
        self._waiting.put(("advance", frames))

    def drop(self, after: int) -> None:
        """Draw nothing beyond a frame of what was asked for so far."""
        with self._dropping:
            self._dropped.append((self._asked, after))

    def close(self) -> None:
        """End, as soon as what was asked for is drawn."""
        self._is_closed = True
        self._waiting.put(None)
        if not self.is_ready:  # nothing was asked for
            self._process.kill()
            self._process.wait()
            if self._thread is not None:
                self._thread.join()  # a program that ends while it packs the avatar is aborted

    def _run(self, tier: Tier, avatar: Avatar, look: Look) -> None:
        self._pictures = SharedPictures(self._shared.fileno(), *avatar.picture.shape[:2])
        with self._if_alive():
            self._connection.send((tier, *avatar.packed(), look))
            self.is_ready = self._connection.recv()
        self.is_starting = False
        while (told := self._waiting.get()) is not None:
            if isinstance(told[0], str):
                with self._if_alive():
                    self._connection.send(told)
                continue
            number, job, drawn = told
            with self._dropping:
                stale = any(number <= at and job.frames[0] > after for at, after in self._dropped)
                self._dropped = [one for one in self._dropped if one[0] > number]
            if stale:
                drawn.cancel()
                with self._if_alive():
                    self._connection.send(("advance", job.frames))
                continue
            try:
                drawn.set_result(self._drawn(job))
            except Exception as error:
                drawn.set_exception(error)
        self._connection.close()
        self._shared.close()
        self._process.wait()

    def _drawn(self, job: Job) -> dict[int, np.ndarray]:
        start = time.perf_counter()
        pictures = None
        with self._if_alive():
            self._connection.send(job)
            spent = self._connection.recv()
            pictures = self._pictures.take(job.frames)
            self._here.stages.add(spent)
        if pictures is None:
            pictures = self._here.draw(job)
        self.took_s = time.perf_counter() - start
        return pictures

    @contextlib.contextmanager
    def _if_alive(self):
        """Do something, unless the process has ended; tell it once."""
        try:
            yield
        except _GONE:
            if not self._has_ended and not self._is_closed:
                logger.warning("the process that draws has ended; this one draws")
            self._has_ended = True
