"""Public checkpoints, told apart by the names of their tensors, loaded into our networks.

A network is built without memory, checked against the names and shapes of the file, and then
filled tensor by tensor: at no time is more in memory than the network and one tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from skyreels_avatar.errors import CheckpointError, MissingExtraError
from skyreels_avatar.loading.checkpoints import skyreels_v3, uni3c, wan
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.keymap import convert
from skyreels_avatar.loading.checkpoints.load import describe_faults, kept_in_float32

Tensors = Mapping[str, torch.Tensor]
_ALONE = "InfiniteTalk is published as audio weights alone: give Wan2.1's files before it"
_OUTER_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.")


@dataclass(frozen=True)
class Format:
    """One kind of public checkpoint.

    Attributes:
        name: for messages.
        part: what it fills.
        marks: names of tensors that all files of the kind have and no other kind has.
        convert: their tensors, and what they are from, to our names.
    """

    name: str
    part: str
    marks: tuple[str, ...]
    convert: Callable[[Tensors, str], dict[str, torch.Tensor]]


def _by_table(table) -> Callable[[Tensors, str], dict[str, torch.Tensor]]:
    return lambda tensors, source: convert(tensors, table, source)


FORMATS: tuple[Format, ...] = (
    Format(
        "SkyReels-V3 A2V / InfiniteTalk over Wan2.1",
        "transformer",
        ("patch_embedding.weight", "blocks.0.audio_cross_attn.q_linear.weight"),
        _by_table(skyreels_v3.TRANSFORMER),
    ),
    Format(
        "SkyReels-V3 A2V / InfiniteTalk",
        "audio_projector",
        ("audio_proj.proj1.weight", "blocks.0.audio_cross_attn.q_linear.weight"),
        _by_table(skyreels_v3.AUDIO_PROJECTOR),
    ),
    Format(
        "Uni3C",
        "controlnet",
        ("controlnet_patch_embedding.weight",),
        _by_table(uni3c.CONTROLNET),
    ),
    Format(
        "Wan2.1 VAE in diffusers' layout",
        "vae",
        ("decoder.norm_out.gamma", "quant_conv.weight"),
        lambda tensors, source: dict(tensors),
    ),
    Format("Wan2.1 VAE", "vae", ("decoder.head.0.gamma", "conv2.weight"), wan.convert_vae),
    Format(
        "umT5 encoder",
        "prompt_encoder",
        ("token_embedding.weight", "blocks.0.pos_embedding.embedding.weight"),
        wan.convert_prompt_encoder,
    ),
    Format(
        "open-clip ViT-H/14",
        "image_encoder",
        ("visual.cls_embedding",),
        wan.convert_image_encoder,
    ),
    Format(
        "wav2vec 2.0",
        "speech_encoder",
        ("feature_projection.projection.weight",),
        wan.convert_speech_encoder,
    ),
)


def detect(names: Iterable[str]) -> tuple[Format, ...]:
    """Return the formats that a file with these tensor names is; one file may fill two parts.

    Raises:
        CheckpointError: it is none; the message shows some of its names and lists the known kinds.
    """
    names = {_inner(name) for name in names}
    found = tuple(kind for kind in FORMATS if names.issuperset(kind.marks))
    if not found:
        shown = ", ".join(sorted(names)[:5])
        kinds = "; ".join(f"{kind.name} ({kind.part})" for kind in FORMATS)
        raise CheckpointError(f"unknown kind of weights: tensors {shown} ...; known are {kinds}")
    return found


def load_public(
    paths: str | Path | Iterable[str | Path],
    part: str,
    build: Callable[[str, dict, dict], torch.nn.Module],
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    extra: Tensors | None = None,
) -> torch.nn.Module:
    """Return one of our networks filled with a public checkpoint.

    Args:
        paths: one or several files or folders, laid over each other; see `WeightFile`.
        part: which network is wanted: "transformer", "audio_projector", "controlnet", "vae",
            "prompt_encoder", "image_encoder" or "speech_encoder".
        build: makes our network for a part, the shapes of a file and its config:
            `models.published.build`.
        device: where it goes.
        dtype: of its floating-point tensors, but for what its class keeps in float32.
        extra: tensors under our names that the file leaves out, as Uni3C the time embedder.

    Raises:
        CheckpointError: files of another kind; or tensors that are missing, unexpected or of
            another shape, all of them named.
    """
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    file = WeightFile(*paths)
    kinds = [kind for kind in detect(file) if kind.part == part]
    if not kinds:
        found = ", ".join(kind.part for kind in detect(file))
        hint = f"; {_ALONE}" if part == "transformer" and "audio" in found else ""
        raise CheckpointError(f"{file} holds weights of {found}, not of {part}{hint}")
    kind = kinds[0]
    shapes = {_inner(key): file.shape(key) for key in file}
    with _without_memory():
        module = build(part, shapes, file.config())
    empty = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    found = {**kind.convert(empty, str(file)), **(extra or {})}
    wanted = module.state_dict()
    prefix = _prefix_of(wanted, found)
    faults = describe_faults(wanted, {prefix + key: value for key, value in found.items()})
    if faults:
        raise CheckpointError(f"{file} does not fit {type(module).__name__}; tensors {faults}")
    _fill(module, kind, file, prefix, torch.device(device), dtype, extra or {})
    return module.eval().requires_grad_(False)


def _fill(module, kind, file, prefix, device, dtype, extra: Tensors) -> None:
    """Give each parameter its tensor, one after the other."""
    exact = kept_in_float32(module)

    def give(tensors: Tensors) -> None:
        for key, tensor in tensors.items():
            name = prefix + key
            if tensor.is_floating_point():
                tensor = tensor.to(device, torch.float32 if name in exact else dtype)
            owner, _, leaf = name.rpartition(".")
            _set(module.get_submodule(owner), leaf, tensor.to(device).contiguous())

    for key in file:
        give(kind.convert({_inner(key): file[key]}, str(file)))
    give(extra)
    module.to(device)  # the tables that no file holds


def _without_memory():
    """Return the context in which parameters take no memory; small tables are made as usual."""
    try:
        from accelerate import init_empty_weights
    except ImportError as error:
        raise MissingExtraError("accelerate", "studio") from error
    return init_empty_weights(include_buffers=False)


def _set(owner: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    if name in owner._parameters:
        owner._parameters[name] = torch.nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[name] = tensor


def _inner(key: str) -> str:
    """Return a name without the prefix that repacked files carry."""
    for prefix in _OUTER_PREFIXES:
        if key.startswith(prefix):
            return key[len(prefix) :]
    return key


def _prefix_of(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return what this version of transformers has before all names: "" or "vision_model."."""
    prefix = "vision_model."
    has = any(key.startswith(prefix) for key in wanted)
    return prefix if has and not any(key.startswith(prefix) for key in found) else ""
