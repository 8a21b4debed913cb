"""Hear a whole sound and make its motion, window by window, as the pipeline does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from skyreels_avatar.evaluation.sync import SyncScore, correlate, loudness_db
from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.parts import time_factor
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import Sampling, denoise
from skyreels_avatar.pipeline.noise import segment_generator
from skyreels_avatar.pipeline.shot_sound import ShotSound
from skyreels_avatar.pipeline.shoulders import raised_shoulders
from skyreels_avatar.pipeline.talker_style import FACTORS
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.spaces.known import known_mask
from skyreels_avatar.spaces.rig_decoder import known_latents


@dataclass(frozen=True)
class Rollout:
    """Motion (F, 32) of a whole sound, and how its lip gap goes with the loudness."""

    motion: np.ndarray
    sync: SyncScore


@torch.no_grad()
def roll_out(
    parts: Components,
    audio: AudioTrack,
    prompt: str = "a person is talking",
    sampling: Sampling | None = None,
    seed: int = 0,
    key: int = 0,
    style: torch.Tensor | None = None,
    blinks: float = 0.0,
    smile: float = 0.0,
) -> Rollout:
    """Return the motion of a still camera's shot at 25 fps, without control.

    Args:
        sampling: None = as the tier samples.
        key: of portrait and voice, as the pipeline's `noise_key`.
        style: (1, 5) of the talker; None = the median one.
        blinks, smile: how often the eyes shut and how much they smile, as `FaceRig.lean_noise`
            takes them.
    """
    tier = parts.tier
    if sampling is None:
        one_pass = parts.transformer.config.distilled
        sampling = Sampling.of(SamplingParams(), tier, one_pass)
    windows = tier.fps, tier.window, tier.overlap, time_factor(tier)
    plan = plan_shot(audio.duration_s, tier.fps, *windows)
    sound = ShotSound([audio], parts.audio_encoder, separate=True)
    prompt_embeds, null = parts.text_encoder([prompt, ""], style).split(1)
    glances = 0.0 if style is None else float(style[0, FACTORS.index("gaze")])
    known = parts.vae.pack(torch.zeros(1, 1, NUM_MOTION))
    motion = torch.zeros(0, NUM_MOTION)
    num_known = 1
    for segment in plan.segments:
        num_latents = plan.num_latent_frames(segment)
        beginning = torch.zeros(1, known.shape[1], num_latents, *known.shape[3:])
        beginning[:, :, : known.shape[2]] = known
        conditions = Conditions(
            prompt_embeds=prompt_embeds,
            negative_embeds=null,
            audio_embeds=sound.window(segment, num_latents),
            no_audio_embeds=sound.no_audio(num_latents),
            known_latents=beginning,
            known_mask=known_mask(num_latents, known.shape[2], *known.shape[3:]),
        )
        generator = segment_generator(seed, segment.index, key)
        noise = torch.randn(beginning.shape, generator=generator)
        noise = parts.vae.lean_noise(noise, blinks, glances, smile)
        latents = denoise(parts.transformer, None, conditions, sampling, noise)
        latents = parts.vae.blend_at_joins(parts.vae.smooth(latents, num_known), num_known)
        num_known = tier.overlap
        made = parts.vae.unpack(latents)[0]
        start, stop = segment.keep
        motion = torch.cat([motion, made[start - segment.first_frame : stop - segment.first_frame]])
        known = known_latents(parts.vae, latents, tier.overlap)
    motion[:, MOTION_INDEX["breath"]] += raised_shoulders(audio, plan, prompt, (seed, key))
    curve = motion[: plan.num_frames].numpy()
    loudness = loudness_db(audio.samples, audio.sample_rate, len(curve), tier.fps)
    return Rollout(curve, correlate(curve[:, 0].clip(0), loudness, tier.fps))
