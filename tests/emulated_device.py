"""An emulated GPU, on a machine without one: does the code keep its tensors together?

Tensors on it hold their values on the CPU, report another device, and refuse what those of a GPU
refuse: operations with tensors on the CPU, and `numpy()`. It computes what the CPU computes.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from skyreels_avatar.loading import components
from skyreels_avatar.pipeline import pretrained

DEVICE = torch.device("meta")  # the only one besides the CPU that needs no driver
_MAKE = torch.tensor, torch.as_tensor
_INDEX = torch.Tensor.__getitem__, torch.Tensor.__setitem__
# Which a GPU accepts with indices on the CPU.
_INDEXED = torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_


def emulate(monkeypatch: pytest.MonkeyPatch) -> EmulatedDevice:
    """Return what to enter, after which "cuda" is the emulated device, in all threads."""
    for module in (components, pretrained):
        place = module.torch_device
        monkeypatch.setattr(
            module, "torch_device", lambda name, p=place: DEVICE if name == "cuda" else p(name)
        )
    run, submit = threading.Thread.run, ThreadPoolExecutor.submit

    def run_emulated(thread: threading.Thread) -> None:
        with EmulatedDevice():
            run(thread)

    def submit_emulated(pool: ThreadPoolExecutor, function, /, *args, **kwargs):
        def emulated():
            with EmulatedDevice():
                return function(*args, **kwargs)

        return submit(pool, emulated)

    monkeypatch.setattr(threading.Thread, "run", run_emulated)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit_emulated)
    return EmulatedDevice()


class EmulatedDevice(TorchFunctionMode):
    """While it is entered, this thread can make tensors on `DEVICE` and move them."""

    def __enter__(self) -> EmulatedDevice:
        """Watch every operation."""
        self._operations = _Operations()
        self._operations.__enter__()
        return super().__enter__()

    def __exit__(self, *error) -> None:
        """Watch no more."""
        super().__exit__(*error)
        self._operations.__exit__(*error)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Do what PyTorch does before it asks `__torch_dispatch__`."""
        kwargs = kwargs or {}
        if function in _MAKE and kwargs.get("device") is not None:
            return function(*args, **{**kwargs, "device": None}).to(kwargs["device"])
        if args and isinstance(args[0], ElsewhereTensor):
            if function is torch.Tensor.tolist:
                return args[0].values.tolist()
            if function is torch.Tensor.new_tensor:
                return args[0].values.new_tensor(*args[1:], **kwargs).to(DEVICE)
            if function in _INDEX:
                places = args[1] if isinstance(args[1], tuple) else (args[1],)
                places = tuple(torch.tensor(p) if isinstance(p, list) else p for p in places)
                return function(args[0], places, *args[2:])
        return function(*args, **kwargs)


class ElsewhereTensor(torch.Tensor):
    """A tensor whose values are on the CPU and whose `device` is `DEVICE`."""

    values: torch.Tensor

    @staticmethod
    def __new__(cls, values: torch.Tensor) -> ElsewhereTensor:
        """Wrap a tensor on the CPU."""
        wrapped = torch.Tensor._make_wrapper_subclass(
            cls, values.shape, strides=values.stride(), storage_offset=values.storage_offset(),
            dtype=values.dtype, device=DEVICE,
        )  # fmt: skip
        wrapped.values = values
        return wrapped

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        """Compute on the CPU; the result is on `DEVICE` again."""
        return _compute(function, args, kwargs or {})

    def __repr__(self) -> str:
        """Return what a failing test shows."""
        return f"ElsewhereTensor({self.values!r})"


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _compute(function, args, kwargs or {})


def _compute(function, args, kwargs):
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    elsewhere = [isinstance(one, ElsewhereTensor) for one in tensors]
    if any(one.device == DEVICE and not there for one, there in zip(tensors, elsewhere)):
        raise RuntimeError(f"{function} got a tensor that was made where nothing is emulated")
    is_copy = function is torch.ops.aten.copy_.default
    here = [one.shape for one, there in zip(tensors, elsewhere) if not there and one.dim()]
    if any(elsewhere) and here and not is_copy and function.overloadpacket not in _INDEXED:
        raise RuntimeError(f"{function} mixes devices: tensors {here} are on the CPU")
    asked = kwargs.get("device")
    if asked is None:
        result_there = elsewhere[0] if is_copy else any(elsewhere)
    else:
        result_there = torch.device(asked) == DEVICE
        kwargs = {**kwargs, "device": torch.device("cpu")}
    args, kwargs = tree_map_only(ElsewhereTensor, lambda one: one.values, (args, kwargs))
    result = function(*args, **kwargs)
    if not result_there:
        return result
    given = {id(one.values): one for one in tensors if isinstance(one, ElsewhereTensor)}
    return tree_map_only(
        torch.Tensor,
        lambda one: given[id(one)] if id(one) in given else ElsewhereTensor(one),
        result,
    )
