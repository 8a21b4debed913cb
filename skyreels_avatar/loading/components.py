"""The networks of a tier: built, filled with their weights and placed on a device."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.folders import models_folder
from skyreels_avatar.loading.memory import (
    POLICIES,
    MemoryPolicy,
    ModelBytes,
    memory_policy,
    parse_memory,
)
from skyreels_avatar.loading.model_hub import check_models
from skyreels_avatar.loading.tiers import Tier, load_tier

if TYPE_CHECKING:
    import torch

    from skyreels_avatar.loading.checkpoints.files import WeightFile
    from skyreels_avatar.models.audio_encoder import AudioEncoder
    from skyreels_avatar.models.camera_controlnet import CameraControlNet
    from skyreels_avatar.models.light_encoder import LightEncoder
    from skyreels_avatar.models.occluder import OccluderNet
    from skyreels_avatar.models.text_encoder import TextEncoder
    from skyreels_avatar.models.transformer import AvatarTransformer3DModel
    from skyreels_avatar.rig.face_rig import FaceRig

logger = logging.getLogger(__name__)

# Only these run at the reduced precision a caller may ask for; the others are small and exact.
_REDUCED = ("transformer", "controlnet")
_ENCODERS = ("text_encoder", "image_encoder")
_USUAL_PIXELS = 480 * 832  # of a frame, where nothing is known about it


@dataclass(frozen=True)
class Components:
    """The parts of a tier, ready to use.

    Attributes:
        device: where all parts are.
        dtype: of the transformer and the ControlNet; the other parts are float32.
        image_encoder: for a transformer that looks at the picture, else None.
        light: reads light and colour from prompts; None where the transformer draws them itself.
        occluder: sees what stands before a face; None does not look.
        rank: of this process among those that share the transformer's work; 0 writes the video.
        policy: how they were made to fit into the memory of the device.
    """

    tier: Tier
    vae: FaceRig
    transformer: AvatarTransformer3DModel
    controlnet: CameraControlNet
    audio_encoder: AudioEncoder
    text_encoder: TextEncoder
    device: torch.device
    dtype: torch.dtype
    image_encoder: torch.nn.Module | None = None
    light: LightEncoder | None = None
    occluder: OccluderNet | None = None
    rank: int = 0
    policy: MemoryPolicy = field(default_factory=MemoryPolicy)


def load_components(
    tier: str | Path,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    memory: str | None = None,
    num_pixels: int = _USUAL_PIXELS,
) -> Components:
    """Return the networks of a tier with their trained weights; the latest are kept in memory.

    Args:
        tier: a name in `configs/` or the path of a yaml file.
        device: a torch device, or "auto" = a GPU where there is one; None = what the tier says.
        dtype: of the transformer and the ControlNet; None = float32 on a CPU, else bfloat16.
        memory: of a GPU that may be taken: "auto" = what is free, "full" = do not ask, or like
            "24gb"; None = what the tier says.
        num_pixels: of a frame of the videos, for which memory has to be left.

    Raises:
        InputError: an unknown tier, a device that is not there, or too little memory.
        CheckpointError: weights that are missing, damaged or of another shape.
    """
    policy = _policy_for(str(tier), device, memory, num_pixels)
    return _load(str(tier), device, dtype, policy)


def _policy_for(
    tier_name: str, device: str | None, memory: str | None, num_pixels: int
) -> MemoryPolicy:
    """Return how a tier is made to fit into the memory that it may take."""
    import torch

    from skyreels_avatar.models.context_parallel import agreed, join

    tier = load_tier(tier_name)
    check_models(tier)
    place = _torch_device(device or tier.device)
    asked = parse_memory(memory or tier.memory)
    if place.type != "cuda" or not tier.buckets:  # networks that move pictures are small
        if asked is not None and asked < math.inf:
            said = memory or tier.memory
            logger.warning(
                "memory %s is for video networks on a GPU; tier %s on %s is as it is",
                said, tier.name, place,
            )  # fmt: skip
        return MemoryPolicy()
    if asked == math.inf:
        return MemoryPolicy()
    _, place = join(tier.context_parallel, place)
    # What this process holds already it may use again.
    free = torch.cuda.mem_get_info(place)[0] + torch.cuda.memory_reserved(place)
    policy = memory_policy(min(asked or free, free), _bytes_of(tier), num_pixels, _host_bytes())
    if tier.context_parallel != 1:  # those who share a pass do the same
        policy = POLICIES[agreed(POLICIES.index(policy), place)]
    logger.info("memory of the device: %s", policy)
    return policy


def _bytes_of(tier: Tier) -> ModelBytes:
    """Return what a tier's networks take on a GPU: public ones by the shapes in their files."""
    from skyreels_avatar.loading.checkpoints.load import is_ours

    taken, num_blocks = {}, 0
    for part in (*part_classes(), "image_encoder"):
        weights = getattr(tier.weights, part)
        if not weights or is_ours(weights):
            taken[part] = Path(weights).stat().st_size if weights else 0
            continue
        file = _weight_file(weights)
        num_bytes = 2 if part in (*_REDUCED, *_ENCODERS) else 4
        taken[part] = num_bytes * sum(math.prod(file.shape(key)) for key in file)
        if part == "transformer":
            names = (key.partition("blocks.")[2].partition(".")[0] for key in file)
            num_blocks = len({name for name in names if name.isdigit()})
    transformer, encoders = taken.pop("transformer"), sum(taken.pop(part) for part in _ENCODERS)
    return ModelBytes(transformer, max(1, num_blocks), sum(taken.values()), encoders)


