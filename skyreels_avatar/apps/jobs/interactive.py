"""Answers that cannot wait in the queue: faces of a picture, a preview of a camera, a plan.

They come from one process of their own, which is started when it is first needed, keeps its
networks loaded, and is replaced when it dies or takes too long.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from skyreels_avatar.apps.jobs.records import RequestError
from skyreels_avatar.errors import AvatarError, InputError

_TIMEOUT_S = 60.0
PREVIEW_S = 2.0
_THUMBNAIL_PX = 640


class Interactive:
    """One process that answers at once."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Start the process, and let it load what answers need, without waiting for it."""
        self._submit(_load)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function of this module returns, called in the process.

        Raises:
            InputError: the function did.
            RequestError: it took too long, or the process died of it.
        """
        future = self._submit(function, *arguments)
        try:
            outcome = future.result(timeout=_TIMEOUT_S)
        except (FutureTimeoutError, BrokenProcessPool) as error:
            self.stop()
            raise RequestError(
                "unavailable", "this could not be answered in time",
                "try again; a smaller picture is quicker", 503, 5.0,
            ) from error  # fmt: skip
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def stop(self) -> None:
        """End the process."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((pool._processes or {}).values()):
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        with self._lock:
            if self._pool is None:
                self._pool = _new_pool()
            try:
                return self._pool.submit(_guarded, function, *arguments)
            except BrokenProcessPool:
                self._pool = _new_pool()
                return self._pool.submit(_guarded, function, *arguments)


def _new_pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_set_up
    )


def _set_up() -> None:
    from skyreels_avatar.apps.jobs.sandbox import leave_network

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    leave_network()
    # Without this the process would stay for ever when its server is killed.
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _guarded(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or the error it raised, as one that can be pickled."""
    try:
        return function(*arguments)
    except InputError as error:
        return InputError(str(error), parameter=error.parameter)
    except AvatarError as error:
        return AvatarError(str(error))
    except Exception as error:
        return AvatarError(f"{type(error).__name__}: {error}")


def _load() -> None:
    import skyreels_avatar.pipeline.camera_preview  # noqa: F401
    from skyreels_avatar.faces.start import face_analyzer

    face_analyzer()


def camera_moves() -> list[str]:
    """Return the names of the camera moves."""
    from skyreels_avatar.camera.moves import MOVES

    return list(MOVES)


def check_input(kind: str, values: Mapping[str, Any], folder: Path) -> None:
    """Check the values of a job as the job itself will.

    Raises:
        InputError: one cannot be used.
    """
    from skyreels_avatar.apps.jobs.requests import check_request

    check_request(kind, values, folder)


def plan_job(kind: str, values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return what a job would take, as `skyreels-avatar plan` prints it in JSON.

    Raises:
        InputError: a value cannot be used, or there is no plan of such a job.
    """
    from skyreels_avatar.api.planning import plan
    from skyreels_avatar.apps.jobs.requests import generation_request, retalk_request

    output = folder / "video.mp4"
    if kind == "generate":
        return plan(generation_request(values, output)).to_dict()
    if kind == "retalk":
        return plan(retalk_request(values, output)).to_dict()
    if kind == "film":
        return plan(folder / "script.yaml", tier=values.get("tier")).to_dict()
    raise InputError(f"there is no plan of a {kind} job; give generate, retalk or film")


def find_faces(path: Path, kind: str, thumbnail: Path) -> dict[str, Any]:
    """Return the faces of a picture, or of a video's first frame, and write it small.

    Returns:
        width and height in pixels; faces with x, y (the middle), width and height in parts of
        them, the largest first.
    """
    from PIL import Image

    from skyreels_avatar.faces.start import face_analyzer
    from skyreels_avatar.media.files import atomic_write

    pixels = _pixels(path, kind)
    height, width = pixels.shape[:2]
    faces = []
    for number, face in enumerate(face_analyzer().find(pixels)):
        left, top, box_width, box_height = (float(value) for value in face.box)
        faces.append(
            {
                "number": number,
                "x": round((left + box_width / 2) / width, 5),
                "y": round((top + box_height / 2) / height, 5),
                "width": round(box_width / width, 5),
                "height": round(box_height / height, 5),
            }
        )
    picture = Image.fromarray(pixels)
    picture.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    with atomic_write(thumbnail) as partial:
        picture.save(partial, "JPEG", quality=85)
    return {"width": width, "height": height, "faces": faces}


def _pixels(path: Path, kind: str) -> Any:
    if kind == "image":
        from skyreels_avatar.media.image import Portrait

        return Portrait.load(path).pixels
    from skyreels_avatar.media.video_reader import VideoReader

    return next(iter(VideoReader(path)))


def write_preview(
    path: Path, camera: Any, size: str | None, output: Path, duration_s: float = PREVIEW_S
) -> None:
    """Write a short video of what a camera move shows of a picture.

    Args:
        size: of the video that it is a preview of; the preview is smaller.

    Raises:
        InputError: the move or the size cannot be used, or there is no face.
    """
    from skyreels_avatar.media.files import atomic_write
    from skyreels_avatar.pipeline.camera_preview import previews

    video = previews().video(path, camera, size, duration_s)
    with atomic_write(output) as partial:
        partial.write_bytes(video)
