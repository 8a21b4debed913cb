"""The transformer equals the published SkyReels-V3 A2V network on fixed weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.keymap import convert
from skyreels_avatar.loading.checkpoints.skyreels_v3 import TRANSFORMER
from skyreels_avatar.models.condition_cache import ConditionCache
from tests.parity.talking_case import Case


@pytest.fixture(scope="module")
def cases(golden_dir: Path) -> list[Case]:
    folder = golden_dir / "skyreels_v3_a2v"
    names = [
        path.name.removesuffix("_config.json")
        for path in sorted(folder.glob("case1*_config.json"))
        if re.fullmatch(r"case1[a-z]?_config\.json", path.name)
    ]
    if not names:
        pytest.skip(f"no case of the transformer in {folder}")
    return [
        Case(
            json.loads((folder / f"{name}_config.json").read_text()),
            load_file(folder / f"{name}_weights.safetensors"),
            load_file(folder / f"{name}_io.safetensors"),
        )
        for name in names
    ]


@torch.no_grad()
def test_velocity_equals_the_reference(cases: list[Case]) -> None:
    """Bound 1e-5, as the golden case asks; measured 1.9e-6. With what a window keeps, too."""
    for case in cases:
        model, inputs = case.make_transformer(), case.inputs()
        for cache in (None, ConditionCache()):
            velocity = model(**inputs, cache=cache)
            torch.testing.assert_close(velocity, case.values["out"], atol=1e-5, rtol=0)


@torch.no_grad()
def test_bfloat16_autocast_stays_near_the_reference(cases: list[Case]) -> None:
    """Bound: 2 % of the RMS; the reference itself in bfloat16 is 0.8 % away."""
    for case in cases:
        model, inputs, expected = case.make_transformer(), case.inputs(), case.values["out"]
        with torch.autocast("cpu", torch.bfloat16):
            velocity = model(**inputs)
        error = (velocity - expected).square().mean().sqrt()
        assert error < 0.02 * expected.square().mean().sqrt()


def test_unknown_tensors_are_named() -> None:
    with pytest.raises(CheckpointError, match=r"theirs has unknown tensors: blocks\.0\.extra"):
        convert({"blocks.0.extra": torch.zeros(1)}, TRANSFORMER, "theirs")
