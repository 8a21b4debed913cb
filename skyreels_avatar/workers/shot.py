"""One shot, from its request to the finished video: all steps, and who was told of them."""

from __future__ import annotations

import ctypes
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.no_video import NoVideo
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.pieces import join_with_sound
from skyreels_avatar.media.soundtrack import WaitingSound
from skyreels_avatar.media.subtitles import write_subtitles
from skyreels_avatar.media.video import VideoWriter, check_output
from skyreels_avatar.parallel import exclusive
from skyreels_avatar.pipeline.encode import OpenShot, UnseenSpan
from skyreels_avatar.pipeline.load import load_networks
from skyreels_avatar.pipeline.retalk import open_any, read_any
from skyreels_avatar.pipeline.run import AvatarPipeline
from skyreels_avatar.progress import OnProgress, Reporter
from skyreels_avatar.provenance.manifest import metadata_of, signing_of
from skyreels_avatar.request.script import (
    GenerationRequest,
)
from skyreels_avatar.workers.fingerprint import ReadFiles, fingerprint_of
from skyreels_avatar.workers.work_folder import WorkFolder

# Threads of the pass run in a copy of the caller's context.
_collecting: ContextVar[list[str] | None] = ContextVar("collecting", default=None)
_LONG_S = 60.0  # a shorter sound frees too little to be worth the milliseconds


@dataclass(frozen=True)
class GenerationResult:
    """What was made.

    Attributes:
        path: the video.
        num_frames, fps, height, width, duration_s: of the video.
        seconds: duration of each stage; "total" is the whole.
        peak_rss_mb: largest memory of this process so far.
        face_box: x, y, width, height of the face in pixels of the video's first frame.
        warnings: what was adjusted or could not be used, in the order it was found.
        unseen: of a video that retalks: spans in which no mouth can be seen, and which are the
            source's own frames.
        num_found: frames that an earlier run had left in the work folder.
    """

    path: Path
    num_frames: int
    fps: float
    height: int
    width: int
    duration_s: float
    seconds: dict[str, float]
    peak_rss_mb: float
    face_box: tuple[float, float, float, float]
    warnings: tuple[str, ...]
    unseen: tuple[UnseenSpan, ...] = ()
    num_found: int = 0

    def __repr__(self) -> str:
        return (
            f"GenerationResult({str(self.path)!r}, {self.width}x{self.height}, "
            f"{self.num_frames} frames at {self.fps:g} fps, {self.duration_s:.2f} s, "
            f"{len(self.warnings)} warnings)"
        )


def generate_request(
    request: GenerationRequest,
    on_progress: OnProgress | None = None,
    components: Components | None = None,
    work_folder: str | Path | None = None,
    sign: bool = True,
) -> GenerationResult:
    """Make the video of a request: see `generate`.

    Args:
        components: a tier that is loaded already; by default the request's own is loaded.
        work_folder: where each finished window is kept, latents and pictures, in a folder of this
            shot's own. A run that was stopped, however hard, goes on there after the last whole
            window when it is started again, and its video has the same bytes. The folder stays;
            remove it when the video is no longer to be made again.
        sign: add a C2PA manifest, where the extra `provenance` is installed; pieces have none.
    """
    path = check_output(request.output)
    outputs = {"output": path, "subtitles": request.subtitles, "save_motion": request.save_motion}
    check_outputs(outputs, [request, work_folder])
    reporter = Reporter(on_progress)
    start = time.perf_counter()
    waiting = partial(reporter.report, "wait")
    with _collected_warnings() as warnings, exclusive(waiting):
        read = ReadFiles(request)
        with reporter.stage("read"):
            files = read_any(request)
        signing = signing_of(request, path) if sign else None
        if signing is not None:
            read.check()
        # From here on the sound is on disk: of a long one, memory holds what the networks hear.
        with closing(WaitingSound(files.audio, path.parent)) as sound:
            spoken, files = files.spoken, files.heard()
            with reporter.stage("load"):
                components = components or load_networks(request, files.height, files.width)
            with reporter.stage("analyse"):
                opened = open_any(request, files, components, lambda: reporter.report("analyse"))
            duration_s = files.audio.duration_s
            del files
            if duration_s > _LONG_S:
                _return_freed_memory()
            if work_folder is None:
                num_found = _write(request, opened, sound, components, reporter, signing)
            else:
                fingerprint = fingerprint_of(request, components)
                read.check()
                work = WorkFolder(work_folder, fingerprint, read)
                num_found = _make_pieces(request, opened, components, reporter, work)
                pieces, tags = work.pieces(opened.plan), metadata_of(request)
                join_with_sound(pieces, request.output, sound, tags, signing)
        if spoken is not None and request.subtitles is not None:
            write_subtitles(spoken, request.subtitles)
    height, width = opened.portrait.height, opened.portrait.width
    return GenerationResult(
        path=path,
        num_frames=opened.plan.num_frames,
        fps=request.fps,
        height=height,
        width=width,
        duration_s=opened.plan.num_frames / request.fps,
        seconds={**reporter.seconds, "total": time.perf_counter() - start},
        peak_rss_mb=_peak_rss_mb(),
        face_box=tuple(float(value) for value in opened.face.box),
        warnings=tuple(warnings),
        unseen=opened.unseen,
        num_found=num_found,
    )


