"""Public checkpoints, identified by the names of their tensors and loaded into networks.

A network is built without memory, checked against the names and shapes of the file, and then
filled tensor by tensor: at no time is more in memory than the network and one tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from skyreels_avatar.errors import CheckpointError, MissingExtraError
from skyreels_avatar.loading.checkpoints import gguf_file
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.keymap import Row, convert
from skyreels_avatar.loading.checkpoints.load import describe_faults, kept_in_float32
from skyreels_avatar.loading.tiers import Tier

Tensors = Mapping[str, torch.Tensor]
_OUTER_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.", "wav2vec2.")


class TensorShapes:
    """The shapes of a file's tensors by their public names, and the config beside it."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any]):
        self._shapes, self.config = shapes, config

    def __contains__(self, key: str) -> bool:
        return key in self._shapes

    def __call__(self, key: str) -> tuple[int, ...]:
        if key not in self._shapes:
            raise CheckpointError(f"the file has no tensor {key}")
        return self._shapes[key]

    def count(self, prefix: str) -> int:
        """Return how many numbered blocks there are under a prefix."""
        numbers = {
            key[len(prefix) :].split(".")[0] for key in self._shapes if key.startswith(prefix)
        }
        return len({number for number in numbers if number.isdigit()})


@dataclass(frozen=True)
class PublicFormat:
    """One kind of public checkpoint, and the network that it fills.

    Attributes:
        name: for messages.
        marks: names of tensors that all files of the kind have and no other kind has.
        build: the network, of the sizes that a file has. What shapes cannot tell, the number of
            heads, is read from the published `config.json` where there is one, and is that of the
            real network otherwise.
        convert: tensors, and what they are from, to the names of that network.
        hint: what to do about a file that has only some of the marks.
    """

    name: str
    marks: tuple[str, ...]
    build: Callable[[TensorShapes], torch.nn.Module]
    convert: Callable[[Tensors, str], dict[str, torch.Tensor]]
    hint: str = ""

    def fits(self, names: Iterable[str]) -> bool:
        """Return whether a file with these tensor names is of this kind."""
        return {inner_name(name) for name in names}.issuperset(self.marks)


def by_table(table: tuple[Row, ...]) -> Callable[[Tensors, str], dict[str, torch.Tensor]]:
    """Return the conversion that a table of names stands for."""
    return lambda tensors, source: convert(tensors, table, source)


@dataclass(frozen=True)
class PartFiles:
    """The weights of a part, and the context it is loaded in.

    Attributes:
        weights: one or several files or folders, laid over each other; see `WeightFile`.
        tier: that the part belongs to; None = none.
        device: where the part goes.
        dtype: of its floating-point tensors, but for what its class keeps in float32.
        loaded: the parts of the tier that are there already.
        keep: an encoder stays in memory after use.
    """

    weights: Any
    tier: Tier | None = None
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    loaded: Mapping[str, Any] = field(default_factory=dict)
    keep: bool = True

    @cached_property
    def file(self) -> WeightFile:
        """The tensors, read on access."""
        several = isinstance(self.weights, (list, tuple))
        return WeightFile(*(self.weights if several else [self.weights]))


def load_public(
    files: PartFiles, kind: PublicFormat, extra: Tensors | None = None
) -> torch.nn.Module:
    """Return a network filled with a public checkpoint.

    Args:
        extra: tensors under the network's names that the file leaves out.

    Raises:
        CheckpointError: tensors that are missing, unexpected or of another shape, all of them
            named.
    """
    file, extra = files.file, extra or {}
    shapes = {inner_name(key): file.shape(key) for key in file}
    with _without_memory():
        module = kind.build(TensorShapes(shapes, file.config()))
    empty = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    found = {**kind.convert(empty, str(file)), **extra}
    wanted = module.state_dict()
    prefix = _prefix_of(wanted, found)
    faults = describe_faults(wanted, {prefix + key: value for key, value in found.items()})
    if faults:
        raise CheckpointError(f"{file} does not fit {type(module).__name__}; tensors {faults}")
    if names := file.quantized():
        ours = (kind.convert({inner_name(key): empty[inner_name(key)]}, str(file)) for key in names)
        quantized = {prefix + name for one in ours for name in one} - kept_in_float32(module)
        gguf_file.use_quantized_layers(module, quantized, files.dtype)
    _fill(module, kind, files, prefix, extra)
    return module.eval().requires_grad_(False)


def _fill(module, kind: PublicFormat, files: PartFiles, prefix: str, extra: Tensors) -> None:
    """Assign each parameter its tensor, one after the other."""
    exact, device, file = kept_in_float32(module), torch.device(files.device), files.file
    unused = {key for key in file if not _has_place(kind, key, file)}

    def give(tensors: Tensors) -> None:
        for key, tensor in tensors.items():
            name = prefix + key
            if gguf_file.is_quantized(tensor):
                tensor = gguf_file.placed(module.get_submodule(name.rpartition(".")[0]), tensor)
            if tensor.is_floating_point():
                tensor = tensor.to(device, torch.float32 if name in exact else files.dtype)
            owner, _, leaf = name.rpartition(".")
            _set(module.get_submodule(owner), leaf, tensor.to(device).contiguous())

    for key in file:
        if key in unused:
            continue  # of 38 GB that are another network's, nothing is read
        give(kind.convert({inner_name(key): file[key]}, str(file)))
    give(extra)
    module.to(device)  # the tables that no file holds


def _has_place(kind: PublicFormat, key: str, file: WeightFile) -> bool:
    """Return whether a tensor of a file has a place in the network."""
    name = inner_name(key)
    return bool(kind.convert({name: torch.empty(file.shape(key), device="meta")}, str(file)))


def _without_memory():
    """Return the context in which parameters take no memory; small tables are made as usual."""
    try:
        from accelerate import init_empty_weights
    except ImportError as error:
        raise MissingExtraError("accelerate", "studio") from error
    return init_empty_weights(include_buffers=False)


def _set(owner: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    if gguf_file.is_quantized(tensor):
        owner._parameters[name] = tensor
    elif name in owner._parameters:
        owner._parameters[name] = torch.nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[name] = tensor


def inner_name(key: str) -> str:
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
