"""The parts of a tier: one table of the kinds of weights that can fill each of them.

Loading, counting memory and training read this table. A transformer, VAE, audio encoder or format
of checkpoints that it does not know yet is one file beside the others and one row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.loading.checkpoints import longcat, skyreels_v3, uni3c, wan, wav2vec, whisper
from skyreels_avatar.loading.checkpoints.load import is_ours, load_module, read_header
from skyreels_avatar.loading.checkpoints.public import (
    PartFiles,
    PublicFormat,
    inner_name,
    load_public,
)
from skyreels_avatar.loading.memory import ModelBytes
from skyreels_avatar.loading.tiers import Tier, WeightFiles
from skyreels_avatar.models.audio_encoder import AudioEncoder
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.light_encoder import LightEncoder
from skyreels_avatar.models.occluder import OccluderNet
from skyreels_avatar.models.text_encoder import TextEncoder
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.rig.packing import TIME_FACTOR

# In the order in which they are loaded.
PARTS = ("vae", "transformer", "controlnet", "audio_encoder", "text_encoder", "light",
         "image_encoder", "occluder")  # fmt: skip
OPTIONAL = ("controlnet", "light", "image_encoder", "occluder")
ENCODERS = ("text_encoder", "image_encoder")  # work once for a shot, so that a host may do it


@dataclass(frozen=True)
class PartFormat:
    """One kind of weights that can fill a part.

    Attributes:
        part: of `PARTS`.
        network: class name of the network that it becomes.
        load: makes that network of files.
        make: the class, for training and for files of ours; None = public weights.
        public: how public files are told apart; None = files of ours, which carry their class.
        precision: "asked" = as the caller wants it; "half" = 16 bits on a GPU; "full" = float32.
        trained: `train` makes it together with the other parts of a tier.
        time_factor: of a VAE, frames that a latent frame after the first stands for.
        draws_pixels: of a VAE: latents stand for pixels, so memory grows with a frame's size.
    """

    part: str
    network: str
    load: Callable[[PartFiles], Any]
    make: Callable[..., torch.nn.Module] | None = None
    public: PublicFormat | None = None
    precision: str = "full"
    trained: bool = False
    time_factor: int = 1
    draws_pixels: bool = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names that the headers of our files may have."""
        return self.network, *getattr(self.make, "former_names", ())

    def dtype(self, asked: torch.dtype, device: torch.device) -> torch.dtype:
        """Return the floating-point type that the part runs in."""
        half = torch.bfloat16 if device.type == "cuda" else torch.float32
        return {"asked": asked, "half": half, "full": torch.float32}[self.precision]

    def num_bytes(self, weights: Any) -> int:
        """Return what the network takes on a GPU: public ones by the shapes in their files."""
        if self.public is None:
            return Path(weights).stat().st_size
        file, size = PartFiles(weights).file, 4 if self.precision == "full" else 2
        return sum(file.num_bytes(key, size) for key in file)


def ours(part: str, cls: type[torch.nn.Module], trained: bool = True, **what: Any) -> PartFormat:
    """Return the row of a network whose weights are files of ours."""

    def load(files: PartFiles) -> torch.nn.Module:
        return load_module(cls, files.weights, files.device, files.dtype)

    return PartFormat(part, cls.__name__, load, cls, trained=trained, **what)


def public(
    part: str,
    network: str,
    kind: PublicFormat,
    load: Callable[[PartFiles], Any] | None = None,
    **what: Any,
) -> PartFormat:
    """Return the row of a public format; `load` makes more of it than a filled network."""
    return PartFormat(
        part, network, load or (lambda files: load_public(files, kind)), public=kind, **what
    )


FORMATS: list[PartFormat] = [
    ours("vae", FaceRig, time_factor=TIME_FACTOR),
    ours("transformer", AvatarTransformer3DModel, precision="asked"),
    ours("controlnet", CameraControlNet, precision="asked"),
    ours("audio_encoder", AudioEncoder),
    ours("text_encoder", TextEncoder),
    ours("light", LightEncoder),
    ours("occluder", OccluderNet, trained=False),
    public("vae", "AutoencoderKLWan", wan.VAE_FORMAT, time_factor=4, draws_pixels=True),
    public("vae", "AutoencoderKLWan", wan.DIFFUSERS_VAE_FORMAT, time_factor=4, draws_pixels=True),
    public(
        "transformer", "AvatarTransformer3DModel", skyreels_v3.TRANSFORMER_FORMAT,
        precision="asked",
    ),
    public(
        "transformer", "LongCatTransformer3DModel", longcat.TRANSFORMER_FORMAT,
        longcat.load_transformer, precision="asked",
    ),
    public(
        "controlnet", "CameraControlNet", uni3c.CONTROLNET_FORMAT, uni3c.load_controlnet,
        precision="asked",
    ),
    public(
        "audio_encoder", "SpeechTokens", wav2vec.SPEECH_ENCODER_FORMAT, wav2vec.load_audio_encoder
    ),
    public("audio_encoder", "SpeechTokens", whisper.WHISPER_FORMAT, whisper.load_audio_encoder),
    public(
        "text_encoder", "CachedPrompts", wan.PROMPT_ENCODER_FORMAT, wan.load_text_encoder,
        precision="half",
    ),
    public(
        "image_encoder", "ImageEncoder", wan.IMAGE_ENCODER_FORMAT, wan.load_image_encoder,
        precision="half",
    ),
    public("image_encoder", "PictureLatents", wan.VAE_FORMAT, wan.load_picture_latents),
    public("image_encoder", "PictureLatents", wan.DIFFUSERS_VAE_FORMAT, wan.load_picture_latents),
]  # fmt: skip


