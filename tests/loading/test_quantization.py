"""Weights in 8 bits by torchao: half of the memory, nearly the same numbers."""

from __future__ import annotations

import copy
import sys

import pytest
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.memory import POLICIES, ModelBytes, peak_bytes
from skyreels_avatar.loading.quantization import KINDS, quantize
from skyreels_avatar.models.longcat_transformer import LongCatTransformer3DModel
from skyreels_avatar.models.transformer import AvatarTransformer3DModel


def transformer(cls, **sizes) -> torch.nn.Module:
    torch.manual_seed(0)
    model = cls(
        num_attention_heads=2, attention_head_dim=32, text_dim=16, audio_dim=32, freq_dim=32,
        ffn_dim=128, num_layers=2, **sizes,
    )  # fmt: skip
    with torch.no_grad():
        for values in model.parameters():
            values += 0.05 * torch.randn(values.shape)
    return model.eval().requires_grad_(False)


def passed(model, channels: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    hidden = normal(1, channels, 3, 4, 4)
    hidden[:, 16:20] = 0
    hidden[:, 16:20, :1] = 1
    return model(hidden, torch.tensor([600.0]), normal(1, 6, 16), normal(1, 3, 4, 32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", [AvatarTransformer3DModel, LongCatTransformer3DModel])
def test_blocks_are_in_8_bits_and_outputs_near(cls, kind: str) -> None:
    pytest.importorskip("torchao", reason="torchao is not installed")
    plain = transformer(cls)
    narrow = copy.deepcopy(plain)
    quantize(narrow, kind)
    kept = narrow.blocks[0].attn1.to_q.weight
    assert type(kept) is not torch.nn.Parameter
    parts = [getattr(kept, name) for name in kept.__tensor_flatten__()[0]]
    size = sum(part.numel() * part.element_size() for part in parts)
    assert size < 0.3 * 4 * kept.numel()  # of float32: numbers of one byte, and a scale for rows
    for name, values in narrow.named_parameters():
        if "blocks." not in name or "norm" in name or "modulation" in name:
            assert type(values) is torch.nn.Parameter, name
    exact, made = (passed(model, 36) for model in (plain, narrow))
    assert 0 < (made - exact).square().mean().sqrt() < 0.06 * exact.square().mean().sqrt()


def test_without_the_package_the_message_names_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(InputError, match="quantization: int8 needs the package torchao"):
        quantize(torch.nn.Module(), "int8")
    with pytest.raises(InputError, match="one of int8, float8, got 'int3'"):
        quantize(torch.nn.Module(), "int3")


def test_the_plan_counts_half_of_the_weights() -> None:
    model = ModelBytes(transformer=38_000_000_000, beside=3_000_000_000)
    narrow = ModelBytes(transformer=38_000_000_000, beside=3_000_000_000, in_8_bits=True)
    pixels = 720 * 1280
    streamed = POLICIES[4]
    assert peak_bytes(streamed, narrow, pixels) < peak_bytes(streamed, model, pixels)
    # As it is loaded, all is there in 16 bits.
    assert peak_bytes(POLICIES[2], narrow, 1) == pytest.approx(41e9)
