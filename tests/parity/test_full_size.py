"""Networks built from the published shapes hold exactly the tensors of the published files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers", reason="the studio extra is not installed")

from skyreels_avatar.loading.checkpoints.public import PublicFormat, TensorShapes
from skyreels_avatar.loading.checkpoints.skyreels_v3 import PROJECTOR_FORMAT, TRANSFORMER_FORMAT
from skyreels_avatar.loading.checkpoints.wan import (
    IMAGE_ENCODER_FORMAT,
    PROMPT_ENCODER_FORMAT,
    VAE_FORMAT,
)
from skyreels_avatar.loading.parts import detect

# name in the listing -> the networks that the file fills, the first of them a part
FORMATS = {
    "dit_19b": (TRANSFORMER_FORMAT, PROJECTOR_FORMAT),
    "vae": (VAE_FORMAT,),
    "umt5_xxl_encoder": (PROMPT_ENCODER_FORMAT,),
    "clip_xlm_roberta_vit_h_14": (IMAGE_ENCODER_FORMAT,),
}


@pytest.fixture(scope="module")
def listings(golden_dir: Path) -> dict:
    listing = golden_dir / "skyreels_v3_a2v" / "real_checkpoint_keys.json"
    if not listing.is_file():
        pytest.skip(f"no listing of the published tensors at {listing}")
    return json.loads(listing.read_text())


def listed(listing: dict) -> dict[str, torch.Tensor]:
    """Return empty tensors of all names and shapes in a listing."""
    return {
        re.sub(r"\{i\}", str(index), pattern): torch.empty(entry["shape"], device="meta")
        for pattern, entry in listing["keys"].items()
        for index in range(entry["count"])
    }


def built(kind: PublicFormat, tensors: dict[str, torch.Tensor], config: dict) -> torch.nn.Module:
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in tensors.items()}
        return kind.build(TensorShapes(shapes, config))


@pytest.mark.parametrize("name", FORMATS)
def test_every_tensor_finds_its_place(listings: dict, name: str) -> None:
    tensors = listed(listings[name])
    assert len(tensors) == listings[name]["tensors"]
    assert {id(row.public) for row in detect(tensors)} == {id(FORMATS[name][0])}
    for kind in FORMATS[name]:
        assert kind.fits(tensors)
        wanted = built(kind, tensors, listings[name].get("config", {})).state_dict()
        found = kind.convert(tensors, name)
        assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in wanted.items()}


def test_the_talking_avatar_network_has_all_its_weights(listings: dict) -> None:
    listing = listings["dit_19b"]
    parts = [built(kind, listed(listing), listing["config"]) for kind in FORMATS["dit_19b"]]
    count = sum(values.numel() for part in parts for values in part.parameters())
    assert count == listing["parameters"] == 18_882_046_784
