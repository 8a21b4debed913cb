"""One request to one file: read, load, open, run, and write the video with its sound."""

from __future__ import annotations

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
from skyreels_avatar.media.audio_stream import SpooledAudio
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.pieces import join_with_spooled_audio
from skyreels_avatar.media.subtitles import write_subtitles
from skyreels_avatar.media.video import NullVideoWriter, VideoWriter, check_output
from skyreels_avatar.parallel import exclusive
from skyreels_avatar.pipeline.open import OpenShot, UnseenSpan, load_networks, open_shot
from skyreels_avatar.pipeline.read import read_files
from skyreels_avatar.pipeline.run import AvatarPipeline
from skyreels_avatar.progress import OnProgress, Reporter
from skyreels_avatar.provenance.manifest import file_tags, make_signer
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.workers.allocator import return_freed_memory
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
        work_folder: where each finished window is kept, latents and frames, in a folder of this
            shot's own. A run that was stopped, even killed, resumes there after the last whole
            window when it is started again, and its video has the same bytes. The folder stays;
            remove it when the video will not be made again.
        sign: add a C2PA manifest, where the extra `provenance` is installed; shots of a film have
            none.
    """
    path = check_output(request.output)
    outputs = {"output": path, "subtitles": request.subtitles, "motion file": request.save_motion}
    check_outputs(outputs, [request, work_folder])
    reporter = Reporter(on_progress)
    start = time.perf_counter()
    waiting = partial(reporter.report, "wait")
    with _collected_warnings() as warnings, exclusive(waiting):
        read = ReadFiles(request)
        with reporter.stage("read"):
            files = read_files(request)
        signing = make_signer(request, path) if sign else None
        if signing is not None:
            read.check()
        # From here on the sound is on disk: of a long one, memory holds what the networks hear.
        with closing(SpooledAudio(files.audio, path.parent)) as sound:
            spoken, files = files.spoken, files.for_networks()
            with reporter.stage("load"):
                components = components or load_networks(request, *files.drawn_size)
            with reporter.stage("analyse"):
                opened = open_shot(request, files, components, lambda: reporter.report("analyse"))
            duration_s = files.audio.duration_s
            del files
            if duration_s > _LONG_S:
                return_freed_memory()
            if work_folder is None:
                num_found = _write(request, opened, sound, components, reporter, signing)
            else:
                fingerprint = fingerprint_of(request, components)
                read.check()
                work = WorkFolder(work_folder, fingerprint, read)
                num_found = _make_pieces(request, opened, components, reporter, work)
                pieces, tags = work.pieces(opened.plan), file_tags(request)
                join_with_spooled_audio(pieces, request.output, sound, tags, signing)
        if spoken is not None and request.subtitles is not None:
            write_subtitles(spoken, request.subtitles)
    picture = opened.framing.picture
    return GenerationResult(
        path=path,
        num_frames=opened.plan.num_frames,
        fps=request.fps,
        height=picture.height,
        width=picture.width,
        duration_s=opened.plan.num_frames / request.fps,
        seconds={**reporter.seconds, "total": time.perf_counter() - start},
        peak_rss_mb=_peak_rss_mb(),
        face_box=tuple(float(value) for value in opened.framing.faces[0].box),
        warnings=tuple(warnings),
        unseen=opened.unseen,
        num_found=num_found,
    )


def _write(
    request: GenerationRequest,
    opened: OpenShot,
    sound: SpooledAudio,
    components: Components,
    reporter: Reporter,
    signing: Callable[[Path], None] | None,
) -> int:
    """Make the video of a shot without a work folder; return 0, the number of frames found."""
    picture = opened.framing.picture
    kind = VideoWriter if components.rank == 0 else NullVideoWriter
    with kind(
        request.output, picture.height, picture.width, request.fps, sound,
        metadata=file_tags(request), cuts=request.cuts, color=opened.color, finish=signing,
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
        pipeline.write_pieces(shot, work, reporter, remaining)
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


def _peak_rss_mb() -> float:
    """Return the peak resident memory of this process in MB, 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
