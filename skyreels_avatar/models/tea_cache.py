"""Leave out the blocks in steps in which the embedding of time says that little changes.

How much a step changes what the blocks add is estimated from how much the embedding of time has
changed, by a polynomial that was fitted once. Source: TeaCache (arXiv 2411.19108); the polynomials
are those that InfiniteTalk (Apache-2.0) was published with, for frames of 480p and of 720p.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

NUM_FIRST = 5
"""Steps of a window that are always computed, its first ones."""
_LARGE_TOKENS = 2344  # of a frame of 0.6 megapixels, each of 16 x 16 pixels
# Highest power first.
_SMALL = (2.57151496e05, -3.54229917e04, 1.40286849e03, -1.35890334e01, 1.32517977e-01)
_LARGE = (8.10705460e03, 2.13393892e03, -3.72934672e02, 1.66203073e01, -4.17769401e-02)


def estimated_change(relative: float, tokens_per_frame: int) -> float:
    """Return how much the work of the blocks changes where the embedding of time changes so much.

    Args:
        relative: mean absolute change of the embedding, as a share of its mean absolute value.
        tokens_per_frame: of a latent frame; large frames have a polynomial of their own.
    """
    change = 0.0
    for coefficient in _LARGE if tokens_per_frame > _LARGE_TOKENS else _SMALL:
        change = change * relative + coefficient
    return change


@dataclass
class _Variant:
    """What is known of the steps of one variant of the conditions."""

    num_steps: int = 0
    accumulated: float = 0.0
    embedding: torch.Tensor | None = None
    added: torch.Tensor | None = None


class TeaCache:
    """The caches of a window, one for each variant of its conditions.

    Attributes:
        num_skipped: steps whose blocks were left out since the window started, of all variants.

    Args:
        threshold: estimated change, summed up over steps, from which the blocks are asked again.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold
        self.start_window()

    def start_window(self) -> None:
        """Forget the window before."""
        self.num_skipped = 0
        self._variants: dict[str, _Variant] = {}
        self._name = ""

    @contextmanager
    def variant(self, name: str) -> Iterator[None]:
        """Count the passes within this context to one variant of the conditions."""
        before, self._name = self._name, name
        try:
            yield
        finally:
            self._name = before

    def through(
        self,
        tokens: torch.Tensor,
        embedding: torch.Tensor,
        tokens_per_frame: int,
        blocks: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Return the tokens (B, L, D) after all blocks, or what these added a step ago added again.

        Args:
            embedding: of the time of the step, (B, 6, D), as the blocks are modulated by.
            blocks: returns the tokens after them.
        """
        state = self._variants.setdefault(self._name, _Variant())
        if self._can_skip(state, embedding, tokens_per_frame):
            self.num_skipped += 1
            made = tokens + state.added
        else:
            state.accumulated = 0.0
            made = blocks(tokens)
            state.added = made - tokens
        state.num_steps, state.embedding = state.num_steps + 1, embedding
        return made

    def _can_skip(self, state: _Variant, embedding: torch.Tensor, tokens_per_frame: int) -> bool:
        if state.num_steps < NUM_FIRST:
            return False
        change = (embedding - state.embedding).abs().mean() / state.embedding.abs().mean()
        state.accumulated += estimated_change(float(change), tokens_per_frame)
        return state.accumulated < self.threshold
