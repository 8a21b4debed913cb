"""The one training loop: EMA, a resumable checkpoint, a log that says when it will end."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.load import fill_module, load_module, save_module
from skyreels_avatar.loading.components import Components, build_components
from skyreels_avatar.loading.parts import part_classes
from skyreels_avatar.loading.tiers import load_tier
from train.config import TrainConfig

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
IN_8_BITS = ("transformer", "text_encoder", "controlnet", "vae")  # exported so; half precision else

LossFunction = Callable[[Components, int], dict[str, torch.Tensor]]
ValidateFunction = Callable[[Components], dict[str, float]]


class Run:
    """One training run in a folder: networks, their averages, the optimizer, the step count.

    Args:
        config: what to train and how.
        heads: further modules that learn along and are not exported.
    """

    def __init__(self, config: TrainConfig, heads: dict[str, torch.nn.Module] | None = None):
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.folder = config, Path(config.run)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.parts = build_components(load_tier(config.tier), config.device)
        unknown = sorted(set(config.train) - set(part_classes()))
        if unknown:
            raise InputError(f"cannot train {unknown}; the parts are {sorted(part_classes())}")
        if config.start_from:
            start_from(self.parts, Path(config.start_from))
        self.learners = {name: getattr(self.parts, name) for name in config.train}
        for name in part_classes():
            getattr(self.parts, name).requires_grad_(name in self.learners)
        placed = {name: head.to(config.device) for name, head in (heads or {}).items()}
        self.trained = {**self.learners, **placed}
        self.weights = [p for net in self.trained.values() for p in net.parameters()]
        self.average = [p.detach().clone() for p in self.weights]
        decayed = [p for p in self.weights if p.dim() >= 2]
        others = [p for p in self.weights if p.dim() < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": config.weight_decay},
             {"params": others, "weight_decay": 0.0}],
            lr=config.lr, betas=(0.9, 0.98), eps=1e-8,
        )  # fmt: skip
        self.step = 0
        self.resume()

    def train(self, loss_function: LossFunction, validate: ValidateFunction) -> None:
        """Take steps until the end of the plan or of the time, and export the averages."""
        config = self.config
        logger.info(
            "%d weights in %s", sum(p.numel() for p in self.weights), ", ".join(self.trained)
        )
        (self.folder / "config.json").write_text(json.dumps(asdict(config), indent=1))
        start, first, validated = time.monotonic(), self.step, -1
        sums: dict[str, float] = {}
        while self.step < config.num_steps:
            for name, value in self.take_step(loss_function).items():
                sums[name] = sums.get(name, 0.0) + value / config.log_every
            elapsed_s = time.monotonic() - start
            if self.step % config.log_every == 0:
                pace_s = elapsed_s / (self.step - first)
                self._log(sums, pace_s)
                sums = {}
            if self.step % config.save_every == 0:
                self.save()
            if self.step % config.validate_every == 0:
                self._validate(validate)
                validated = self.step
            if config.max_minutes and elapsed_s > 60 * config.max_minutes:
                logger.info("stopped after %.0f minutes", elapsed_s / 60)
                break
        self.save()
        if validated != self.step:
            self._validate(validate)

    def take_step(self, loss_function: LossFunction) -> dict[str, float]:
        """Update the weights and their average once, and return the parts of the loss."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * rate_at(self.step, config)
        device_type = torch.device(config.device).type
        with (
            _attention_of(device_type),
            torch.autocast(device_type, torch.bfloat16, config.use_bf16),
        ):
            losses = loss_function(self.parts, self.step)
        losses["loss"].backward()
        norm = clipped_step(self.optimizer, self.weights, config.clip_norm, self.step)
        self.step += 1
        decay = min(config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list(self.weights), 1 - decay)
        return {
            "norm": norm,
            **{key: float(value.detach()) for key, value in losses.items()},
        }

    def save(self) -> None:
        """Write everything that is needed to continue."""
        state = {
            "step": self.step,
            "networks": {name: net.state_dict() for name, net in self.trained.items()},
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        write_checkpoint(self.folder, state)

    def resume(self) -> None:
        """Continue from the folder's checkpoint if there is one."""
        state = read_checkpoint(self.folder, self.config.device)
        if state is None:
            return
        if set(state["networks"]) != set(self.trained):
            raise InputError(
                f"{self.folder / CHECKPOINT} trains {sorted(state['networks'])}, "
                f"asked for {sorted(self.trained)}; give another run=FOLDER"
            )
        for name, net in self.trained.items():
            net.load_state_dict(state["networks"][name])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        logger.info("continuing %s at step %d", self.folder, self.step)

    def export(self) -> Path:
        """Write the averaged weights of the trained networks as the tier's files."""
        folder = self.folder / "export"
        for name, net in self.learners.items():
            dtype = torch.int8 if name in IN_8_BITS else torch.float16
            save_module(net, folder / f"{name}.safetensors", dtype)
        return folder

    def _validate(self, validate: ValidateFunction) -> None:
        self._swap()
        try:
            figures = validate(self.parts)
            self.export()
        finally:
            self._swap()
        line = {"step": self.step, **{key: round(value, 4) for key, value in figures.items()}}
        logger.info("validation %s", json.dumps(line))
        with open(self.folder / "validation.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")

    @torch.no_grad()
    def _swap(self) -> None:
        """Exchange the weights and their averages."""
        for weight, average in zip(self.weights, self.average):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)

    def _log(self, sums: dict[str, float], pace_s: float) -> None:
        config = self.config
        left_s = pace_s * (config.num_steps - self.step)
        parts = " ".join(f"{name} {value:.4f}" for name, value in sums.items())
        logger.info(
            "step %d/%d %s | %.2f s/step, %.0f min left",
            self.step, config.num_steps, parts, pace_s, left_s / 60,
        )  # fmt: skip