def _write(
    request: GenerationRequest,
    opened: OpenShot,
    sound: WaitingSound,
    components: Components,
    reporter: Reporter,
    signing: Callable[[Path], None] | None,
) -> int:
    """Make the video of a shot in one go, from no frames found."""
    height, width = opened.portrait.height, opened.portrait.width
    kind = VideoWriter if components.rank == 0 else NoVideo
    with kind(
        request.output, height, width, request.fps, sound,
        metadata=metadata_of(request), cuts=request.cuts, colour=opened.colour, finish=signing,
    ) as writer:  # fmt: skip
        AvatarPipeline(components)(request, opened, writer, reporter)
        reporter.report("finish")
    return 0


def _make_pieces(
    request: GenerationRequest,
    opened: OpenShot,
    components: Components,
    reporter: Reporter,
    work: WorkFolder,
) -> int:
    """Make what is missing of a shot in its work folder; return the number of frames found."""
    if components.tier.context_parallel > 1:
        # They would have to agree on what is there, while each finds it at its own time.
        raise InputError(
            f"a work folder belongs to one process, and tier {components.tier.name} shares a pass "
            f"between {components.tier.context_parallel}; leave one of them out"
        )
    work.sweep()
    plan = opened.plan
    remaining = work.remaining(plan)
    num_found = plan.num_frames - sum(map(plan.num_pictures, remaining))
    reporter.start_pace(plan.num_frames, num_found)
    if remaining or request.save_motion is not None:
        pipeline = AvatarPipeline(components)
        shot = pipeline.encode(request, opened, reporter)
        pipeline.pieces(shot, work, reporter, remaining)
        if request.save_motion is not None:
            pipeline.save_motion(request.save_motion, shot, work, reporter)
    reporter.report("finish")
    return num_found


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Collect what the library warns about in the block, and not what it does in other threads."""
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)

    def emit(record: logging.LogRecord) -> None:
        if _collecting.get() is messages:
            messages.append(record.getMessage())

    handler.emit = emit
    token = _collecting.set(messages)
    loggers = [logging.getLogger(name) for name in ("skyreels_avatar", "camera")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield messages
    finally:
        _collecting.reset(token)
        for logger in loggers:
            logger.removeHandler(handler)


def _return_freed_memory() -> None:
    """Give freed memory back to the system, where the C library can.

    A long sound leaves holes that pictures do not quite fill, and the program keeps them
    (`apps.memory`).
    """
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # musl has none
            trim(0)


def _peak_rss_mb() -> float:
    """Return the peak resident memory of this process in MB, 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