def _host_bytes() -> float:
    """Return what is free of the host's memory for this process, infinity where nobody knows."""
    try:
        import psutil
    except ImportError:
        return math.inf
    return psutil.virtual_memory().available / int(os.environ.get("LOCAL_WORLD_SIZE", 1))


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
    components = Components(tier, device=place, dtype=torch.float32, **parts)
    _check_widths(components)
    return components


def part_classes() -> dict[str, type[torch.nn.Module]]:
    """Return the class of each part; the names are those of `WeightFiles` and of Components."""
    from skyreels_avatar.models.audio_encoder import AudioEncoder
    from skyreels_avatar.models.camera_controlnet import CameraControlNet
    from skyreels_avatar.models.light_encoder import LightEncoder
    from skyreels_avatar.models.text_encoder import TextEncoder
    from skyreels_avatar.models.transformer import AvatarTransformer3DModel
    from skyreels_avatar.rig.face_rig import FaceRig

    return {
        "vae": FaceRig,
        "transformer": AvatarTransformer3DModel,
        "controlnet": CameraControlNet,
        "audio_encoder": AudioEncoder,
        "text_encoder": TextEncoder,
        "light": LightEncoder,
    }


@lru_cache(maxsize=2)
def _load(
    tier_name: str, device: str | None, dtype: torch.dtype | None, policy: MemoryPolicy
) -> Components:
    import torch

    from skyreels_avatar.loading.checkpoints.load import is_ours, load_module
    from skyreels_avatar.models.acceleration import set_attention
    from skyreels_avatar.models.context_parallel import join

    tier = load_tier(tier_name)
    rank, place = join(tier.context_parallel, _torch_device(device or tier.device))
    if dtype is None:
        dtype = torch.float32 if place.type == "cpu" else torch.bfloat16

    if tier.offload:
        policy = replace(policy, stream_blocks=True, encoders_on_host=True)

    def placing(part: str, ours: bool = False) -> dict[str, object]:
        on_host = policy.encoders_on_host and part in _ENCODERS
        on_host |= policy.stream_blocks and part == "transformer"
        exact = torch.bfloat16 if part in _ENCODERS and not ours and place.type == "cuda" else None
        return {
            "device": torch.device("cpu") if on_host else place,
            "dtype": dtype if part in _REDUCED else exact or torch.float32,
        }

    parts: dict[str, torch.nn.Module] = {}
    for part, cls in part_classes().items():
        weights = getattr(tier.weights, part)
        if part == "light" and not weights:
            continue
        if is_ours(weights):
            parts[part] = load_module(cls, weights, **placing(part, ours=True))
        else:
            keeps = {"keep": not policy.encoders_on_host} if part == "text_encoder" else {}
            parts[part] = _load_public_part(part, tier, parts, placing(part), **keeps)
        if part == "transformer":
            _finish_transformer(parts[part], tier, policy, place, dtype)
        if part in _REDUCED and tier.attention_backend:
            set_attention(parts[part], tier.attention_backend)
    if policy.tile_vae and hasattr(parts["vae"], "enable_tiling"):
        parts["vae"].enable_tiling()
    if tier.weights.image_encoder:
        how = placing("image_encoder")
        parts["image_encoder"] = _load_public_part("image_encoder", tier, parts, how)
    if tier.weights.occluder:
        from skyreels_avatar.models.occluder import OccluderNet

        parts["occluder"] = load_module(OccluderNet, tier.weights.occluder, place)
    components = Components(tier, device=place, dtype=dtype, rank=rank, policy=policy, **parts)
    _check_widths(components)
    return components


