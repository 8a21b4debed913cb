"""Run networks given as lists of operators, as converted from TensorFlow Lite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Operator = dict[str, Any]
Constants = dict[str, torch.Tensor]  # of an operator: weight, bias, slope, factor
Function = Callable[..., torch.Tensor]


class TensorGraph(nn.Module):
    """A network given as a list of operators.

    Pictures and feature maps are (B, C, H, W), channels last in memory. Lists of boxes are
    (B, number, values), lists of points (B, number, 2 or 3). It has no state between calls.

    Args:
        operators: in the order in which they run. Each has a `kind` (a key of `_KINDS`), the
            numbers of its `inputs` and its `output`, and the arguments of its kind.
        input: number of the input.
        outputs: numbers of the outputs.

    Source: the operators are those of TensorFlow Lite, the custom ones those of MediaPipe
    (mediapipe/util/tflite/operations); see `train/face_networks` for the conversion.
    """

    def __init__(self, operators: list[Operator], input: int, outputs: list[int]):
        super().__init__()
        self.operators = operators
        self.input, self.outputs = input, outputs
        self._last_uses = _last_uses(operators, [input, *outputs])
        self._steps: list[tuple[Function, list[int], int, list[int]]] = []

    def fill(self, tensors: dict[str, torch.Tensor]) -> TensorGraph:
        """Set the constants and compile the operators; return the network.

        Args:
            tensors: "3.weight" is the weight of the fourth operator; any floating-point type.

        Raises:
            ValueError: a constant of no operator.
        """
        constants: list[Constants] = [{} for _ in self.operators]
        for key, tensor in tensors.items():
            index, _, name = key.partition(".")
            if not index.isdigit() or int(index) >= len(constants):
                raise ValueError(f"tensor {key} belongs to none of {len(constants)} operators")
            tensor = tensor.float()
            if tensor.dim() == 4:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"{name}_{index}", tensor, persistent=False)
            constants[int(index)][name] = tensor
        self._steps = [
            (_KINDS[operator["kind"]](operator, own, frees), operator["inputs"],
             operator["output"], frees)
            for operator, own, frees in zip(self.operators, constants, self._last_uses)
        ]  # fmt: skip
        return self.eval()

    @torch.inference_mode()
    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Return the outputs for pixels (B, 3, H, W) in the network's own range."""
        return self.differentiable(pixels)

    def differentiable(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Return the same with gradients to the tensors that it was filled with."""
        values = {self.input: pixels.contiguous(memory_format=torch.channels_last)}
        for function, inputs, output, frees in self._steps:
            result = function(*[values[number] for number in inputs])
            for number in frees:  # freed early, so that memory is reused while it is in the cache
                del values[number]
            values[output] = result
        return [values[number] for number in self.outputs]


def _last_uses(operators: list[Operator], kept: list[int]) -> list[list[int]]:
    """Return, for each operator, the inputs that are not used after it and may be overwritten."""
    last = {number: index for index, o in enumerate(operators) for number in o["inputs"]}
    return [
        [number for number in dict.fromkeys(operator["inputs"])
         if last[number] == index and number not in kept]
        for index, operator in enumerate(operators)
    ]  # fmt: skip


def _activated(function: Function, operator: Operator, constants: Constants) -> Function:
    """Return an operator's function followed by its activation, in place where possible."""
    kind = operator.get("activation")
    if kind is None:
        return function
    if kind == "prelu":
        slope = constants["slope"]
        return lambda *inputs: F.prelu(function(*inputs), slope)
    activation = {
        "relu": torch.relu_,
        "relu6": lambda x: x.clamp_(0, 6),
        "hard_swish": lambda x: F.hardswish(x, inplace=True),
        "sigmoid": torch.sigmoid_,
    }[kind]
    return lambda *inputs: activation(function(*inputs))


def _conv(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    weight, bias = constants["weight"], constants["bias"]
    stride, groups = operator["stride"], operator["groups"]
    left, right, top, bottom = operator["padding"]
    inputs, *kernel = weight.shape[1:]
    if groups > 1 and inputs > 1 and kernel == [1, 1]:
        function = _grouped_pointwise(weight, bias, groups)
    elif left == right and top == bottom:
        function = _plain_conv(weight, bias, stride, (top, left), groups)
    else:
        inner = _plain_conv(weight, bias, stride, (0, 0), groups)
        margins = (left, right, top, bottom)

        def function(x: torch.Tensor) -> torch.Tensor:
            return inner(F.pad(x, margins))

    return _activated(function, operator, constants)


def _plain_conv(weight, bias, stride, padding, groups) -> Function:
    return lambda x: torch.conv2d(x, weight, bias, stride, padding, 1, groups)


def _grouped_pointwise(weight: torch.Tensor, bias: torch.Tensor, groups: int) -> Function:
    """Return a grouped 1 x 1 convolution as one matrix product per group."""
    outputs, inputs = weight.shape[0] // groups, weight.shape[1]
    matrices = weight.reshape(groups, outputs, inputs).transpose(1, 2).contiguous()
    offsets = bias.reshape(groups, 1, outputs)

    def function(x: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, groups, inputs).transpose(0, 1)
        product = torch.baddbmm(offsets, rows, matrices).transpose(0, 1)  # (B H W, groups, outputs)
        return product.reshape(batch, height, width, groups * outputs).permute(0, 3, 1, 2)

    return function


def _transposed_conv(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    weight, bias, stride = constants["weight"], constants["bias"], operator["stride"]
    return _activated(lambda x: F.conv_transpose2d(x, weight, bias, stride), operator, constants)


def _linear(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    weight, bias = constants["weight"], constants["bias"]
    return _activated(lambda x: F.linear(x, weight, bias), operator, constants)


def _add(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    """Add two tensors; the second may have fewer channels in each branch, the others are kept."""
    branches = operator.get("branches", 1)
    overwrites = [number in frees for number in operator["inputs"]]

    def function(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if x.shape[1] != y.shape[1]:
            x = x if overwrites[0] else x.clone()
            parts = y.unflatten(1, (branches, -1))
            x.unflatten(1, (branches, -1))[:, :, : parts.shape[2]] += parts
            return x
        if overwrites[1]:
            return y.add_(x)
        return x.add_(y) if overwrites[0] else x + y

    return _activated(function, operator, constants)


def _multiply(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    return lambda x, y: x * y


def _scale(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    factor = constants["factor"]
    if factor.dim() == 3:  # a matrix for the batch
        return lambda x: x * factor
    return lambda x: x * factor.reshape(-1)


def _activate(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    return _activated(torch.clone, operator, constants)


def _max_pool(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    return lambda x: F.max_pool2d(x, 2)


def _mean(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    keep = operator["keep_size"]
    return lambda x: x.mean((2, 3), keepdim=keep)


def _resize(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    size = operator["size"]
    return lambda x: F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _reshape(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    shape = operator["shape"][1:]
    return lambda x: x.permute(0, 2, 3, 1).reshape(len(x), *shape)


def _concatenate(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    return lambda *inputs: torch.cat(inputs, 1)


def _stack(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    """Concatenate parallel branches along their channels or points."""
    return lambda *inputs: torch.cat(inputs, 1).contiguous(memory_format=torch.channels_last)


def _take(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    place, branches = operator["place"], operator["branches"]

    def function(x: torch.Tensor) -> torch.Tensor:
        part = x.chunk(branches, 1)[place]
        return part.contiguous(memory_format=torch.channels_last)

    return function


def _depth_to_space(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    block = operator["block"]

    def function(x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        depth = channels // block**2
        cells = x.permute(0, 2, 3, 1).reshape(batch, height, width, block, block, depth)
        pixels = cells.transpose(2, 3).reshape(batch, height * block, width * block, depth)
        return pixels.permute(0, 3, 1, 2)

    return function


def _crop_matrix(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    """Return the matrix of the upright crop round some points of a mesh.

    Input: points (B, N, 3) in pixels of a feature map. Output: (B, 2, 4), maps pixels of the crop
    (x, y, 0, 1) to pixels of the map. Pixel corners are at integers.

    Source: MediaPipe, landmarks_to_transform_matrix.cc, version 2.
    """
    points, (first, second) = torch.tensor(operator["points"]), operator["eyes"]
    (scale_x, scale_y), (height, width) = operator["scale"], operator["size"]
    scale = torch.tensor([scale_x / width, scale_y / height])
    middle = torch.tensor([[width / 2], [height / 2]])

    def function(mesh: torch.Tensor) -> torch.Tensor:
        flat = mesh[..., :2]
        across = flat[:, second] - flat[:, first]
        axis = across / across.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        cosine, sine = axis.unbind(-1)
        turn = torch.stack([cosine, -sine, sine, cosine], -1).reshape(-1, 2, 2)  # crop to map
        upright = flat[:, points] @ turn
        low, high = upright.amin(1), upright.amax(1)
        linear = turn * (scale * (high - low))[:, None]
        center = turn @ ((low + high) / 2)[..., None]
        shift = center - linear @ middle
        return torch.cat([linear, torch.zeros_like(shift), shift], -1)

    return function


def _crop(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    """Sample a feature map (B, C, H, W) through a matrix (B, 2, 4); 0 beyond its border.

    Source: MediaPipe, transform_tensor_bilinear.cc, version 2: what lies within half a pixel of
    the border counts as beyond it.
    """
    height, width = operator["size"]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centers = torch.stack([columns + 0.5, rows + 0.5], -1).reshape(-1, 2)  # (height width, 2)

    def function(x: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        size = torch.tensor([x.shape[3], x.shape[2]])
        places = centers @ matrix[..., :2].transpose(1, 2) + matrix[:, None, :, 3]
        inside = ((places >= 0.5) & (places <= size - 0.5)).all(-1, keepdim=True)
        grid = torch.where(inside, 2 * places / size - 1, torch.full_like(places, -3.0))
        grid = grid.reshape(-1, height, width, 2)
        return F.grid_sample(x, grid, padding_mode="zeros", align_corners=False)

    return function


def _transform_points(operator: Operator, constants: Constants, frees: list[int]) -> Function:
    """Transform (x, y) pairs by a matrix (B, 2, 4); return (B, N, 2).

    Source: MediaPipe, transform_landmarks.cc, version 2.
    """

    def function(x: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        points = x.reshape(len(x), -1, 2)
        return points @ matrix[:, :, :2].transpose(1, 2) + matrix[:, None, :, 3]

    return function


_KINDS: dict[str, Callable[[Operator, Constants, list[int]], Function]] = {
    "activate": _activate,
    "add": _add,
    "concatenate": _concatenate,
    "conv": _conv,
    "crop": _crop,
    "crop_matrix": _crop_matrix,
    "depth_to_space": _depth_to_space,
    "linear": _linear,
    "max_pool": _max_pool,
    "mean": _mean,
    "multiply": _multiply,
    "reshape": _reshape,
    "resize": _resize,
    "scale": _scale,
    "stack": _stack,
    "take": _take,
    "transform_points": _transform_points,
    "transposed_conv": _transposed_conv,
}
