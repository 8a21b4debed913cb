"""Train the network that sees what stands before a face, on portraits with things drawn on."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.load import load_module, save_module
from skyreels_avatar.models.occluder import OccluderNet
from train.config import TrainConfig
from train.data.occlusion import OccludedFaces, face_crops
from train.data.simulate.portraits import load_portraits
from train.loop import read_checkpoint, write_checkpoint

logger = logging.getLogger(__name__)
NAME = "occluder.safetensors"
BARE_WEIGHT = 2.0  # of what is taken for an occluder and is none: it would freeze half a mouth
NUM_VALIDATION = 1024
LEAST_PX = 40  # of a mask: smaller ones count as nothing


def run(config: TrainConfig) -> None:
    """Train on the people under `data.portraits`; those kept out are for validation only."""
    if not config.data.portraits:
        raise InputError("give the folder of portraits: data.portraits=FOLDER")
    torch.set_num_threads(config.threads)
    folder = Path(config.run)
    faces = load_portraits(Path(config.data.portraits), Path(config.data.cache) / "portraits.npz")
    crops = face_crops(faces, folder / "crops.npz")
    held = OccludedFaces(crops.part(crops.kept_out), config.seed + 1, 1.0).batch(NUM_VALIDATION)
    torch.manual_seed(config.seed)  # after the crops, whose making draws numbers, too
    network = _network(config).to(config.device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.lr, weight_decay=config.weight_decay
    )
    step, passed_s = _resume(folder, network, average, optimizer, config)
    samples = OccludedFaces(crops.part(~crops.kept_out), config.seed)
    start, validated = time.monotonic() - passed_s, -1
    while step < config.num_steps and not _over(start, config):
        step += 1
        for group in optimizer.param_groups:
            group["lr"] = config.lr * _pace(step, config)
        loss = _train_step(network, optimizer, samples.batch(config.batch_size, step - 1), config)
        _follow(average, network, min(config.ema_decay, step / (step + 10)))
        if step % config.log_every == 0:
            logger.info("step %d, loss %.4f, %.0f s", step, loss, time.monotonic() - start)
        if step % config.save_every == 0:
            _save(folder, network, average, optimizer, step, time.monotonic() - start)
        if step % config.validate_every == 0:
            _report(average, held, step, folder)
            validated = step
    _save(folder, network, average, optimizer, step, time.monotonic() - start)
    if validated != step:
        _report(average, held, step, folder)


def _network(config: TrainConfig) -> OccluderNet:
    """Return a fresh network, or the one in `start_from`."""
    if not config.start_from:
        return OccluderNet()
    started = load_module(OccluderNet, Path(config.start_from) / NAME)
    return started.requires_grad_(True)


def _resume(
    folder: Path,
    network: OccluderNet,
    average: OccluderNet,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
) -> tuple[int, float]:
    """Return the steps taken and the seconds spent by the checkpoint in a folder, and load it."""
    state = read_checkpoint(folder, config.device)
    if state is None:
        return 0, 0.0
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    logger.info("continuing %s at step %d", folder, state["step"])
    return state["step"], state["passed_s"]


def _save(
    folder: Path,
    network: OccluderNet,
    average: OccluderNet,
    optimizer: torch.optim.Optimizer,
    step: int,
    passed_s: float,
) -> None:
    state = {
        "step": step,
        "passed_s": passed_s,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    write_checkpoint(folder, state)


def mask_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return cross entropy, heavier where nothing is, plus one minus the overlap (Dice)."""
    weights = 1 + (BARE_WEIGHT - 1) * (masks < 0.05)
    entropy = F.binary_cross_entropy_with_logits(logits, masks, weights)
    found = logits.sigmoid()
    both = (found * masks).sum((1, 2, 3))
    overlap = (2 * both + 50) / (found.sum((1, 2, 3)) + masks.sum((1, 2, 3)) + 50)
    return entropy + 0.3 * (1 - overlap).mean()


@torch.no_grad()
def validate(network: OccluderNet, faces: torch.Tensor, masks: torch.Tensor) -> dict[str, float]:
    """Return IoU at one half, and how often something is seen where nothing is, and missed.

    Args:
        faces, masks: of `OccludedFaces.batch`.
    """
    network.eval()
    found = torch.cat([network(part).sigmoid() for part in faces.split(64)]) > 0.5
    true = masks > 0.5
    size, found_size = true.sum((1, 2, 3)), found.sum((1, 2, 3))
    covered = size > LEAST_PX
    iou = (found & true).sum((1, 2, 3)) / (found | true).sum((1, 2, 3)).clamp_min(1)
    return {
        "iou": round(float(iou[covered].mean()), 4),
        "iou_p10": round(float(iou[covered].quantile(0.1)), 4),
        "missed": round(float((found_size[covered] < LEAST_PX).float().mean()), 4),
        "false_alarms": round(float((found_size[size == 0] > LEAST_PX).float().mean()), 4),
        "bare": int((size == 0).sum()),
        "covered": int(covered.sum()),
    }


def _train_step(
    network: OccluderNet,
    optimizer: torch.optim.Optimizer,
    batch: tuple[torch.Tensor, torch.Tensor],
    config: TrainConfig,
) -> float:
    network.train()
    faces, masks = (part.to(config.device) for part in batch)
    faces = faces.contiguous(memory_format=torch.channels_last)
    with torch.autocast(torch.device(config.device).type, torch.bfloat16, enabled=config.use_bf16):
        logits = network(faces)
    loss = mask_loss(logits.float(), masks)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    optimizer.step()
    return loss.item()


def _pace(step: int, config: TrainConfig) -> float:
    """Return the share of the learning rate: a linear rise, then a cosine to `final_lr`."""
    share = min(step / config.num_steps, 1)
    fall = config.final_lr + (1 - config.final_lr) * (1 + math.cos(math.pi * share)) / 2
    return min(1.0, step / config.warmup_steps) * fall


def _over(start: float, config: TrainConfig) -> bool:
    return bool(config.max_minutes) and time.monotonic() - start > 60 * config.max_minutes


@torch.no_grad()
def _follow(average: OccluderNet, network: OccluderNet, decay: float) -> None:
    """Move averaged weights and statistics towards those of the network."""
    for kept, tensor in zip(average.state_dict().values(), network.state_dict().values()):
        if kept.is_floating_point():
            kept.lerp_(tensor, 1 - decay)
        else:
            kept.copy_(tensor)


def _report(average: OccluderNet, held: tuple, step: int, folder: Path) -> None:
    """Validate the averaged weights and write them as the tier's file."""
    measured = {"step": step, **validate(average, *held)}
    logger.info("%s", measured)
    with (folder / "validation.jsonl").open("a") as file:
        file.write(json.dumps(measured) + "\n")
    save_module(average, folder / "export" / NAME)
