"""Windows of 1 + 4k frames: a track, a direction, a performance, a caption, and what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from skyreels_avatar.models.audio_encoder import SILENCE
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.data.cache import MEL_PER_FRAME, TRACK_FRAMES, Tracks
from train.data.simulate.articulation import FPS
from train.data.simulate.camera_motion import follow_camera, plan_apparent_motion
from train.data.simulate.captions import caption
from train.data.simulate.chance import draw_noise
from train.data.simulate.other_take import perform_over
from train.data.simulate.performance import (
    Direction,
    draw_direction,
    mouth_strength,
    perform,
    rest_gap,
)
from train.data.simulate.style import Style, draw_style

BESIDE = 16  # frames of sound on either side of a window: audio window + context of the encoder
KNOWN_MODES = ("photo", "overlap", "ends", "none")
_KNOWN_SHARES = (0.37, 0.37, 0.10, 0.16)
OVERLAP_LATENTS = 3
# Lips aim beyond where they meet (Lofqvist and Gracco, J. Acoust. Soc. Am. 101, 1997): a closure
# that is sampled not quite right is one all the same. The decoder takes what is below 0 as 0.
PRESSED_GAP = -0.010  # / H
_FULL_PRESS = 0.6


@dataclass(frozen=True)
class WindowBatch:
    """B windows of F frames, T = 1 + (F - 1) / 4 latent frames.

    Args:
        mel: (B, 4 (F + 2 BESIDE), 80): sound with BESIDE frames on either side.
        motion: (B, F, 32) rig coefficients.
        known: (B, T) float, 1 where the latent frame is given.
        captions: B prompts, "" where dropped.
        apparent: (B, F, 32) motion that the reference video shows: of the head as a moving camera
            sees it, of the whole face where the video already talks, zeros for a still picture.
        seen: (B, F) share of the reference video that is real.
        active: (B, F) 1 where someone speaks.
        style: (B, 5) `Style.numbers` of the talker.
        noise: (B, 32, T, 1, 4) normal, which decided blinks and glances: see simulate/chance.py.
    """

    mel: torch.Tensor
    motion: torch.Tensor
    known: torch.Tensor
    captions: list[str]
    apparent: torch.Tensor
    seen: torch.Tensor
    active: torch.Tensor
    style: torch.Tensor
    noise: torch.Tensor

    def to(self, device: torch.device) -> WindowBatch:
        """Return the same windows with their tensors on a device."""
        moved = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), torch.Tensor)
        }
        return replace(self, **moved)

    def rows(self, rows: list[int]) -> WindowBatch:
        """Return some of the windows, each as often as it is named."""
        taken = {
            field.name: value[rows]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), torch.Tensor)
        }
        return WindowBatch(captions=[self.captions[row] for row in rows], **taken)


@dataclass(frozen=True)
class WindowOptions:
    """How windows are drawn: frames, and shares of tracks, moving cameras, talking references."""

    num_frames: int = 49
    real_share: float = 0.3
    natural_share: float = 0.0
    camera_share: float = 0.0
    retalk_share: float = 0.0
    silence_share: float = 0.04
    turn_share: float = 0.3  # of windows that go on: what is known was asked for otherwise


class WindowSampler:
    """Draw batches of windows from simulated, real and natural tracks.

    Args:
        synthetic: what is drawn where the shares leave room; other takes are of it, too.
        real: recordings with measured lips, `natural`: natural voices with simulated ones.
    """

    def __init__(
        self,
        synthetic: Tracks,
        real: Tracks | None,
        options: WindowOptions,
        natural: Tracks | None = None,
    ):
        self.synthetic, self.real, self.options = synthetic, real, options
        self.natural = natural

    def batch(self, batch_size: int, rng: np.random.Generator) -> WindowBatch:
        """Return `batch_size` random windows."""
        windows = [self._window(rng) for _ in range(batch_size)]
        return stack_windows(windows, [window["caption"] for window in windows])

    def _window(self, rng: np.random.Generator) -> dict:
        options = self.options
        tracks = self._draw_tracks(rng)
        index = int(rng.integers(len(tracks)))
        first = int(rng.integers(0, TRACK_FRAMES - options.num_frames + 1))
        if rng.random() < 0.15:
            first = 0  # videos often start in mid-speech
        direction = draw_direction(rng)
        window = cut_track(tracks, index, first, options.num_frames)
        if rng.random() < options.silence_share:
            window["mel"][:] = SILENCE
            for key in ("mouth", "stress", "active"):
                window[key][:] = 0
        mode = str(rng.choice(KNOWN_MODES, p=_KNOWN_SHARES))
        style = draw_style(rng)
        window["style"] = style.numbers()
        window["noise"] = draw_noise(options.num_frames, rng)
        noise = window["noise"]
        window["motion"] = act(window, direction, rng, mode == "photo", style, noise)
        if mode == "overlap" and rng.random() < options.turn_share:
            before = act(window, draw_direction(rng), rng, style=style, noise=noise)
            turn_from(window["motion"], before, rng)
        self._set_known(window, mode, rng)
        self._set_reference(window, mode, rng)
        window["caption"] = _dropped(direction, rng)
        return window

    def _draw_tracks(self, rng: np.random.Generator) -> Tracks:
        """Return the tracks that a window is cut from, by the shares."""
        if self.real is not None and rng.random() < self.options.real_share:
            return self.real
        natural = self.options.natural_share / max(1 - self.options.real_share, 1e-6)
        if self.natural is not None and rng.random() < natural:
            return self.natural
        return self.synthetic

    def _set_known(self, window: dict, mode: str, rng: np.random.Generator) -> None:
        """Say which latent frames are given, and start from a photo where only one is."""
        known = np.zeros(1 + (self.options.num_frames - 1) // 4)
        if mode == "photo":
            known[0] = 1
            start_from_photo(window, rng)
        elif mode == "overlap":
            known[:OVERLAP_LATENTS] = 1
        elif mode == "ends":
            known[0] = known[-1] = 1
            if rng.random() < 0.5:
                known[:OVERLAP_LATENTS] = 1
        window["known"] = known
        # What is known was sampled before: the noise that is laid over it has not decided it.
        given = np.flatnonzero(known)
        window["noise"][:, given] = rng.standard_normal((32, len(given), 1, 4))

    def _set_reference(self, window: dict, mode: str, rng: np.random.Generator) -> None:
        """Say what the reference video shows, and let the performance answer it."""
        options = self.options
        window["apparent"] = np.zeros((options.num_frames, 32))
        window["seen"] = np.ones(options.num_frames)
        kind = rng.random()
        if kind < options.camera_share:
            window["apparent"], window["seen"] = plan_apparent_motion(options.num_frames, rng)
            window["motion"] = follow_camera(window["motion"], window["apparent"])
        elif kind < options.camera_share + options.retalk_share:
            window["apparent"] = self._other_take(rng)
            window["motion"] = perform_over(window["motion"])
            if mode == "photo":  # the first frame of the video as it is
                start_from_source(window, rng)

    def _other_take(self, rng: np.random.Generator) -> np.ndarray:
        """Return (F, 32): how the same person moves while saying something else."""
        index = int(rng.integers(len(self.synthetic)))
        first = int(rng.integers(0, TRACK_FRAMES - self.options.num_frames + 1))
        take = cut_track(self.synthetic, index, first, self.options.num_frames)
        return act(take, draw_direction(rng), rng)


def stack_windows(windows: list[dict], captions: list[str]) -> WindowBatch:
    """Return windows of equal length as one batch."""
    keys = [field.name for field in fields(WindowBatch) if field.name != "captions"]
    arrays = {key: np.stack([window[key] for window in windows]) for key in keys}
    tensors = {key: torch.from_numpy(array.astype(np.float32)) for key, array in arrays.items()}
    return WindowBatch(captions=captions, **tensors)


def cut_track(tracks: Tracks, index: int, first: int, num_frames: int) -> dict[str, np.ndarray]:
    """Return copies of a window of a track; its sound reaches BESIDE frames beyond."""
    mel = np.full((MEL_PER_FRAME * (num_frames + 2 * BESIDE), 80), SILENCE, np.float32)
    start, stop = first - BESIDE, first + num_frames + BESIDE
    inside = slice(max(start, 0), min(stop, TRACK_FRAMES))
    offset = MEL_PER_FRAME * (inside.start - start)
    piece = tracks.mel[index, MEL_PER_FRAME * inside.start : MEL_PER_FRAME * inside.stop]
    mel[offset : offset + len(piece)] = piece
    window = {
        key: getattr(tracks, key)[index, first : first + num_frames].astype(np.float64)
        for key in ("mouth", "stress", "active")
    }
    return {"mel": mel, "style": np.zeros(5), **window}


def act(
    window: dict,
    direction: Direction,
    rng: np.random.Generator,
    from_start: bool = False,
    style: Style | None = None,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """Return (F, 32): the mouth of a window and a performance of the direction to go with it.

    Args:
        style: of the talker; None = drawn.
        noise: (32, T, 1, 4) that decides blinks and glances; None = drawn.
    """
    style = style or draw_style(rng)
    stress, active = window["stress"], window["active"]
    motion = perform(direction, stress, active, rng, from_start, style, noise)
    motion = motion.astype(np.float64)
    mouth = window["mouth"].copy()
    strength = mouth_strength(direction) * style.mouth
    mouth[:, [0, 1, 4]] *= strength
    mouth[:, [2, 3]] *= min(strength, 1.4)
    mouth[:, 3] = mouth[:, 3].clip(0, 1)
    parted = rng.uniform(0.004, 0.03) if rng.random() < 0.12 else 0.0
    parted = max(parted, rest_gap(direction))
    if parted:
        hold_open(mouth, window["active"], parted)
    press_lips(mouth)
    rounded = 1 - 0.5 * mouth[:, 3].clip(0, 1)  # rounding undoes a smile
    motion[:, MOTION_INDEX["smile"]] *= rounded
    motion[:, :8] = mouth
    return motion


def hold_open(mouth: np.ndarray, active: np.ndarray, rest_gap: float) -> None:
    """Let lips part by `rest_gap` (of H) where nobody speaks, in place; closures stay shut."""
    quiet = 1 - gaussian_filter1d(active, 2.0, mode="nearest").clip(0, 1)
    mouth[:, 0] = np.where(quiet > 0.1, np.maximum(mouth[:, 0], rest_gap * quiet), mouth[:, 0])
    mouth[:, 5] *= 1 - quiet


def press_lips(mouth: np.ndarray) -> None:
    """Lower the lip gap below 0 where (F, 8) lips are pressed together, in place."""
    mouth[:, 0] += PRESSED_GAP * (mouth[:, 5] / _FULL_PRESS).clip(0, 1)


def start_from_photo(window: dict, rng: np.random.Generator) -> None:
    """Make frame 0 what a photo shows: all numbers 0, but perhaps an open mouth, and ease away."""
    motion, photo = window["motion"], np.zeros(32)
    if rng.random() < 0.4:
        photo[0] = rng.uniform(0.003, 0.06)
        hold_open(motion[:, :8], window["active"], photo[0] * rng.uniform(0.3, 0.9))
    spans_s = [(0.09, 0.16), (0.15, 0.4), (0.5, 0.9), (0.35, 0.8)]
    ease_from_photo(motion, photo, [rng.uniform(low, high) for low, high in spans_s])


def start_from_source(window: dict, rng: np.random.Generator) -> None:
    """Make frame 0 the reference video's own, with its mouth, and ease away."""
    photo = np.zeros(32)
    photo[:8] = window["apparent"][0, :8]
    spans_s = [(0.09, 0.2), (0.15, 0.4), (0.5, 0.9), (0.35, 0.8)]
    ease_from_photo(window["motion"], photo, [rng.uniform(low, high) for low, high in spans_s])


