"""The finished windows of a shot in a folder, from which a run that was stopped resumes.

Each window leaves two files: its latents as they were sampled, and its frames as a piece. Both
appear under their names when they are complete, so whatever is there can be used.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from skyreels_avatar.checks import user_path
from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.files import atomic_write, remove_if_stale
from skyreels_avatar.media.pieces import read_piece
from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.workers.fingerprint import Fingerprint, ReadFiles

logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"


class WorkFolder:
    """The finished windows of one shot.

    Args:
        root: a folder of the user's; made if it is not there. Every shot has a folder of its own in
            it, named by its fingerprint: shots never touch each other's files.
        fingerprint: of the shot.
        read: its files; what is made after one of them has changed is not kept.

    Raises:
        InputError: the folder cannot be made or written, or its manifest is another shot's.
    """

    def __init__(self, root: str | Path, fingerprint: Fingerprint, read: ReadFiles | None = None):
        self._read = read
        self.path = user_path(root) / fingerprint.key
        manifest = self.path / _MANIFEST
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if manifest.exists():
                self._check(manifest, fingerprint)
            else:
                text = json.dumps(fingerprint.to_dict(), indent=2, ensure_ascii=False)
                with atomic_write(manifest) as partial:
                    partial.write_text(text, encoding="utf-8", errors="surrogateescape")
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"cannot use the work folder {root}: {error}") from error

    def piece(self, segment: Segment) -> Path:
        """Return where the pictures of a window are, or will be."""
        return self.path / f"piece_{segment.index:05d}.mp4"

    def pieces(self, plan: ShotPlan) -> list[Path]:
        """Return the pieces of all windows that have pictures, in order."""
        return [self.piece(segment) for segment in plan.shown if plan.num_pictures(segment)]

    def is_done(self, plan: ShotPlan, segment: Segment) -> bool:
        """Tell whether the pictures of a window are there, all of them."""
        num_pictures = plan.num_pictures(segment)
        if num_pictures == 0:
            return True
        path = self.piece(segment)
        if not path.exists():
            return False
        try:
            found = read_piece(path).num_frames
        except MediaError as error:
            logger.warning("%s; it is made again", error)
            return False
        if found != num_pictures:
            logger.warning("%s has %d of %d frames; it is made again", path, found, num_pictures)
        return found == num_pictures

    def remaining(self, plan: ShotPlan) -> list[Segment]:
        """Return the windows whose pictures are not there yet, in order."""
        return [segment for segment in plan.shown if not self.is_done(plan, segment)]

    def latents(self, segment: Segment) -> torch.Tensor | None:
        """Return the latents (1, C, T, h, w) of a window; None if they are not there."""
        path = self._latents(segment)
        if not path.exists():
            return None
        try:
            return load_file(path)["latents"]
        except (SafetensorError, OSError, KeyError) as error:
            logger.warning("%s is damaged (%s); it is made again", path, error)
            return None

    def save_latents(self, segment: Segment, latents: torch.Tensor) -> None:
        """Keep the latents (1, C, T, h, w) of a window."""
        path = self._latents(segment)
        try:
            with atomic_write(path) as partial:
                save_file({"latents": latents.cpu().contiguous()}, partial)
                self.check_files()
        except (SafetensorError, OSError) as error:
            raise InputError(f"cannot write the work folder {self.path}: {error}") from error

    def check_files(self, made: Path | None = None) -> None:
        """Remove what was just made if a file of the shot has changed meanwhile.

        Raises:
            InputError: one has.
        """
        try:
            if self._read is not None:
                self._read.check()
        except InputError:
            if made is not None:
                made.unlink(missing_ok=True)
            raise

    def sweep(self) -> None:
        """Remove what processes that were killed have left half written."""
        for file in self.path.iterdir():
            remove_if_stale(file)

    def _latents(self, segment: Segment) -> Path:
        return self.path / f"latents_{segment.index:05d}.safetensors"

    def _check(self, manifest: Path, fingerprint: Fingerprint) -> None:
        try:
            found = json.loads(manifest.read_text(encoding="utf-8"))["fingerprint"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{manifest} is damaged; remove the folder {self.path} to start over"
            ) from error
        if found != fingerprint.digest:
            raise InputError(f"{self.path} holds another shot; give another work folder")
