"""The program of a process that draws: started by `DrawingProcess`, told by a pipe.

It loads for some seconds at a low priority: the stream plays meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skyreels_avatar.live.painter import Painter

_LOADING_NICENESS = 5  # a third of what others get who want all of a core


def main(connection: Connection, shared: int) -> None:
    """Draw what is asked for, until who asks is gone.

    Args:
        shared: the number of the file that pictures are put into.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an end from the keyboard is the other's
    loaded: list[Painter] = []
    loading = threading.Thread(target=_load, args=(connection, loaded))
    loading.start()
    loading.join()
    if loaded:
        import torch

        from skyreels_avatar.parallel import one_thread

        with torch.no_grad(), one_thread(), contextlib.suppress(EOFError, OSError):
            connection.send(True)
            _serve(connection, loaded[0], shared)


def _load(connection: Connection, loaded: list[Painter]) -> None:
    """Make the painter of what comes first; in a thread, whose priority is its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOADING_NICENESS)
    import numpy as np
    import torch

    from skyreels_avatar.live.avatar import Avatar
    from skyreels_avatar.live.painter import Job, Painter, Stages
    from skyreels_avatar.live.scene import drawing_parts
    from skyreels_avatar.parallel import one_thread

    with torch.no_grad(), one_thread(), contextlib.suppress(EOFError, OSError):
        tier, arrays, values, look = connection.recv()
        painter = Painter(Avatar.of(arrays, values), drawing_parts(tier), look)
        frames = list(range(4))  # the first pictures take twice as long
        job = Job(frames, np.zeros((1, 32, 2, 1, 4), np.float32), [float(i) for i in frames])
        painter.draw(job)
        painter.stages = Stages()
        loaded.append(painter)


def _serve(connection: Connection, painter: Painter, shared: int) -> None:
    from skyreels_avatar.live.painter import Job, Stages
    from skyreels_avatar.live.shared_pictures import SharedPictures

    drawn = SharedPictures(shared, *painter.scene.avatar.picture.shape[:2])
    coming = None  # a camera move that is being made, which takes longer than a picture
    while True:
        told = connection.recv()
        if coming is not None and (not isinstance(told, Job) or told.frames[-1] >= coming[1]):
            coming = coming[0].join()
        if isinstance(told, Job):
            pictures = painter.draw(told)
            drawn.put(pictures[frame] for frame in told.frames)
            connection.send(dict(painter.stages))
            painter.stages = Stages()
        elif told[0] == "light":
            painter.scene.light(told[1])
        elif told[0] == "advance":
            painter.scene.pieces(told[1])
        else:
            coming = threading.Thread(target=_film, args=(painter, *told[1:])), told[2]
            coming[0].start()


def _film(painter: Painter, camera: Any, frame: int) -> None:
    import torch

    from skyreels_avatar.parallel import one_thread

    with torch.no_grad(), one_thread():
        painter.scene.film(camera, frame)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), int(sys.argv[2]))
