"""The interface of latent spaces.

A latent space belongs to one shot. It says what of a window is known before it is sampled, and
turns what was sampled into pictures. `spaces.table` names the one that belongs to a VAE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Protocol

import numpy as np
import torch

from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.references.reference import Reference
from skyreels_avatar.spaces.known import Known


class LatentSpace(Protocol):
    """The latent space of a shot. `B` is 1, or the number of persons where they are separate.

    Attributes:
        roles: of the windows that it can be asked for, see `planning.segments.ROLES`.
        moves_reference: pictures are those of the reference video, moved, and the VAE reads a
            face's own motion (`motion_of`, `correct_eyes`); else they are drawn whole.
        takes_footage: existing video can be given a new voice: outside the face it stays.
        separates_persons: several persons are a batch; else they share the latents, and the
            transformer tells their voices apart by masks.
    """

    roles: ClassVar[frozenset[str]]
    moves_reference: ClassVar[bool]
    takes_footage: ClassVar[bool]
    separates_persons: ClassVar[bool]

    @classmethod
    def open(
        cls,
        vae: torch.nn.Module,
        plan: ShotPlan,
        references: Sequence[Reference],
        seed: int,
        shoulders: torch.Tensor | None = None,
        gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> LatentSpace:
        """Return the space of a shot.

        Args:
            references: the same pictures, with the face of each person.
            seed: of what the VAE draws at random.
            shoulders: (F,) how far they are raised at the motion frames of the shot, in face
                heights, beside what latents say; of use where `moves_reference` is true.
            gains: how much further lips open, brows move and heads turn than latents say; of use
                there, too.
        """

    def known(self, segment: Segment, needed: Sequence[tuple[Segment, torch.Tensor]]) -> Known:
        """Return what is known of a window.

        Args:
            needed: the windows that it needs with their finished latents, in the order of
                `Segment.needs`; () = it starts from the reference video, or from nothing.
        """

    def control(self, segment: Segment) -> torch.Tensor | None:
        """Return the control latents (B, C', T, h, w) of a window, held at the shot's end.

        None: the ControlNet is not asked.
        """

    def control_rays(self, segment: Segment) -> torch.Tensor | None:
        """Return (B, 7, F, H, W) holes and rays of the same frames, for a ControlNet that sees
        pixels; None: there are none.
        """

    def finish(self, latents: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Post-process sampled latents (B, C, T, h, w) for decoding and for the next window."""

    def motion(self, latents: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Return rig coefficients (F, 32) of the frames that a window is the first to make.

        Only where `moves_reference` is true, and of one person.
        """

    def latents_of(self, motion: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Return the finished latents (1, C, T, h, w) of a window that shows a performance.

        Only where `moves_reference` is true, and of one person.

        Args:
            motion: rig coefficients (F, 32) of the shot from its first frame on; held at its end.
        """

    def frames(self, latents: torch.Tensor, segment: Segment) -> Iterator[np.ndarray]:
        """Yield the pictures (F, H, W, 3) uint8 that a finished window is the first to make."""
