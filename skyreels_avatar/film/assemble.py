"""Assemble a film from the videos of its shots: pieces, cross-fades, the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import MediaError
from skyreels_avatar.film.timeline import PlacedShot
from skyreels_avatar.media.files import atomic_write
from skyreels_avatar.media.pieces import cut_piece, read_piece
from skyreels_avatar.media.video import VideoReader, VideoWriter


@dataclass(frozen=True)
class RenderedShot:
    """The video of a shot.

    Attributes:
        placed: where it is in the film.
        key: a hash of everything that determines its pictures.
        path: its video, with its own piece of the sound; the first `placed.fade_in` pictures and
            the last `placed.fade_out` are those that cross-fades take from it.
        is_new: whether this run made it.
    """

    placed: PlacedShot
    key: str
    path: Path
    is_new: bool = False

    @property
    def number(self) -> int:
        """The shot's number, from 1."""
        return self.placed.number


def is_complete(path: Path, num_frames: int) -> bool:
    """Return whether a video exists with all its frames."""
    if not path.is_file():
        return False
    try:
        return read_piece(path).num_frames == num_frames
    except MediaError:
        return False


def film_pieces(shots: Sequence[RenderedShot], fps: float, folder: Path) -> list[Path]:
    """Return the pieces of the film in order; missing ones are made.

    Only cross-fades are encoded again, once; all other packets are those of the shots.

    Args:
        folder: where pieces are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces = []
    for index, shot in enumerate(shots):
        if shot.placed.fade_in:
            pieces.append(_fade_piece(shots[index - 1], shot, fps, folder))
        start, stop = shot.placed.fade_in, shot.placed.num_frames - shot.placed.fade_out
        if (start, stop) == (0, shot.placed.num_frames):
            pieces.append(shot.path)
        elif stop > start:
            body = folder / f"{shot.key}.{start}-{stop}.mp4"
            if not is_complete(body, stop - start):
                cut_piece(shot.path, start, stop, body)
            pieces.append(body)
    return pieces


def _fade_piece(before: RenderedShot, after: RenderedShot, fps: float, folder: Path) -> Path:
    """Return the piece with the cross-fade of two shots."""
    count = after.placed.fade_in
    piece = folder / f"{before.key}-{after.key}.fade{count}.mp4"
    if not is_complete(piece, count):
        leaving = VideoReader(before.path)
        frames = leaving.read(leaving.num_frames - count, leaving.num_frames)
        entering = VideoReader(after.path).read(0, count)
        with VideoWriter(piece, leaving.height, leaving.width, fps) as writer:
            writer.write(blend(frames, entering))
    return piece


def blend(leaving: np.ndarray, entering: np.ndarray) -> np.ndarray:
    """Return a cross-fade of two (F, H, W, 3) uint8: every frame is a mixture of both."""
    count = len(leaving)
    weights = (np.arange(1, count + 1, dtype=np.float32) / (count + 1))[:, None, None, None]
    mixed = [
        (1 - weight) * first + weight * second
        for weight, first, second in zip(weights, leaving, entering)
    ]
    return np.stack([(picture + 0.5).astype(np.uint8) for picture in mixed])


def film_frames(shots: Sequence[RenderedShot]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (shot's number, picture (H, W, 3) uint8) of all shots, cross-fades included."""
    for shot in shots:
        for pixels in VideoReader(shot.path):
            yield shot.number, pixels


def remove_pieces(key: str, folder: Path) -> None:
    """Remove the pieces of a shot's video before it is made again."""
    for piece in folder.glob(f"*{key}*"):
        piece.unlink(missing_ok=True)


def write_manifest(
    shots: Sequence[RenderedShot], fps: float, path: Path, film: Path | None
) -> None:
    """Write as JSON which video of the work folder holds which shot.

    Args:
        film: the film that they are joined to; None while shots are missing.
    """
    values = [
        {
            "shot": shot.number,
            "video": f"{shot.path.parent.name}/{shot.path.name}",
            "start_s": shot.placed.start_s,
            "end_s": shot.placed.end_s,
            "frames": shot.placed.num_frames,
            "fade_in_frames": shot.placed.fade_in,
            "fade_out_frames": shot.placed.fade_out,
        }
        for shot in shots
    ]
    manifest = {"film": film and film.name, "fps": fps, "shots": values}
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def is_manifest(path: Path, film: Path | None = None) -> bool:
    """Tell whether a file is what `write_manifest` writes, and, if one is given, of this film."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or not isinstance(found.get("shots"), list):
        return False
    known = {"shot", "video", "start_s", "end_s"}
    is_ours = all(isinstance(shot, dict) and known <= shot.keys() for shot in found["shots"])
    return is_ours and "fps" in found and (film is None or found.get("film") == film.name)
