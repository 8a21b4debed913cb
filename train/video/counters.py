"""Count operations and bytes of networks of any size on tensors without memory."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


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
        """Call an operator, and count the storages that it has made."""
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


class AttentionCount(TorchFunctionMode):
    """Let attention keep no scores, as kernels do, and count its operations.

    `FlopCounterMode` does not see them then.

    Attributes:
        flop: of the attention of all passes, forwards and backwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Call a function of PyTorch, or stand in for attention."""
        if function is torch.nn.functional.scaled_dot_product_attention:
            given = dict(zip(("query", "key", "value"), args)) | (kwargs or {})
            return _Fused.apply(given["query"], given["key"], given["value"], self)
        return function(*args, **(kwargs or {}))


class _Fused(torch.autograd.Function):
    """Attention whose result has the right shape and no content; it keeps what kernels keep."""

    @staticmethod
    def forward(ctx, query, key, value, count):
        # Two products of query x key, a multiplication and an addition each.
        ctx.flop, ctx.count = 4 * query.numel() * key.shape[-2], count
        count.flop += ctx.flop
        attended = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, attended)
        return attended

    @staticmethod
    def backward(ctx, _):
        ctx.count.flop += ctx.flop * 5 // 2  # the scores again, and four products
        query, key, value, _ = ctx.saved_tensors
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value), None
