"""wav2vec 2.0 as it is published, of any year."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("accelerate", reason="the studio extra is not installed")

pytest.importorskip("transformers", reason="the studio extra is not installed")

from skyreels_avatar.loading.checkpoints.wav2vec import (
    SPEECH_ENCODER_FORMAT,
    convert_speech_encoder,
)
from skyreels_avatar.loading.parts import format_of
from tests.loading.checkpoints.public_files import (
    load,
    load_golden,
    same,
    write_pickled,
)


def test_every_tensor_is_filled(golden_dir: Path, tmp_path: Path) -> None:
    module = load_golden(golden_dir, tmp_path, "case9_wav2vec2", SPEECH_ENCODER_FORMAT)
    assert not any(tensor.is_meta for tensor in module.state_dict().values())


def test_older_names_of_the_weight_norm_and_heads_are_understood() -> None:
    conv = "wav2vec2.encoder.pos_conv_embed.conv"
    names = (f"{conv}.weight_g", f"{conv}.weight_v", "lm_head.weight", "project_q.bias",
             "quantizer.codevectors", "wav2vec2.masked_spec_embed")  # fmt: skip
    converted = convert_speech_encoder({name: torch.zeros(1) for name in names}, "a file")
    norm = "encoder.pos_conv_embed.conv.parametrizations.weight"
    assert set(converted) == {f"{norm}.original0", f"{norm}.original1", "masked_spec_embed"}


def test_files_whose_names_all_have_the_prefix_of_pretraining_are_known(
    golden_dir: Path, tmp_path: Path
) -> None:
    """`Wav2Vec2ForPreTraining` writes them so; they were an "unknown kind of weights"."""
    plain = load_golden(golden_dir, tmp_path, "case9_wav2vec2", SPEECH_ENCODER_FORMAT)
    tensors = torch.load(tmp_path / "model.pth", weights_only=True)
    prefixed = {f"wav2vec2.{key}": value for key, value in tensors.items()}
    folder = tmp_path / "prefixed"
    sizes = json.loads((tmp_path / "config.json").read_text())
    write_pickled(folder, {**prefixed, "project_hid.weight": torch.zeros(2, 2)}, **sizes)
    assert format_of("audio_encoder", folder).public is SPEECH_ENCODER_FORMAT
    assert same(load(folder, SPEECH_ENCODER_FORMAT), plain)
