"""Windows of own footage, as the pipeline would be asked for them: encoded once and stored.

A piece of the stage `data` is a request whose picture is its first frame, whose sound is its own
and whose prompt is its caption. The pipeline opens and encodes that request, so that a network
learns from the very conditions that it is sampled with, in each role that the tier's plan has.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save

from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.faces.region import box_of
from skyreels_avatar.flow import add_noise
from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.media.voice_activity import SAMPLE_RATE
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import INJECTIONS
from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.pipeline.open import open_shot
from skyreels_avatar.pipeline.read import PictureFiles, read_files
from skyreels_avatar.planning.plan import plan_request
from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot
from train.data.footage import MAX_SIDE
from train.data.footage_pieces import LANDMARK_UNIT, Features, Piece

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class VideoWindow:
    """One window of footage.

    Attributes:
        clean: (1, C, T, h, w) latents of its frames.
        conditions: what the transformer is told of it.
        injection: what is put into its held latent frames, of `INJECTIONS`.
    """

    clean: torch.Tensor
    conditions: Conditions
    injection: str

    def noised(
        self, noise: torch.Tensor, sigma: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return latents at a noise level (1,) as the sampler has them, and what is learnt there.

        Returns:
            latents (1, C, T, h, w), and (1, 1, T, h, w), 0 where the sampler puts in what it knows.
        """
        held, mask = self.conditions.held()
        inject = INJECTIONS[self.injection](held, mask, noise, generator)
        free = torch.ones_like(mask) if self.injection == "none" else 1 - mask
        return inject(add_noise(self.clean, noise, sigma), sigma), free

    def to(self, device: torch.device) -> VideoWindow:
        """Return the window on a device."""
        conditions = self.conditions.to(device, torch.float32)
        moved = {name: value.to(device) for name, value in _tensors(conditions).items()}
        return VideoWindow(self.clean.to(device), Conditions(**moved), self.injection)

    def save(self, path: Path) -> None:
        """Write the window, whole or not at all."""
        tensors = {"clean": self.clean, **_tensors(self.conditions)}
        tensors = {name: value.contiguous() for name, value in tensors.items()}
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        partial.write_bytes(save(tensors, metadata={"injection": self.injection}))
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path) -> VideoWindow:
        """Read what `save` wrote."""
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            injection = file.metadata()["injection"]
        return cls(tensors.pop("clean"), Conditions(**tensors), injection)


def _tensors(conditions: Conditions) -> dict[str, torch.Tensor]:
    given = {field.name: getattr(conditions, field.name) for field in fields(conditions)}
    return {name: value for name, value in given.items() if value is not None}


