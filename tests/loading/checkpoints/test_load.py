"""A weight file describes itself, is written whole, and is read strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.load import (
    load_module,
    place_module,
    read_header,
    save_module,
)
from skyreels_avatar.models.audio_encoder import AudioEncoder
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.text_encoder import TextEncoder
from skyreels_avatar.models.transformer import AvatarTransformer3DModel


@pytest.fixture
def encoder() -> AudioEncoder:
    torch.manual_seed(0)
    return AudioEncoder(dim=8, hidden_dim=16, num_layers=1).eval()


@pytest.fixture
def weights(encoder: AudioEncoder, tmp_path: Path) -> Path:
    return save_module(encoder, tmp_path / "deep" / "audio.safetensors")


def _rewritten(weights: Path, change) -> Path:
    """Write the file again after `change(tensors, header)`."""
    with safe_open(weights, framework="pt") as file:
        header = file.metadata()
    tensors = load_file(weights)
    change(tensors, header)
    save_file(tensors, weights, metadata=header)
    return weights


def test_round_trip_keeps_config_and_numbers(encoder: AudioEncoder, weights: Path) -> None:
    """Bound: half precision keeps 11 bits."""
    loaded = load_module(AudioEncoder, weights)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    assert read_header(weights) == (
        "AudioEncoder", {"dim": 8, "hidden_dim": 16, "num_layers": 1, "num_visemes": 8}
    )  # fmt: skip
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, atol=1e-6, rtol=2**-10)


def test_matrices_are_stored_in_half_and_vectors_in_full(weights: Path) -> None:
    for tensor in load_file(weights).values():
        assert tensor.dtype == (torch.float16 if tensor.dim() >= 2 else torch.float32)


def test_8_bits_have_a_scale_for_each_row(encoder: AudioEncoder, tmp_path: Path) -> None:
    """Bound: half a step, of the largest number of a row / 127."""
    weights = save_module(encoder, tmp_path / "small", torch.int8)
    loaded = load_module(AudioEncoder, weights).state_dict()
    for name, value in encoder.state_dict().items():
        if value.dim() < 2:
            assert (loaded[name] == value).all()
            continue
        step = value.flatten(1).abs().amax(1, keepdim=True) / 127
        assert ((loaded[name] - value).flatten(1).abs() <= 0.501 * step + 1e-9).all(), name
    stored = load_file(weights)
    assert {one.dtype for one in stored.values()} == {torch.int8, torch.float32}
    again = save_module(load_module(AudioEncoder, weights), tmp_path / "again", torch.int8)
    for name, value in load_file(again).items():
        torch.testing.assert_close(value, stored[name], atol=1, rtol=1e-5)


def test_float32_storage_is_exact(encoder: AudioEncoder, tmp_path: Path) -> None:
    loaded = load_module(AudioEncoder, save_module(encoder, tmp_path / "a", torch.float32))
    picture = torch.randn(1, 40, 80)
    assert torch.equal(loaded(picture), encoder(picture))


def test_saving_twice_gives_the_same_bytes(encoder: AudioEncoder, tmp_path: Path) -> None:
    first, second = (save_module(encoder, tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_weights_can_be_read_by_whoever_may_read_other_files(weights: Path) -> None:
    """safetensors' own writer gave 0600, so an installation for all users could not be used."""
    plain = weights.with_name("plain")
    plain.touch()
    assert weights.stat().st_mode == plain.stat().st_mode


def test_a_failed_save_leaves_the_old_file_and_no_rest(
    encoder: AudioEncoder, weights: Path
) -> None:
    before = weights.read_bytes()
    with torch.no_grad():
        encoder.proj_out.weight[0, 0] = 1e6  # beyond half precision
    with pytest.raises(CheckpointError, match=r"proj_out\.weight is not finite in torch\.float16"):
        save_module(encoder, weights)
    assert weights.read_bytes() == before
    assert [path.name for path in weights.parent.iterdir()] == [weights.name]


def test_missing_file_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no weights at .*absent\.safetensors"):
        load_module(AudioEncoder, tmp_path / "absent.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a tensor file", b"\xff" * 64])
def test_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors is damaged"):
        load_module(AudioEncoder, path)


def test_truncated_file_is_damaged(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        load_module(AudioEncoder, weights)


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="does not carry a class and a config"):
        load_module(AudioEncoder, path)


