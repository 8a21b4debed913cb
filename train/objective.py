"""The loss: flow matching on motion latents, the clean mouth, its speed, and visemes.

Source: rectified flow (arXiv 2209.03003) for the velocity; the rest is ours: a mouth is a few of
many numbers and must be right at once, so the clean estimate is compared as well (nano.md).
Motion latents have a standard deviation of about 0.35 (unit: half of each number's range), so
noise levels are drawn with a shift below 1: it puts them where such small data is half noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from skyreels_avatar.flow import add_noise, clean_from_velocity, velocity
from skyreels_avatar.loading.components import Components
from skyreels_avatar.models.audio_encoder import audio_windows
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.rig.coefficients import (
    GROUP_SIZE,
    MOTION_SCALE,
    NUM_GROUPS,
    NUM_MOTION,
)
from skyreels_avatar.rig.packing import TIME_FACTOR, pack
from skyreels_avatar.rig.smoothing import LIDS
from skyreels_avatar.spaces.known import control_latents
from train.config import LossConfig
from train.data.windows import BESIDE, WindowBatch

LATENT_STD = 0.35
_MOUTH_GROUP = 0
_SETTLED_SIGMA = 0.35
_JOIN_WEIGHT = 4.0
_PAUSE_WEIGHT = 2.5  # of a mouth that ought to be still
_FIRST_SMOOTH = 10  # after the mouth and the blinks
SHUT_WEIGHT = 3.0  # of shut lips in speech: few frames, and seen at once when missed
SHUT_BELOW = 0.004  # / H
_SHUT_FLOW_SHARE = 0.5  # of that excess, in the flow: lips that may be shut or not are, more often
# lip_gap, jaw_drop, width, pucker, upper_raise, press, tuck, tongue
MOUTH_WEIGHTS = torch.tensor([3.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5])


@dataclass(frozen=True)
class Prepared:
    """A batch as the networks see it: clean (B, 32, T, 1, 4), known and mask as conditions."""

    clean: torch.Tensor
    known: torch.Tensor
    mask: torch.Tensor
    audio_embeds: torch.Tensor
    prompt_embeds: torch.Tensor
    style: torch.Tensor
    visemes: torch.Tensor
    control: torch.Tensor | None


def prepare(parts: Components, batch: WindowBatch, use_control: bool) -> Prepared:
    """Encode sound, words and known frames of a batch, on the device of the networks."""
    batch = batch.to(parts.vae.motion_std.device)
    clean = parts.vae.pack(batch.motion)
    num_latent_frames = clean.shape[2]
    mask = batch.known[:, None, :, None, None].expand(-1, 4, -1, 1, clean.shape[4])
    tokens = parts.audio_encoder(batch.mel)
    control = None
    if use_control:
        apparent = parts.vae.pack(batch.apparent)
        control = torch.cat(
            [control_latents(latents[None], seen) for latents, seen in zip(apparent, batch.seen)]
        )
    return Prepared(
        clean=clean,
        known=clean * mask[:, :1],
        mask=mask,
        audio_embeds=audio_windows(tokens, BESIDE, num_latent_frames),
        prompt_embeds=parts.text_encoder(batch.captions, batch.style),
        style=batch.style,
        visemes=parts.audio_encoder.viseme_head(tokens),
        control=control,
    )


def predict(
    parts: Components,
    prepared: Prepared,
    noisy: torch.Tensor,
    sigma: torch.Tensor,
    sampling: torch.Tensor | None = None,
    cache: ConditionCache | None = None,
) -> torch.Tensor:
    """Return the velocity (B, 32, T, 1, 4) for noisy latents at sigma (B,).

    Args:
        sampling: (B, 3) of which a distilled transformer is told.
        cache: of these windows, over the steps of a sampler.
    """
    hidden_states = torch.cat([noisy, prepared.mask, prepared.known], dim=1)
    timestep = 1000.0 * sigma
    residuals = None
    if prepared.control is not None:
        residuals = parts.controlnet(hidden_states, prepared.control, timestep)
    return parts.transformer(
        hidden_states=hidden_states,
        timestep=timestep,
        encoder_hidden_states=prepared.prompt_embeds,
        audio_embeds=prepared.audio_embeds,
        control_residuals=residuals,
        sampling=sampling,
        cache=cache,
    )


def guided(
    parts: Components,
    prepared: Prepared,
    noisy: torch.Tensor,
    sigma: torch.Tensor,
    guidance: torch.Tensor,
) -> torch.Tensor:
    """Return the velocity guided by (B, 2) scales of text and audio, in three passes.

    The formula is that of `pipeline.denoise`; what is not wanted is the empty prompt.
    """
    empty = parts.text_encoder([""], prepared.style).expand_as(prepared.prompt_embeds)
    no_text = replace(prepared, prompt_embeds=empty)
    neither = replace(no_text, audio_embeds=torch.zeros_like(prepared.audio_embeds))
    full, unprompted, unheard = (
        predict(parts, some, noisy, sigma) for some in (prepared, no_text, neither)
    )
    text, audio = guidance[:, :, None, None, None, None].unbind(1)
    return unheard + audio * (unprompted - unheard) + text * (full - unprompted)


def loss_parts(
    parts: Components,
    batch: WindowBatch,
    loss: LossConfig,
    generator: torch.Generator,
    use_control: bool = False,
    text_head: torch.nn.Module | None = None,
) -> dict[str, torch.Tensor]:
    """Return the named parts of the loss; "loss" is their weighted sum.

    Args:
        text_head: of `make_text_head`, where the text encoder learns.
    """
    prepared = prepare(parts, batch, use_control)
    batch_size, device = prepared.clean.shape[0], prepared.clean.device
    batch = batch.to(device)
    heard = (torch.rand(batch_size, generator=generator) >= loss.audio_dropout).to(device)
    prepared = replace(prepared, audio_embeds=prepared.audio_embeds * heard[:, None, None, None])

    # Drawn on the CPU, so that a run depends on its seed and not on the device.
    sigma = draw_sigmas(batch_size, loss.sigma_shift, generator).to(device)
    noise = batch.noise.to(prepared.clean)
    noisy = add_noise(prepared.clean, noise, sigma)
    predicted = predict(parts, prepared, noisy, sigma).float()

    unknown = (1 - prepared.mask[:, :1]).expand_as(predicted)
    error = (predicted - velocity(prepared.clean, noise)).square()
    weights = latent_weights((LIDS, loss.lids)).to(device) + _shut_latents(batch)
    flow = _mean(error, unknown * weights)
    # What is known is given to the sampler as it is: continuity is measured against that.
    estimate = clean_from_velocity(noisy, predicted, sigma)
    estimate = torch.lerp(estimate, prepared.clean, prepared.mask[:, :1])
    mouth, speed = _mouth_terms(parts, estimate, batch, prepared.mask)
    visemes = _viseme_term(prepared.visemes, batch)
    smooth = _smooth_term(parts, estimate, batch, prepared.mask, sigma)
    losses = {"flow": flow, "mouth": mouth, "speed": speed, "smooth": smooth, "viseme": visemes}
    total = flow + loss.mouth * mouth + loss.speed * speed + loss.smooth * smooth
    total = total + loss.viseme * visemes
    if text_head is not None:
        losses["text"] = _text_term(text_head, prepared.prompt_embeds, batch)
        total = total + loss.text * losses["text"]
    return {"loss": total, **losses}


def latent_weights(*groups: tuple[slice, float]) -> torch.Tensor:
    """Return (1, 32, 1, 1, 4): weights of motion numbers in latents of four frames, else 1."""
    weights = torch.ones(NUM_MOTION)
    for numbers, weight in groups:
        weights[numbers] = weight
    latents = weights.unflatten(0, (NUM_GROUPS, GROUP_SIZE)).T  # 8 G
    return latents[None, None].expand(1, TIME_FACTOR, -1, -1).flatten(1, 2)[:, :, None, None]


def draw_sigmas(count: int, shift: float, generator: torch.Generator) -> torch.Tensor:
    """Return (count,) noise levels, evenly spread and then shifted."""
    level = torch.rand(count, generator=generator)
    return shift * level / (1 + (shift - 1) * level)


def make_text_head(text_dim: int) -> torch.nn.Module:
    """Return a head that reads the performance from text tokens; only training uses it.

    It gives the mean and the spread of the 24 numbers besides the mouth over the later half of a
    window. Without it the text encoder starts to learn only after thousands of steps.
    """
    head = torch.nn.Linear(text_dim, 2 * 24)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return head


def shut_weights(gap: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
    """Return (B, F) weights of the lip gap (B, F): more where lips are shut in speech."""
    return 1 + (SHUT_WEIGHT - 1) * (gap < SHUT_BELOW) * active


def _shut_latents(batch: WindowBatch) -> torch.Tensor:
    """Return (B, 32, T, 1, 4): what the flow of the lip gap weighs more where lips are shut."""
    more = torch.zeros_like(batch.motion)
    more[..., 0] = _SHUT_FLOW_SHARE * (shut_weights(batch.motion[..., 0], batch.active) - 1)
    return pack(more)


def _text_term(text_head, prompt_embeds, batch) -> torch.Tensor:
    late = batch.motion[:, batch.motion.shape[1] // 2 :, 8:]
    late = late / _spread(late)[8:]
    true = torch.cat([late.mean(1), 2 * late.std(1)], dim=1)
    return F.smooth_l1_loss(text_head(prompt_embeds.mean(1)).float(), true)


def _mouth_terms(parts, estimate, batch, mask) -> tuple[torch.Tensor, torch.Tensor]:
    """Return smooth L1 of the mouth coefficients and of their change from frame to frame."""
    scale = _spread(estimate)[:8]
    made = parts.vae.unpack(estimate)[..., :8] / scale
    true = batch.motion[..., :8] / scale
    phases = 1 - mask[:, :, :, 0, _MOUTH_GROUP]  # (B, 4, T)
    unknown = phases.transpose(1, 2).flatten(1)[:, 3:, None]
    pauses = 1 + (_PAUSE_WEIGHT - 1) * (1 - batch.active[..., None])
    unknown = unknown * pauses * MOUTH_WEIGHTS.to(mask.device)  # (B, F, 8)
    unknown[..., 0] *= shut_weights(batch.motion[..., 0], batch.active)
    position = F.smooth_l1_loss(made, true, reduction="none", beta=0.5)
    change = F.smooth_l1_loss(made.diff(dim=1), true.diff(dim=1), reduction="none", beta=0.5)
    return _mean(position, unknown), _mean(change, unknown[:, 1:])


def _smooth_term(parts, estimate, batch, mask, sigma) -> torch.Tensor:
    """Return L1 of the second difference of all that should move smoothly (no mouth, no blinks).

    Sampled motion otherwise keeps a floor of noise, 0.015 of each scale, which shows as a shiver.
    Only little noise counts: where the phase of a nod is still open, L1 would draw it to no nod.
    """
    scale = _spread(estimate)[_FIRST_SMOOTH:]
    made = parts.vae.unpack(estimate)[..., _FIRST_SMOOTH:] / scale
    true = batch.motion[..., _FIRST_SMOOTH:] / scale
    error = (made.diff(n=2, dim=1) - true.diff(n=2, dim=1)).abs()
    unknown = (1 - mask[:, :, :, 0, 0]).transpose(1, 2).flatten(1)[:, 3:, None]
    settled = (sigma < _SETTLED_SIGMA).float()[:, None, None]
    # Where a window goes on from what is known, any step is a jerk in the film.
    joins = unknown[:, 2:] * (1 - unknown[:, :-2])
    weights = settled * unknown[:, 2:] * (1 + _JOIN_WEIGHT * joins)
    return _mean(error, weights.expand_as(error))


def _viseme_term(visemes: torch.Tensor, batch: WindowBatch) -> torch.Tensor:
    scale = torch.tensor(MOTION_SCALE, device=visemes.device)[:8]
    num_frames = batch.motion.shape[1]
    heard = visemes[:, BESIDE : BESIDE + num_frames].float()
    error = F.smooth_l1_loss(heard, batch.motion[..., :8] / scale, reduction="none", beta=0.2)
    weights = MOUTH_WEIGHTS.to(error.device).repeat(*error.shape[:2], 1)
    weights[..., 0] *= shut_weights(batch.motion[..., 0], batch.active)
    return (error * weights).mean()


def _spread(like: torch.Tensor) -> torch.Tensor:
    """Return (32,) the usual standard deviation of each motion number, on the device of `like`."""
    return torch.tensor(MOTION_SCALE, device=like.device) * LATENT_STD


def _mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1.0)
