"""The latents of any window of a shot, made from its inputs and from the windows it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from skyreels_avatar.loading.components import Components
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import Sampling, denoise
from skyreels_avatar.pipeline.encode import OpenShot, build_references
from skyreels_avatar.pipeline.motion import read_motion
from skyreels_avatar.pipeline.noise import segment_generator
from skyreels_avatar.pipeline.persons import PersonMasks, person_mattes
from skyreels_avatar.pipeline.store import LatentStore
from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.progress import Reporter
from skyreels_avatar.references.picture import ShotReference
from skyreels_avatar.request.script import GenerationRequest
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.shapes import latent_frames
from skyreels_avatar.spaces.rig_space import GroupSpace, MotionSpace
from skyreels_avatar.spaces.video_space import PixelSpace

_KEPT = 4  # a fill needs a key frame made two windows before it


class EncodedShot:
    """Everything about a shot that its windows share, and the conditions of each window."""

    def __init__(self, components: Components, request: GenerationRequest, opened: OpenShot):
        shot, tier = request.shot, components.tier
        self.plan = opened.plan
        self.seed, self.noise_key = request.seed, opened.noise_key
        self.cuts = request.cuts
        self.overlap = tier.overlap
        # What a distilled network knows to stay away from is the empty prompt, no other.
        one_pass = components.transformer.config.distilled and not shot.negative_prompt
        self.sampling = Sampling.of(request.sampling, tier, one_pass)
        self.sound = opened.sound
        light, prompt = None, shot.prompt
        if components.light is not None and not opened.references:
            light = components.light.light_of(prompt)
            prompt = prompt if light is None else components.light.without_light(prompt)
        self.prompt_embeds, self.negative_embeds = components.text_encoder(
            [prompt, shot.negative_prompt]
        ).split(1)
        self.image_embeds = None
        if components.image_encoder is not None:
            picture = 2 * opened.portrait.as_tensor()[None] - 1
            self.image_embeds = components.image_encoder(picture)
        references = opened.references or build_references(
            opened, shot.camera, light=light, seed=self.seed, network=components.occluder
        )
        self.reference = references[0]
        self.persons = None
        if opened.beside and not isinstance(components.vae, FaceRig):
            mattes = person_mattes(opened.portrait.pixels, opened.faces)
            self.persons = PersonMasks(mattes, opened.faces, self.reference)
        self.motion = None if shot.motion is None else read_motion(shot.motion, opened.plan)
        self.space = open_space(components.vae, opened.plan, references, self.seed)

    def conditions(self, segment: Segment, made: Mapping[int, torch.Tensor]) -> Conditions:
        """Return what the transformer is told about a window.

        Args:
            made: settled latents of the windows that it needs, by their indices.
        """
        if segment.role == "window":
            handed = None
            if segment.needs:
                handed = self.space.hand_over(made[segment.needs[0]], self.overlap)
            known, mask = self.space.known(segment, handed)
        else:
            ends = [(self.plan.segments[index], made[index]) for index in segment.needs]
            known, mask = self.space.known_ends(segment, ends)
        starts = round(self.plan.video_position(segment.first_frame))
        return Conditions(
            prompt_embeds=self.prompt_embeds,
            negative_embeds=self.negative_embeds,
            audio_embeds=self.sound.window(segment, latent_frames(segment.num_frames)),
            known_latents=known,
            known_mask=mask,
            control_latents=self.space.control(segment),
            image_embeds=self.image_embeds,
            person_masks=None if self.persons is None else self.persons.at(starts),
        )


class LatentMaker:
    """Makes the latents of the windows of a shot, in any order; the latest are kept.

    Args:
        work: where latents are found, and kept for another run; None keeps none.
        on_step: called after each step of denoising; may raise to stop.
    """

    def __init__(
        self,
        components: Components,
        shot: EncodedShot,
        reporter: Reporter,
        work: LatentStore | None = None,
        on_step: Callable[[int], None] | None = None,
    ):
        self._components, self._shot, self._reporter = components, shot, reporter
        self._work, self._on_step = work, on_step
        self._made: dict[int, torch.Tensor] = {}

    def of(self, segment: Segment) -> torch.Tensor:
        """Return the settled latents (1, C, T, h, w) of a window: a pure function of the shot."""
        if self._shot.motion is not None:
            return self._shot.space.latents_of(self._shot.motion, segment)
        waiting = [segment]  # a chain of windows may be longer than Python's stack
        while waiting:
            window = waiting[-1]
            sampled = None if self._work is None else self._work.latents(window)
            missing = [index for index in window.needs if index not in self._made]
            if sampled is None and missing and window.index not in self._made:
                waiting += [self._shot.plan.segments[index] for index in missing]
                continue
            waiting.pop()
            if window.index not in self._made:
                self._made[window.index] = self._settled(window, sampled)
        latents = self._made[segment.index]
        for index in list(self._made)[:-_KEPT]:
            del self._made[index]
        return latents

    def _settled(self, segment: Segment, sampled: torch.Tensor | None) -> torch.Tensor:
        if sampled is None:
            sampled = self._sampled(segment)
            if self._work is not None:
                self._work.save_latents(segment, sampled)
        return self._shot.space.settled(sampled.to(self._components.device), segment)

    def _sampled(self, segment: Segment) -> torch.Tensor:
        parts = self._components
        with self._reporter.measured("encode"):
            conditions = self._shot.conditions(segment, self._made)
            conditions = conditions.to(parts.device, parts.dtype)
        with self._reporter.measured("denoise"):
            shot = self._shot
            generator = segment_generator(shot.seed, segment.index, shot.noise_key)
            networks = parts.transformer, parts.controlnet
            sampled = [
                denoise(*networks, one, self._shot.sampling, generator, self._on_step).float()
                for one in conditions.persons()
            ]
            return torch.cat(sampled)


def open_space(
    vae: torch.nn.Module, plan: ShotPlan, references: Sequence[ShotReference], seed: int
) -> MotionSpace | GroupSpace | PixelSpace:
    """Return how a shot is put into the latent space of a VAE and taken out of it.

    Args:
        references: the same pictures, with the face of each speaker.
    """
    if not isinstance(vae, FaceRig):
        return PixelSpace(vae, plan, references[0], seed)
    spaces = [MotionSpace(vae, plan, one, seed + i) for i, one in enumerate(references)]
    return spaces[0] if len(spaces) == 1 else GroupSpace(spaces)
