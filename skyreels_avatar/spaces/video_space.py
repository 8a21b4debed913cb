"""The latent space of a video VAE, which generates pixels.

Source: the conditions are those of Wan2.1's image-to-video model, the windows those of InfiniteTalk
and SkyReels-V3. Own: colours are held against the reference video, frame by frame, so that what the
camera brings into the picture stays; the published pipelines hold them against the first frame.

Windows hand over frames, not latents, although that takes the VAE forth and back. A clip's first
latent stands for one frame and no latent of the clip before does; and a causal VAE gives frames
other latents at the beginning of a clip than at the end of one, where it remembers more. With
random weights, 33 frames, the latent of the last four differs from that of the same four
after one frame alone by 0.8 of its spread, about as much as one after a round trip (0.8). Decoding
the end of a clip alone, with six latents before it, leaves 0.7 of the frames' spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.spaces.colour import match_colour
from skyreels_avatar.spaces.known import known_frames_mask

_CHUNK = 8  # pictures


class VideoSpace:
    """The latent space of a causal video VAE (diffusers' `AutoencoderKLWan`), for one shot."""

    moves_reference = separates_persons = False

    def __init__(
        self, vae: torch.nn.Module, plan: ShotPlan, reference: PictureReference, seed: int
    ):
        self._vae, self._reference, self._plan = vae, reference, plan
        config = vae.config
        shape = (1, -1, 1, 1, 1)
        self._mean = torch.tensor(config.latents_mean).view(shape)
        self._std = torch.tensor(config.latents_std).view(shape)
        self._decoded: dict[int, torch.Tensor] = {}  # frames of windows not yet taken
        self._latest: Segment | None = None

    @classmethod
    def open(
        cls,
        vae: torch.nn.Module,
        plan: ShotPlan,
        references: Sequence[PictureReference],
        seed: int,
        shoulders: torch.Tensor | None = None,
    ) -> VideoSpace:
        """Return the space of a shot; persons share its pictures, and networks draw shoulders."""
        return cls(vae, plan, references[0], seed)

    def known_ends(self, segment: Segment, ends: object) -> tuple[torch.Tensor, torch.Tensor]:
        """Refuse: a causal VAE gives the frames at the end of a clip no latents of their own."""
        raise NotImplementedError("latents of video are known at the beginning of a window only")

    def known(
        self, segment: Segment, carried: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the known latents (1, C, T, h, w) of a window and their mask (1, 4, T, h, w).

        A video that is grey but for the known frames is encoded as a whole, as the published
        networks are used to it.

        Args:
            carried: (F', 3, H, W) frames of the window before in -1..1; None for the first window,
                which starts from what the camera sees first.
        """
        given = self._seen(segment, 0, 1) if carried is None else carried
        video = torch.zeros(segment.num_frames, *given.shape[1:])
        video[: len(given)] = given
        latents = self._encode(video)
        is_given = torch.arange(segment.num_frames)[None] < len(given)
        mask = known_frames_mask(is_given, self._plan.time_factor)
        return latents, mask.expand(-1, -1, -1, *latents.shape[3:])

    def control(self, segment: Segment) -> torch.Tensor | None:
        """Return latents (1, C, T, h, w) of the reference video, held at the shot's end.

        None where the camera rests: Uni3C's ControlNet was trained on cameras that move. As
        trained: mid grey where the picture shows nothing, which networks fill better.
        """
        if self._reference.is_still:
            return None
        holes = self._rays(segment)[:1].transpose(0, 1)  # (F, 1, H, W)
        return self._encode(self._seen(segment) * (1 - holes))

    def control_rays(self, segment: Segment) -> torch.Tensor | None:
        """Return holes and Pluecker maps (1, 7, F, H, W) of the reference video; None as above."""
        return None if self._reference.is_still else self._rays(segment)[None]

    def _rays(self, segment: Segment) -> torch.Tensor:
        return self._reference.rays(self._pictures(segment))

    def finish(self, latents: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Decode a window, and return the latents as they are."""
        weight = next(self._vae.parameters())
        denormalised = (latents.cpu() * self._std + self._mean).to(weight)
        decoded = self._vae.decode(denormalised).sample[0].transpose(0, 1)
        stop = segment.keep[1] - segment.first_frame
        # Of a window that is only gone on from, nobody takes the pictures.
        self._decoded = {k: v for k, v in self._decoded.items() if k >= segment.index - 1}
        self._decoded[segment.index] = decoded[:stop].float().cpu()
        self._latest = segment
        return latents

    def carry_over(self, latents: torch.Tensor, overlap: int) -> torch.Tensor:
        """Return what the next window knows: its first `overlap` frames (F', 3, H, W)."""
        return self._held(self._latest, -overlap, None)

    def frames(self, latents: torch.Tensor, segment: Segment) -> Iterator[np.ndarray]:
        """Yield the pictures (F, H, W, 3) uint8 that this window is the first to make.

        Their colours are held here, beside the denoising of the next window.
        """
        start, stop = self._plan.video_range(segment)
        last = len(self._decoded[segment.index]) - 1
        for first in range(start, stop, _CHUNK):
            pictures = range(first, min(first + _CHUNK, stop))
            at = np.array([round(self._plan.position(i)) - segment.first_frame for i in pictures])
            at = at.clip(0, last)
            held = self._held(segment, at[0], at[-1] + 1)
            pixels = ((held + 1) * 127.5 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()
            yield pixels[at - at[0]]
        del self._decoded[segment.index]

    def _held(self, segment: Segment, start: int, stop: int | None) -> torch.Tensor:
        """Return frames (F, 3, H, W) of a decoded window with the colours of the reference."""
        decoded = self._decoded[segment.index]
        places = range(len(decoded))[start:stop]
        first, last = places[0], places[-1] + 1
        device, held = next(self._vae.parameters()).device, []
        split = min(max(segment.num_known_frames, first), last)
        if first < split:  # these were held when they were made
            held.append(decoded[first:split])
        for place in range(split, last, _CHUNK):
            upto = min(place + _CHUNK, last)
            frames, seen = decoded[place:upto].to(device), self._seen(segment, place, upto)
            held.append(match_colour(frames, seen).cpu())
        return torch.cat(held).clamp(-1, 1)

    def _seen(self, segment: Segment, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Return what the camera sees at motion frames of a window: (F, 3, H, W) in -1..1."""
        at = self._pictures(segment)[start:stop]
        seen = self._reference.frames(int(at[0]), int(at[-1]) + 1)[at - at[0]]
        return torch.from_numpy(seen).permute(0, 3, 1, 2).float() / 127.5 - 1

    def _pictures(self, segment: Segment) -> np.ndarray:
        """Return which picture of the video is that of each motion frame of a window: (F,)."""
        frames = range(segment.first_frame, segment.stop)
        return np.array([round(self._plan.video_position(frame)) for frame in frames])

    def _encode(self, video: torch.Tensor) -> torch.Tensor:
        """Return normalised latents (1, C, T, h, w) of frames (F, 3, H, W) in -1..1."""
        weight = next(self._vae.parameters())
        moments = self._vae.encode(video.transpose(0, 1)[None].to(weight)).latent_dist
        return (moments.mode().float().cpu() - self._mean) / self._std
