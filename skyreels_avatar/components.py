"""The networks of a tier: built, filled with their weights and placed on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.tiers import Tier, load_tier

if TYPE_CHECKING:
    import torch

    from skyreels_avatar.faces.analyser import FaceAnalyser
    from skyreels_avatar.models.audio_encoder import AudioEncoder
    from skyreels_avatar.models.camera_controlnet import CameraControlNet
    from skyreels_avatar.models.text_encoder import TextEncoder
    from skyreels_avatar.models.transformer import AvatarTransformer3DModel
    from skyreels_avatar.models.vae import ReferenceMotionVAE

# Only these run at the reduced precision a caller may ask for; the others are small and exact.
_REDUCED = ("transformer", "controlnet")


@dataclass(frozen=True)
class Components:
    """The parts of a tier, ready to use.

    Attributes:
        face_analyser: returns the face analyser, made on the first call.
        device: where all parts are.
        dtype: of the transformer and the ControlNet; the other parts are float32.
    """

    tier: Tier
    vae: ReferenceMotionVAE
    transformer: AvatarTransformer3DModel
    controlnet: CameraControlNet
    audio_encoder: AudioEncoder
    text_encoder: TextEncoder
    face_analyser: Callable[[], FaceAnalyser]
    device: torch.device
    dtype: torch.dtype


def load_components(
    tier: str | Path, device: str = "cpu", dtype: torch.dtype | None = None
) -> Components:
    """Return the networks of a tier with their trained weights; the latest are kept in memory.

    Args:
        tier: a name in `configs/` or the path of a yaml file.
        device: a torch device, or "auto" = a GPU where there is one.
        dtype: of the transformer and the ControlNet; None = float32 on a CPU, else bfloat16.

    Raises:
        InputError: an unknown tier or a device that is not there.
        CheckpointError: weights that are missing, damaged or of another shape.
    """
    return _load(str(tier), device, dtype)


def build_components(tier: Tier, device: str = "cpu") -> Components:
    """Return the networks of a tier with fresh random weights, for training.

    Raises:
        InputError: a part whose sizes in the tier's file its class does not know.
        CheckpointError: parts whose widths do not fit together.
    """
    import torch

    place = _torch_device(device)
    parts = {}
    classes = part_classes()
    unknown = sorted(tier.sizes.keys() - classes.keys())
    if unknown:
        raise InputError(
            f"tier {tier.name} gives sizes of {', '.join(unknown)}; parts are {', '.join(classes)}"
        )
    for part, cls in classes.items():
        try:
            parts[part] = cls(**tier.sizes.get(part, {})).to(place)
        except TypeError as error:
            raise InputError(f"sizes of {part} in tier {tier.name}: {error}") from error
    components = Components(
        tier, face_analyser=_face_analyser, device=place, dtype=torch.float32, **parts
    )
    _check_widths(components)
    return components


def part_classes() -> dict[str, type[torch.nn.Module]]:
    """Return the class of each part; the names are those of `WeightFiles` and of Components."""
    from skyreels_avatar.models.audio_encoder import AudioEncoder
    from skyreels_avatar.models.camera_controlnet import CameraControlNet
    from skyreels_avatar.models.text_encoder import TextEncoder
    from skyreels_avatar.models.transformer import AvatarTransformer3DModel
    from skyreels_avatar.models.vae import ReferenceMotionVAE

    return {
        "vae": ReferenceMotionVAE,
        "transformer": AvatarTransformer3DModel,
        "controlnet": CameraControlNet,
        "audio_encoder": AudioEncoder,
        "text_encoder": TextEncoder,
    }


@lru_cache(maxsize=2)
def _load(tier_name: str, device: str, dtype: torch.dtype | None) -> Components:
    import torch

    from skyreels_avatar.checkpoints.load import load_module

    tier = load_tier(tier_name)
    place = _torch_device(device)
    if dtype is None:
        dtype = torch.float32 if place.type == "cpu" else torch.bfloat16
    parts = {
        part: load_module(
            cls,
            getattr(tier.weights, part),
            device=place,
            dtype=dtype if part in _REDUCED else torch.float32,
        )
        for part, cls in part_classes().items()
    }
    components = Components(tier, face_analyser=_face_analyser, device=place, dtype=dtype, **parts)
    _check_widths(components)
    return components


def _check_widths(components: Components) -> None:
    """Refuse parts that cannot work together, before the first frame rather than in it."""
    transformer, controlnet = components.transformer.config, components.controlnet.config
    width = transformer.num_attention_heads * transformer.attention_head_dim
    for name, have, want in (
        ("audio_encoder tokens", components.audio_encoder.config.dim, transformer.audio_dim),
        ("text_encoder tokens", components.text_encoder.config.dim, transformer.text_dim),
        ("controlnet residuals", controlnet.embed_dim, width),
    ):
        if have != want:
            raise CheckpointError(
                f"tier {components.tier.name}: {name} are {have} wide, the transformer wants {want}"
            )


def _torch_device(device: str) -> torch.device:
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"unknown device {device!r}; use cpu, cuda, cuda:0 or auto") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device} was asked for, but torch sees no GPU here; use cpu")
    return place


@cache
def _face_analyser() -> FaceAnalyser:
    from skyreels_avatar.faces.analyser import FaceAnalyser

    return FaceAnalyser()