def format_of(part: str, weights: Any) -> PartFormat:
    """Return the row for the weights of a part.

    Raises:
        CheckpointError: they are missing, damaged, or of no kind that can fill it.
    """
    own = [row for row in FORMATS if row.part == part and row.public is None]
    if own and is_ours(weights):
        network, _ = read_header(weights)
        # Of another class: the message of `load_module` says so.
        return next((row for row in own if network in row.class_names), own[0])
    file = PartFiles(weights).file
    kinds = detect(file)
    for row in kinds:
        if row.part == part:
            return row
    hints = {row.public.hint for row in FORMATS if row.part == part and row.public is not None}
    more = "".join(f"; {hint}" for hint in hints if hint)
    found = ", ".join(dict.fromkeys(row.part for row in kinds))
    raise CheckpointError(f"{file} holds weights of {found}, not of {part}{more}")


def expected_format(part: str, weights: Any) -> PartFormat:
    """Return the row for the weights of a part; of a missing file, the first that fits its name."""
    try:
        return format_of(part, weights)
    except CheckpointError:
        is_public = not is_ours(weights)
        rows = [row for row in FORMATS if row.part == part]
        return next((row for row in rows if (row.public is not None) == is_public), rows[0])


def detect(names: Iterable[str]) -> list[PartFormat]:
    """Return the rows of the public formats that a file with these tensor names is.

    Raises:
        CheckpointError: it is none; the message shows some of its names and lists the known kinds.
    """
    names = [inner_name(name) for name in names]
    rows = [row for row in FORMATS if row.public is not None]
    if found := [row for row in rows if row.public.fits(names)]:
        return found
    shown = ", ".join(sorted(names)[:5])
    kinds = "; ".join(f"{row.public.name} ({row.part})" for row in rows)
    marked = [row.public for row in rows if not set(row.public.marks).isdisjoint(names)]
    more = "".join(f"; {kind.hint}" for kind in marked if kind.hint)
    raise CheckpointError(f"unknown kind of weights: tensors {shown} ...; known are {kinds}{more}")


def part_classes() -> dict[str, type[torch.nn.Module]]:
    """Return the class that `train` makes of each part, in the order of `PARTS`."""
    rows = {row.part: row.make for row in reversed(FORMATS) if row.trained}
    return {part: rows[part] for part in PARTS if part in rows}


def new_part(part: str, sizes: dict[str, Any]) -> torch.nn.Module:
    """Return a part with fresh random weights.

    Args:
        sizes: arguments of its class; `network` names another class of the table than the first.

    Raises:
        InputError: sizes that its class does not know, or a class that is not in the table.
    """
    sizes = dict(sizes)
    rows = {row.network: row for row in reversed(FORMATS) if row.part == part and row.make}
    name = sizes.pop("network", part_classes()[part].__name__)
    if name not in rows:
        raise InputError(f"network of {part} is one of {', '.join(rows)}, got {name!r}")
    try:
        return rows[name].make(**sizes)
    except TypeError as error:
        raise InputError(f"sizes of {part}: {error}") from error


def time_factor(tier: Tier) -> int:
    """Return how many frames a latent frame of a tier stands for; no weights have to be there."""
    return expected_format("vae", tier.weights.vae).time_factor


def model_bytes(weights: WeightFiles) -> ModelBytes:
    """Return what a tier's networks take on a GPU."""
    taken, num_blocks, draws_pixels = {}, 0, False
    for part in PARTS:
        of_part = getattr(weights, part)
        if not of_part:
            continue
        row = format_of(part, of_part)
        taken[part] = row.num_bytes(of_part)
        draws_pixels |= row.draws_pixels
        if part == "transformer" and row.public is not None:
            keys = PartFiles(of_part).file
            names = {key.partition("blocks.")[2].partition(".")[0] for key in keys}
            num_blocks = sum(name.isdigit() for name in names)
    transformer = taken.pop("transformer")
    encoders = sum(taken.pop(part, 0) for part in ENCODERS)
    return ModelBytes(transformer, max(1, num_blocks), sum(taken.values()), encoders, draws_pixels)
