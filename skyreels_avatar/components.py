"""The networks of a tier: built, filled with their weights and placed on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.tiers import Tier, load_tier, models_folder

if TYPE_CHECKING:
    import torch

    from skyreels_avatar.checkpoints.files import WeightFile
    from skyreels_avatar.faces.analyser import FaceAnalyser
    from skyreels_avatar.models.audio_encoder import AudioEncoder
    from skyreels_avatar.models.camera_controlnet import CameraControlNet
    from skyreels_avatar.models.text_encoder import TextEncoder
    from skyreels_avatar.models.transformer import AvatarTransformer3DModel
    from skyreels_avatar.models.vae import ReferenceMotionVAE

# Only these run at the reduced precision a caller may ask for; the others are small and exact.
_REDUCED = ("transformer", "controlnet")
_ON_HOST = ("transformer", "text_encoder", "image_encoder")  # where blocks are offloaded


@dataclass(frozen=True)
class Components:
    """The parts of a tier, ready to use.

    Attributes:
        face_analyser: returns the face analyser, made on the first call.
        device: where all parts are.
        dtype: of the transformer and the ControlNet; the other parts are float32.
        image_encoder: for a transformer that looks at the picture, else None.
        rank: of this process among those that share the transformer's work; 0 writes the video.
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
    image_encoder: torch.nn.Module | None = None
    rank: int = 0


def load_components(
    tier: str | Path, device: str | None = None, dtype: torch.dtype | None = None
) -> Components:
    """Return the networks of a tier with their trained weights; the latest are kept in memory.

    Args:
        tier: a name in `configs/` or the path of a yaml file.
        device: a torch device, or "auto" = a GPU where there is one; None = what the tier says.
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
def _load(tier_name: str, device: str | None, dtype: torch.dtype | None) -> Components:
    import torch

    from skyreels_avatar.checkpoints.load import is_ours, load_module
    from skyreels_avatar.models.context_parallel import join

    tier = load_tier(tier_name)
    rank, place = join(tier.context_parallel, _torch_device(device or tier.device))
    if dtype is None:
        dtype = torch.float32 if place.type == "cpu" else torch.bfloat16

    def placing(part: str) -> dict[str, object]:
        on_host = tier.offload and part in _ON_HOST
        return {
            "device": torch.device("cpu") if on_host else place,
            "dtype": dtype if part in _REDUCED else torch.float32,
        }

    parts: dict[str, torch.nn.Module] = {}
    for part, cls in part_classes().items():
        weights, how = getattr(tier.weights, part), placing(part)
        if is_ours(weights):
            parts[part] = load_module(cls, weights, **how)
        else:
            parts[part] = _load_public_part(part, tier, parts, how)
        if part == "transformer":
            _finish_transformer(parts[part], tier, place)
    if tier.weights.image_encoder:
        how = placing("image_encoder")
        parts["image_encoder"] = _load_public_part("image_encoder", tier, parts, how)
    analyser = {"face_analyser": _face_analyser}
    components = Components(tier, device=place, dtype=dtype, rank=rank, **analyser, **parts)
    _check_widths(components)
    return components


def _finish_transformer(transformer: torch.nn.Module, tier: Tier, place: torch.device) -> None:
    """Fuse the LoRAs of a tier, let blocks come to the device, and split the work of a pass."""
    import torch

    if tier.loras:
        from skyreels_avatar.checkpoints.lora import fuse_lora

        for path, scale in tier.loras.items():
            fuse_lora(transformer, path, scale)
    if tier.offload:
        transformer.enable_group_offload(
            place,
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=place.type == "cuda",
        )
    if tier.context_parallel != 1 and torch.distributed.is_initialized():
        from skyreels_avatar.models.context_parallel import split_tokens

        split_tokens(transformer, place)


def _load_public_part(part: str, tier: Tier, loaded: dict, how: dict) -> torch.nn.Module:
    """Return a part filled with public weights, behind the interface that the pass knows."""
    from skyreels_avatar.checkpoints.public import load_public
    from skyreels_avatar.models.published import build

    def load(name: str, weights: object, **more: object) -> torch.nn.Module:
        return load_public(weights, name, build, **how, **more)

    weights = getattr(tier.weights, part)
    if part == "controlnet":
        # It was trained to read the time embedding of the transformer.
        embedder = loaded["transformer"].condition_embedder.time_embedder
        times = {f"time_embedder.{k}": v.cpu() for k, v in embedder.state_dict().items()}
        return load(part, weights, extra=times)
    if part == "audio_encoder":
        from skyreels_avatar.models.speech_encoder import SpeechEncoder, SpeechTokens

        # Whether the signal is brought to unit variance first is said by the checkpoint.
        said = _weight_file(weights).config("preprocessor_config.json")
        normalise = bool(said.get("do_normalize", True))
        encoder = SpeechEncoder(load("speech_encoder", weights), tier.fps, normalise)
        return SpeechTokens(encoder, load("audio_projector", tier.weights.transformer)).eval()
    if part == "text_encoder":
        from skyreels_avatar.models.prompt_cache import CachedPrompts

        def load_encoder() -> torch.nn.Module:
            from skyreels_avatar.models.prompt_encoder import PromptEncoder, load_tokenizer

            tokenizer = load_tokenizer(tier.weights.tokenizer)
            return PromptEncoder(load("prompt_encoder", weights), tokenizer)

        file = _weight_file(weights)
        width = file.shape(next(key for key in file if key.endswith("token_embedding.weight")))[1]
        return CachedPrompts(load_encoder, width, file.identity(), models_folder() / "prompts")
    if part == "image_encoder":
        from skyreels_avatar.models.image_encoder import ImageEncoder

        return ImageEncoder(load(part, weights))
    return load(part, weights)


def _weight_file(weights: str | list[str]) -> WeightFile:
    from skyreels_avatar.checkpoints.files import WeightFile

    return WeightFile(*([weights] if isinstance(weights, str) else weights))


def _token_dim(encoder: torch.nn.Module) -> int:
    return encoder.token_dim if hasattr(encoder, "token_dim") else encoder.config.dim


def _check_widths(components: Components) -> None:
    """Refuse parts that cannot work together, before the first frame rather than in it."""
    transformer, controlnet = components.transformer.config, components.controlnet.config
    width = transformer.num_attention_heads * transformer.attention_head_dim
    for name, have, want in (
        ("audio_encoder tokens", _token_dim(components.audio_encoder), transformer.audio_dim),
        ("text_encoder tokens", _token_dim(components.text_encoder), transformer.text_dim),
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