def predict(
    network: torch.nn.Module,
    conditions: Conditions,
    noisy: torch.Tensor,
    sigma: torch.Tensor,
    sampling: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the velocity (1, C, T, h, w) at noise level (1,), as the sampler asks for it.

    Args:
        sampling: (1, 3) of which a distilled transformer is told.
    """
    hidden_states = torch.cat([noisy, conditions.known_mask, conditions.known_latents], dim=1)
    return network(
        hidden_states=hidden_states,
        timestep=1000.0 * sigma,
        encoder_hidden_states=conditions.prompt_embeds,
        audio_embeds=conditions.audio_embeds,
        encoder_hidden_states_image=conditions.image_embeds,
        sampling=sampling,
        return_dict=False,
    )


Box = tuple[float, float, float, float]
"""x, y, width and height in pixels."""


@dataclass(frozen=True)
class Footage:
    """Where windows come from, and for whom.

    Attributes:
        folder: of the stage `data`.
        videos: by their file names.
        tier: whose networks encode: a name in `configs/` or the path of a yaml file.
        size: "480p", "720p" or "512x512".
    """

    folder: Path
    videos: dict[str, Path]
    tier: str
    size: str


def encode_pieces(
    parts: Components, footage: Footage, pieces: Sequence[Piece], folder: Path
) -> None:
    """Encode the windows of pieces into a folder; those that are there already are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, piece in enumerate(pieces):
        note, names, reason = _note(folder, piece), [], ""
        if note.is_file():
            continue
        try:
            for window in piece_windows(parts, footage, piece):
                names.append(f"{note.stem}-{len(names)}.safetensors")
                window.save(folder / names[-1])
        except AvatarError as error:
            reason = str(error)
            logger.warning("%s: %s", piece.name, reason)
        note.write_text(json.dumps({"windows": names, "left_out": reason}))
        logger.info("%d of %d pieces, %d windows", number + 1, len(pieces), len(names))


def window_files(folder: Path, pieces: Sequence[Piece]) -> list[Path]:
    """Return the windows of pieces that `encode_pieces` wrote."""
    notes = (json.loads(_note(folder, piece).read_text()) for piece in pieces)
    return [folder / name for note in notes for name in note["windows"]]


def _note(folder: Path, piece: Piece) -> Path:
    return folder / f"{Path(piece.name).stem}.json"


@torch.no_grad()
def piece_windows(parts: Components, footage: Footage, piece: Piece) -> Iterator[VideoWindow]:
    """Yield the windows of one piece, in the order in which they are made.

    Raises:
        InputError: the piece is shorter than a window.
        FaceError: there is no face in its first frame.
    """
    tier, stored = parts.tier, footage.folder / "pieces" / piece.name
    reader, samples = VideoReader(footage.videos[piece.source]), Features.load(stored).samples
    start = min(round(piece.start_s * reader.fps), reader.num_frames - 1)
    first = reader.read(start, start + 1)[0]
    face = _face_box(stored, first)
    with TemporaryDirectory() as place:
        asked = _read(Path(place), footage, piece, (first, face), samples, footage.size)
        num_frames = _whole_windows(plan_request(asked[0], asked[1].audio, tier))
        if not num_frames:
            raise InputError(f"shorter than a window of {tier.window / tier.fps:.2f} s")
        times_s = piece.start_s + np.arange(num_frames) / tier.fps
        at = np.minimum(np.round(times_s * reader.fps).astype(int), reader.num_frames - 1)
        size, focus = asked[1].drawn_size, (face[0] + face[2] / 2, face[1] + face[3] / 2)
        frames = _cropped(reader, at, size, focus)
        samples = samples[: round(num_frames / tier.fps * SAMPLE_RATE)]
        seen = frames[0], _moved(face, first.shape[:2], size)
        request, files = _read(Path(place), footage, piece, seen, samples, f"{size[1]}x{size[0]}")
        opened = open_shot(request, files.for_networks(), parts)
        shot, clean = EncodedShot(parts, request, opened), {}
        for segment in shot.plan.segments:
            pictures = torch.from_numpy(frames[_pictures(shot.plan, segment)])
            clean[segment.index] = shot.space.encode(pictures.permute(0, 3, 1, 2) / 127.5 - 1)
            conditions = shot.conditions(segment, clean).to(torch.device("cpu"), torch.float32)
            injection = shot.sampling(segment).injection
            yield VideoWindow(clean[segment.index], conditions, injection)


def _read(
    place: Path,
    footage: Footage,
    piece: Piece,
    seen: tuple[np.ndarray, Box],
    samples: np.ndarray,
    size: str,
) -> tuple[GenerationRequest, PictureFiles]:
    """Return the request that would make a piece of its first frame, and what it reads.

    Args:
        seen: the first frame, and the face in it.
    """
    picture, sound = place / "first.png", place / "sound.wav"
    Image.fromarray(seen[0]).save(picture)
    AudioTrack(samples, SAMPLE_RATE).save(sound)
    face = ",".join(f"{side:.0f}" for side in seen[1])
    shot = Shot(image=picture, audio=sound, prompt=piece.caption, face=face)
    fps = load_tier(footage.tier).fps
    request = GenerationRequest(shot, place / "window.mp4", footage.tier, size=size, fps=fps)
    return request, read_files(request)


def _face_box(stored: Path, first: np.ndarray) -> Box:
    """Return the face of a piece in its first frame (H, W, 3)."""
    with np.load(stored) as features:
        landmarks = features["landmarks"][0].astype(np.float32) * LANDMARK_UNIT
    scale = max(1.0, max(first.shape[:2]) / MAX_SIDE)
    return tuple(float(scale * side) for side in box_of(landmarks))


def _moved(face: Box, source: tuple[int, int], size: tuple[int, int]) -> Box:
    """Return where a face of a frame (H, W) lies after `Portrait.resized_to` a size round it."""
    zoom = max(size[0] / source[0], size[1] / source[1])
    x, y, width, height = face
    crop = size[1] / zoom, size[0] / zoom
    left = max(min(x + width / 2 - crop[0] / 2, source[1] - crop[0]), 0)
    top = max(min(y + height / 2 - crop[1] / 2, source[0] - crop[1]), 0)
    return (x - left) * zoom, (y - top) * zoom, width * zoom, height * zoom


def _whole_windows(plan: ShotPlan) -> int:
    """Return how many motion frames of a plan windows fill that do not reach beyond its end."""
    ends = [one.stop for one in plan.segments if not one.span and one.stop <= plan.num_frames]
    return max(ends, default=0)


def _pictures(plan: ShotPlan, segment: Segment) -> np.ndarray:
    """Return which frame of the piece is that of each motion frame of a window: (F,)."""
    return np.array([round(plan.video_position(frame)) for frame in segment.motion_frames()])


def _cropped(
    reader: VideoReader, at: np.ndarray, size: tuple[int, int], focus: tuple[float, float]
) -> np.ndarray:
    """Return frames (F, H, W, 3) of a video at a size, cropped round a place as pictures are."""
    frames = np.empty((len(at), *size, 3), np.uint8)
    for index, place in enumerate(at):
        if index and place == at[index - 1]:
            frames[index] = frames[index - 1]
        else:
            pixels = reader.read(int(place), int(place) + 1)[0]
            frames[index] = Portrait(pixels).resized_to(*size, focus).pixels
    return frames
