"""Networks of the published sizes hold exactly the tensors of the published files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers", reason="the studio extra is not installed")

from diffusers import AutoencoderKLWan
from transformers import CLIPVisionModel, UMT5EncoderModel

from skyreels_avatar.checkpoints import wan
from skyreels_avatar.checkpoints.keymap import convert
from skyreels_avatar.checkpoints.skyreels_v3 import AUDIO_PROJECTOR, TRANSFORMER
from skyreels_avatar.models.audio_projector import AudioProjector
from skyreels_avatar.models.image_encoder import vit_h_14
from skyreels_avatar.models.prompt_encoder import umt5_xxl
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

Tensors = dict[str, torch.Tensor]
_IMAGE_WIDTH, _WIDTH = 1280, 5120

# name in the listing -> (our network, how its tensors are found in the file)
PARTS: dict[str, list[tuple[Callable[[], torch.nn.Module], Callable[[Tensors], Tensors]]]] = {
    "dit_19b": [
        (
            lambda: AvatarTransformer3DModel(image_dim=_IMAGE_WIDTH, added_kv_proj_dim=_WIDTH),
            lambda tensors: convert(tensors, TRANSFORMER, "the 19B file"),
        ),
        (AudioProjector, lambda tensors: convert(tensors, AUDIO_PROJECTOR, "the 19B file")),
    ],
    "vae": [(AutoencoderKLWan, lambda tensors: wan.convert_vae(tensors, "the VAE"))],
    "umt5_xxl_encoder": [
        (
            lambda: UMT5EncoderModel(umt5_xxl()),
            lambda tensors: wan.convert_prompt_encoder(tensors, "umT5"),
        )
    ],
    "clip_xlm_roberta_vit_h_14": [
        (
            lambda: CLIPVisionModel(vit_h_14()),
            lambda tensors: wan.convert_image_encoder(tensors, "CLIP"),
        )
    ],
}


@pytest.fixture(scope="module")
def listings(golden_dir: Path) -> dict:
    return json.loads((golden_dir / "skyreels_v3_a2v" / "real_checkpoint_keys.json").read_text())


def listed(listing: dict) -> Tensors:
    """Return empty tensors of all names and shapes in a listing."""
    return {
        re.sub(r"\{i\}", str(index), pattern): torch.empty(entry["shape"], device="meta")
        for pattern, entry in listing["keys"].items()
        for index in range(entry["count"])
    }


@pytest.mark.parametrize("name", PARTS)
def test_every_tensor_finds_its_place(listings: dict, name: str) -> None:
    tensors = listed(listings[name])
    assert len(tensors) == listings[name]["tensors"]
    for make, find in PARTS[name]:
        with torch.device("meta"):
            wanted = make().state_dict()
        found = find(tensors)
        assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in wanted.items()}


def test_the_talking_avatar_network_has_all_its_weights(listings: dict) -> None:
    with torch.device("meta"):
        parts = [make() for make, _ in PARTS["dit_19b"]]
    count = sum(values.numel() for part in parts for values in part.parameters())
    assert count == listings["dit_19b"]["parameters"] == 18_882_046_784
