"""The dry run counts what networks of the tier's sizes take, and builds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from skyreels_avatar.loading.tiers import load_tier
from train.__main__ import main
from train.config import load_config
from train.video.estimate import dry_run, meta_inputs, window_cost
from train.video.networks import add_lora, empty_transformer

SIZES = (
    "sizes: {transformer: {num_attention_heads: 4, attention_head_dim: 32, text_dim: 64, "
    "audio_dim: 32, ffn_dim: 512, num_layers: 3, image_dim: 64, added_kv_proj_dim: 128}}"
)


@pytest.fixture
def tier(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    weights = ("vae: v.pth", "transformer: [t]", "audio_encoder: a", "text_encoder: x.pth")
    path.write_text("weights:\n  " + "\n  ".join(weights) + f"\n{SIZES}\nwindow: 17\noverlap: 5\n")
    return str(path)


def test_passes_with_gradients_cost_four_without(tier):
    """Forwards, again where a block's inputs alone were kept, and twice as much backwards."""
    network = empty_transformer(load_tier(tier))
    assert {value.device.type for value in network.parameters()} == {"meta"}
    cost = window_cost(network, load_tier(tier), (128, 128))
    assert cost.num_tokens == 5 * 8 * 8
    assert 3.5 < cost.step_tflop / cost.forward_tflop < 4.5
    larger = window_cost(network, load_tier(tier), (256, 256))
    # Four times the tokens of the window, beside as many of the prompt and the picture: 2.96.
    assert 2.5 < larger.activation_bytes / cost.activation_bytes < 4
    assert larger.forward_tflop > 4 * cost.forward_tflop  # attention


def test_a_block_more_keeps_its_input_alone(tier):
    """Blocks are computed again, one at a time: float32 here, 128 wide, 320 tokens."""
    few, many = (
        window_cost(empty_transformer(load_tier(tier), num_layers=n), load_tier(tier), (128, 128))
        for n in (2, 5)
    )
    assert many.activation_bytes - few.activation_bytes == 3 * 320 * 128 * 4


def test_operations_are_those_of_the_layers(tier):
    """Against a count by hand of the matrices of the blocks, which are nearly all."""
    network = empty_transformer(load_tier(tier))
    given = meta_inputs(network, load_tier(tier), (128, 128))
    tokens, dim = 5 * 8 * 8, 128
    text, image, audio = 512, 257, 5 * 32
    self_attention = 8 * tokens * dim**2 + 4 * tokens**2 * dim
    cross = 4 * tokens * dim**2 + 4 * (text + image) * dim**2 + 4 * tokens * (text + image) * dim
    heard = 4 * tokens * dim**2 + 4 * audio * 32 * dim + 4 * tokens * 32 * dim
    blocks = 3 * (self_attention + cross + heard + 4 * tokens * dim * 512)
    cost = window_cost(network, load_tier(tier), (128, 128))
    assert given["hidden_states"].shape == (1, 36, 5, 16, 16)
    assert 1e12 * cost.forward_tflop == pytest.approx(blocks, rel=0.1)


def test_what_learns_is_shared_out_and_what_is_computed_is_not(tier):
    told = [f"tier={tier}", "video.size=128x128", "video.dry_run=true"]
    one, four = (
        dry_run(load_config("distill video", [*told, f"video.cards={cards}"]), is_lora=False)
        for cards in (1, 4)
    )
    count = sum(v.numel() for v in empty_transformer(load_tier(tier), distilled=True).parameters())
    assert f"{count / 1e9:.2f} billion weights" in one and "fits" in one
    assert "1/4" in four and "of each of 4 cards" in four


def test_the_command_prints_both_tables(tier, capsys):
    how = ["--tier", tier, "--dry-run", "--cards", "2", "video.size=128x128"]
    assert main(["distill", *how]) == 0
    assert "teacher's weights" in capsys.readouterr().out
    assert main(["lora", *how, "video.rank=4"]) == 0
    shown = capsys.readouterr().out
    network = empty_transformer(load_tier(tier)).requires_grad_(False)
    add_lora(network, load_config("lora", ["video.rank=4"]).video)
    learns = sum(v.numel() for v in network.parameters() if v.requires_grad)
    assert f"{learns / 1e6:,.1f} million learn" in shown and "1000 steps" in shown


def test_a_card_that_is_too_small_is_told(tier):
    told = [f"tier={tier}", "video.size=128x128", "video.card_gb=0.001"]
    assert "does not fit" in dry_run(load_config("lora", told), is_lora=True)


def test_weights_of_the_published_sizes_are_counted_by_their_shapes():
    """SkyReels-V3 A2V is published as 19 billion weights, of which the projector is not here."""
    network = empty_transformer(load_tier("studio"))
    total = sum(value.numel() for value in network.parameters())
    assert 18e9 < total < 20e9
    assert all(value.device == torch.device("meta") for value in network.parameters())