def test_another_class_is_refused(weights: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a AudioEncoder, expected a TextEncoder"):
        load_module(TextEncoder, weights)


def test_a_file_that_names_a_former_name_of_the_class_is_read(weights: Path, monkeypatch) -> None:
    def change(_, header) -> None:
        config = json.loads(header["config"])
        header["config"] = json.dumps({**config, "_class_name": "SoundEncoder"})

    renamed = _rewritten(weights, change)
    with pytest.raises(CheckpointError, match="holds a SoundEncoder"):
        load_module(AudioEncoder, renamed)
    monkeypatch.setattr(AudioEncoder, "former_names", ("SoundEncoder",), raising=False)
    assert isinstance(load_module(AudioEncoder, renamed), AudioEncoder)


def test_unknown_config_field_is_refused(weights: Path) -> None:
    def change(_, header) -> None:
        header["config"] = json.dumps({"_class_name": "AudioEncoder", "flavour": "sweet"})

    with pytest.raises(CheckpointError, match=r"another version.*flavour"):
        load_module(AudioEncoder, _rewritten(weights, change))


def test_tensors_that_do_not_fit_are_all_named(weights: Path) -> None:
    def change(tensors, _) -> None:
        del tensors["proj_out.bias"]
        tensors["extra.weight"] = torch.zeros(2, 2)
        tensors["norm_out.weight"] = torch.zeros(5)

    with pytest.raises(CheckpointError) as caught:
        load_module(AudioEncoder, _rewritten(weights, change))
    message = str(caught.value)
    assert "1 missing: proj_out.bias" in message
    assert "1 unexpected: extra.weight" in message
    assert "1 of another shape: norm_out.weight (5,) instead of (16,)" in message


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_placing_keeps_what_the_class_wants_in_float32(dtype: torch.dtype) -> None:
    model = AvatarTransformer3DModel(
        num_attention_heads=1, attention_head_dim=12, text_dim=4, audio_dim=4, freq_dim=8,
        ffn_dim=8, num_layers=1,
    )  # fmt: skip
    placed = dict(place_module(model, "cpu", dtype).named_parameters())
    assert placed["blocks.0.attn1.to_q.weight"].dtype == dtype
    assert placed["patch_embedding.weight"].dtype == dtype
    assert placed["blocks.0.norm2.weight"].dtype == torch.float32
    assert placed["blocks.0.scale_shift_table"].dtype == torch.float32
    assert placed["condition_embedder.time_embedder.linear_1.weight"].dtype == torch.float32


def test_reduced_precision_takes_float32_inputs() -> None:
    """Bound: 5 % of the RMS, bfloat16 keeps 8 bits."""
    torch.manual_seed(0)
    sizes = {"patch_size": (1, 1, 1), "embed_dim": 12, "dim": 12, "num_attention_heads": 1,
             "ffn_dim": 8, "num_layers": 1, "time_embed_dim": 8, "freq_dim": 8}  # fmt: skip
    model = CameraControlNet(**sizes).eval()
    torch.nn.init.normal_(model.proj_out[0].weight)
    inputs = torch.randn(1, 20, 2, 1, 4), torch.randn(1, 16, 2, 1, 4), torch.tensor([500.0])
    with torch.no_grad():
        exact = next(model(*inputs))
        rough = next(place_module(model, "cpu", torch.bfloat16)(*inputs)).float()
    assert (rough - exact).square().mean().sqrt() < 0.05 * exact.square().mean().sqrt()


def test_loading_draws_no_numbers_for_what_the_file_fills(weights, encoder) -> None:
    """Drawing initial weights took a third of the time, and moved the caller's generator on."""
    torch.manual_seed(5)
    before = torch.get_rng_state()
    loaded = load_module(AudioEncoder, weights)
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in encoder.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name], tensor, atol=1e-3), name


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(weights: Path, value: float) -> None:
    """They came up late, as an error of the warp or the matte."""

    def change(tensors, _) -> None:
        tensors["proj_out.bias"][1] = value

    with pytest.raises(CheckpointError, match=r"proj_out\.bias holds NaN or infinity"):
        load_module(AudioEncoder, _rewritten(weights, change))


def test_damaged_headers_and_cut_files_are_checkpoint_errors(weights: Path, tmp_path, rng) -> None:
    original, path = weights.read_bytes(), tmp_path / "a.safetensors"
    refused = 0
    for turn in range(60):
        data = bytearray(original)
        for place in rng.integers(0, 400, 1 + turn % 5):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data[: len(data) // 2] if turn % 3 == 0 else data)
        try:
            load_module(AudioEncoder, path)
        except CheckpointError:
            refused += 1
    assert refused > 40
