"""What pipelines of diffusers can do: come from a folder or the hub, move, take LoRAs.

    pipe = AvatarPipeline.from_pretrained("studio", torch_dtype=torch.bfloat16).to("cuda")
    pipe.load_lora_weights("distilled.safetensors")
    video = pipe(image="p.png", audio="a.wav", prompt="she smiles").frames

Differs from diffusers: an open pipeline has its networks for itself; `sa.generate` shares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.load import place_module
from skyreels_avatar.loading.components import Components, load_parts, torch_device
from skyreels_avatar.loading.memory import MemoryPolicy
from skyreels_avatar.loading.model_hub import check_models
from skyreels_avatar.loading.parts import ENCODERS, PARTS
from skyreels_avatar.loading.pretrained import fetch_file, find_tier

Pipeline = TypeVar("Pipeline", bound="Pretrained")
_IN_ASKED_PRECISION = ("transformer", "controlnet")  # the others are float32


class Pretrained:
    """Networks of a tier that belong to one pipeline alone.

    Args:
        components: the networks and their defaults.
        tier: the name or the yaml file of the tier; None = by the name that it has.
    """

    def __init__(self, components: Components, tier: str | None = None):
        self.components = components
        self.tier = tier or components.tier.name

    @classmethod
    def from_pretrained(
        cls: type[Pipeline],
        source: str | Path,
        torch_dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        tier: str | Path | None = None,
        **weights: Any,
    ) -> Pipeline:
        """Return a pipeline with its networks.

        Args:
            source: a tier's name, its yaml file, a folder, or "owner/name" on the hub; see
                `loading.pretrained.find_tier`.
            torch_dtype: of transformer and ControlNet; norms and the embedding of time stay in
                float32, as do the other parts.
            device: where they go.
            tier: whose settings count for a folder that has no yaml file.
            weights: files of parts in place of the tier's, for example `vae=`.

        Raises:
            InputError: there is no such pipeline.
            CheckpointError: weights are missing, damaged or of another shape.
        """
        found, name = find_tier(source, tier, weights)
        check_models(found)
        return cls(load_parts(found, device, torch_dtype, MemoryPolicy()), name)

    @classmethod
    def from_single_file(
        cls: type[Pipeline],
        path: str | Path,
        tier: str | Path,
        torch_dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        **weights: Any,
    ) -> Pipeline:
        """Return a pipeline whose transformer is one file; the other parts are the tier's.

        Args:
            path: a transformer in any layout that is known, also repacked.
            tier: that has the other parts and the settings.
            torch_dtype, device, weights: as in `from_pretrained`.
        """
        return cls.from_pretrained(tier, torch_dtype, device, transformer=path, **weights)

    @property
    def device(self) -> torch.device:
        """Where the networks work."""
        return self.components.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of transformer and ControlNet."""
        return self.components.dtype

    def to(
        self: Pipeline,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Pipeline:
        """Move the networks, or bring transformer and ControlNet to another precision.

        Raises:
            InputError: there is no such device.
        """
        place = self.device if device is None else torch_device(str(device))
        dtype = dtype or self.dtype
        for name, module in self._modules():
            wanted = dtype if name in _IN_ASKED_PRECISION else _dtype_of(module)
            place_module(module, place, wanted)
        self.components = replace(self.components, device=place, dtype=dtype)
        return self

    def enable_model_cpu_offload(self: Pipeline, device: str = "cuda") -> Pipeline:
        """Keep the transformer and the encoders on the host, and work on a device.

        Differs from diffusers, which moves whole networks: the transformer's blocks come one by one
        and the next is on its way meanwhile, since windows are decoded while others are denoised.
        """
        place = torch_device(device)
        for name, module in self._modules():
            if name != "transformer" and name not in ENCODERS:
                module.to(place)
        self.components.transformer.enable_group_offload(
            place, offload_type="block_level", num_blocks_per_group=1,
            use_stream=place.type == "cuda",
        )  # fmt: skip
        policy = replace(self.components.policy, stream_blocks=True, encoders_on_host=True)
        self.components = replace(self.components, device=place, policy=policy)
        return self

    def load_lora_weights(
        self, source: str | Path, weight_name: str | None = None, scale: float = 1.0
    ) -> int:
        """Fuse a LoRA into the transformer, and return how many tensors it changed.

        Args:
            source: a file, a folder, or "owner/name" on the hub.
            weight_name: the file in a folder or repository.
            scale: its strength.

        Raises:
            CheckpointError: it is not for this transformer.
        """
        from skyreels_avatar.loading.checkpoints.lora import fuse_lora

        path = Path(source).expanduser()
        if not path.exists():
            if weight_name is None:
                raise InputError(f"no LoRA at {source}; of the hub, give weight_name too")
            path = fetch_file(str(source), weight_name)
        elif weight_name is not None:
            path = path / weight_name
        return fuse_lora(self.components.transformer, path, scale)

    def set_attention_backend(self, name: str) -> None:
        """Set the attention of transformer and ControlNet, for example "flash" or "sage".

        Raises:
            InputError: it is unknown, or what it needs is not here.
        """
        from skyreels_avatar.models.acceleration import set_attention

        for part, module in self._modules():
            if part in _IN_ASKED_PRECISION:
                set_attention(module, name)

    def _modules(self) -> Iterator[tuple[str, torch.nn.Module]]:
        for name in PARTS:
            module = getattr(self.components, name)
            if hasattr(module, "parameters"):  # prompts come through a cache
                yield name, module


def _dtype_of(module: torch.nn.Module) -> torch.dtype:
    return next(
        (one.dtype for one in module.parameters() if one.is_floating_point()), torch.float32
    )
