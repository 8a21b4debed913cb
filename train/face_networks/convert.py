"""Convert the networks inside the mediapipe 0.10.21 wheel to assets/nano/face_networks.safetensors.

Run once, from a checkout, where `mediapipe` (only its files), `tflite`, `flatbuffers` and what
this project needs are installed:

    python -m train.face_networks.convert .../site-packages/mediapipe/modules

The result is read by `skyreels_avatar/models/tensor_graph.py`, which lists the operators.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tflite
import torch
from flatbuffers import flexbuffers
from safetensors.numpy import save

from skyreels_avatar.loading.checkpoints.load import SCALE, to_8_bit_rows
from train.face_networks.merge import Merger
from train.face_networks.tflite_model import Model

OUTPUT = Path(__file__).resolve().parents[2] / "assets/nano/face_networks.safetensors"
# Their outputs, by the names of the graphs: what is not named here is left out.
NETWORKS = {
    "mesh": (
        "face_landmark/face_landmark_with_attention",
        ["output_mesh_identity", "output_lips", "output_left_eye", "output_right_eye",
         "output_left_iris", "output_right_iris", "conv_faceflag"],
    ),
    "face_short": (
        "face_detection/face_detection_short_range", ["regressors", "classificators"]
    ),
    "face_full": ("face_detection/face_detection_full_range_sparse", ["Identity", "Identity_1"]),
    "segmenter": ("selfie_segmentation/selfie_segmentation", ["activation_10"]),
    "palm": ("palm_detection/palm_detection_full", ["Identity", "Identity_1"]),
    "hand": ("hand_landmark/hand_landmark_full", ["Identity", "Identity_1", "Identity_2"]),
}  # fmt: skip
_FUSED = {0: "", 1: "relu", 3: "relu6"}
_LEAST_8_BITS = 512  # numbers of a weight that is worth it
_MAY_ACTIVATE = ("conv", "add", "transposed_conv", "linear")


def _options(operator: Any, cls: type) -> Any:
    options = cls()
    options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
    return options


def _padding(same: bool, size: list[int], kernel: list[int], stride: list[int]) -> list[int]:
    """Return [left, right, top, bottom], as `torch.nn.functional.pad` takes it."""
    if not same:
        return [0, 0, 0, 0]
    left_to_pad = []
    for axis in (1, 0):  # width first
        count = -(-size[axis] // stride[axis])
        total = max(0, (count - 1) * stride[axis] + kernel[axis] - size[axis])
        left_to_pad += [total // 2, total - total // 2]
    return left_to_pad


class Converter:
    """Turns the operators of a tflite file into those of `TensorGraph`, in its layout."""

    def __init__(self, name: str, model: Model) -> None:
        self.model = model
        self.operators: list[dict[str, Any]] = []
        self.tensors: dict[str, np.ndarray] = {}
        self._name = name
        self._constants: dict[int, np.ndarray] = {}
        self._same_as: dict[int, int] = {}  # what only renames another tensor
        self._padded: dict[int, tuple[int, list[int]]] = {}  # waits for the convolution it is for
        self._uses: Counter[int] = Counter()

    def convert(self, outputs: list[str]) -> dict[str, Any]:
        """Return the input, the outputs and the operators that lead to them."""
        todo = self.model.operators()
        self._uses.update(number for _, _, inputs, _ in todo for number in inputs)
        for kind, operator, inputs, results in todo:
            values = self.model.constant(inputs[0])
            values = self._constants.get(inputs[0], values)
            if kind in ("DEQUANTIZE", "DENSIFY"):
                self._constants[results[0]] = values
            else:
                getattr(self, f"_{kind.lower()}")(operator, inputs, results[0])
        wanted = [self._source(number) for number in self.model.outputs(outputs)]
        shapes = {operator["output"]: self.model.shape(operator["output"])
                  for operator in self.operators}  # fmt: skip
        merger = Merger(self.operators, self.tensors, shapes)
        self.operators, self.tensors = merger.finish(wanted), merger.tensors
        operators = self._with_names_of_their_own(self._needed(wanted))
        return {"input": self.model.input(), "outputs": wanted, "operators": operators}

    def _needed(self, outputs: list[int]) -> list[dict[str, Any]]:
        """Leave out what leads to no output."""
        needed, kept = set(outputs), []
        for operator in reversed(self.operators):
            if operator["output"] in needed:
                needed.update(operator["inputs"])
                kept.append(operator)
        return kept[::-1]

    def _with_names_of_their_own(self, operators: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Name constants by their operator, as in "mesh.3.weight"."""
        named = {}
        for index, operator in enumerate(operators):
            for key in ("weight", "bias", "slope", "factor"):
                if key in operator:
                    values = self.tensors[operator.pop(key)]
                    named[f"{self._name}.{index}.{key}"] = np.ascontiguousarray(values)
        self.tensors = named
        return operators

    def _source(self, number: int) -> int:
        while number in self._same_as:
            number = self._same_as[number]
        return number

    def _store(self, number: int, values: np.ndarray) -> str:
        key = f"{self._name}.{number}"
        self.tensors[key] = np.ascontiguousarray(values)
        return key

    def _constant(self, number: int) -> np.ndarray:
        values = self._constants.get(number)
        return self.model.constant(number) if values is None else values

    def _add_operator(self, kind: str, inputs: list[int], output: int, **more: Any) -> None:
        more = {key: value for key, value in more.items() if value not in ("", None)}
        self.operators.append(
            {"kind": kind, "inputs": [self._source(i) for i in inputs], "output": output, **more}
        )

    # Each of the following takes over one kind of operator of tflite.

    def _conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.Conv2DOptions)
        weight = self._constant(inputs[1])
        self._convolution(options, inputs, output, weight.transpose(0, 3, 1, 2), 1)

    def _depthwise_conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.DepthwiseConv2DOptions)
        assert options.DepthMultiplier() == 1
        weight = self._constant(inputs[1])
        self._convolution(
            options, inputs, output, weight.transpose(3, 0, 1, 2), weight.shape[3]
        )  # fmt: skip

    def _convolution(
        self, options: Any, inputs: list[int], output: int, weight: np.ndarray, groups: int
    ) -> None:
        assert options.DilationHFactor() == options.DilationWFactor() == 1
        source, before = self._padded.get(inputs[0], (inputs[0], [0, 0, 0, 0]))
        size = self.model.shape(inputs[0])[1:3]
        kernel, stride = list(weight.shape[2:]), [options.StrideH(), options.StrideW()]
        same = options.Padding() == tflite.Padding.SAME
        padding = np.add(before, _padding(same, size, kernel, stride)).tolist()
        self._add_operator(
            "conv", [source], output, weight=self._store(inputs[1], weight),
            bias=self._store(inputs[2], self._constant(inputs[2])), stride=stride,
            padding=padding, groups=groups, activation=_FUSED[options.FusedActivationFunction()],
        )  # fmt: skip

    def _fully_connected(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.FullyConnectedOptions)
        weight, bias = (self._store(n, self._constant(n)) for n in inputs[1:])
        activation = _FUSED[options.FusedActivationFunction()]
        self._add_operator("linear", inputs[:1], output, weight=weight, bias=bias,
                           activation=activation)  # fmt: skip

    def _convolution2dtransposebias(self, operator: Any, inputs: list[int], output: int) -> None:
        _, stride_w, stride_h = np.frombuffer(operator.CustomOptionsAsNumpy().tobytes(), np.int32)
        weight = self._constant(inputs[1]).transpose(3, 0, 1, 2)
        assert weight.shape[2:] == (stride_h, stride_w)  # nothing overlaps, nothing is cut off
        self._add_operator(
            "transposed_conv", inputs[:1], output, weight=self._store(inputs[1], weight),
            bias=self._store(inputs[2], self._constant(inputs[2])),
            stride=[int(stride_h), int(stride_w)],
        )  # fmt: skip

    def _activation(self, kind: str, inputs: list[int], output: int, slope: str | None) -> None:
        last = {operator["output"]: operator for operator in self.operators}.get(inputs[0])
        alone = self._uses[inputs[0]] == 1 and last is not None
        if alone and last["kind"] in _MAY_ACTIVATE and "activation" not in last:
            last["output"], last["activation"] = output, kind
            if slope:
                last["slope"] = slope
            return
        self._add_operator("activate", inputs[:1], output, activation=kind, slope=slope)

    def _relu(self, operator: Any, inputs: list[int], output: int) -> None:
        self._activation("relu", inputs, output, None)

    def _hard_swish(self, operator: Any, inputs: list[int], output: int) -> None:
        self._activation("hard_swish", inputs, output, None)

    def _logistic(self, operator: Any, inputs: list[int], output: int) -> None:
        self._activation("sigmoid", inputs, output, None)

    def _prelu(self, operator: Any, inputs: list[int], output: int) -> None:
        slope = self._constant(inputs[1]).reshape(-1)
        self._activation("prelu", inputs, output, self._store(inputs[1], slope))

    def _pad(self, operator: Any, inputs: list[int], output: int) -> None:
        batch, rows, columns, channels = self._constant(inputs[1]).tolist()
        assert batch == [0, 0]
        if rows == columns == [0, 0]:
            assert channels[0] == 0  # the operator "add" takes a tensor of fewer channels
            self._same_as[output] = inputs[0]
            return
        assert channels == [0, 0]
        self._padded[output] = (inputs[0], [*columns, *rows])

    def _add(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.AddOptions)
        activation = _FUSED[options.FusedActivationFunction()]
        fewer_last = sorted(inputs, key=lambda n: -self.model.shape(self._source(n))[-1])
        self._add_operator("add", fewer_last, output, activation=activation)

    def _mul(self, operator: Any, inputs: list[int], output: int) -> None:
        factor = self._constant(inputs[1])
        if factor is None:
            self._add_operator("multiply", inputs, output)
            return
        if factor.shape == (1, 4, 4):  # the operators of ours leave out the constant rows
            factor = factor[:, :2]
        key = self._store(inputs[1], factor)
        self._add_operator("scale", inputs[:1], output, factor=key)

    def _max_pool_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.Pool2DOptions)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        assert kernel == [options.StrideH(), options.StrideW()] == [2, 2]
        assert all(size % 2 == 0 for size in self.model.shape(inputs[0])[1:3])
        self._add_operator("max_pool", inputs, output)

    def _average_pool_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.Pool2DOptions)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        assert kernel == self.model.shape(inputs[0])[1:3]
        self._add_operator("mean", inputs, output, keep_size=True)

    def _mean(self, operator: Any, inputs: list[int], output: int) -> None:
        assert self._constant(inputs[1]).tolist() == [1, 2]
        self._add_operator("mean", inputs[:1], output, keep_size=False)

    def _resize_bilinear(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.ResizeBilinearOptions)
        assert options.HalfPixelCenters() and not options.AlignCorners()
        size = self._constant(inputs[1]).tolist()
        self._add_operator("resize", inputs[:1], output, size=size)

    def _depth_to_space(self, operator: Any, inputs: list[int], output: int) -> None:
        block = _options(operator, tflite.DepthToSpaceOptions).BlockSize()
        self._add_operator("depth_to_space", inputs, output, block=block)

    def _concatenation(self, operator: Any, inputs: list[int], output: int) -> None:
        axis = _options(operator, tflite.ConcatenationOptions).Axis()
        assert axis == 1 and len(self.model.shape(output)) == 3
        self._add_operator("concatenate", inputs, output)

    def _reshape(self, operator: Any, inputs: list[int], output: int) -> None:
        if len(self.model.shape(inputs[0])) != 4:  # the points, which stay as (1, N, 2)
            self._same_as[output] = inputs[0]
            return
        self._add_operator("reshape", inputs[:1], output, shape=self.model.shape(output))

    def _strided_slice(self, operator: Any, inputs: list[int], output: int) -> None:
        assert self.model.shape(inputs[0]) == self.model.shape(output)
        self._same_as[output] = inputs[0]

    def _landmarks2transformmatrix(self, operator: Any, inputs: list[int], output: int) -> None:
        given = flexbuffers.Loads(operator.CustomOptionsAsNumpy().tobytes())
        self._add_operator(
            "crop_matrix", inputs, output, points=given["subset_idxs"],
            eyes=[given["left_rotation_idx"], given["right_rotation_idx"]],
            scale=[given["scale_x"], given["scale_y"]],
            size=[given["output_height"], given["output_width"]],
        )  # fmt: skip

    def _transformtensorbilinear(self, operator: Any, inputs: list[int], output: int) -> None:
        given = flexbuffers.Loads(operator.CustomOptionsAsNumpy().tobytes())
        size = [given["output_height"], given["output_width"]]
        self._add_operator("crop", inputs, output, size=size)

    def _transformlandmarks(self, operator: Any, inputs: list[int], output: int) -> None:
        self._add_operator("transform_points", inputs, output)


