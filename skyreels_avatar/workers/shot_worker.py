"""One of several workers that make the windows of a shot in the same work folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from skyreels_avatar.loading.components import Components
from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.pipeline.open import load_networks, open_shot
from skyreels_avatar.pipeline.read import read_files
from skyreels_avatar.pipeline.run import AvatarPipeline
from skyreels_avatar.planning.segments import ShotPlan
from skyreels_avatar.progress import Reporter
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.workers.fingerprint import ReadFiles, fingerprint_of
from skyreels_avatar.workers.work_folder import WorkFolder


class ShotWorker:
    """Makes any window of one shot in a work folder; the shot is opened once.

    Which worker makes a window, and in which order, does not change its bytes.

    Args:
        work_folder: as for `generate_request`; all workers of a shot share it.

    Raises:
        InputError: the request or the folder cannot be used.
    """

    def __init__(
        self,
        request: GenerationRequest,
        work_folder: str | Path,
        components: Components | None = None,
    ):
        self._read = ReadFiles(request)
        files = read_files(request).for_networks()
        self._request = request
        self._components = components or load_networks(request, *files.drawn_size)
        self._opened = open_shot(request, files, self._components)
        fingerprint = fingerprint_of(request, self._components)
        self._read.check()
        self._work = WorkFolder(work_folder, fingerprint, self._read)
        self._reporter = Reporter()

    @property
    def plan(self) -> ShotPlan:
        """The windows of the shot."""
        return self._opened.plan

    def remaining(self) -> list[int]:
        """Return the indices of the windows whose pictures are not there yet."""
        return [segment.index for segment in self._work.remaining(self.plan)]

    def prerequisites(self) -> list[list[int]]:
        """Return the windows whose latents others need, in groups that can be sampled in parallel.

        Each key frame is a group; windows that continue each other are one group together. Windows
        that are sampled already are left out.
        """
        missing = [s for s in self.plan.segments if self._work.latents(s) is None]
        keys = [[segment.index] for segment in missing if segment.role == "keyframe"]
        chain = [one.index for one in missing if one.role not in ("keyframe", "fill")]
        return keys + ([chain] if len(chain) > 1 else [])

    def sample(self, indices: Sequence[int]) -> None:
        """Make the latents of some windows, and of those they need."""
        segments = [self.plan.segments[index] for index in indices]
        self._pipeline.sample_latents(self._encoded, self._work, self._reporter, segments)

    def render(self, index: int) -> int:
        """Make the piece of a window, and return how many pictures it has."""
        segment = self.plan.segments[index]
        self._pipeline.write_pieces(self._encoded, self._work, self._reporter, [segment])
        return self.plan.num_pictures(segment)

    @cached_property
    def _pipeline(self) -> AvatarPipeline:
        return AvatarPipeline(self._components)

    @cached_property
    def _encoded(self) -> EncodedShot:
        return self._pipeline.encode(self._request, self._opened, self._reporter)