def clipped_step(
    optimizer: torch.optim.Optimizer, weights: Sequence[torch.Tensor], most: float, step: int
) -> float:
    """Update weights by their gradients and forget these; return the norm before it was clipped.

    A step whose gradient is not finite is skipped.

    Args:
        most: norm to which the gradient is clipped.
        step: its number, for the warning.
    """
    norm = torch.nn.utils.clip_grad_norm_(weights, most)
    norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of sharded weights
    if torch.isfinite(norm):
        optimizer.step()
    else:
        logger.warning("step %d skipped: its gradient is not finite", step)
    optimizer.zero_grad(set_to_none=True)
    return float(norm)


def write_checkpoint(folder: Path, state: dict) -> None:
    """Write what a run needs to continue; the old file stays until the new one is whole."""
    partial = folder / "checkpoint.part"
    torch.save(state, partial)
    os.replace(partial, folder / CHECKPOINT)


def read_checkpoint(folder: Path, device: str) -> dict | None:
    """Return what `write_checkpoint` wrote into a folder, or None where a run begins."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    return torch.load(path, weights_only=True, map_location=device)


def start_from(parts: Components, folder: Path) -> None:
    """Fill the networks that have a weight file in a folder; what no file has stays as it is.

    Raises:
        CheckpointError: a file of another class, or with tensors that do not fit.
    """
    for name, cls in part_classes().items():
        path = folder / f"{name}.safetensors"
        if path.is_file():
            found = load_module(cls, path).state_dict()
            module = getattr(parts, name)
            fresh = {key: value for key, value in module.state_dict().items() if key not in found}
            fill_module(module, {**found, **fresh}, str(path))
            logger.info("%s starts from %s, without %d tensors", name, path, len(fresh))


def with_weights(parts: Components, folder: Path) -> Components:
    """Return parts with the networks of a folder in the place of their own, whatever their sizes.

    Raises:
        CheckpointError: a file of another class, or damaged.
    """
    paths = {name: folder / f"{name}.safetensors" for name in part_classes()}
    found = {
        name: load_module(part_classes()[name], path)
        for name, path in paths.items()
        if path.is_file()
    }
    return replace(parts, **found)


def _attention_of(device_type: str):
    """Return the context in which attention over few tokens is fastest.

    On a CPU the fused kernel spends its time on setting up blocks: plain matrix products save a
    fifth of a step (1.20 against 0.98 s of CPU time at batch 32).
    """
    backend = SDPBackend.MATH if device_type == "cpu" else SDPBackend.FLASH_ATTENTION
    return sdpa_kernel([backend, SDPBackend.MATH])


def rate_at(step: int, config: TrainConfig) -> float:
    """Return the learning rate at a step as a share of `lr`: linear rise, then a cosine."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.num_steps - config.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return config.final_lr + (1 - config.final_lr) * cosine
