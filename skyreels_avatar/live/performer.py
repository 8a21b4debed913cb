"""The motion of a stream: windows over a plan that grows, sampled as those of a shot are.

Each window knows the last frames that were made, hears as far as sound has come, and of what it
makes only the next few frames are kept: the rest is made again when more was heard. The noise of a
frame belongs to its place in the stream, so overlapping windows agree on what comes next.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from skyreels_avatar.live.breath import Breath, breathe
from skyreels_avatar.live.nod import Nod
from skyreels_avatar.live.scene import LiveScene
from skyreels_avatar.live.timeline import Timeline
from skyreels_avatar.loading.components import Components
from skyreels_avatar.models.fused_transformer import fused
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import Sampling, denoise
from skyreels_avatar.pipeline.noise import segment_generator
from skyreels_avatar.pipeline.talker_style import FACTORS, gains, style_numbers
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.rig.coefficients import GROUP_SIZE, MOTION_INDEX
from skyreels_avatar.rig.geometry import smoothstep
from skyreels_avatar.rig.secondary_motion import HEAD
from skyreels_avatar.rig.smoothing import FIRST_STEADY
from skyreels_avatar.rig.torso import BREATH
from skyreels_avatar.shapes import TIME_FACTOR, latent_frames
from skyreels_avatar.spaces.known import control_latents, known_mask

WINDOW = 33  # frames; the shortest that shots are made of
_OVERLAP, _FPS = 9, 25.0
_KEPT_PASSAGES = 12  # enough for what was read ahead of an interruption
_KEPT_NODS, _PITCH = 3, MOTION_INDEX["pitch"]
_BEYOND = 12  # frames beyond what has come that are heard as silence; further ones repeat them
# Of a distilled network: as good as four (closures 0.78 and 0.77 of 91), and half as long.
_STEPS = 2
_CLOSING, _CLOSED = 2, 12  # frames in which a mouth that is interrupted closes; and stays closed
# Frames in which two thirds of what eyes and head have wandered are gone: joined from window to
# window they would find no way back, and eyes looked past the camera for half of the time.
_GAZE_RETURNS, _HEAD_RETURNS = 20.0, 60.0
_AGREED = 12  # frames in which the plan of a window gives way to that of the next
# Of a spread of talkers. Who does not know what comes opens the mouth less: its range is 0.106 H
# with this, as in a shot (the same four voices).
_MOUTH_WIDER = 0.35
_MOUTH = slice(0, GROUP_SIZE)
_GAZE = slice(MOTION_INDEX["gaze_x"], MOTION_INDEX["gaze_y"] + 1)


@dataclass(frozen=True)
class Pace:
    """How early a stream knows what it says.

    Attributes:
        hop: frames that are kept of a window.
        lookahead: frames of sound beyond the one that is read.
    """

    hop: int
    lookahead: int


# A window hears one frame beyond the last that is kept. Lips shut on 0.86 of 204 sounds p, b, m of
# four voices so, and on 0.94 in a shot.
STEADY = Pace(2 * TIME_FACTOR, 8)
# Two frames beyond, for motion that costs twice as much: 0.90 of 90 sounds of two voices; with one
# frame beyond 0.82, and lips that open less.
QUICK = Pace(TIME_FACTOR, 5)


@dataclass(frozen=True)
class Direction:
    """How somebody performs: the words, and what kind of talker."""

    prompt: str = ""
    style: str = "natural"
    expressiveness: float = 100.0


@dataclass(frozen=True, eq=False)
class Passage:
    """Motion up to a frame of the stream, and the plan of what comes then; never changed.

    Attributes:
        motion: (F, 32) of the last frames that are made, the last of which is `made` - 1.
        made: how many frames of the stream are made.
        latents: (1, 32, T, 1, 4) of the last window, from frame `first` of the stream on.
        planned: (F, 32) of the frames after those that are made; None = nothing is planned.
        breaths: of the frames of `latents`, in which they are not.
        closing_from: the frame from which an interrupted mouth closes.
    """

    motion: torch.Tensor
    made: int
    latents: torch.Tensor
    breaths: Sequence[Breath]
    first: int = 0
    planned: torch.Tensor | None = None
    closing_from: int | None = None


class Interrupted(Exception):
    """What is being sampled is not wanted any more."""


class Performer:
    """Makes rig coefficients as sound comes, a window after the other.

    Args:
        components: of a tier whose latents are rig coefficients.
        photo: (1, 32) coefficients that leave the picture as it is.
        seed, key: of the noise.

    Attributes:
        hop: frames that are kept of the next windows.
        check: called while a window is sampled; may raise `Interrupted`, and nothing has changed.
    """

    def __init__(self, components: Components, photo: torch.Tensor, seed: int, key: int):
        self.hop = STEADY.hop
        self.check: Callable[[], None] = lambda: None
        self._parts, self._seed, self._key = components, seed, key
        self._transformer = fused(components.transformer)
        one_pass = components.transformer.config.distilled
        steps = SamplingParams(num_inference_steps=_STEPS if one_pass else None)
        self._sampling = Sampling.of(steps, components.tier, one_pass)
        breath = Breath.of(seed, key)
        first = Passage(photo, 1, self._pack(photo), [breath])
        self._passages = deque([first], maxlen=_KEPT_PASSAGES)
        self._nods: deque[Nod] = deque(maxlen=_KEPT_NODS)
        self.direct(Direction())

    @property
    def made(self) -> int:
        """How many frames are made."""
        return self._passages[-1].made

    def direct(self, direction: Direction) -> None:
        """Perform otherwise, from the next window on."""
        talker = direction.style, direction.expressiveness, self._seed, self._key
        encoder = self._parts.text_encoder
        numbers = style_numbers(*talker).to(self._parts.device)
        numbers[:, FACTORS.index("mouth")] += _MOUTH_WIDER
        self._leans = [float(numbers[0, FACTORS.index(name)]) for name in ("blink", "gaze")]
        self._gains = gains(direction.expressiveness)
        self._prompts = encoder([direction.prompt, ""], numbers).split(1)

    def nod(self, depth: float) -> None:
        """Nod from the next frame that is not made yet on, by a depth in 0..1."""
        self._nods.append(Nod(self.made, depth))

    def interrupt(self, shown: int, at_once: bool = False) -> None:
        """Close the mouth from the frame after `shown` on, whatever was made beyond it.

        The plan of the window that made that frame stays as it is but for the mouth: to sample it
        again would take as long as the mouth has time.

        Args:
            at_once: it is closed in that frame, else in the second.
        """
        closing_from = shown + (not at_once)
        while len(self._passages) > 1 and self._passages[-2].made > shown:
            self._passages.pop()
        before = self._passages.pop()
        motion = self._parts.vae.unpack(before.latents)[0].clone()
        _close_mouth(motion, before.first, closing_from)
        made = before.made
        if made - shown <= _CLOSING and before.planned is not None:
            made += self.hop
            before = replace(before, planned=before.planned[self.hop :])
        own = before.motion[: max(0, len(before.motion) - (before.made - before.first))]
        own = torch.cat([own, motion[: made - before.first]])[-2 * WINDOW :]
        latents = self._pack(motion)
        after = replace(before, motion=own, made=made, latents=latents, closing_from=closing_from)
        self._passages.append(after)

    def passage(self, position: float, timeline: Timeline, scene: LiveScene) -> Passage:
        """Return what holds the frames round a position, sampled if it has to be.

        Args:
            position: no less than those before.
            scene: where the camera is from now on.
        """
        while self.made <= math.ceil(position):
            self._passages.append(self._extended(self._passages[-1], timeline, scene))
        return self._passages[-1]

    def _extended(self, before: Passage, timeline: Timeline, scene: LiveScene) -> Passage:
        """Return a passage and the frames of one window more."""
        vae = self._parts.vae
        known = min(_OVERLAP, before.made)
        first = before.made - known
        num_latents = latent_frames(WINDOW, TIME_FACTOR)
        given = self._pack(before.motion[-known:])
        known_latents = torch.zeros(*given.shape[:2], num_latents, *given.shape[3:])
        known_latents[:, :, : given.shape[2]] = given
        sound = self._parts.audio_encoder.encode_sound(timeline.heard(_BEYOND))
        conditions = Conditions(
            prompt_embeds=self._prompts[0],
            negative_embeds=self._prompts[1],
            audio_embeds=sound.tokens(first, num_latents),
            no_audio_embeds=sound.no_audio(num_latents),
            known_latents=known_latents,
            known_mask=known_mask(num_latents, given.shape[2], *given.shape[3:]),
            control_latents=self._control(scene, first),
        ).to(self._parts.device, self._parts.dtype)
        place = first // TIME_FACTOR
        noise = torch.cat([self._noise(place + i, given) for i in range(num_latents)], 2)
        noise = vae.lean_noise(noise, *self._leans)
        networks = self._transformer, self._parts.controlnet
        self.check()
        latents = denoise(*networks, conditions, self._sampling, noise, self._checked).float()
        latents = vae.blend_at_joins(vae.smooth(latents, known, gains=self._gains), known)
        motion = vae.unpack(latents)[0].clone()
        _agree(motion[known:], before.planned)
        closing_from = before.closing_from
        if closing_from is not None:
            _close_mouth(motion, first, closing_from)
            if first - closing_from > _CLOSED + 8:
                closing_from = None
        made, stop = before.made + self.hop, known + self.hop
        own = torch.cat([before.motion, motion[known:stop]])[-2 * WINDOW :]
        breaths = before.breaths[first - before.first : before.made - before.first]
        voiced = timeline.voiced(before.made)
        breaths = [*breaths, *breathe(breaths[-1], voiced, WINDOW - known, _FPS)]
        latents = self._pack(motion)
        return Passage(own, made, latents, breaths, first, motion[stop:], closing_from)

    def _checked(self, *_: object) -> None:
        """Check, after a step."""
        self.check()

    def drawn(self, passage: Passage) -> torch.Tensor:
        """Return the latents of a passage that breathes and nods."""
        motion = self._parts.vae.unpack(passage.latents)[0].clone()
        motion[:, BREATH] += torch.tensor([breath.raised for breath in passage.breaths])
        frames = torch.arange(passage.first, passage.first + len(motion))
        for nod in self._nods:
            motion[:, _PITCH] += nod.pitch(frames, _FPS)
        return self._pack(motion)

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


def _agree(new: torch.Tensor, planned: torch.Tensor | None) -> None:
    """Let what moves slowly go over from the plan of the window before, in place.

    Each window joins the frames before it, and none is kept long enough to come to its own
    level: heads and eyes would wander twice as far as in a shot. Both return slowly, too.
    """
    away = torch.arange(1, len(new) + 1)[:, None]
    new[:, _GAZE] *= torch.exp(-away / _GAZE_RETURNS)
    new[:, HEAD] *= torch.exp(-away / _HEAD_RETURNS)
    if planned is not None:
        count = len(planned)
        share = smoothstep(0.0, _AGREED, torch.arange(count) + 1.0)[:, None]
        steady = new[:count, FIRST_STEADY:]
        steady.copy_(torch.lerp(planned[:, FIRST_STEADY:], steady, share))


def _close_mouth(motion: torch.Tensor, first: int, closing_from: int) -> None:
    """Close the mouth from a frame of the stream on; some frames later it is free. In place.

    Args:
        motion: (F, 32) from frame `first` of the stream on.
    """
    at = torch.arange(first, first + len(motion)) - closing_from + 1
    share = smoothstep(0.0, _CLOSING, at) * smoothstep(_CLOSED + 8, _CLOSED, at)
    motion[:, _MOUTH] *= (1 - share)[:, None]
