"""Count operations and bytes of networks of any size on tensors without memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skyreels_avatar.models import transformer as transformer_module


class MemoryCounter(TorchDispatchMode):
    """Count the bytes of tensors that are made and not yet let go of, and their peak.

    Args:
        modules: whose own tensors do not count.
    """

    def __init__(self, modules: Sequence[torch.nn.Module]):
        super().__init__()
        self.now = self.peak = 0
        self._sizes = {}
        for module in modules:
            for values in (*module.parameters(), *module.buffers()):
                self._sizes[values.untyped_storage()._cdata] = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for value in tree_leaves(made):
            if isinstance(value, torch.Tensor):
                self._add(value.untyped_storage())
        return made

    def _add(self, storage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


class AttentionCount:
    """Operations of attention, which `FlopCounterMode` does not see under `fused_attention`."""

    def __init__(self) -> None:
        self.flop = 0

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value, *_, **__) -> torch.Tensor:
        # Two products of query x key, a multiplication and an addition each.
        self.flop += 4 * query.numel() * key.shape[-2]
        return torch.empty_like(query)


@contextmanager
def fused_attention(num_words: int | None = None) -> Iterator[AttentionCount]:
    """Let attention keep no scores, as kernels do, and prompts be of unknown content.

    Args:
        num_words: tokens of a prompt that differ, the first of them; None = all.
    """
    count = AttentionCount()
    functional = torch.nn.functional
    with (
        mock.patch.object(functional, "scaled_dot_product_attention", count),
        mock.patch.object(
            transformer_module, "merge_repeated", lambda all_: (all_[:, :num_words], None)
        ),
    ):
        yield count
