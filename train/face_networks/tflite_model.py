"""Read the operators and constants of a tflite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tflite

_BUILTIN = {value: key for key, value in vars(tflite.BuiltinOperator).items() if key.isupper()}


class Model:
    """One subgraph of a tflite file, with its constants as arrays."""

    def __init__(self, path: Path) -> None:
        self._model = tflite.Model.GetRootAs(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)

    def operators(self) -> list[tuple[str, Any, list[int], list[int]]]:
        """Return (kind, operator, inputs, outputs) in their order."""
        found = []
        for index in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(index)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            kind = _BUILTIN[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            kind = code.CustomCode().decode() if kind == "CUSTOM" else kind
            inputs, outputs = operator.InputsAsNumpy(), operator.OutputsAsNumpy()
            found.append((kind, operator, inputs.tolist(), outputs.tolist()))
        return found

    def input(self) -> int:
        """Return the number of the input."""
        return int(self._graph.InputsAsNumpy()[0])

    def outputs(self, names: list[str]) -> list[int]:
        """Return the numbers of the outputs of those names."""
        numbers = self._graph.OutputsAsNumpy().tolist()
        known = {self._graph.Tensors(number).Name().decode(): number for number in numbers}
        return [known[name] for name in names]

    def shape(self, number: int) -> list[int]:
        """Return the shape of a tensor."""
        return self._graph.Tensors(number).ShapeAsNumpy().tolist()

    def constant(self, number: int) -> np.ndarray | None:
        """Return the values of a constant, dense, else None."""
        tensor = self._graph.Tensors(number)
        buffer = self._model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        types = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.FLOAT16: np.float16}
        types[tflite.TensorType.INT32] = np.int32
        values = np.frombuffer(buffer.DataAsNumpy().tobytes(), types[tensor.Type()])
        if tensor.Sparsity() is not None:
            return _dense(tensor.Sparsity(), values, self.shape(number))
        return values.reshape(self.shape(number))


def _dense(sparsity: Any, values: np.ndarray, shape: list[int]) -> np.ndarray:
    """Fill in the zeros of a tensor of which only the last axis is compressed."""
    axes = [sparsity.DimMetadata(axis) for axis in range(sparsity.DimMetadataLength())]
    assert sparsity.TraversalOrderAsNumpy().tolist() == list(range(len(shape)))
    assert [axis.Format() for axis in axes] == [0] * (len(shape) - 1) + [1], "unknown sparsity"
    segments = _numbers(axes[-1].ArraySegments(), axes[-1].ArraySegmentsType())
    indices = _numbers(axes[-1].ArrayIndices(), axes[-1].ArrayIndicesType())
    dense = np.zeros((len(segments) - 1, shape[-1]), values.dtype)
    rows = np.repeat(np.arange(len(segments) - 1), np.diff(segments))
    dense[rows, indices] = values
    return dense.reshape(shape)


def _numbers(table: Any, kind: int) -> np.ndarray:
    names = {1: "Int32Vector", 2: "Uint16Vector", 3: "Uint8Vector"}
    vector = getattr(tflite, names[kind])()
    vector.Init(table.Bytes, table.Pos)
    return vector.ValuesAsNumpy().astype(np.int64)
