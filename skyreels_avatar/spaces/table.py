"""Which latent space belongs to which VAE: one row each."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.parts import expected_format
from skyreels_avatar.loading.tiers import Tier
from skyreels_avatar.planning.segments import ShotPlan
from skyreels_avatar.references.reference import Reference
from skyreels_avatar.spaces.base import LatentSpace
from skyreels_avatar.spaces.rig_space import RigSpace
from skyreels_avatar.spaces.video_space import VideoSpace

SPACES: dict[str, type[LatentSpace]] = {
    "FaceRig": RigSpace,
    "AutoencoderKLWan": VideoSpace,
}
"""Latent spaces by the class name of the VAE."""


def space_type(vae: torch.nn.Module) -> type[LatentSpace]:
    """Return the kind of latent space that belongs to a VAE."""
    return _of_network(type(vae).__name__)


def space_type_of(tier: Tier) -> type[LatentSpace]:
    """Return the kind of latent space that a tier works in; no weights have to be there."""
    return _of_network(expected_format("vae", tier.weights.vae).network)


def open_space(
    vae: torch.nn.Module, plan: ShotPlan, references: Sequence[Reference], seed: int,
    shoulders: torch.Tensor | None = None, gains: tuple[float, ...] = (1.0, 1.0, 1.0),
) -> LatentSpace:  # fmt: skip
    """Return the latent space of a shot: see `LatentSpace.open`."""
    given = {} if shoulders is None else {"shoulders": shoulders}
    given |= {} if gains == (1.0, 1.0, 1.0) else {"gains": gains}
    return space_type(vae).open(vae, plan, references, seed, **given)


def _of_network(name: str) -> type[LatentSpace]:
    if name not in SPACES:
        raise CheckpointError(f"no latent space is known for {name}; known are {', '.join(SPACES)}")
    return SPACES[name]
