"""The motion of a stream: windows over a plan that grows, sampled as those of a shot are.

Each window knows the last frames that were made, hears as far as sound has come, and of what it
makes only the next few frames are kept: the rest is made again when more was heard. The noise of a
frame belongs to its place in the stream, so overlapping windows agree on what comes next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from skyreels_avatar.live.scene import LiveScene
from skyreels_avatar.live.timeline import Timeline
from skyreels_avatar.loading.components import Components
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import Sampling, denoise
from skyreels_avatar.pipeline.noise import segment_generator
from skyreels_avatar.pipeline.talker_style import FACTORS, style_numbers
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.rig.coefficients import GROUP_SIZE, MOTION_INDEX
from skyreels_avatar.rig.geometry import smoothstep
from skyreels_avatar.rig.secondary_motion import HEAD
from skyreels_avatar.rig.smoothing import FIRST_STEADY
from skyreels_avatar.shapes import TIME_FACTOR, latent_frames
from skyreels_avatar.spaces.known import control_latents, known_mask

WINDOW = 33  # frames; the shortest that shots are made of
HOP = TIME_FACTOR  # frames that are kept of a window
# Frames of sound beyond the one that is shown. Of 133 frames of three voices in which lips are shut
# with 16 of them 98 % stay so (within a frame) with 7 as with 6.
LOOKAHEAD = 6
_OVERLAP = 9
_BEYOND = 12  # frames beyond what has come that are heard as silence; further ones repeat them
# Of a distilled network: as good as four (closures 0.78 and 0.77 of 91), and half as long.
_STEPS = 2
_CLOSING, _CLOSED = 2, 12  # frames in which a mouth that is interrupted closes; and stays closed
# Frames in which two thirds of what eyes and head have wandered are gone: joined from window to
# window they would find no way back, and eyes looked past the camera for half of the time.
_GAZE_RETURNS, _HEAD_RETURNS = 20.0, 60.0
_AGREED = 12  # frames in which the plan of a window gives way to that of the next
# Of a spread of talkers. Who does not know what comes opens the mouth less: its range is 0.120 H,
# with this 0.129, and 0.137 in a shot.
_MOUTH_WIDER = 0.35
_MOUTH = slice(0, GROUP_SIZE)
_GAZE = slice(MOTION_INDEX["gaze_x"], MOTION_INDEX["gaze_y"] + 1)


@dataclass(frozen=True)
class Direction:
    """How somebody performs: the words, and what kind of talker."""

    prompt: str = ""
    style: str = "natural"
    expressiveness: float = 100.0


@dataclass(frozen=True)
class Span:
    """Latents (1, 32, T, 1, 4) of some frames of the stream, and which is their first."""

    latents: torch.Tensor
    first: int


class Performer:
    """Makes rig coefficients as sound comes.

    Args:
        components: of a tier whose latents are rig coefficients.
        photo: (1, 32) coefficients that leave the picture as it is.
        seed, key: of the noise.
    """

    def __init__(self, components: Components, photo: torch.Tensor, seed: int, key: int):
        self._parts, self._seed, self._key = components, seed, key
        one_pass = components.transformer.config.distilled
        steps = SamplingParams(num_inference_steps=_STEPS if one_pass else None)
        self._sampling = Sampling.of(steps, components.tier, one_pass)
        self._motion, self._start = photo, 0  # of the last frames, the first of which is _start
        self._span = Span(self._pack(photo), 0)
        self._planned: torch.Tensor | None = None  # of the frames after those that are made
        self._closing_from: int | None = None
        self.direct(Direction())

    @property
    def made(self) -> int:
        """How many frames are made."""
        return self._start + len(self._motion)

    def direct(self, direction: Direction) -> None:
        """Perform otherwise, from the next window on."""
        talker = direction.style, direction.expressiveness, self._seed, self._key
        encoder = self._parts.text_encoder
        numbers = style_numbers(*talker).to(self._parts.device)
        numbers[:, FACTORS.index("mouth")] += _MOUTH_WIDER
        self._blinks = float(numbers[0, FACTORS.index("blink")])
        self._prompt, self._no_prompt = encoder([direction.prompt, ""], numbers).split(1)

    def interrupt(self, shown: int) -> None:
        """Close the mouth from the frame after `shown` on, whatever was made beyond it.

        The frames that the last window made stay as they are but for the mouth: to sample them
        again would take as long as the mouth has time.
        """
        self._closing_from, first = shown + 1, self._span.first
        if first > shown:  # made before the last window
            keep = min(shown + 1 - self._start, len(self._motion))
            self._motion, self._planned = self._motion[: max(keep, 1)], None
            self._closing_from = self.made
            return
        motion = self._parts.vae.unpack(self._span.latents)[0].clone()
        self._close_mouth(motion, first)
        self._span = Span(self._pack(motion), first)
        keep = max(first, self._start)
        self._motion[keep - self._start :] = motion[keep - first : self.made - first]

    def span(self, position: float, timeline: Timeline, scene: LiveScene) -> Span:
        """Return latents that hold the frames round a position, sampled if they have to be.

        Args:
            scene: where the camera is from now on.
        """
        while self.made <= math.ceil(position):
            self._extend(timeline, scene)
        return self._span

    def _extend(self, timeline: Timeline, scene: LiveScene) -> None:
        known = 1 + TIME_FACTOR * ((min(_OVERLAP, len(self._motion)) - 1) // TIME_FACTOR)
        first, vae = self.made - known, self._parts.vae
        num_latents = latent_frames(WINDOW, TIME_FACTOR)
        given = self._pack(self._motion[-known:])
        known_latents = torch.zeros(*given.shape[:2], num_latents, *given.shape[3:])
        known_latents[:, :, : given.shape[2]] = given
        sound = self._parts.audio_encoder.encode_sound(timeline.heard(_BEYOND))
        conditions = Conditions(
            prompt_embeds=self._prompt,
            negative_embeds=self._no_prompt,
            audio_embeds=sound.tokens(first, num_latents),
            no_audio_embeds=sound.no_audio(num_latents),
            known_latents=known_latents,
            known_mask=known_mask(num_latents, given.shape[2], *given.shape[3:]),
            control_latents=self._control(scene, first),
        ).to(self._parts.device, self._parts.dtype)
        noise = torch.cat([self._noise(first // HOP + i, given) for i in range(num_latents)], 2)
        noise = vae.lean_noise(noise, self._blinks)
        networks = self._parts.transformer, self._parts.controlnet
        latents = denoise(*networks, conditions, self._sampling, noise).float()
        latents = vae.blend_at_joins(vae.smooth(latents, known), known)
        motion = vae.unpack(latents)[0].clone()
        self._agree(motion, known)
        if self._closing_from is not None:
            self._close_mouth(motion, first)
        self._span = Span(self._pack(motion), first)
        self._motion = torch.cat([self._motion, motion[known : known + HOP]])[-2 * WINDOW :]
        self._start = first + known + HOP - len(self._motion)

    def _agree(self, motion: torch.Tensor, known: int) -> None:
        """Let what moves slowly go over from the plan of the window before, in place.

        Each window joins the frames before it, and none is kept long enough to come to its own
        level: heads and eyes would wander twice as far as in a shot. Both return slowly, too.
        """
        new, planned = motion[known:], self._planned
        away = torch.arange(1, len(new) + 1)[:, None]
        new[:, _GAZE] *= torch.exp(-away / _GAZE_RETURNS)
        new[:, HEAD] *= torch.exp(-away / _HEAD_RETURNS)
        if planned is not None:
            count = len(planned)
            share = smoothstep(0.0, _AGREED, torch.arange(count) + 1.0)[:, None]
            steady = new[:count, FIRST_STEADY:]
            steady.copy_(torch.lerp(planned[:, FIRST_STEADY:], steady, share))
        self._planned = new[HOP:].clone()

    def _close_mouth(self, motion: torch.Tensor, first: int) -> None:
        """Close the mouth where it was told to; some frames later it is free again. In place."""
        at = torch.arange(first, first + len(motion)) - self._closing_from + 1
        share = smoothstep(0.0, _CLOSING, at) * smoothstep(_CLOSED + 8, _CLOSED, at)
        motion[:, _MOUTH] *= (1 - share)[:, None]
        if first - self._closing_from > _CLOSED + 8:
            self._closing_from = None

    def _control(self, scene: LiveScene, first: int) -> torch.Tensor | None:
        """Return the control latents of a window; None while the camera rests."""
        apparent = scene.apparent_motion(range(first, first + WINDOW))
        if apparent is None:
            return None
        motion, seen = apparent
        return control_latents(self._pack(motion), seen, TIME_FACTOR)

    def _noise(self, latent: int, like: torch.Tensor) -> torch.Tensor:
        """Return the noise (1, C, 1, h, w) of a latent frame of the stream."""
        shape = *like.shape[:2], 1, *like.shape[3:]
        return torch.randn(shape, generator=segment_generator(self._seed, latent, self._key))

    def _pack(self, motion: torch.Tensor) -> torch.Tensor:
        return self._parts.vae.pack(motion[None].to(self._parts.device))
