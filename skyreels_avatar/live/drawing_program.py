"""What the process runs that draws: started by `DrawingProcess`, told by a pipe."""

from __future__ import annotations

import contextlib
import threading
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from skyreels_avatar.live.painter import Job, Painter, Stages
from skyreels_avatar.live.shared_pictures import SharedPictures
from skyreels_avatar.parallel import one_thread, send


def run(connection: Connection, painter: Painter, drawn: SharedPictures) -> None:
    """Draw what is asked for, until who asks is gone; in a process that was forked off.

    Args:
        painter: draws; nobody else in this process does.
        drawn: where pictures are put.
    """
    with torch.no_grad(), contextlib.suppress(EOFError, OSError):
        frames = list(range(4))  # the first pictures take longer
        latents = np.zeros((1, 32, 2, 1, 4), np.float32)
        painter.draw(Job(frames, latents, [float(i) for i in frames]))
        painter.stages = Stages()
        send(connection, True)
        _serve(painter, connection, drawn)


def _serve(painter: Painter, connection: Connection, drawn: SharedPictures) -> None:
    coming = None  # a camera move that is being made, which takes longer than a picture
    while True:
        told = connection.recv()
        if coming is not None and (not isinstance(told, Job) or told.frames[-1] >= coming[1]):
            coming = coming[0].join()
        if isinstance(told, Job):
            pictures = painter.draw(told)
            drawn.put(pictures[frame] for frame in told.frames)
            send(connection, dict(painter.stages))
            painter.stages = Stages()
        elif told[0] == "light":
            painter.scene.light(told[1])
        elif told[0] == "advance":
            painter.scene.pieces(told[1])
        else:
            coming = threading.Thread(target=_film, args=(painter, *told[1:])), told[2]
            coming[0].start()


def _film(painter: Painter, camera: Any, frame: int) -> None:
    with torch.no_grad(), one_thread():
        painter.scene.film(camera, frame)