def ease_from_photo(motion: np.ndarray, photo: np.ndarray, seconds: Sequence[float]) -> None:
    """Start at `photo` (32,) and be free of it after so many seconds, per group; in place."""
    share = np.arange(len(motion))[:, None] / FPS / np.repeat(np.asarray(seconds), 8)
    share = np.clip(share, 0, 1)
    motion[:] = photo + share * share * (3 - 2 * share) * (motion - photo)


def turn_from(motion: np.ndarray, before: np.ndarray, rng: np.random.Generator) -> None:
    """Let (F, 32) motion begin as `before` and change over after the known frames; in place.

    So a prompt that changes in mid-speech is answered. The mouth, which says the same, changes
    with the rest.
    """
    first = 4 * (OVERLAP_LATENTS - 1) + 1
    span = rng.uniform(0.35, 0.9) * FPS
    share = np.clip((np.arange(len(motion))[:, None] - first + 1) / span, 0, 1)
    motion[:] = before + share * share * (3 - 2 * share) * (motion - before)


def _dropped(direction: Direction, rng: np.random.Generator) -> str:
    """Return a caption, or "" for about 15 %; half of those ask for nothing anyway."""
    share = 0.32 if direction == Direction() else 0.10
    return "" if rng.random() < share else caption(direction, rng)
