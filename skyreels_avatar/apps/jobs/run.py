"""Do one job with the package's public verbs, in the job's own folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyreels_avatar.apps.jobs.records import Job
from skyreels_avatar.media.files import atomic_write
from skyreels_avatar.progress import Progress

OnProgress = Callable[[Progress], object]
VIDEO, PICTURE, SOUND, SCRIPT, WORK = (
    "video.mp4", "picture.jpg", "speech.wav", "script.yaml", "work",
)  # fmt: skip
FILE_FIELDS = ("image", "video", "audio", "vocals")
SHOTS = "shots"  # in the work folder of a film, see `render`
_PICTURE_PX = 640


@dataclass(frozen=True)
class Engine:
    """What makes windows in parallel: see `render`; without a name, this process does."""

    name: str | None = None
    workers: int | None = None
    address: str | None = None


def run_job(job: Job, folder: Path, on_progress: OnProgress, engine: Engine) -> dict[str, Any]:
    """Make what a job asks for; a job that was interrupted goes on after its last whole window.

    Args:
        folder: of the job, which holds its uploads under the names in `job.files`.

    Returns:
        names of files in the folder, and what they are, as `Job.result` holds them.

    Raises:
        AvatarError: as of the verbs.
    """
    values = with_paths(job.input, job.files, folder)
    verbs = {"generate": _generate, "retalk": _retalk, "film": _film, "speak": _speak}
    return verbs[job.kind](values, folder, on_progress, engine)


def remove_work(job: Job, folder: Path) -> None:
    """Remove what a job that has ended needs no more; a film keeps its shots for a next version.

    Only the worker whose end of the job counted may do this: another one may be at work there.
    """
    work, keeps_shots = folder / WORK, job.kind == "film"
    for path in list(work.iterdir()) if work.is_dir() else ():
        if path.name != SHOTS or not keeps_shots:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if not keeps_shots:
        shutil.rmtree(work, ignore_errors=True)


def with_paths(values: Mapping[str, Any], files: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Return the values of a job with the paths of files in the places of their ids."""
    return {
        name: folder / files[value] if name in FILE_FIELDS and value in files else value
        for name, value in values.items()
    }


def _generate(
    values: dict[str, Any], folder: Path, on_progress: OnProgress, engine: Engine
) -> dict[str, Any]:
    from skyreels_avatar.api.generation import make_video
    from skyreels_avatar.apps.jobs.requests import generation_request

    request = generation_request(values, folder / VIDEO)
    made = make_video(
        request, on_progress, work=folder / WORK, engine=engine.name, workers=engine.workers,
        address=engine.address,
    )  # fmt: skip
    return _video_result(made, folder)


def _retalk(
    values: dict[str, Any], folder: Path, on_progress: OnProgress, engine: Engine
) -> dict[str, Any]:
    from skyreels_avatar.apps.jobs.requests import retalk_request
    from skyreels_avatar.workers.shot import generate_request

    request = retalk_request(values, folder / VIDEO)
    made = generate_request(request, on_progress, work_folder=folder / WORK)
    result = _video_result(made, folder)
    return result | {"unseen": [vars(span) for span in made.unseen]}


def _film(
    values: dict[str, Any], folder: Path, on_progress: OnProgress, engine: Engine
) -> dict[str, Any]:
    from skyreels_avatar.api.rendering import render

    if values.get("reuse"):
        _link_shots(folder.parent / values["reuse"] / WORK / SHOTS, folder / WORK / SHOTS)
    made = render(
        folder / SCRIPT, folder / VIDEO, tier=values.get("tier"), seed=values.get("seed", 0),
        work=folder / WORK, on_progress=on_progress, engine=engine.name, workers=engine.workers,
        address=engine.address,
    )  # fmt: skip
    return _video_result(made, folder) | {
        "shots": len(made.shots),
        "shots_made": sum(shot.is_new for shot in made.shots),
    }


def _link_shots(source: Path, target: Path) -> None:
    """Put the finished shots of an earlier film into a work folder; `render` takes what fits."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("[!.]*")) if source.is_dir() else ():
        if path.is_file() and not (target / path.name).exists():
            try:
                os.link(path, target / path.name)
            except OSError:  # a file system without links
                with atomic_write(target / path.name) as partial:
                    shutil.copyfile(path, partial)


def _speak(
    values: dict[str, Any], folder: Path, on_progress: OnProgress, engine: Engine
) -> dict[str, Any]:
    from skyreels_avatar.api.text_to_speech import speak
    from skyreels_avatar.apps.jobs.requests import voice_name

    on_progress(Progress("speak", 0, 1, None))
    spoken = speak(values["text"], folder / SOUND, **voice_name(values, "voice"))
    return {"audio": SOUND, "duration_s": round(spoken.audio.duration_s, 3)}


def _video_result(made: Any, folder: Path) -> dict[str, Any]:
    _write_picture(folder / VIDEO, folder / PICTURE)
    return {
        "video": VIDEO,
        "picture": PICTURE,
        "duration_s": round(made.duration_s, 3),
        "num_frames": made.num_frames,
        "fps": made.fps,
        "width": made.width,
        "height": made.height,
        "warnings": list(made.warnings),
    }


def _write_picture(video: Path, path: Path) -> None:
    """Write the first picture of a video as a JPEG."""
    from PIL import Image

    from skyreels_avatar.media.video_reader import VideoReader

    picture = Image.fromarray(next(iter(VideoReader(video))))
    picture.thumbnail((_PICTURE_PX, _PICTURE_PX))
    with atomic_write(path) as partial:
        picture.save(partial, "JPEG", quality=88)