def in_8_bits(tensors: dict[str, np.ndarray], networks: Iterable[str]) -> dict[str, np.ndarray]:
    """Return tensors with the dense convolutions of some networks as 8-bit rows and their scales.

    Hands only say where the face is covered: 8 bits move their points by 1.9 % of the hand (mean of
    30 hands; 7.7 % at the 95th percentile), and find the same number in 178 of 182 pictures.
    """
    stored = {}
    for key, values in tensors.items():
        is_dense = values.ndim == 4 and values.shape[1] > 1 and values.size >= _LEAST_8_BITS
        if key.split(".")[0] in networks and key.endswith(".weight") and is_dense:
            rows, scale = to_8_bit_rows(torch.from_numpy(values.astype(np.float32)))
            stored[key], stored[key + SCALE] = rows.numpy(), scale.numpy()
        else:
            stored[key] = values
    return stored


def main() -> None:
    """Write the file and say how large each network is."""
    folder = Path(sys.argv[1])
    networks, tensors = {}, {}
    for name, (path, outputs) in NETWORKS.items():
        converter = Converter(name, Model(folder / f"{path}.tflite"))
        networks[name] = converter.convert(outputs)
        tensors |= converter.tensors
        size = sum(values.nbytes for values in converter.tensors.values())
        print(f"{name}: {len(networks[name]['operators'])} operators, {size / 1e6:.2f} MB")
    config = {"_class_name": "TensorGraph", "networks": networks}
    stored = in_8_bits(tensors, ("palm", "hand"))
    OUTPUT.write_bytes(save(stored, {"config": json.dumps(config, sort_keys=True)}))
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
