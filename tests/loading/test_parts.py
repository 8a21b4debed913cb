"""The table of parts: what fills each of them, and what is known of it without weights."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.loading import parts
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.text_encoder import TextEncoder

TEXT = {"dim": 8, "num_tokens": 4, "num_buckets": 16, "num_layers": 1, "num_heads": 1}


def test_every_part_has_a_row_and_every_row_a_part():
    assert {row.part for row in parts.FORMATS} == set(parts.PARTS)
    assert set(parts.OPTIONAL) | set(parts.ENCODERS) < set(parts.PARTS)
    assert list(parts.part_classes()) == [p for p in parts.PARTS if p in parts.part_classes()]


@pytest.mark.parametrize(("device", "half"), [("cpu", torch.float32), ("cuda", torch.bfloat16)])
def test_large_networks_run_as_asked_and_encoders_in_half_on_a_gpu(device, half):
    dtypes = {
        row.precision: row.dtype(torch.float16, torch.device(device)) for row in parts.FORMATS
    }
    assert dtypes == {"asked": torch.float16, "full": torch.float32, "half": half}


def test_a_part_is_made_anew_with_its_sizes():
    made = parts.new_part("text_encoder", TEXT)
    assert isinstance(made, TextEncoder) and made.token_dim == 8
    with pytest.raises(InputError, match=r"sizes of text_encoder.*flavour"):
        parts.new_part("text_encoder", {**TEXT, "flavour": "sweet"})
    with pytest.raises(InputError, match=r"text_encoder is one of .*TextEncoder.*'Bert'"):
        parts.new_part("text_encoder", {**TEXT, "network": "Bert"})


def test_weights_that_are_not_there_count_as_what_they_would_be(tmp_path):
    ours = parts.expected_format("vae", str(tmp_path / "face.safetensors"))
    assert ours.network == "FaceRig" and ours.time_factor == 4 and not ours.draws_pixels
    public = parts.expected_format("vae", str(tmp_path / "Wan2.1_VAE.pth"))
    assert public.public is not None and public.draws_pixels
    assert parts.time_factor(load_tier("nano")) == 4


def test_tensors_of_no_known_format_are_listed():
    with pytest.raises(CheckpointError, match=r"unknown kind of weights: tensors a, b .*Uni3C"):
        parts.detect(["b", "a"])