def _finish_transformer(
    transformer: torch.nn.Module,
    tier: Tier,
    policy: MemoryPolicy,
    place: torch.device,
    dtype: torch.dtype,
) -> None:
    """Fuse the LoRAs of a tier, let blocks come to the device, and split the work of a pass."""
    import torch

    if tier.loras:
        from skyreels_avatar.loading.checkpoints.lora import fuse_lora

        for path, scale in tier.loras.items():
            fuse_lora(transformer, path, scale)
    if policy.weights_in_8_bits:
        transformer.enable_layerwise_casting(torch.float8_e4m3fn, dtype)
    if policy.stream_blocks:
        transformer.enable_group_offload(
            place,
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=place.type == "cuda",
        )
    if tier.context_parallel != 1 and torch.distributed.is_initialized():
        from skyreels_avatar.models.context_parallel import split_tokens

        split_tokens(transformer, place)
    if tier.first_block_cache:
        from skyreels_avatar.models.acceleration import cache_first_block

        cache_first_block(transformer, tier.first_block_cache)
    if tier.compile:
        transformer.compile_repeated_blocks()


def _load_public_part(
    part: str, tier: Tier, loaded: dict, how: dict, keep: bool = True
) -> torch.nn.Module:
    """Return a part filled with public weights, behind the interface that the pass knows."""
    from skyreels_avatar.loading.checkpoints.public import load_public
    from skyreels_avatar.loading.published import build

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
        normalize = bool(said.get("do_normalize", True))
        encoder = SpeechEncoder(load("speech_encoder", weights), tier.fps, normalize)
        return SpeechTokens(encoder, load("audio_projector", tier.weights.transformer)).eval()
    if part == "text_encoder":
        from skyreels_avatar.loading.prompt_cache import CachedPrompts

        def load_encoder() -> torch.nn.Module:
            from skyreels_avatar.models.prompt_encoder import PromptEncoder, load_tokenizer

            tokenizer = load_tokenizer(tier.weights.tokenizer)
            return PromptEncoder(load("prompt_encoder", weights), tokenizer)

        file = _weight_file(weights)
        width = file.shape(next(key for key in file if key.endswith("token_embedding.weight")))[1]
        precision = str(how["dtype"]).removeprefix("torch.float32").removeprefix("torch.")
        identity, folder = f"{file.identity()}{precision}", models_folder() / "prompts"
        return CachedPrompts(load_encoder, width, identity, folder, keep)
    if part == "image_encoder":
        from skyreels_avatar.models.image_encoder import ImageEncoder

        return ImageEncoder(load(part, weights))
    return load(part, weights)


def _weight_file(weights: str | list[str]) -> WeightFile:
    from skyreels_avatar.loading.checkpoints.files import WeightFile

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
