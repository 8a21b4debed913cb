"""The latent space of a video VAE, which generates pixels.

Source: the conditions are those of Wan2.1's image-to-video model, the windows those of InfiniteTalk
and SkyReels-V3. Own: colours are held against the reference video, frame by frame, so that what the
camera brings into the picture stays; the published pipelines hold them against the first frame.

What each window knows is that of the published pipelines, by the role that its plan gives it: see
`planning/storyboard.py`. Windows hand over frames, not latents, although that takes the VAE forth
and back. A clip's first latent stands for one frame and no latent of the clip before does; and a
causal VAE gives frames other latents at the beginning of a clip than at the end of one, where it
remembers more. With random weights, 33 frames, the latent of the last four differs from that of the
same four after one frame alone by 0.8 of its spread, about as much as one after a round trip (0.8).
Decoding the end of a clip alone, with six latents before it, leaves 0.7 of the frames' spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from skyreels_avatar.models.picture_latents import VAE_LOCK
from skyreels_avatar.planning.segments import ROLES, Segment, ShotPlan
from skyreels_avatar.references.dubbing import FilmedReference, with_drawn_faces
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.shapes import covering_latent_frames
from skyreels_avatar.spaces.colour import match_colour
from skyreels_avatar.spaces.known import Known, known_frames_mask

_CHUNK = 8  # pictures
_NUM_DECODED = 2  # windows whose pictures wait to be taken
_GIVE_ENDS = ("keyframe", "storyboard")


class VideoSpace:
    """The latent space of a causal video VAE (diffusers' `AutoencoderKLWan`), for one shot."""

    roles = frozenset(ROLES)
    takes_footage = True
    moves_reference = separates_persons = False

    def __init__(
        self,
        vae: torch.nn.Module,
        plan: ShotPlan,
        reference: PictureReference | FilmedReference,
        seed: int,
    ):
        self._vae, self._reference, self._plan = vae, reference, plan
        # Footage is shown as large as the networks work, and the face goes back into it.
        self._references = [reference]
        self._filmed = getattr(reference, "has_own_motion", False)
        self._shown = reference.work_frames if self._filmed else reference.frames
        config = vae.config
        shape = (1, -1, 1, 1, 1)
        self._mean = torch.tensor(config.latents_mean).view(shape)
        self._std = torch.tensor(config.latents_std).view(shape)
        # A window is decoded once, for the next one and for its pictures, which are taken meanwhile
        # by another thread; and the VAE remembers frames while it works.
        self._lock = VAE_LOCK
        self._decoded: dict[int, torch.Tensor] = {}
        self._given: dict[tuple[int, int], torch.Tensor] = {}

    @classmethod
    def open(
        cls,
        vae: torch.nn.Module,
        plan: ShotPlan,
        references: Sequence[PictureReference],
        seed: int,
        shoulders: torch.Tensor | None = None,
        gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> VideoSpace:
        """Return the space of a shot; persons share its pictures, and networks draw all of them."""
        space = cls(vae, plan, references[0], seed)
        space._references = references
        return space

    def known(self, segment: Segment, needed: Sequence[tuple[Segment, torch.Tensor]]) -> Known:
        """Return what is known of a window, see `LatentSpace`.

        A video that is grey but for the known frames is encoded as a whole, as the published
        networks are used to it. It begins with frames of the window before, or what the camera
        sees; it ends with a key frame where the window leads to one.
        """
        given = [self._handed_over(window, latents, segment) for window, latents in needed]
        last = given.pop() if _leads_to(segment, needed) else None
        if last is None and segment.num_last_frames:  # footage is full of key frames
            last = self._seen(segment, segment.num_frames - 1)
        seen_first = not given or segment.role == "stream"
        first = self._seen(segment, 0, 1) if seen_first else given[0]
        video = torch.zeros(segment.num_frames, *first.shape[1:])
        is_given = torch.zeros(1, segment.num_frames, dtype=torch.bool)
        video[: len(first)], is_given[:, : len(first)] = first, True
        if last is not None:
            video[-segment.num_last_frames :] = last
            is_given[:, -segment.num_last_frames :] = True
        latents = self.encode(video)
        mask = known_frames_mask(is_given, self._plan.time_factor)
        mask = mask.expand(-1, -1, -1, *latents.shape[3:])
        begins = given[0] if given else first
        if len(begins) > len(first):
            held = self.encode(begins)
        else:
            held = latents[:, :, : covering_latent_frames(len(begins), self._plan.time_factor)]
        own = not segment.first_frame or (seen_first and self._reference.is_still)
        own = not self._filmed and (own or segment.role == "window")
        return Known(latents, mask, held, None if own else first[:1])

    def control(self, segment: Segment) -> torch.Tensor | None:
        """Return latents (1, C, T, h, w) of the reference video, held at the shot's end.

        None where the camera rests: Uni3C's ControlNet was trained on cameras that move. As
        trained: mid grey where the picture shows nothing, which networks fill better.
        """
        if self._reference.is_still:
            return None
        holes = self._rays(segment)[:1].transpose(0, 1)  # (F, 1, H, W)
        return self.encode(self._seen(segment) * (1 - holes))

    def control_rays(self, segment: Segment) -> torch.Tensor | None:
        """Return holes and Pluecker maps (1, 7, F, H, W) of the reference video; None as above."""
        return None if self._reference.is_still else self._rays(segment)[None]

    def _rays(self, segment: Segment) -> torch.Tensor:
        return self._reference.rays(self._pictures(segment))

    def finish(self, latents: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Return the latents as they are; they are decoded when somebody wants the pictures."""
        return latents

    def frames(self, latents: torch.Tensor, segment: Segment) -> Iterator[np.ndarray]:
        """Yield the pictures (F, H, W, 3) uint8 that this window is the first to make.

        Their colours are held here, beside the denoising of the next window.
        """
        start, stop = self._plan.video_range(segment)
        if stop > start:
            decoded = self._pictures_of(segment, latents)
        for first in range(start, stop, _CHUNK):
            pictures = range(first, min(first + _CHUNK, stop))
            at = np.array([round(self._plan.position(i)) - segment.first_frame for i in pictures])
            at = at.clip(0, len(decoded) - 1)
            held = self._held(segment, decoded, at[0], at[-1] + 1)
            pixels = ((held + 1) * 127.5 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()
            pixels = pixels[at - at[0]]
            yield with_drawn_faces(self._references, pixels, first) if self._filmed else pixels
        with self._lock:
            self._decoded.pop(segment.index, None)

    def _handed_over(
        self, window: Segment, latents: torch.Tensor, segment: Segment
    ) -> torch.Tensor:
        """Return the frames (F', 3, H, W) that a window gives to one that needs it."""
        key = window.index, segment.index
        with self._lock:
            if key not in self._given:
                self._decode_window(window, latents)
            return self._given[key]

    def _pictures_of(self, segment: Segment, latents: torch.Tensor) -> torch.Tensor:
        """Return the decoded frames (F, 3, H, W) of a window."""
        with self._lock:
            if segment.index not in self._decoded:
                return self._decode_window(segment, latents)
            return self._decoded[segment.index]

    def _decode_window(self, segment: Segment, latents: torch.Tensor) -> torch.Tensor:
        """Decode a window, keep what it gives to others, and return its frames (F, 3, H, W)."""
        takers = [other for other in self._plan.segments if segment.index in other.needs]
        shown = segment in self._plan.shown
        stop = segment.keep[1] - segment.first_frame if shown else 0
        stops = [_places(segment, taker).stop for taker in takers]
        decoded = self._decode(latents, max(stop, *stops, 0))
        for taker in takers:
            places = _places(segment, taker)
            frames = self._held(segment, decoded, places.start, places.stop)
            self._given[segment.index, taker.index] = frames
        for key in [key for key in self._given if key[1] < segment.index]:
            del self._given[key]
        if shown:  # of a window that is only gone on from, nobody takes the pictures
            self._decoded[segment.index] = decoded
            for index in list(self._decoded)[:-_NUM_DECODED]:
                del self._decoded[index]
        return decoded

    def _decode(self, latents: torch.Tensor, num_frames: int) -> torch.Tensor:
        """Return the first frames (F, 3, H, W); a causal VAE needs no later latents for them."""
        weight = next(self._vae.parameters())
        count = covering_latent_frames(num_frames, self._plan.time_factor)
        denormalised = (latents[:, :, :count].cpu() * self._std + self._mean).to(weight)
        decoded = self._vae.decode(denormalised).sample[0].transpose(0, 1)
        return decoded[:num_frames].float().cpu()

    def _held(self, segment: Segment, decoded: torch.Tensor, first: int, last: int) -> torch.Tensor:
        """Return frames (F, 3, H, W) of a decoded window with the colours of the reference."""
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
        first, last = int(at[0]), int(at[-1]) + 1
        if last - first > 2 * len(at):  # a storyboard leaps
            seen = np.concatenate([self._shown(i, i + 1) for i in at.tolist()])
        else:
            seen = self._shown(first, last)[at - first]
        return torch.from_numpy(seen).permute(0, 3, 1, 2).float() / 127.5 - 1

    def _pictures(self, segment: Segment) -> np.ndarray:
        """Return which picture of the video is that of each motion frame of a window: (F,)."""
        return np.array([round(self._plan.video_position(i)) for i in segment.motion_frames()])

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        """Return normalised latents (1, C, T, h, w) of frames (F, 3, H, W) in -1..1."""
        weight = next(self._vae.parameters())
        with self._lock:
            moments = self._vae.encode(video.transpose(0, 1)[None].to(weight)).latent_dist
        return (moments.mode().float().cpu() - self._mean) / self._std


def _leads_to(segment: Segment, needed: Sequence[tuple[Segment, torch.Tensor]]) -> bool:
    """Tell whether the last of the windows that one needs gives it its end."""
    return bool(segment.num_last_frames and needed) and needed[-1][0].role in _GIVE_ENDS


def _places(window: Segment, taker: Segment) -> range:
    """Return which frames of a window another one takes over."""
    if window.role == "storyboard":
        place = window.frame_at(taker.stop - 1)
        return range(place, place + 1)
    if taker.num_last_frames and window.index == taker.needs[-1] and window.role in _GIVE_ENDS:
        return range(
            window.frame_at(taker.stop - taker.num_last_frames), window.frame_at(taker.stop)
        )
    first = window.frame_at(taker.first_frame)
    return range(first, first + taker.num_known_frames)
