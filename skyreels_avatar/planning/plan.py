"""The plan of a request: how many frames its video has, and in which windows they are made."""

from __future__ import annotations

from skyreels_avatar.loading.parts import expected_format
from skyreels_avatar.loading.tiers import Tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.planning.keyframes import (
    Spacing,
    camera_travel,
    frame_loudness,
    with_keyframes,
)
from skyreels_avatar.planning.segments import ShotPlan, plan_shot
from skyreels_avatar.planning.storyboard import with_scheme
from skyreels_avatar.request.generation_request import GenerationRequest


def plan_request(request: GenerationRequest, audio: AudioTrack, tier: Tier) -> ShotPlan:
    """Return the plan of a shot: exact counts, and its windows as the request wants them.

    Args:
        audio: what the video plays, as long as the video.
    """
    vae = expected_format("vae", tier.weights.vae)
    factor = vae.time_factor
    windows = tier.fps, tier.window, tier.overlap, factor
    plan = plan_shot(audio.duration_s, request.fps, *windows)
    if request.windows == "overlap":
        return with_scheme(plan, tier, filmed=request.shot.video is not None)
    num_frames = plan.num_motion_frames
    loudness = frame_loudness(audio.samples, audio.sample_rate, num_frames, tier.fps)
    travel = camera_travel(request.shot.camera, num_frames, tier.fps)
    num_last = factor + 1 if vae.draws_pixels else factor  # of pixels, as many as are taken over
    spacing = Spacing.of(tier.window, tier.overlap, factor, num_last)
    return with_keyframes(plan, spacing, loudness, travel)
