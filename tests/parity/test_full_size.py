"""Networks built from the published shapes hold exactly the tensors of the published files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers", reason="the studio extra is not installed")

from skyreels_avatar.loading.checkpoints.public import detect
from skyreels_avatar.loading.published import build

# name in the listing -> the parts that the file fills
PARTS = {
    "dit_19b": {"transformer", "audio_projector"},
    "vae": {"vae"},
    "umt5_xxl_encoder": {"prompt_encoder"},
    "clip_xlm_roberta_vit_h_14": {"image_encoder"},
}


@pytest.fixture(scope="module")
def listings(golden_dir: Path) -> dict:
    return json.loads((golden_dir / "skyreels_v3_a2v" / "real_checkpoint_keys.json").read_text())


def listed(listing: dict) -> dict[str, torch.Tensor]:
    """Return empty tensors of all names and shapes in a listing."""
    return {
        re.sub(r"\{i\}", str(index), pattern): torch.empty(entry["shape"], device="meta")
        for pattern, entry in listing["keys"].items()
        for index in range(entry["count"])
    }


def built(part: str, tensors: dict[str, torch.Tensor], config: dict) -> torch.nn.Module:
    with torch.device("meta"):
        return build(part, {key: tuple(value.shape) for key, value in tensors.items()}, config)


@pytest.mark.parametrize("name", PARTS)
def test_every_tensor_finds_its_place(listings: dict, name: str) -> None:
    tensors = listed(listings[name])
    assert len(tensors) == listings[name]["tensors"]
    kinds = detect(tensors)
    assert {kind.part for kind in kinds} == PARTS[name]
    for kind in kinds:
        wanted = built(kind.part, tensors, listings[name].get("config", {})).state_dict()
        found = kind.convert(tensors, name)
        assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in wanted.items()}


def test_the_talking_avatar_network_has_all_its_weights(listings: dict) -> None:
    listing = listings["dit_19b"]
    parts = [built(part, listed(listing), listing["config"]) for part in PARTS["dit_19b"]]
    count = sum(values.numel() for part in parts for values in part.parameters())
    assert count == listing["parameters"] == 18_882_046_784
