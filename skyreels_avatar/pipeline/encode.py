"""Encode a shot: its reference video, its words, its light, and the conditions of each window."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.person_style import PersonStyle
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import Sampling
from skyreels_avatar.pipeline.marking import FrameMarks
from skyreels_avatar.pipeline.motion import read_motion
from skyreels_avatar.pipeline.open import OpenShot
from skyreels_avatar.pipeline.prompt_times import prompt_times
from skyreels_avatar.pipeline.shoulders import raised_shoulders
from skyreels_avatar.pipeline.talker_style import FACTORS, gains, person_numbers, style_numbers
from skyreels_avatar.planning.segments import Segment
from skyreels_avatar.references.dubbing import FilmedMasks
from skyreels_avatar.references.persons import PersonMasks, person_mattes
from skyreels_avatar.references.scene import build_references
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.style import names_style_file
from skyreels_avatar.spaces.table import open_space, space_type

logger = logging.getLogger(__name__)


class EncodedShot:
    """Everything about a shot that its windows share, and the conditions of each window."""

    def __init__(self, components: Components, request: GenerationRequest, opened: OpenShot):
        shot, tier, framing = request.shot, components.tier, opened.framing
        self.plan, self.sound = opened.plan, opened.sound
        self.seed, self.noise_key = request.seed, opened.noise_key
        self.cuts = request.cuts
        # A distilled network has learnt the guidance away from the empty prompt, and no other.
        negative_prompt = shot.negative_prompt or tier.negative_prompt
        self.transformer, self._person = components.transformer, None
        if names_style_file(shot.style):
            self._person = PersonStyle.load(shot.style)
            self.transformer = self._person.applied(
                components.transformer, str(tier.weights.transformer)
            )
        published = components.transformer.config
        one_pass = published.get("distilled", False) and not negative_prompt
        picture = framing.picture.as_tensor()
        self._sampling = Sampling.of(
            request.sampling, tier, one_pass, picture[0].numel(), published.get("shift")
        )
        leads = components.controlnet
        self._sees_rays = leads is not None and leads.config.ray_channels is not None
        self._injections = tier.inject_picture, tier.inject_carried
        self._tail_steps = tier.tail_steps
        self._lean_noise = getattr(components.vae, "lean_noise", None)
        self._blinks = self._glances = self._smile = 0.0
        light, prompt = None, shot.prompt
        if components.light is not None and not opened.references:
            light = components.light.light_of(prompt)
            prompt = prompt if light is None else components.light.without_light(prompt)
        moves = space_type(components.vae).moves_reference
        parts = prompt_times(prompt) if moves else ()
        if len(parts) > len(self.plan.shown):
            parts = ()
        self._shares = [share for share, _ in parts[1:]]
        prompts = [parts[0][1] if parts else prompt, negative_prompt]
        roles = {segment.role for segment in self.plan.segments}
        # Without a storyboard, which heeds the prompt, the clips do.
        connects = "storyboard" in roles or ("clip" in roles and not prompt)
        connection = tier.connection_prompt if connects else ""
        told = [*prompts, *(text for _, text in parts[1:]), *([connection] if connection else [])]
        embeds = self._text_embeds(components.text_encoder, told, shot).split(1)
        self.prompt_embeds, self.negative_embeds = embeds[:2]
        self._later_embeds = embeds[2 : 2 + len(self._shares)]
        self.connection_embeds = embeds[-1] if connection else self.prompt_embeds
        self._look: Callable[[torch.Tensor], torch.Tensor] | None = components.image_encoder
        self.image_embeds = None
        if self._look is not None:
            self.image_embeds = self._look(2 * picture[None] - 1)
        references = opened.references or build_references(
            framing, shot.camera, self.plan, light, self.seed, components.occluder
        )
        self.reference = references[0]
        self.marks = FrameMarks(request)
        self.motion = None if shot.motion is None else read_motion(shot.motion, self.plan)
        shoulders = None
        if moves and self.motion is None and len(opened.voices) == 1:
            key = self.seed, self.noise_key
            shoulders = raised_shoulders(opened.voices[0], self.plan, prompt, key)
        more = gains(shot.expressiveness)
        self.space = open_space(components.vae, self.plan, references, self.seed, shoulders, more)
        self.persons = None
        if len(opened.references) > 1 and not self.space.separates_persons:
            self.persons = FilmedMasks(opened.references)
        elif len(framing.faces) > 1 and not self.space.separates_persons:
            mattes = person_mattes(framing.picture.pixels, framing.faces)
            self.persons = PersonMasks(mattes, framing.faces, self.reference)

    def _text_embeds(
        self, encoder: torch.nn.Module, prompts: list[str], shot: Shot
    ) -> torch.Tensor:
        """Return text tokens (N, L, D), which also say what kind of talker performs."""
        if getattr(encoder, "takes_style", False) and self._person is not None:
            self._smile = self._person.smile
            numbers = person_numbers(self._person.numbers, shot.expressiveness)
            self._glances = float(numbers[0, FACTORS.index("gaze")])
            return encoder(prompts, numbers.to(encoder.device))
        if getattr(encoder, "takes_style", False):
            talker = shot.style, shot.expressiveness, self.seed, self.noise_key
            numbers = style_numbers(*talker)
            self._blinks = float(numbers[0, FACTORS.index("blink")])
            self._glances = float(numbers[0, FACTORS.index("gaze")])
            return encoder(prompts, numbers.to(encoder.device))
        if shot.style != "natural" or shot.expressiveness != 100:
            logger.warning(
                "the text encoder knows no styles; style and expressiveness change nothing"
            )
        return encoder(prompts)

    def noise(
        self, conditions: Conditions, generator: torch.Generator
    ) -> torch.Tensor | torch.Generator:
        """Return what a window starts from: the noise, or what draws it.

        Noise of the face rig decides when eyes blink and look away, and leans to the talker.
        """
        leans = self._blinks, self._glances, self._smile
        if self._lean_noise is None or not any(leans):
            return generator
        noise = torch.randn(conditions.known_latents.shape, generator=generator)
        return self._lean_noise(noise, *leans)

    def _prompt_embeds(self, segment: Segment) -> torch.Tensor:
        """Return what a window is told: of a prompt that speaks of time, the part that is due."""
        if segment.role == "clip":
            return self.connection_embeds
        middle = sum(segment.keep) / 2 / self.plan.num_motion_frames
        begun = sum(share <= middle for share in self._shares)
        return (self.prompt_embeds, *self._later_embeds)[begun]

    def sampling(self, segment: Segment) -> Sampling:
        """Return how a window is sampled."""
        from_picture, carried = self._injections
        if not segment.num_known_frames:
            return replace(self._sampling, injection=from_picture)
        return replace(self._sampling, injection=carried, tail_steps=self._tail_steps)

    def conditions(self, segment: Segment, finished: Mapping[int, torch.Tensor]) -> Conditions:
        """Return what the transformer is told about a window.

        Args:
            finished: latents of the windows that it needs, by their indices.
        """
        needed = [(self.plan.segments[index], finished[index]) for index in segment.needs]
        known = self.space.known(segment, needed)
        image_embeds = self.image_embeds
        if self._look is not None and known.picture is not None:
            image_embeds = self._look(known.picture)
        num_latents = self.plan.num_latent_frames(segment)
        first_frame = round(self.plan.video_position(segment.first_frame))
        return Conditions(
            prompt_embeds=self._prompt_embeds(segment),
            negative_embeds=self.negative_embeds,
            audio_embeds=self.sound.window(segment, num_latents),
            no_audio_embeds=self.sound.no_audio(num_latents),
            known_latents=known.latents,
            known_mask=known.mask,
            held_latents=known.held,
            control_latents=self.space.control(segment),
            control_rays=self.space.control_rays(segment) if self._sees_rays else None,
            image_embeds=image_embeds,
            person_masks=None if self.persons is None else self.persons.at(first_frame),
        )
