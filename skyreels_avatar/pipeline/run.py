"""Run a shot that is open: encode, denoise, decode and stitch, in this order, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skyreels_avatar.errors import Cancelled, InputError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.parallel import one_core_per_thread, prefetch
from skyreels_avatar.pipeline.decode import decode
from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.pipeline.motion import write_motion
from skyreels_avatar.pipeline.open import OpenShot, open_shot
from skyreels_avatar.pipeline.pretrained import Pretrained
from skyreels_avatar.pipeline.read import read_files
from skyreels_avatar.pipeline.stitch import stitch, write_piece
from skyreels_avatar.pipeline.windows import (
    LatentCache,
    LatentsInMemory,
    WindowCache,
    WindowSampler,
)
from skyreels_avatar.planning.segments import Segment
from skyreels_avatar.progress import Reporter
from skyreels_avatar.references.reference import Reference
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot


@dataclass(frozen=True, eq=False)
class PipelineOutput:
    """What `AvatarPipeline` made.

    Attributes:
        frames: (F, H, W, 3) uint8 sRGB.
        fps: frames per second.
        audio: that goes with them.
    """

    frames: np.ndarray
    fps: float
    audio: AudioTrack


class AvatarPipeline(Pretrained):
    """Makes a picture talk with the networks of one tier, see `Pretrained` for where from."""

    _callback: Callable[..., dict[str, torch.Tensor]] | None = None

    def __call__(
        self,
        request: GenerationRequest | None = None,
        opened: OpenShot | None = None,
        writer: VideoWriter | None = None,
        reporter: Reporter | None = None,
        callback_on_step_end: Callable[..., dict[str, torch.Tensor]] | None = None,
        **asked: Any,
    ) -> PipelineOutput | Reference:
        """Make a shot and return its frames.

            pipe(image="p.png", audio="a.wav", prompt="she smiles", guidance_scale=5.0).frames

        For a video file with a signature use `generate`.

        Args:
            request: what is made; else `asked` says it.
            opened, writer: a shot that is open already, and what takes its frames; the reference
                video they were made from is returned then.
            reporter: of progress; its callback may return False to stop.
            callback_on_step_end: called as (pipeline, step, timestep, {"latents": latents}) after
                each step of each window, as in diffusers; what it returns under "latents" is gone
                on from.
            asked: fields of `Shot`, of `SamplingParams` and of `GenerationRequest`.

        Raises:
            InputError: something given cannot be used.
            Cancelled: the caller's progress callback returned False.
        """
        self._callback, reporter = callback_on_step_end, reporter or Reporter()
        try:
            if opened is not None:
                return self._write(request, opened, writer, reporter)
            request = request or request_of(self.tier, asked)
            files = read_files(request)
            opened = open_shot(request, files.for_networks(), self.components)
            sink = _FrameList()
            self._write(request, opened, sink, reporter)
            return PipelineOutput(np.concatenate(sink.chunks), request.fps, files.audio)
        finally:
            self._callback = None

    @torch.no_grad()
    def _write(
        self,
        request: GenerationRequest,
        opened: OpenShot,
        writer: VideoWriter,
        reporter: Reporter,
    ) -> Reference:
        """Write all frames of a shot, and return the reference video they were made from."""
        shot = self.encode(request, opened, reporter)
        reporter.start_pace(opened.plan.num_frames)
        with one_core_per_thread():
            cache = None if request.save_motion is None else LatentsInMemory()
            windows = self._windows(shot, opened.plan.shown, reporter, cache)
            chunks = (frames for _, decoded in windows for frames in decoded)
            stitch(chunks, writer, opened.plan, reporter)
        if request.save_motion is not None:
            self.save_motion(request.save_motion, shot, cache, reporter)
        return shot.reference

    @torch.no_grad()
    def encode(
        self, request: GenerationRequest, opened: OpenShot, reporter: Reporter
    ) -> EncodedShot:
        """Return what all windows of a shot share."""
        with reporter.stage("encode"):
            return EncodedShot(self.components, request, opened)

    @torch.no_grad()
    def write_pieces(
        self,
        shot: EncodedShot,
        cache: WindowCache,
        reporter: Reporter,
        segments: Sequence[Segment],
    ) -> None:
        """Write the frames of some windows, each as a piece into a cache.

        What they take over from other windows is read from there, or made and kept there.

        Args:
            segments: in the order of their frames.

        Raises:
            Cancelled: the caller's progress callback returned False; finished pieces stay.
        """
        height, width = shot.reference.size

        def opener(segment: Segment) -> Callable[[Path], VideoWriter]:
            first, _ = shot.plan.video_range(segment)
            cuts = [cut - first for cut in shot.cuts if cut > first]
            return lambda path: VideoWriter(path, height, width, shot.plan.fps, cuts=cuts)

        with one_core_per_thread():
            for segment, chunks in self._windows(shot, segments, reporter, cache):
                write_piece(chunks, cache.piece(segment), opener(segment), reporter)
                cache.check_files(cache.piece(segment))

    @torch.no_grad()
    def sample_latents(
        self,
        shot: EncodedShot,
        cache: WindowCache,
        reporter: Reporter,
        segments: Sequence[Segment],
    ) -> None:
        """Sample some windows, and those they need, into a cache; no frame is decoded."""
        sampler = WindowSampler(self.components, shot, reporter, cache)
        with one_core_per_thread():
            for segment in segments:
                sampler.latents(segment)

    @torch.no_grad()
    def save_motion(
        self, path: Path, shot: EncodedShot, cache: LatentCache, reporter: Reporter
    ) -> None:
        """Write the performance of a shot into a motion file, from latents that a cache keeps."""
        sampler = WindowSampler(self.components, shot, reporter, cache)
        shown = shot.plan.shown
        motion = (shot.space.motion(sampler.latents(segment), segment) for segment in shown)
        write_motion(path, motion, shot.plan)

    def _windows(
        self,
        shot: EncodedShot,
        segments: Sequence[Segment],
        reporter: Reporter,
        cache: LatentCache | None = None,
    ) -> Iterator[tuple[Segment, Iterator[np.ndarray]]]:
        """Yield each window with its frames (F, H, W, 3), a few at a time.

        While a window is decoded and written, the next one is denoised.
        """
        stopped = threading.Event()
        stop, callback = _stop_when(stopped), self._callback

        def on_step(step: int, time: float, latents: torch.Tensor) -> torch.Tensor | None:
            stop(step)
            if callback is None:
                return None
            return (callback(self, step, time, {"latents": latents}) or {}).get("latents")

        sampler = WindowSampler(self.components, shot, reporter, cache, on_step)
        sampled = ((segment, sampler.latents(segment)) for segment in segments)
        try:
            for segment, latents in prefetch(sampled, lambda: reporter.report("denoise")):
                yield segment, decode(shot, segment, latents, reporter)
        finally:
            stopped.set()


def request_of(tier: str, asked: Mapping[str, Any]) -> GenerationRequest:
    """Return the request that fields of a shot, of its sampling and of itself make.

    Raises:
        InputError: an unknown field, or a value that cannot be used.
    """
    asked, parts = dict(asked), {}
    for name, kind in (("shot", Shot), ("sampling", SamplingParams)):
        known = {field.name for field in fields(kind)}
        parts[name] = kind(**{key: asked.pop(key) for key in list(asked) if key in known})
    known = {field.name for field in fields(GenerationRequest)} - {"shot", "sampling", "tier"}
    if unknown := sorted(set(asked) - known):
        raise InputError(f"a pipeline knows no {', '.join(unknown)}")
    return GenerationRequest(tier=tier, **{"output": "frames.mp4", **asked, **parts})


class _FrameList:
    """Takes frames in a writer's place."""

    def __init__(self) -> None:
        self.chunks: list[np.ndarray] = []

    @property
    def num_frames(self) -> int:
        return sum(map(len, self.chunks))

    def write(self, frames_uint8: np.ndarray) -> None:
        self.chunks.append(frames_uint8.copy())


def _stop_when(stopped: threading.Event) -> Callable[[int], None]:
    def check(_: int) -> None:
        if stopped.is_set():
            raise Cancelled("stopped during denoise")

    return check
