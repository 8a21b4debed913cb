"""Merge equal layers of parallel branches, so that one call does the work of three or five."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

Operator = dict[str, Any]
_MERGED = ("conv", "add", "max_pool")
_TENSORS = ("weight", "bias", "slope")


class Merger:
    """Lays the channels of parallel branches side by side.

    A convolution of several branches becomes one of as many groups. Where branches begin, the
    operator "stack" joins channels; where one is wanted alone, "take" cuts it out again.
    """

    def __init__(
        self,
        operators: list[Operator],
        tensors: dict[str, np.ndarray],
        shapes: dict[int, list[int]],
    ) -> None:
        self.operators: list[Operator] = []
        self.tensors = dict(tensors)
        self._shapes = shapes  # of the outputs, as (1, height, width, channels)
        self._stacks: dict[tuple[int, ...], int] = {}
        self._places: dict[int, tuple[int, int, int]] = {}  # stack, place in it, how many there are
        self._last = 1 + max(operator["output"] for operator in operators)
        for group in self._groups(operators):
            if len(group) == 1:
                for number in group[0]["inputs"]:
                    self._take(number)
                self.operators.append(group[0])
            else:
                self._merge(group)

    def finish(self, outputs: Iterable[int]) -> list[Operator]:
        """Return the operators, after which the outputs exist by themselves."""
        for number in outputs:
            self._take(number)
        return self.operators

    def _groups(self, operators: list[Operator]) -> list[list[Operator]]:
        """Return the operators by their depth, those that can be one together."""
        depths: dict[int, int] = {}
        groups: dict[tuple[int, str], list[Operator]] = {}
        for index, operator in enumerate(operators):
            depth = 1 + max((depths.get(number, 0) for number in operator["inputs"]), default=0)
            depths[operator["output"]] = depth
            key = self._signature(operator) if operator["kind"] in _MERGED else str(index)
            groups.setdefault((depth, key), []).append(operator)
        return [groups[key] for key in sorted(groups, key=lambda key: key[0])]

    def _signature(self, operator: Operator) -> str:
        same = {
            key: self.tensors[value].shape if key in _TENSORS else value
            for key, value in operator.items()
            if key not in ("inputs", "output")
        }
        shapes = [self._shapes.get(number) for number in (*operator["inputs"], operator["output"])]
        return json.dumps([same, shapes], sort_keys=True)

    def _take(self, number: int) -> None:
        if number in self._places:
            stack, place, branches = self._places.pop(number)
            self.operators.append(
                {"kind": "take", "inputs": [stack], "output": number, "place": place,
                 "branches": branches}
            )  # fmt: skip

    def _stack(self, numbers: list[int]) -> int:
        key = tuple(numbers)
        if key not in self._stacks:
            for number in numbers:
                self._take(number)
            self._stacks[key] = self._last = self._last + 1
            self.operators.append({"kind": "stack", "inputs": numbers, "output": self._last})
        return self._stacks[key]

    def _merge(self, group: list[Operator]) -> None:
        branches = len(group)
        inputs = zip(*(operator["inputs"] for operator in group))
        merged = {**group[0], "inputs": [self._stack(list(numbers)) for numbers in inputs]}
        for key in _TENSORS:
            if key in merged:
                names = [operator[key] for operator in group]
                merged[key] = "+".join(names)
                self.tensors[merged[key]] = np.concatenate([self.tensors[name] for name in names])
        if merged["kind"] == "conv":
            merged["groups"] *= branches
        if merged["kind"] == "add":
            merged["branches"] = branches
        self._last += 1
        merged["output"] = self._last
        self._stacks[tuple(operator["output"] for operator in group)] = self._last
        for place, operator in enumerate(group):
            self._places[operator["output"]] = (self._last, place, branches)
        self.operators.append(merged)
