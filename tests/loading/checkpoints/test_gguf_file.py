"""A transformer in a GGUF file: its linear layers stay in 8 bits and give nearly the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.gguf_file import has_quantized_layers
from skyreels_avatar.loading.checkpoints.keymap import to_public
from skyreels_avatar.loading.checkpoints.skyreels_v3 import TRANSFORMER, TRANSFORMER_FORMAT
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from tests.loading.checkpoints.public_files import load

SIZES = {"num_attention_heads": 2, "attention_head_dim": 16, "text_dim": 32, "audio_dim": 32,
         "ffn_dim": 64, "num_layers": 1, "image_dim": 32, "added_kv_proj_dim": 32,
         "freq_dim": 256}  # fmt: skip


def write(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    """Write matrices in 8 bits and all else in 32, as published files do."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(str(path), "wan")
    for name, values in tensors.items():
        numbers = values.float().numpy()
        if numbers.ndim == 2 and numbers.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_layers_stay_in_8_bits_and_outputs_near(tmp_path: Path, monkeypatch) -> None:
    torch.manual_seed(0)
    plain = AvatarTransformer3DModel(**SIZES).eval()
    torch.nn.init.normal_(plain.proj_out.weight, std=0.1)
    path = write(tmp_path / "avatar.gguf", to_public(plain.state_dict(), TRANSFORMER))
    (tmp_path / "config.json").write_text('{"num_heads": 2}')
    small = load([path], TRANSFORMER_FORMAT)
    assert has_quantized_layers(small) and not has_quantized_layers(plain)
    assert type(small.blocks[0].ffn.net[2]).__name__ == "GGUFLinear"
    assert small.blocks[0].scale_shift_table.dtype == torch.float32
    given = {
        "hidden_states": torch.randn(1, 36, 3, 4, 4),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(1, 8, 32),
        "audio_embeds": torch.randn(1, 3, 4, 32),
        "encoder_hidden_states_image": torch.randn(1, 257, 32),
        "return_dict": False,
    }
    with torch.no_grad():
        one, other = plain(**given)[0], small(**given)[0]
    error = (one - other).square().mean().sqrt() / one.square().mean().sqrt()
    assert 0 < error < 0.03
    file = WeightFile(path)
    key = "blocks.0.ffn.0.weight"
    assert file.shape(key) == (64, 32) and file.num_bytes(key, 2) == 64 * 34
    assert file.num_bytes("blocks.0.ffn.0.bias", 2) == 128


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """As damaged where gguf is installed, else with the command that installs it."""
    (tmp_path / "a.gguf").write_bytes(b"no such thing" * 10)
    with pytest.raises(CheckpointError, match=r"damaged or not a GGUF file|pip install gguf"):
        WeightFile(tmp_path / "a.gguf")
