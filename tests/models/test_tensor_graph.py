"""The operators of converted networks, against plain formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skyreels_avatar.models.tensor_graph import TensorGraph


def _run(operators: list[dict], tensors: dict, pixels: torch.Tensor) -> torch.Tensor:
    """Return the output of the last operator."""
    graph = TensorGraph(operators, input=0, outputs=[operators[-1]["output"]]).fill(tensors)
    return graph(pixels)[0]


def _function(operator: dict):
    """Return what an operator without constants does, for inputs that are not pictures."""
    operator = {"inputs": [], "output": 1, **operator}
    return TensorGraph([operator], input=0, outputs=[1]).fill({})._steps[0][0]


def _conv(weight: torch.Tensor, **more) -> tuple[dict, dict]:
    operator = {"kind": "conv", "inputs": [0], "output": 1, "stride": [1, 1], "groups": 1}
    operator |= {"padding": [0, 0, 0, 0], **more}
    bias = torch.linspace(-1, 1, len(weight))
    return operator, {"0.weight": weight.half(), "0.bias": bias}


@pytest.mark.parametrize(
    "kernel, padding", [(1, [0, 0, 0, 0]), (3, [1, 1, 1, 1]), (3, [0, 1, 0, 1])]
)
def test_a_convolution_pads_each_side_as_told(rng, kernel, padding):
    weight = torch.from_numpy(rng.normal(size=(5, 4, kernel, kernel))).half()
    x = torch.from_numpy(rng.normal(size=(2, 4, 8, 8))).float()
    operator, tensors = _conv(weight, padding=padding, stride=[2, 2], activation="relu")
    wanted = F.conv2d(F.pad(x, padding), weight.float(), tensors["0.bias"], 2).relu()
    assert torch.allclose(_run([operator], tensors, x), wanted, atol=1e-5)


def test_one_convolution_of_several_branches_is_one_of_each(rng):
    weight = torch.from_numpy(rng.normal(size=(6, 4, 1, 1))).half()
    x = torch.from_numpy(rng.normal(size=(2, 12, 3, 5))).float()
    operator, tensors = _conv(weight, groups=3)
    wanted = F.conv2d(x, weight.float(), tensors["0.bias"], groups=3)
    assert torch.allclose(_run([operator], tensors, x), wanted, atol=1e-5)


def test_channels_that_are_missing_in_a_sum_are_missing_in_each_branch():
    operators = [
        {"kind": "take", "inputs": [0], "output": 1, "place": 0, "branches": 2},
        {"kind": "add", "inputs": [0, 1], "output": 2, "branches": 2},
    ]
    x = torch.arange(8.0).reshape(1, 8, 1, 1)  # two branches of 4; of the other summand, of 2
    wanted = [0, 2, 2, 3, 6, 8, 6, 7]
    assert _run(operators, {}, x).flatten().tolist() == wanted
    assert x.flatten().tolist() == list(range(8)), "the caller's input was changed"


def test_what_is_needed_later_is_not_overwritten():
    operators = [
        {"kind": "activate", "inputs": [0], "output": 1, "activation": "relu"},
        {"kind": "add", "inputs": [1, 0], "output": 2},
        {"kind": "add", "inputs": [2, 1], "output": 3},
    ]
    x = torch.tensor([-1.0, 2.0]).reshape(1, 2, 1, 1)
    assert _run(operators, {}, x).flatten().tolist() == [-1, 6]


def test_depth_becomes_space_in_the_order_of_tensorflow():
    x = torch.arange(8.0).reshape(1, 8, 1, 1)  # 2 x 2 cells of 2 channels
    result = _run([{"kind": "depth_to_space", "inputs": [0], "output": 1, "block": 2}], {}, x)
    assert result[0, 0].tolist() == [[0, 2], [4, 6]] and result[0, 1].tolist() == [[1, 3], [5, 7]]


def test_a_crop_is_upright_and_round_its_points(rng):
    """Law: a mesh turned and moved with its map gives the same crop."""
    points = torch.tensor([[4.0, 6, 0], [12, 6, 0], [8, 4, 0], [8, 10, 0]])
    matrix_of = _function(
        {"kind": "crop_matrix", "points": [0, 1, 2, 3], "eyes": [0, 1], "scale": [1.5, 1.5],
         "size": [16, 16]}
    )  # fmt: skip
    upright = matrix_of(points[None])[0]
    corners = torch.tensor([[0.0, 0, 0, 1], [16, 16, 0, 1]])
    assert torch.allclose(corners @ upright.T, torch.tensor([[2, 2.5], [14, 11.5]]), atol=1e-5)
    for angle in rng.uniform(-3, 3, 5):
        turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = points.clone()
        turned[:, :2] = (points[:, :2].double() @ turn.T + 5).float()
        other = matrix_of(turned[None])[0]
        wanted = (corners @ upright.T).double() @ turn.T + 5
        assert torch.allclose((corners @ other.T).double(), wanted, atol=1e-4)


def test_a_crop_reads_the_map_and_is_zero_beyond_it():
    """A crop twice as wide as the map shows the map, unchanged, in its middle."""
    x = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    shifted = torch.tensor([[[1.0, 0, 0, -2], [0, 1, 0, -2]]])
    result = _function({"kind": "crop", "size": [8, 8]})(x, shifted)[0, 0]
    assert torch.allclose(result[2:6, 2:6], x[0, 0])
    result[2:6, 2:6] = 0
    assert not result.any()


def test_unknown_constants_are_refused():
    graph = TensorGraph([{"kind": "max_pool", "inputs": [0], "output": 1}], input=0, outputs=[1])
    with pytest.raises(ValueError, match=r"7\.weight belongs to none of 1"):
        graph.fill({"7.weight": torch.zeros(1)})
