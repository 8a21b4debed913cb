"""Run a shot that is open: encode, denoise, decode and stitch, in this order, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import Cancelled
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.parallel import one_core_per_thread, prefetch
from skyreels_avatar.pipeline.decode import decode
from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.pipeline.motion import write_motion
from skyreels_avatar.pipeline.open import OpenShot
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


class AvatarPipeline:
    """Makes a picture talk with the networks of one tier.

    Args:
        components: the networks and their defaults.
    """

    def __init__(self, components: Components):
        self.components = components

    @torch.no_grad()
    def __call__(
        self,
        request: GenerationRequest,
        opened: OpenShot,
        writer: VideoWriter,
        reporter: Reporter,
    ) -> Reference:
        """Write all frames of a shot, and return the reference video they were made from.

        Raises:
            Cancelled: the caller's progress callback returned False.
        """
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
        sampler = WindowSampler(self.components, shot, reporter, cache, _stop_when(stopped))
        sampled = ((segment, sampler.latents(segment)) for segment in segments)
        try:
            for segment, latents in prefetch(sampled, lambda: reporter.report("denoise")):
                yield segment, decode(shot, segment, latents, reporter)
        finally:
            stopped.set()


def _stop_when(stopped: threading.Event) -> Callable[[int], None]:
    def check(_: int) -> None:
        if stopped.is_set():
            raise Cancelled("stopped during denoise")

    return check
