"""Learn a LoRA of a transformer that draws pixels from own footage: of a person, a place, a look.

    python -m train data FOLDER
    python -m train lora --tier studio footage.folder=FOLDER
    torchrun --nproc-per-node 8 -m train lora --tier studio footage.folder=FOLDER device=cuda
    python -m train lora --tier studio --dry-run

The pieces of `data` are encoded once, with the tier's own networks, into the conditions that the
pipeline would give the transformer; then matrices of low rank beside those of attention learn the
velocity by flow matching, and all else is frozen. The file, `export/lora.safetensors`, has the
names of diffusers and peft; a tier loads it as `loras: {lora.safetensors: 1.0}`.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.flow import velocity
from skyreels_avatar.loading.components import default_dtype
from skyreels_avatar.loading.tiers import Tier, load_tier
from train.config import TrainConfig
from train.objective import draw_sigmas
from train.video.estimate import dry_run
from train.video.loop import Draw, VideoRun, is_first_process, prepare_windows, start
from train.video.networks import add_lora, draws_pixels, load_transformer
from train.video.windows import VideoWindow, predict

NAME = "lora.safetensors"


def run(config: TrainConfig) -> None:
    """Learn a LoRA for `tier` from the pieces of `style.person`.

    Raises:
        InputError: a tier whose transformer draws no pixels, or footage that gives no window.
        CheckpointError: the tier's weights are not here.
        MissingExtraError: accelerate or peft is not installed.
    """
    tier = load_tier(config.tier)
    if not draws_pixels(tier):
        raise InputError(
            f"tier {tier.name} moves a picture instead of drawing it; its footage is learnt by the "
            "stage style"
        )
    if config.video.dry_run:
        print(dry_run(config, is_lora=True))
        return
    accelerator = start(config)
    learnt, back = prepare_windows(config, accelerator)
    device = accelerator.device
    transformer = load_transformer(tier, device, default_dtype(device))
    torch.manual_seed(config.seed)
    add_lora(transformer, config.video)
    transformer.enable_gradient_checkpointing()
    transformer.train()
    run = VideoRun(config, accelerator, accelerator.prepare(transformer), export)
    shift = config.loss.sigma_shift

    def loss_function(window: VideoWindow, draw: Draw) -> torch.Tensor:
        return flow_loss(run.network, window, draw, config, shift or shift_of(tier, window))

    run.train(loss_function, learnt, back)


def shift_of(tier: Tier, window: VideoWindow) -> float:
    """Return the shift of noise levels at which a tier samples windows of this size."""
    height, width = window.clean.shape[-2:]
    return tier.shift_of(64 * height * width)


def flow_loss(
    network: torch.nn.Module, window: VideoWindow, draw: Draw, config: TrainConfig, shift: float
) -> torch.Tensor:
    """Return the mean square of what the velocity misses at a random noise level."""
    sigma = draw_sigmas(1, shift, draw.generator).to(window.clean.device)
    noise = torch.randn(window.clean.shape, generator=draw.generator).to(window.clean)
    noisy, free = window.noised(noise, sigma, draw.generator)
    conditions = window.conditions
    without = torch.rand(2, generator=draw.generator)
    if without[0] < config.video.text_dropout:
        conditions = conditions.without_text()
    if without[1] < config.video.audio_dropout:
        conditions = conditions.without_audio()
    missed = predict(network, conditions, noisy, sigma).float() - velocity(window.clean, noise)
    return (missed.square() * free).sum() / free.expand_as(missed).sum()


def export(network: torch.nn.Module, folder: Path) -> None:
    """Write the LoRA of a network under the names that diffusers' pipelines save."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    if not is_first_process():
        return
    transformer = getattr(network, "module", network)
    tensors = get_peft_model_state_dict(transformer, adapter_name="default")
    tensors = {f"transformer.{name}": value.cpu().contiguous() for name, value in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{NAME}.part"
    partial.write_bytes(save(tensors, metadata={"format": "pt"}))
    os.replace(partial, folder / NAME)
