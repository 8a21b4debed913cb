"""Our own weight files: safetensors that carry the network's class and config in their header.

Matrices are stored in half precision, or in 8 bits with a scale for each of their rows; vectors
(norms, biases, statistics) in float32. A file is complete or absent: it is written beside its place
and renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch.nn import init
from torch.overrides import TorchFunctionMode

from skyreels_avatar.errors import CheckpointError

Module = TypeVar("Module", bound=torch.nn.Module)
_LISTED = 8  # names shown per kind of fault
SCALE = ".scale"  # ends the name of what a tensor of 8-bit rows is multiplied by


def save_module(
    module: torch.nn.Module, path: str | Path, dtype: torch.dtype = torch.float16
) -> Path:
    """Write a network with its config in the header, atomically, and return the path.

    Args:
        module: a network with a diffusers config (`register_to_config`).
        path: the file to write; missing folders are made.
        dtype: storage of tensors with two or more axes; `torch.int8` stores rows (the first axis)
            with a scale each.

    Raises:
        CheckpointError: a tensor is not finite or does not fit `dtype`.
    """
    path = Path(path)
    tensors = {}
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point():
            as_8_bits = dtype == torch.int8 and tensor.dim() >= 2
            stored = dtype if tensor.dim() >= 2 and not as_8_bits else torch.float32
            tensor = tensor.to(stored)
            if not torch.isfinite(tensor).all():
                raise CheckpointError(f"{name} is not finite in {dtype}; {path} was not written")
            if as_8_bits:
                tensor, tensors[name + SCALE] = to_8_bit_rows(tensor)
        tensors[name] = tensor.clone().contiguous()
    # One entry: safetensors writes several in random order, so equal weights would differ in bytes.
    config = {"_class_name": type(module).__name__, **_public_config(module)}
    header = {"config": json.dumps(config, sort_keys=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        # Not `save_file`: its files can be read by their owner alone.
        partial.write_bytes(save(tensors, metadata=header))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def read_header(path: str | Path) -> tuple[str, dict[str, Any]]:
    """Return the class name and the config that a weight file carries.

    Raises:
        CheckpointError: the file is missing, damaged or not one of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}; train them or name another file in the tier")
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {})["config"])
        return str(config.pop("_class_name")), config
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {error}") from error
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} does not carry a class and a config in its header"
        ) from error


def is_ours(weights: object) -> bool:
    """Return whether weights are a file of `save_module`; a missing file counts as one."""
    if not isinstance(weights, (str, Path)) or Path(weights).is_dir():
        return False
    path = Path(weights)
    if path.suffix in (".json", ".pth", ".pt", ".bin", ".ckpt"):
        return False
    if not path.is_file():
        return bool(path.suffix)
    try:
        with safe_open(path, framework="pt") as file:
            return "config" in (file.metadata() or {})
    except SafetensorError:
        return True  # damaged: the message of `load_module` says so


def load_module(
    cls: type[Module],
    path: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Module:
    """Build a network from the config in a weight file, fill it, and put it in evaluation mode.

    Args:
        cls: the class the file must have been written from; `cls.former_names` also count.
        path: a file of `save_module`.
        device: where the network goes.
        dtype: of its floating-point tensors.

    Raises:
        CheckpointError: another class, an unknown config field, or tensors that are missing,
            unexpected or of another shape; all are named.
    """
    path = Path(path)
    name, config = read_header(path)
    if name not in (cls.__name__, *getattr(cls, "former_names", ())):
        raise CheckpointError(f"{path} holds a {name}, expected a {cls.__name__}")
    try:
        with _Unfilled():
            module = cls(**config)
    except Exception as error:  # sizes of the header may be anything
        raise CheckpointError(
            f"{path} was written by another version, or its header is damaged: {error}"
        ) from error
    tensors = {}
    try:
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118
                tensors[key] = _finite(file.get_tensor(key), key, path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    fill_module(module, from_8_bit_rows(tensors), source=str(path))
    return place_module(module, device, dtype).eval().requires_grad_(False)


def _finite(tensor: torch.Tensor, name: str, path: Path) -> torch.Tensor:
    """Return a tensor, checked for NaN and infinities."""
    # A sum of half-precision numbers cannot overflow in float32, and takes a tenth of isfinite.
    if tensor.is_floating_point() and not torch.isfinite(tensor.float().sum()):
        raise CheckpointError(f"{path} is damaged: {name} holds NaN or infinity")
    return tensor


def to_8_bit_rows(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a tensor as int8 and the scale (rows,) of each of its rows."""
    scale = tensor.abs().flatten(1).amax(1).clamp_min(1e-12) / 127
    return (tensor.flatten(1) / scale[:, None]).round().to(torch.int8).view_as(tensor), scale


def from_8_bit_rows(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors as they were before `to_8_bit_rows`, up to rounding; others as they are."""
    scales = {
        name: tensors[name + SCALE]
        for name, tensor in tensors.items()
        if tensor.dtype == torch.int8
        and name + SCALE in tensors
        and tensors[name + SCALE].shape == tensor.shape[:1]
    }
    restored = {
        name: tensor
        for name, tensor in tensors.items()
        if name.removesuffix(SCALE) not in scales or not name.endswith(SCALE)
    }
    for name, scale in scales.items():
        restored[name] = (tensors[name].flatten(1) * scale[:, None]).view(tensors[name].shape)
    return restored


class _Unfilled(TorchFunctionMode):
    """Skip the random initialization of parameters: it takes a third of the time of loading."""

    _DRAWING = (init.kaiming_uniform_, init.uniform_, init.normal_)
    _DRAWING += (torch.Tensor.uniform_, torch.Tensor.normal_)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in self._DRAWING:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def place_module(
    module: Module, device: str | torch.device, dtype: torch.dtype = torch.float32
) -> Module:
    """Move a network and cast it, except for what its class keeps in float32."""
    exact = kept_in_float32(module)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_floating_point() and name not in exact:
            tensor.data = tensor.data.to(dtype)
    return module.to(device)


def fill_module(module: torch.nn.Module, tensors: dict[str, torch.Tensor], source: str) -> None:
    """Copy tensors into a network; every name and shape must match.

    Args:
        source: what the tensors come from, for the message.

    Raises:
        CheckpointError: names what is missing, unexpected or of another shape.
    """
    faults = describe_faults(module.state_dict(), tensors)
    if faults:
        raise CheckpointError(f"{source} does not fit {type(module).__name__}; tensors {faults}")
    module.load_state_dict(tensors)


def describe_faults(wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> str:
    """Name what is missing, unexpected or of another shape; "" where all fits."""
    misshaped = [
        f"{key} {tuple(found[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in sorted(wanted.keys() & found.keys())
        if found[key].shape != wanted[key].shape
    ]
    faults = []
    for kind, names in (
        ("missing", sorted(wanted.keys() - found.keys())),
        ("unexpected", sorted(found.keys() - wanted.keys())),
        ("of another shape", misshaped),
    ):
        if names:
            more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            faults.append(f"{len(names)} {kind}: {', '.join(names[:_LISTED])}{more}")
    return "; ".join(faults)


def kept_in_float32(module: torch.nn.Module) -> set[str]:
    """Return the names of the tensors that a network's class keeps in float32."""
    kept = set(getattr(module, "_keep_in_fp32_modules", None) or ())
    return {name for name in module.state_dict() if not kept.isdisjoint(name.split("."))}


def _public_config(module: torch.nn.Module) -> dict[str, Any]:
    """Return the arguments of the class without diffusers' own bookkeeping (leading underscore)."""
    return {key: value for key, value in module.config.items() if not key.startswith("_")}
