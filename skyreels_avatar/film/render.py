"""Render a script to a film: each shot is made once and kept, then all are joined."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from skyreels_avatar.errors import InputError, MediaError, ScriptError
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.film.assemble import (
    RenderedShot,
    film_pieces,
    is_manifest,
    remove_pieces,
    write_manifest,
)
from skyreels_avatar.film.jobs import Job, film_jobs
from skyreels_avatar.film.progress import FilmReporter, OnFilmProgress
from skyreels_avatar.film.script_reader import read_script
from skyreels_avatar.film.sound import Film, open_film
from skyreels_avatar.loading.components import Components, load_components
from skyreels_avatar.media.outputs import check_outputs, input_files
from skyreels_avatar.media.pieces import join_pieces
from skyreels_avatar.media.video import check_output
from skyreels_avatar.parallel import exclusive
from skyreels_avatar.pipeline.read import FootageFiles, read_files
from skyreels_avatar.progress import Progress
from skyreels_avatar.provenance.manifest import file_tags, make_signer
from skyreels_avatar.references.framing import frame_face
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.script import Script
from skyreels_avatar.workers.fingerprint import fingerprint_of
from skyreels_avatar.workers.shot import generate_request
from skyreels_avatar.workers.work_folder import WorkFolder

WORK_SUFFIX = ".work"
MANIFEST = "film.json"
PIECES, WINDOWS = "pieces", "windows"
MakeWindows = Callable[[Sequence[GenerationRequest], Path, Callable[[Progress], object]], object]


@dataclass(frozen=True)
class FilmResult:
    """The result of `render`.

    Attributes:
        path: the film; None when `only` left shots out that no earlier run has made.
        shots: all shots of the film that are made, with their own videos.
        missing: numbers of the shots that are not.
        num_frames, fps, height, width, duration_s: of the film.
        origin_s: the second of the soundtrack at which it begins.
        seconds: of the whole run.
        warnings: what was adjusted or could not be used in the shots that this run made.
    """

    path: Path | None
    shots: tuple[RenderedShot, ...]
    missing: tuple[int, ...]
    num_frames: int
    fps: float
    height: int
    width: int
    duration_s: float
    origin_s: float
    seconds: float
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        path = None if self.path is None else str(self.path)
        return (
            f"FilmResult({path!r}, {self.width}x{self.height}, {len(self.shots)} shots, "
            f"{len(self.missing)} missing, {self.num_frames} frames at {self.fps:g} fps, "
            f"{self.duration_s:.2f} s, {len(self.warnings)} warnings)"
        )


@dataclass(frozen=True)
class RenderSettings:
    """How a film is made; see `api.rendering.render`.

    Attributes:
        tier: None = the default one. sampling: of the shots that have no seed of their own.
        only: numbers of the shots to make. resume: keep what is made.
        work: the work folder; None = the output's name with `WORK_SUFFIX`.
    """

    tier: str | None = None
    sampling: SamplingParams = field(default_factory=SamplingParams)
    only: Collection[int] = ()
    resume: bool = True
    work: str | Path | None = None


def make_film(
    script: Script | str | Path,
    output: str | Path,
    settings: RenderSettings,
    on_progress: OnFilmProgress | None = None,
    make_windows: MakeWindows | None = None,
) -> FilmResult:
    """Make a film; arguments and errors as of `api.rendering.render`.

    Args:
        make_windows: makes windows of all shots side by side in a folder, as `farm.make_windows`
            does, before the shots are joined; None makes them one after the other.
    """
    start = time.perf_counter()
    path = check_output(output)
    whole = script if isinstance(script, Script) else read_script(script)
    check_outputs({"output": path}, [whole, settings.work, "" if script is whole else script])
    film = open_film(whole)
    work_folder = Path(settings.work or path.with_name(path.name + WORK_SUFFIX))
    _check_work(work_folder, [whole, "" if script is whole else script])
    jobs = film_jobs(film, settings.sampling, settings.tier, work_folder)
    chosen, resume = _chosen(settings.only, len(jobs)), settings.resume
    todo = [job for job in jobs if job.number in chosen and not (resume and job.is_done())]
    signing = make_signer(jobs[0].request, path, _seeded(whole, jobs))
    progress = FilmReporter(on_progress, todo, time.perf_counter())
    with exclusive():
        warnings = _make(film, todo, progress, resume, make_windows) if todo else []
    made = {job.number for job in todo}
    shots = tuple(job.rendered(job.number in made) for job in jobs if job.is_done())
    missing = tuple(sorted({job.number for job in jobs} - {shot.number for shot in shots}))
    if not missing:
        progress.report_join()
        pieces = film_pieces(shots, film.script.fps, work_folder / PIECES)
        join_pieces(pieces, path, film.mixdown(), file_tags(jobs[0].request), signing)
    write_manifest(shots, film.script.fps, work_folder / MANIFEST, None if missing else path)
    timeline = film.timeline
    return FilmResult(
        path=None if missing else path,
        shots=shots,
        missing=missing,
        num_frames=timeline.num_frames,
        fps=film.script.fps,
        height=film.script.height,
        width=film.script.width,
        duration_s=timeline.duration_s,
        origin_s=timeline.origin_s,
        seconds=time.perf_counter() - start,
        warnings=tuple(warnings),
    )


def _seeded(script: Script, jobs: Sequence[Job]) -> Script:
    """Return a script in which each shot names the seed that it is made with."""
    seeds = {job.number: job.request.seed for job in jobs}
    shots = [replace(shot, seed=seeds[n]) for n, shot in enumerate(script.shots, start=1)]
    return replace(script, shots=shots)


def _check_work(work: Path, read: object) -> None:
    """Refuse a work folder in which files of the user's would be replaced or removed.

    Raises:
        MediaError: an input lies where finished shots are kept, or the manifest is none of ours.
    """
    manifest = work / MANIFEST
    if manifest.exists() and not is_manifest(manifest):
        raise MediaError(
            f"{manifest} is not the manifest of a film and would be lost; give another work folder"
        )
    kept = {Path(os.path.realpath(work / name)) for name in (PIECES, WINDOWS)}
    for source in input_files(read):
        if kept & set(Path(os.path.realpath(source)).parents):
            raise MediaError(
                f"{source} lies where the work folder {work} keeps what it makes, and may remove; "
                "move it, or give another work folder"
            )


def _chosen(only: Collection[int], num_shots: int) -> set[int]:
    for number in only:
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= num_shots:
            raise InputError(f"shots are numbered from 1 to {num_shots}, got {number!r}")
    return set(only) or set(range(1, num_shots + 1))


def _make(
    film: Film,
    todo: Sequence[Job],
    progress: FilmReporter,
    resume: bool,
    make_windows: MakeWindows | None,
) -> list[str]:
    """Make the videos of shots, all checked before the first is begun; return warnings."""
    folder = todo[0].request.output.parent
    windows = folder.with_name(WINDOWS)
    added = [place for place in (folder, *folder.parents) if not place.exists()]
    made_folder(folder)
    warnings: list[str] = []
    try:
        for job in todo:
            sounds = film.sounds(job.placed)
            for name, sound_path in job.sound_paths.items():
                sounds[name].save(sound_path)
        components = load_components(todo[0].request.tier)
        _check(todo, components)
        if not resume:
            shutil.rmtree(windows, ignore_errors=True)
        if make_windows is not None:
            make_windows([job.request for job in todo], windows, progress.for_windows())
        for job in todo:
            remove_pieces(job.key, folder.with_name(PIECES))
            try:
                on_progress = progress.for_shot(job)
                result = generate_request(job.request, on_progress, components, windows, False)
            except InputError as error:
                raise type(error)(*_prefixed(job, error)) from error
            _check_unchanged(job)
            warnings += [f"shot {job.number}: {warning}" for warning in result.warnings]
            progress.finish_shot(job)
            finished = WorkFolder(windows, fingerprint_of(job.request, components))
            shutil.rmtree(finished.path, ignore_errors=True)
        return warnings
    finally:
        for job in todo:
            for sound_path in job.sound_paths.values():
                sound_path.unlink(missing_ok=True)
        for place in (windows, *added):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()


def _check(todo: Sequence[Job], components: Components) -> None:
    """Read the files of all shots and find their faces, so that a film fails at once or never."""
    problems = []
    with _suppress_warnings():
        for job in todo:
            try:
                files = read_files(job.request)
                if isinstance(files, FootageFiles):
                    _check_footage(job, files)
                elif not job.request.shot.speakers:
                    shot = job.request.shot
                    size = files.height, files.width
                    frame_face(files.original, size, shot.face, shot.camera, face_analyzer())
            except InputError as error:
                problems += _prefixed(job, error)
    if problems:
        raise ScriptError(problems)


def _check_unchanged(job: Job) -> None:
    """Remove the video of a shot, and refuse to go on, if one of its files has changed meanwhile.

    The key of the video is that of the files as they were before.
    """
    try:
        job.read.check()
    except InputError as error:
        job.request.output.unlink(missing_ok=True)
        raise InputError(f"shot {job.number}: {error}") from error


def _check_footage(job: Job, files: FootageFiles) -> None:
    """Refuse a video that would leave the film's size or the shot's length."""
    size = f"{files.width}x{files.height}"
    if size != job.request.size:
        raise InputError(
            f"the video {job.request.shot.video} is {size}, the film {job.request.size}; all shots "
            "have one size: give the film the video's, or scale the video first"
        )
    if len(files.source) != job.placed.num_frames:
        raise InputError(
            f"with length: {job.request.shot.length} the video would last {len(files.source)} "
            f"frames, its shot {job.placed.num_frames}; in a film a shot lasts as long as its "
            "sound: give audio, loop, bounce or remap"
        )


@contextmanager
def _suppress_warnings() -> Iterator[None]:
    """Leave warnings about a face to when its shot is made."""
    log = logging.getLogger("skyreels_avatar.faces.select")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _prefixed(job: Job, error: InputError) -> list[str]:
    return [f"shot {job.number}: {error}"]


def made_folder(folder: Path) -> Path:
    """Make a work folder and return it.

    Raises:
        MediaError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"cannot make the work folder {folder}: {error}") from error
    return folder
