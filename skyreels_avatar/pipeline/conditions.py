"""What the transformer is told about one window, as tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.geometry import FaceFrame


@dataclass(frozen=True)
class Conditions:
    """Everything one window of denoising depends on besides its noise.

    Attributes:
        prompt_embeds: (1, L, D) what the performance should be.
        negative_embeds: (1, L, D) what it should not be; the null prompt when nothing was said.
        audio_embeds: (1, T, N, D) sound round each latent frame.
        known_latents: (1, C, T, h, w), zeros where `known_mask` is 0.
        known_mask: (1, 4, T, h, w) 1 where the four frames of a latent frame are given.
        control_latents: (1, C + 4, T, h, w) of the reference video, or None.
        image_embeds: (1, L, D) what the picture shows, for networks that look at it, or None.
        person_masks: (P + 1, h', w') tokens of the first latent frame that show each of several
            persons and, last, the background; None = one person.
    """

    prompt_embeds: torch.Tensor
    negative_embeds: torch.Tensor
    audio_embeds: torch.Tensor
    known_latents: torch.Tensor
    known_mask: torch.Tensor
    control_latents: torch.Tensor | None = None
    image_embeds: torch.Tensor | None = None
    person_masks: torch.Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Conditions:
        """Return the same conditions where and in which precision the transformer works."""
        return Conditions(
            **{
                field.name: None
                if (value := getattr(self, field.name)) is None
                else value.to(device, dtype)
                for field in fields(self)
            }
        )

    def persons(self) -> list[Conditions]:
        """Return the conditions of each of several persons who share the words."""
        count = len(self.known_latents)
        if count == 1:
            return [self]
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return [
            Conditions(
                **{
                    name: value[i : i + 1] if value is not None and len(value) == count else value
                    for name, value in values.items()
                }
            )
            for i in range(count)
        ]

    def without_text(self) -> Conditions:
        """Return the same conditions with the negative prompt in the prompt's place."""
        return replace(self, prompt_embeds=self.negative_embeds)

    def without_audio(self) -> Conditions:
        """Return the same conditions as if nothing were heard."""
        return replace(self, audio_embeds=torch.zeros_like(self.audio_embeds))

    def without_control(self) -> Conditions:
        """Return the same conditions without the reference video's lead."""
        return replace(self, control_latents=None)


def known_mask(num_latent_frames: int, num_known: int, height: int, width: int) -> torch.Tensor:
    """Return (1, 4, T, h, w): 1 for the first `num_known` latent frames, 0 for the others."""
    mask = torch.zeros(1, 4, num_latent_frames, height, width)
    mask[:, :, :num_known] = 1.0
    return mask


def known_frames_mask(known: torch.Tensor) -> torch.Tensor:
    """Return (B, 4, T, 1, 1): channel c of latent frame t is frame 4 (t - 1) + 1 + c of a clip.

    The first latent frame holds the first frame alone, four times.

    Args:
        known: (B, F) bool, which frames are given, F = 1 + 4 (T - 1).
    """
    phases = torch.cat([known[:, :1].expand(-1, 3), known], dim=1).unflatten(1, (-1, 4))
    return phases.transpose(1, 2).float()[..., None, None]


# Furthest apparent motion that training shows; a small face in a wide pan would leave it.
_FURTHEST = {
    "yaw": 0.45,
    "pitch": 0.35,
    "roll": 0.1,
    "shift_x": 0.5,
    "shift_y": 0.4,
    "zoom": 0.65,
}


def apparent_motion(landmarks: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Return (F, 32) motion numbers: how the camera makes a still head seem to move.

    Only the head group is filled: yaw, pitch and roll, shift and zoom against the first frame,
    held at the furthest that the networks have seen. Training simulates the same numbers.

    Args:
        landmarks: (F, 478, 3) of the face of the reference video, in pixels.
        start: (478, 3) of the face in frame 0 of the shot.
    """
    now, first = FaceFrame.of(landmarks), FaceFrame.of(start[None])
    motion = landmarks.new_zeros(landmarks.shape[0], NUM_MOTION)

    def put(name: str, values: torch.Tensor) -> None:
        motion[:, MOTION_INDEX[name]] = values

    # A small turn moves a point across the face in proportion to its depth.
    rest = first.points
    depth = rest[..., 2] - rest[..., 2].mean(1, keepdim=True)
    moved = now.points[..., :2] - rest[..., :2]
    moved = moved - moved.mean(1, keepdim=True)
    turn = torch.einsum("fn,fnk->fk", depth.expand(moved.shape[:2]), moved)
    turn = turn / depth.square().sum(1).clamp_min(1e-6)[:, None]
    put("yaw", -turn[:, 0])
    put("pitch", turn[:, 1])
    cosine = (now.axes[:, 0] * first.axes[:, 0]).sum(-1)
    sine = first.axes[:, 0, 0] * now.axes[:, 0, 1] - first.axes[:, 0, 1] * now.axes[:, 0, 0]
    put("roll", torch.atan2(sine, cosine))
    shift = (now.origin - first.origin) / first.height_px[:, None]
    put("shift_x", shift[:, 0])
    put("shift_y", shift[:, 1])
    put("zoom", torch.log(now.height_px / first.height_px))
    return within_reach(motion)


def within_reach(motion: torch.Tensor) -> torch.Tensor:
    """Hold the head in (F, 32) motion numbers at the furthest that the networks have seen."""
    held = motion.clone()
    for name, furthest in _FURTHEST.items():
        held[:, MOTION_INDEX[name]].clamp_(-furthest, furthest)
    return held


def control_latents(motion_latents: torch.Tensor, seen_share: torch.Tensor) -> torch.Tensor:
    """Return (1, C + 4, T, h, w): latents of the reference video ++ how much of it is real.

    Args:
        motion_latents: (1, C, T, h, w), the `apparent_motion` of the window, packed.
        seen_share: (F,) of the window's frames, F = 1 + 4 (T - 1).
    """
    phases = torch.cat([seen_share[:1].expand(3), seen_share]).unflatten(0, (-1, 4))  # (T, 4)
    height, width = motion_latents.shape[-2:]
    phases = phases.T[None, :, :, None, None].expand(1, 4, -1, height, width)
    return torch.cat([motion_latents, phases.to(motion_latents)], dim=1)
