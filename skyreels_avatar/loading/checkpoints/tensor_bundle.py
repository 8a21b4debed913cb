"""Read TensorFlow's checkpoints (`model.index`, `model.data-00000-of-00001`) without TensorFlow.

The index is a sorted table of names and descriptions, in blocks whose keys share prefixes; the data
file holds the numbers one after the other.

Source: TensorFlow, `core/util/tensor_bundle`, `core/protobuf/tensor_bundle.proto`; the table's
format is that of LevelDB (`doc/table_format.md`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import CheckpointError

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_FLOAT32 = 1  # of the types of TensorFlow


def read_tensor_bundle(prefix: Path) -> dict[str, torch.Tensor]:
    """Return the float32 tensors of a checkpoint by their names; others are left out.

    Args:
        prefix: path of the files without ".index" and ".data-00000-of-00001".

    Raises:
        CheckpointError: a file is missing, damaged, or compressed.
    """
    index, path = (Path(f"{prefix}{end}") for end in (".index", ".data-00000-of-00001"))
    try:
        table = index.read_bytes()
        numbers = np.memmap(path, np.uint8, "r")
        return dict(_tensors(table, numbers))
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise CheckpointError(f"{index} is not a TensorFlow checkpoint: {error}") from error


def _tensors(table: bytes, numbers: np.ndarray) -> Iterator[tuple[str, torch.Tensor]]:
    if len(table) < _FOOTER or struct.unpack("<Q", table[-8:])[0] != _MAGIC:
        raise ValueError("the table has no end")
    at = len(table) - _FOOTER
    for _ in range(2):  # of the meta index, which says nothing
        _, at = _varint(table, at)
    start, at = _varint(table, at)
    size, _ = _varint(table, at)
    for _, handle in _entries(table, start, size):
        first, at = _varint(handle, 0)
        length, _ = _varint(handle, at)
        for name, entry in _entries(table, first, length):
            fields = dict(_fields(entry))
            if not name or fields.get(1) != _FLOAT32:
                continue
            shape = [dict(_fields(dim)).get(1, 0) for key, dim in _fields(fields[2]) if key == 2]
            part = numbers[fields.get(4, 0) : fields.get(4, 0) + fields[5]]
            if part.size != fields[5]:
                raise ValueError("the data end early")
            yield name.decode(), torch.from_numpy(part.view("<f4").reshape(shape).copy())


def _entries(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of one block."""
    block = table[start : start + size]
    if table[start + size] != 0:
        raise ValueError("it is compressed")
    num_restarts = struct.unpack("<I", block[-4:])[0]
    at, stop, key = 0, len(block) - 4 * (num_restarts + 1), b""
    while at < stop:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield numbers and values of the fields of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
        elif kind == 2:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = message[at : at + size], at + size
        else:
            raise ValueError(f"a field of kind {kind}")
        yield tag >> 3, value


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
