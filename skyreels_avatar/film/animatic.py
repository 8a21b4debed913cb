"""The animatic of a film: its stills through their cameras, cut and timed, nobody speaking."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import Cancelled, InputError
from skyreels_avatar.film.assemble import blend
from skyreels_avatar.film.jobs import shot_request
from skyreels_avatar.film.progress import FilmProgress, OnFilmProgress
from skyreels_avatar.film.sound import Film, open_film
from skyreels_avatar.film.timeline import PlacedShot
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.video import VideoReader, VideoWriter, check_output
from skyreels_avatar.parallel import exclusive
from skyreels_avatar.pipeline.reference_video import reference_frames
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Reporter
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.script import Script

ANIMATIC_LONG_SIDE_PX = 320
_SMALLEST_SIDE_PX = 64
_BATCH = 16


def write_animatic(
    script: Script, output: str | Path, on_progress: OnFilmProgress | None = None
) -> int:
    """Write the film as it will be cut and move, small, nobody speaking; return its frames.

    Every still is seen through its camera, with the cross-fades and the sound of the film.

    Raises:
        ScriptError: shots cannot be placed.
        InputError: a picture cannot be read or holds no face, or the output cannot be written.
        Cancelled: `on_progress` returned False. No file is left then.
    """
    path = check_output(output)
    check_outputs({"animatic": path}, script)
    film = open_film(script)
    height, width = _small(script.height, script.width)
    timeline = film.timeline
    start_s, done = time.perf_counter(), 0
    with exclusive(), VideoWriter(path, height, width, script.fps, film.mixdown()) as writer:
        for placed, batch in _film_batches(film, height, width):
            writer.write(batch)
            done += len(batch)
            pace = (time.perf_counter() - start_s) / done
            report = FilmProgress(
                "animatic", done, timeline.num_frames, pace * (timeline.num_frames - done),
                placed.number, len(timeline.shots), placed.number,
            )  # fmt: skip
            if on_progress is not None and on_progress(report) is False:
                raise Cancelled("stopped by the caller during the animatic")
    return timeline.num_frames


def _small(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, ANIMATIC_LONG_SIDE_PX / max(height, width))
    scale = max(scale, min(1.0, _SMALLEST_SIDE_PX / min(height, width)))
    return 2 * round(height * scale / 2), 2 * round(width * scale / 2)


def _film_batches(film: Film, height: int, width: int) -> Iterator[tuple[PlacedShot, np.ndarray]]:
    """Yield (shot, pictures (F, H, W, 3)) of the film, cross-fades blended."""
    leaving: list[np.ndarray] = []
    for placed in film.timeline.shots:
        try:
            pictures = _shot_pictures(film, placed, height, width)
            entering = list(itertools.islice(pictures, placed.fade_in))
        except InputError as error:
            raise type(error)(f"shot {placed.number}: {error}") from error
        if entering:
            yield placed, blend(np.stack(leaving), np.stack(entering))
        alone = placed.num_frames - placed.fade_in - placed.fade_out
        for first in range(0, alone, _BATCH):
            yield placed, np.stack(list(itertools.islice(pictures, min(_BATCH, alone - first))))
        leaving = list(pictures)


def _shot_pictures(film: Film, placed: PlacedShot, height: int, width: int) -> Iterator[np.ndarray]:
    fps = film.timeline.fps
    if placed.shot.image is None:
        return _footage(placed, float(fps), height, width)
    sound = Path("sound.wav")
    camera = shot_request(film, placed, SamplingParams(), None, sound).shot.camera
    plan = plan_shot(float(placed.num_frames / fps), film.script.fps)
    original, face = Portrait.load(placed.shot.image), placed.shot.face
    chunks = reference_frames(original, (height, width), face, camera, plan, Reporter(None))
    return itertools.chain.from_iterable(chunks)


def _footage(placed: PlacedShot, fps: float, height: int, width: int) -> Iterator[np.ndarray]:
    """Yield the pictures of a video at another rate and size; the last one stays."""
    reader = VideoReader(placed.shot.video)
    wanted = (int((index + 0.5) * reader.fps / fps) for index in range(placed.num_frames))
    frames, at, pixels = iter(reader), -1, None
    for place in wanted:
        while at < place and (found := next(frames, None)) is not None:
            pixels, at = found, at + 1
        yield Portrait(pixels).resized_to(height, width).pixels
