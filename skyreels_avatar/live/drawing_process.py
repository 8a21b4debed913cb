"""A second process that draws the pictures of a stream while this one goes on.

Threads of one interpreter gain nothing: drawing is many small operations. Both processes hold the
scene and are told the same in the same order, so either draws the same bytes; where the second has
ended, this one draws.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import queue
import threading
from concurrent.futures import Future
from typing import Any

import numpy as np

from skyreels_avatar.errors import AvatarError
from skyreels_avatar.live import drawing_program, forking
from skyreels_avatar.live.backlog import Backlog
from skyreels_avatar.live.painter import Job, Painter
from skyreels_avatar.live.shared_pictures import SharedPictures
from skyreels_avatar.parallel import send

logger = logging.getLogger(__name__)
_PATIENCE_S = 10.0  # for a process that has just begun; it needs some hundredths of that
_GONE = EOFError, OSError
_AT_EXIT_S = 5.0  # for what is being drawn when the program ends


class DrawingProcess:
    """Draws jobs one after the other, elsewhere; as `Painter`, but nobody waits.

    It is a copy of this process: see `forking`. Where it meets a lock that nobody releases, and
    does not answer, this process draws.

    Args:
        painter: draws the same in this process, where the other one does not.
    """

    def __init__(self, painter: Painter) -> None:
        self._backlog = Backlog()
        self._here = painter
        self._pictures = SharedPictures(*painter.scene.avatar.picture.shape[:2])
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._dropping, self._dropped = threading.Lock(), list[tuple[int, int]]()
        self._asked, self._has_ended, self._is_closed, self._is_ready = 0, False, False, False
        given = drawing_program.run, painter, self._pictures
        self._process, self._connection = forking.start(*given)
        self._thread = threading.Thread(target=self._run, name="live-draw", daemon=True)
        self._thread.start()
        atexit.register(self._end)  # before that of `multiprocessing`, which ends the process

    @property
    def process_id(self) -> int:
        """Of the process that draws."""
        assert self._process.pid is not None  # it was started
        return self._process.pid

    @property
    def left_s(self) -> float:
        """How long it probably is until all that was asked for is drawn; inf: it has ended."""
        return math.inf if self._has_ended else self._backlog.left_s

    @property
    def busy_s(self) -> float:
        """How long it has drawn so far, by the clock."""
        return self._backlog.busy_s

    def submit(self, job: Job) -> Future[dict[int, np.ndarray]]:
        """Return what will be the pictures (H, W, 3) uint8 by frame; as soon as it is ready."""
        drawn: Future[dict[int, np.ndarray]] = Future()
        self._asked += 1
        self._backlog.ask()
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
        if not self._is_ready:
            self._process.kill()
            self._thread.join()

    def _end(self) -> None:
        """Wait at the end of the program: a thread that draws then would abort it."""
        self.close()
        self._thread.join(_AT_EXIT_S)

    def _run(self) -> None:
        with self._if_alive():
            if not self._connection.poll(_PATIENCE_S):
                self._process.kill()
            self._is_ready = self._connection.recv()
        while (told := self._waiting.get()) is not None:
            if isinstance(told[0], str):
                with self._if_alive():
                    send(self._connection, told)
                continue
            number, job, drawn = told
            with self._dropping:
                stale = any(number <= at and job.frames[0] > after for at, after in self._dropped)
                self._dropped = [one for one in self._dropped if one[0] > number]
            if stale:
                self._backlog.end(is_done=False)
                drawn.cancel()
                with self._if_alive():
                    send(self._connection, ("advance", job.frames))
                continue
            try:
                pictures = self._drawn(job)
                self._backlog.end()
                drawn.set_result(pictures)
            except Exception as error:
                drawn.set_exception(error)
        self._connection.close()
        self._process.join()
        atexit.unregister(self._end)

    def _drawn(self, job: Job) -> dict[int, np.ndarray]:
        pictures = None
        with self._if_alive():
            send(self._connection, job)
            spent = self._connection.recv()
            pictures = self._pictures.take(job.frames)
            self._here.stages.add(spent)
        if pictures is None:
            if self._is_closed:
                raise AvatarError("the stream was closed before this picture was drawn")
            pictures = self._here.draw(job)
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
