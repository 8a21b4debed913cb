"""How one person moves, learnt from videos of them: a small file beside the weights of a tier.

It holds the five numbers of a kind of talker (`pipeline.talker_style`), fitted to the person, and
what is added to the vectors of the transformer: biases, scales of norms, modulation tables. That is
a hundredth of its weights, too few to learn a voice or a text by heart.
Source: training biases alone, BitFit (arXiv 2106.10199).
"""

from __future__ import annotations

import copy
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from skyreels_avatar.errors import CheckpointError, InputError

_CLASS = "PersonStyle"


@dataclass(frozen=True)
class PersonStyle:
    """One person's way to move.

    Attributes:
        numbers: five, see `talker_style.FACTORS`, in spreads over talkers.
        differences: by the names of the transformer's tensors, what is added to them.
        made_for: of `weights_mark`, the transformer that they were learnt with.
        smile: how much more they smile, as `FaceRig.lean_noise` takes it.
    """

    numbers: tuple[float, ...]
    differences: dict[str, torch.Tensor]
    made_for: str
    smile: float = 0.0

    def save(self, path: str | Path) -> Path:
        """Write the style as safetensors, whole or not at all."""
        path = Path(path)
        header = {"_class_name": _CLASS, "numbers": list(self.numbers), "made_for": self.made_for}
        header["smile"] = self.smile
        tensors = {
            name: value.detach().cpu().to(torch.float16).contiguous()
            for name, value in self.differences.items()
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        partial.write_bytes(save(tensors, metadata={"config": json.dumps(header, sort_keys=True)}))
        os.replace(partial, path)
        return path

    @classmethod
    def load(cls, path: str | Path) -> PersonStyle:
        """Read a style.

        Raises:
            InputError: the file is missing, damaged or not a style.
        """
        if not Path(path).expanduser().is_file():
            raise InputError(
                f"no style at {path}; make one with: python -m train style", parameter="style"
            )
        try:
            with safe_open(Path(path).expanduser(), framework="pt") as file:
                header = json.loads((file.metadata() or {}).get("config", "{}"))
                if header.get("_class_name") != _CLASS:
                    raise InputError(
                        f"{path} holds no style of a person; make one with: python -m train style",
                        parameter="style",
                    )
                tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
            numbers = tuple(float(number) for number in header["numbers"])
            smile = float(header.get("smile", 0.0))  # files of 0.7 and before have none
            return cls(numbers, tensors, str(header["made_for"]), smile)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the style {path} is damaged: {error}", parameter="style") from error

    def applied(self, transformer: torch.nn.Module, weights: str | Path) -> torch.nn.Module:
        """Return a copy of the transformer that moves as the person does.

        Args:
            weights: the file of the transformer's weights.

        Raises:
            InputError: the style was learnt with other weights.
        """
        if weights_mark(weights) != self.made_for:
            raise InputError(
                "this style was learnt with other weights than those in use; make it again with: "
                "python -m train style",
                parameter="style",
            )
        styled = copy.deepcopy(transformer)
        tensors = dict(styled.named_parameters())
        for name, difference in self.differences.items():
            if name not in tensors or tensors[name].shape != difference.shape:
                raise CheckpointError(f"the style has no place for {name}")
            tensors[name].data.add_(difference.to(tensors[name]))
        return styled


def vectors_of(transformer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters that a style adds to: vectors, and the modulation tables."""
    return {
        name: weight
        for name, weight in transformer.named_parameters()
        if weight.dim() == 1 or name.endswith("scale_shift_table")
    }


def weights_mark(weights: str | Path) -> str:
    """Return eight letters that tell a file of weights from another; "" for no single file."""
    path = Path(weights)
    return f"{zlib.crc32(path.read_bytes()):08x}" if path.is_file() else ""
