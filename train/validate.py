"""Measure a model on talkers it never heard: sampled motion against the truth, and prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.flow import add_noise, make_sigmas, step
from skyreels_avatar.loading.components import Components
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.config import DataConfig
from train.data.cache import Tracks, read_shards, real_track
from train.data.clips import load_grid
from train.data.simulate.chance import draw_noise
from train.data.simulate.performance import Direction
from train.data.simulate.style import Style
from train.data.windows import WindowBatch, act, cut_track, ease_from_photo, stack_windows
from train.objective import guided, predict, prepare

LAGS = range(-4, 5)


@dataclass(frozen=True)
class Sampling:
    """How windows are sampled.

    Attributes:
        guidance: scales of text and audio.
        one_pass: the transformer is told the guidance and the step, and does it itself.
    """

    num_steps: int = 8
    guidance: tuple[float, float] = (1.0, 1.0)
    one_pass: bool = False
    shift: float = 0.4
    use_control: bool = False


@torch.no_grad()
def sample_motion(
    parts: Components, batch: WindowBatch, sampling: Sampling, generator: torch.Generator
) -> torch.Tensor:
    """Return (B, F, 32) motion on the CPU, sampled as the pipeline samples one window."""
    prepared = prepare(parts, batch, sampling.use_control)
    device = prepared.clean.device
    noise = torch.randn(prepared.clean.shape, generator=generator).to(device)
    sigmas = make_sigmas(sampling.num_steps, sampling.shift).to(device)
    latents, cache = noise, ConditionCache()
    scales = torch.tensor(sampling.guidance, device=device).expand(len(latents), -1)
    for index in range(sampling.num_steps):
        sigma = sigmas[index].expand(len(latents))
        if sampling.one_pass:
            down = (sigmas[index] - sigmas[index + 1]).expand(len(latents), 1)
            told = torch.cat([scales, down], 1)
            velocity = predict(parts, prepared, latents, sigma, told, cache)
        elif sampling.guidance == (1.0, 1.0):
            velocity = predict(parts, prepared, latents, sigma)
        else:
            velocity = guided(parts, prepared, latents, sigma, scales)
        latents = step(latents, velocity, sigma, sigmas[index + 1].expand(len(latents)))
        given = add_noise(prepared.known, noise, sigmas[index + 1])
        latents = torch.lerp(latents, given, prepared.mask[:, :1])
    return parts.vae.unpack(latents).cpu()


class Validator:
    """Fixed windows of held-out voices and held-out GRID clips, and what a model makes of them."""

    def __init__(self, data: DataConfig, num_windows: int = 24):
        self.sets: dict[str, WindowBatch] = {}
        rng = np.random.default_rng(5)
        held_out = read_shards(Path(data.cache), "held-out")
        self.sets["voices"] = photo_batch(held_out, num_windows, data.num_frames, rng)
        if data.grid:
            clips = load_grid(Path(data.grid), 900, 1000)
            made = [real_track(clips, rng, degrade=False) for _ in range(num_windows)]
            tracks = Tracks(**{key: np.stack([t[key] for t in made]) for key in made[0]})
            self.sets["grid"] = photo_batch(tracks, num_windows, data.num_frames, rng)

    def __call__(self, parts: Components, sampling: Sampling | None = None) -> dict[str, float]:
        """Return named figures of a model."""
        sampling = sampling or Sampling()
        figures: dict[str, float] = {}
        for name, batch in self.sets.items():
            motion = sample_motion(parts, batch, sampling, torch.Generator().manual_seed(1))
            for key, value in mouth_figures(motion.numpy(), batch).items():
                figures[f"{name}_{key}"] = value
        figures.update(prompt_figures(parts, self.sets["voices"], sampling))
        return figures


def mouth_figures(motion: np.ndarray, batch: WindowBatch) -> dict[str, float]:
    """Return r and amplitude of the lip gap, best lag, closures hit and missed, quiet motion."""
    gap, true = motion[..., 0][:, 4:], batch.motion[..., 0].numpy()[:, 4:]
    lag_r = [_lagged(gap, true, lag) for lag in LAGS]
    shut = (true < 0.004) & (batch.active.numpy()[:, 4:] > 0.5)
    quiet = batch.active.numpy()[:, 4:] < 0.5
    return {
        "r": _lagged(gap, true, 0),
        "lag": float(LAGS[int(np.argmax(lag_r))]),
        "amplitude": float(gap.std() / (true.std() + 1e-9)),
        "closures": float((gap[shut] < 0.010).mean()) if shut.any() else float("nan"),
        "false_closures": float((gap[true > 0.03] < 0.010).mean()),
        "quiet_gap": float(gap[quiet].mean()) if quiet.any() else float("nan"),
        "speed_ratio": float(np.abs(np.diff(gap)).mean() / np.abs(np.diff(true)).mean()),
        "width_r": _pearson(motion[:, 4:, 2], batch.motion[:, 4:, 2].numpy()),
        "tuck_r": _pearson(motion[:, 4:, 6], batch.motion[:, 4:, 6].numpy()),
        "blinks_per_minute": _blinks_per_minute(motion[..., MOTION_INDEX["blink_r"]]),
    }


# prompt -> what must show: (number, how it is read, expected value)
PROMPTS: dict[str, tuple[str, str, float]] = {
    "a woman smiles and talks": ("smile", "late", 0.64),
    "a man is talking": ("smile", "late", 0.0),
    "he looks angry": ("furrow", "late", 0.76),
    "she is very sad": ("frown", "late", 0.75),
    "she looks surprised": ("brow_r", "late", 0.027),
    "nodding": ("pitch", "spread", 0.055),
    "a person shaking the head": ("yaw", "spread", 0.09),
    "looking left": ("gaze_x", "late", -0.13),
    "a man looks right": ("gaze_x", "late", 0.13),
    "eyes closed": ("blink_r", "late", 0.97),
}


def prompt_figures(parts: Components, base: WindowBatch, sampling: Sampling) -> dict[str, float]:
    """Return how strongly each of PROMPTS shows, as a share of what was asked (1 = fully)."""
    figures = {}
    for prompt, (name, reading, expected) in PROMPTS.items():
        count = 6
        batch = WindowBatch(
            **{
                key: value[:count] if key != "captions" else [prompt] * count
                for key, value in vars(base).items()
            }
        )
        motion = sample_motion(parts, batch, sampling, torch.Generator().manual_seed(2)).numpy()
        curve = motion[:, motion.shape[1] // 2 :, MOTION_INDEX[name]]
        value = curve.mean() if reading == "late" else (curve - curve.mean(1, keepdims=True)).std()
        key = f"prompt {prompt}"
        figures[key] = float(value / expected) if expected else float(value)
    return figures


def photo_batch(tracks: Tracks, count: int, num_frames: int, rng) -> WindowBatch:
    """Return neutral windows that start from a photo with its mouth shut."""
    windows = []
    for index in range(count):
        first = int(rng.integers(0, tracks.mel.shape[1] // 4 - num_frames))
        window = cut_track(tracks, index % len(tracks), first, num_frames)
        window["motion"] = act(window, Direction(), np.random.default_rng(index), style=Style())
        window["motion"][:, :8] = window["mouth"]
        ease_from_photo(window["motion"], np.zeros(32), (0.12, 0.25, 0.7, 0.5))
        window["known"] = np.eye(1 + (num_frames - 1) // 4)[0]
        window["apparent"], window["seen"] = np.zeros((num_frames, 32)), np.ones(num_frames)
        window["noise"] = draw_noise(num_frames, rng)
        windows.append(window)
    return stack_windows(windows, ["a person is talking"] * count)


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _lagged(made: np.ndarray, true: np.ndarray, lag: int) -> float:
    """Return Pearson r with `made` read `lag` frames later (positive: the mouth is late)."""
    reach = max(LAGS)
    length = made.shape[1]
    return _pearson(made[:, reach + lag : length - reach + lag], true[:, reach : length - reach])


def _blinks_per_minute(blink: np.ndarray) -> float:
    closed = blink > 0.5
    starts = (closed[:, 1:] & ~closed[:, :-1]).sum()
    return float(starts / (blink.size / 25 / 60))
