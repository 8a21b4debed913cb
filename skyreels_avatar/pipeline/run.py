"""The pass of one shot: plan, encode, denoise, decode, stitch, in this order, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import Cancelled
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.parallel import one_ahead, one_core_per_thread
from skyreels_avatar.pipeline.encode import OpenShot
from skyreels_avatar.pipeline.latents import EncodedShot, LatentMaker
from skyreels_avatar.pipeline.motion import write_motion
from skyreels_avatar.pipeline.stitch import stitch, write_piece
from skyreels_avatar.pipeline.store import LatentsInMemory, LatentStore, WindowStore
from skyreels_avatar.planning.segments import Segment
from skyreels_avatar.progress import Reporter
from skyreels_avatar.references.picture import ShotReference
from skyreels_avatar.request.script import GenerationRequest


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
    ) -> ShotReference:
        """Write all pictures of a shot, and return the reference video they were made from.

        Raises:
            Cancelled: the caller's progress callback returned False.
        """
        shot = self.encode(request, opened, reporter)
        reporter.start_pace(opened.plan.num_frames)
        with one_core_per_thread():
            kept = None if request.save_motion is None else LatentsInMemory()
            windows = self._windows(shot, opened.plan.shown, reporter, kept)
            chunks = (pixels for _, made in windows for pixels in made)
            stitch(chunks, writer, opened.plan, reporter)
        if request.save_motion is not None:
            self.save_motion(request.save_motion, shot, kept, reporter)
        return shot.reference

    @torch.no_grad()
    def encode(
        self, request: GenerationRequest, opened: OpenShot, reporter: Reporter
    ) -> EncodedShot:
        """Return what all windows of a shot share."""
        with reporter.stage("encode"):
            return EncodedShot(self.components, request, opened)

    @torch.no_grad()
    def pieces(
        self,
        shot: EncodedShot,
        work: WindowStore,
        reporter: Reporter,
        segments: Sequence[Segment],
    ) -> None:
        """Write the pictures of some windows, each as a piece into the work folder.

        What they take over from other windows is read from there, or made and kept there.

        Args:
            segments: in the order of their pictures.

        Raises:
            Cancelled: the caller's progress callback returned False; finished pieces stay.
        """
        height, width = shot.reference.size

        def opener(segment: Segment) -> Callable[[Path], VideoWriter]:
            first, _ = shot.plan.video_range(segment)
            cuts = [cut - first for cut in shot.cuts if cut > first]
            return lambda path: VideoWriter(path, height, width, shot.plan.fps, cuts=cuts)

        with one_core_per_thread():
            for segment, chunks in self._windows(shot, segments, reporter, work):
                write_piece(chunks, work.piece(segment), opener(segment), reporter)
                work.check_files(work.piece(segment))

    @torch.no_grad()
    def latents(
        self,
        shot: EncodedShot,
        work: WindowStore,
        reporter: Reporter,
        segments: Sequence[Segment],
    ) -> None:
        """Sample some windows, and what they need, into the work folder; no picture is made."""
        maker = LatentMaker(self.components, shot, reporter, work)
        with one_core_per_thread():
            for segment in segments:
                maker.of(segment)

    @torch.no_grad()
    def save_motion(
        self, path: Path, shot: EncodedShot, store: LatentStore, reporter: Reporter
    ) -> None:
        """Write the performance of a shot into a motion file, from latents that are kept."""
        maker, plan = LatentMaker(self.components, shot, reporter, store), shot.plan
        motion = (shot.space.motion(maker.of(segment), segment) for segment in plan.shown)
        write_motion(path, motion, plan)

    def _windows(
        self,
        shot: EncodedShot,
        segments: Sequence[Segment],
        reporter: Reporter,
        work: LatentStore | None = None,
    ) -> Iterator[tuple[Segment, Iterator[np.ndarray]]]:
        """Yield each window with its pictures (F, H, W, 3), a few at a time.

        While a window is decoded and written, the next one is denoised.
        """
        stopped = threading.Event()
        maker = LatentMaker(self.components, shot, reporter, work, _stop_when(stopped))
        made = ((segment, maker.of(segment)) for segment in segments)
        try:
            for segment, latents in one_ahead(made, lambda: reporter.report("denoise")):
                chunks, light = shot.space.frames(latents, segment), shot.reference.light
                if light is not None:
                    chunks = light.over(chunks, shot.plan.video_range(segment)[0])
                yield segment, _decoded(chunks, reporter)
        finally:
            stopped.set()


def _decoded(chunks: Iterator[np.ndarray], reporter: Reporter) -> Iterator[np.ndarray]:
    while True:
        with reporter.stage("decode"):
            pixels = next(chunks, None)
        if pixels is None:
            return
        yield pixels


def _stop_when(stopped: threading.Event) -> Callable[[int], None]:
    def check(_: int) -> None:
        if stopped.is_set():
            raise Cancelled("stopped during denoise")

    return check
