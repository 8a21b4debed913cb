"""What training takes at the real sizes, counted on tensors without memory: the dry run."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from skyreels_avatar.loading.checkpoints.load import kept_in_float32
from skyreels_avatar.loading.parts import time_factor
from skyreels_avatar.loading.tiers import Tier, load_tier
from skyreels_avatar.media.image import fit_size
from skyreels_avatar.shapes import BUCKETS, latent_frames, nearest_bucket
from train.config import TrainConfig
from train.video.counters import AttentionCount, MemoryCounter
from train.video.networks import add_lora, empty_transformer

# Tokens that the published encoders give: a prompt, a latent frame's sound, a picture.
TEXT_TOKENS, AUDIO_TOKENS, IMAGE_TOKENS = 512, 32, 257
_LATENT_PX = 8
_PICTURE = (480, 832)  # height and width, whose shape the windows have
_TFLOP, _GB = 1e12, 1e9


@dataclass(frozen=True)
class Cost:
    """What one window costs.

    Attributes:
        num_tokens: of the transformer.
        activation_bytes: peak beside weights and gradients, with gradient checkpointing.
        forward_tflop, step_tflop: of a pass, and of one with its gradients.
    """

    num_tokens: int
    activation_bytes: int
    forward_tflop: float
    step_tflop: float


def dry_run(config: TrainConfig, is_lora: bool) -> str:
    """Return tables of the memory of a card, and of steps and hours, at the size of the tier.

    Memory is that of weights, gradients, moments, gathered blocks and activations in bfloat16
    (weights that learn and their moments in float32); what a framework keeps beside is not counted.
    """
    tier, video = load_tier(config.tier), config.video
    network = _in_bfloat16(empty_transformer(tier, **({} if is_lora else {"distilled": True})))
    total = sum(value.numel() for value in network.parameters())
    size = _size(video.size)
    if is_lora:
        add_lora(network.requires_grad_(False), video)
    learning = sum(value.numel() for value in network.parameters() if value.requires_grad)
    cost = window_cost(network, tier, size)
    block = sum(value.numel() for value in network.blocks[0].parameters())
    cards = video.cards
    if is_lora:
        memory = {
            "weights (bfloat16, whole on each card)": 2 * total,
            "LoRA, its gradients and moments (float32)": 16 * learning,
        }
        flop = cost.step_tflop
    else:
        memory = {
            f"student's weights (float32, 1/{cards})": 4 * total / cards,
            f"gradients (float32, 1/{cards})": 4 * total / cards,
            f"moments of AdamW (float32, 1/{cards})": 8 * total / cards,
            f"teacher's weights (bfloat16, 1/{cards})": 2 * total / cards,
            "two blocks, gathered (bfloat16)": 4 * block,
            "gradients of a block, not yet shared out (float32)": 4 * block,
        }
        share = config.distill.long_share
        flop = cost.step_tflop + (2 * share + 3 * (1 - share)) * cost.forward_tflop
    memory["activations (bfloat16, gradient checkpointing)"] = cost.activation_bytes
    return _report(config, (total, learning), cost, memory, flop)


def window_cost(network: torch.nn.Module, tier: Tier, size: tuple[int, int]) -> Cost:
    """Return what a window of a tier costs on a network of the meta device.

    Args:
        size: height and width in pixels.
    """
    given = meta_inputs(network, tier, size)
    with torch.no_grad(), FlopCounterMode(display=False) as forward, AttentionCount() as attention:
        network(**given)
    forward_tflop = (forward.get_total_flops() + attention.flop) / _TFLOP
    hooks = [
        value.register_post_accumulate_grad_hook(_forget)
        for value in network.parameters()
        if value.requires_grad
    ]
    memory, attention = MemoryCounter([network]), AttentionCount()
    # Blocks that are computed again are so outside of the modes that are on here.
    again = partial(checkpoint, use_reentrant=False, context_fn=lambda: (nullcontext(), attention))
    network.enable_gradient_checkpointing(again)
    # Not both at once: the counter of operations holds on to activations.
    with memory, attention:
        network(**given).float().square().mean().backward()
    attention.flop = 0
    with FlopCounterMode(display=False) as both, attention:
        network(**given).float().square().mean().backward()
    for hook in hooks:
        hook.remove()
    patch = network.config.patch_size
    grid = given["hidden_states"].shape[2:]
    num_tokens = grid[0] // patch[0] * (grid[1] // patch[1]) * (grid[2] // patch[2])
    step_tflop = (both.get_total_flops() + attention.flop) / _TFLOP
    return Cost(num_tokens, memory.peak, forward_tflop, step_tflop)


def meta_inputs(
    network: torch.nn.Module, tier: Tier, size: tuple[int, int]
) -> dict[str, torch.Tensor]:
    """Return what a transformer gets for one window, on the meta device."""
    config, count = network.config, latent_frames(tier.window, time_factor(tier))
    height, width = (side // _LATENT_PX for side in size)

    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(1, *shape, device="meta", dtype=torch.bfloat16)

    given = {
        "hidden_states": empty(config.in_channels, count, height, width),
        "timestep": torch.empty(1, device="meta"),
        "encoder_hidden_states": empty(TEXT_TOKENS, config.text_dim),
        "audio_embeds": empty(count, AUDIO_TOKENS, config.audio_dim),
    }
    if config.image_dim:
        given["encoder_hidden_states_image"] = empty(IMAGE_TOKENS, config.image_dim)
    return given


def _forget(value: torch.nn.Parameter) -> None:
    value.grad = None  # gradients are counted by their number


def _in_bfloat16(network: torch.nn.Module) -> torch.nn.Module:
    exact = kept_in_float32(network)
    for name, value in network.named_parameters():
        value.data = value.data.to(torch.float32 if name in exact else torch.bfloat16)
    return network


def _size(size: str) -> tuple[int, int]:
    named = size.strip().lower()
    return nearest_bucket(*_PICTURE, named) if named in BUCKETS else fit_size(*_PICTURE, size)


def _report(
    config: TrainConfig,
    weights: tuple[int, int],
    cost: Cost,
    memory: dict[str, float],
    flop: float,
) -> str:
    """Return the tables.

    Args:
        weights: how many there are, and how many learn.
        memory: bytes of a card, by what they hold.
        flop: TFLOP of all passes for a window.
    """
    total, learning = weights
    video, tier = config.video, load_tier(config.tier)
    height, width = _size(video.size)
    peak, cards = sum(memory.values()), video.cards
    verdict = "fits" if peak < video.card_gb * _GB else "does not fit"
    step_tflop = config.batch_size * flop
    seconds = step_tflop / (min(cards, config.batch_size) * video.card_tflops)
    rows = [f"| {name} | {size / _GB:.1f} |" for name, size in memory.items()]
    return "\n".join(
        [
            f"{tier.name}: a transformer of {total / 1e9:.2f} billion weights, of which "
            f"{learning / 1e6:,.1f} million learn; windows of {tier.window} frames of "
            f"{width}x{height}, {cost.num_tokens:,} tokens",
            "",
            f"| memory of each of {cards} cards | GB |",
            "|---|---|",
            *rows,
            f"| together, of {video.card_gb:g}: {verdict} | {peak / _GB:.1f} |",
            "",
            "| time, counted, not measured | |",
            "|---|---|",
            f"| a window: a pass, a pass with gradients, all passes | {cost.forward_tflop:,.0f}, "
            f"{cost.step_tflop:,.0f}, {flop:,.0f} TFLOP |",
            f"| a step of {config.batch_size} windows | {step_tflop:,.0f} TFLOP, "
            f"{seconds:,.1f} s at {video.card_tflops:g} TFLOP/s a card |",
            f"| {config.num_steps} steps | {config.num_steps * seconds / 3600:,.1f} h |",
        ]
    )
