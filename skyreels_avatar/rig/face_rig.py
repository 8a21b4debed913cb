"""The reference-conditioned video VAE: latents say how a clip differs from its reference video.

Latents are 32 rig coefficients a frame, four frames to a latent frame (the first frame alone), in
four groups that form the width axis. The decoder is structured: it turns the numbers into
backward flows over the reference (landmark-placed fields, two layers that part at the lips), and
invents only what the reference does not show: the inside of the mouth.

Source: the idea of motion latents relative to a content frame is that of LIA (arXiv 2203.09043),
LivePortrait (arXiv 2407.03168) and Reducio (arXiv 2411.13552); the fields are our own.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

from skyreels_avatar.rig.coefficients import (
    GROUP_SIZE,
    MOTION_INDEX,
    MOTION_SCALE,
    NUM_GROUPS,
    NUM_MOTION,
)
from skyreels_avatar.rig.curves import Box, box_pixels, coverage, pixel_box, refine
from skyreels_avatar.rig.eye_finder import EyeFinder, correct_eyes
from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    MotionValues,
    face_field,
    mouth_field,
    move_points,
)
from skyreels_avatar.rig.geometry import (
    EYES,
    INNER_LOWER,
    INNER_UPPER,
    FaceFrame,
    interpolate_columns,
    lip_gap,
    smoothstep,
)
from skyreels_avatar.rig.motion_encoder import MotionEncoder, in_rest_frame
from skyreels_avatar.rig.mouth import (
    MOUTH_BOX,
    MOUTH_PATCH,
    MouthLook,
    make_look,
    mouth_interior,
)
from skyreels_avatar.rig.reference_clip import (
    ReferenceClip,
    detail_place,
    mix_detail,
    sample_clip,
    sample_frames,
    soften_streaks,
    stretched_rows,
)
from skyreels_avatar.rig.secondary_motion import delay_head
from skyreels_avatar.rig.source_teeth import SourceTeeth
from skyreels_avatar.rig.warp import (
    FIELD_BOX,
    CoarseWarp,
    Lookup,
    coarse_warp,
    lip_line,
    undo_eye,
)

TIME_FACTOR = 4
LIDS = slice(MOTION_INDEX["blink_r"], MOTION_INDEX["blink_l"] + 1)
FIRST_SLOW = LIDS.stop  # rig coefficients after the mouth and the lids move without jerks
FIRST_STEADY = MOTION_INDEX["brow_r"]  # and all that follow do not jump either
JOINING_FRAMES = 24
JAW_OF_GAP = 0.7  # of the lip gap: how far the jaw drops


class FaceRig(ModelMixin, ConfigMixin):
    """Encode clips to motion latents and decode motion latents over a reference video."""

    former_names = ("ReferenceMotionVAE",)  # in the headers of earlier weight files

    @register_to_config
    def __init__(self, encoder_dim: int = 384):
        super().__init__()
        self.encoder = MotionEncoder(encoder_dim)
        self.eye_finder = EyeFinder()
        self.register_buffer("motion_mean", torch.zeros(NUM_MOTION))
        self.register_buffer("motion_std", torch.tensor(MOTION_SCALE))

    def pack(self, motion: torch.Tensor) -> torch.Tensor:
        """Pack (B, F, 32) rig coefficients, F = 1 + 4k, into latents (B, 32, T, 1, 4)."""
        batch, num_frames, _ = motion.shape
        if (num_frames - 1) % TIME_FACTOR:
            raise ValueError(f"a clip has 1 + {TIME_FACTOR}k frames, got {num_frames}")
        motion = (motion - self.motion_mean) / self.motion_std
        motion = torch.cat([motion[:, :1].expand(-1, TIME_FACTOR - 1, -1), motion], 1)
        packed = motion.reshape(batch, -1, TIME_FACTOR, NUM_GROUPS, GROUP_SIZE)  # B T 4 G 8
        packed = packed.permute(0, 2, 4, 1, 3).flatten(1, 2)  # B 4*8 T G
        return packed[:, :, :, None]

    def unpack(self, latents: torch.Tensor) -> torch.Tensor:
        """Unpack latents (B, 32, T, 1, 4) into (B, F, 32): the inverse of `pack`."""
        packed = latents[:, :, :, 0].unflatten(1, (TIME_FACTOR, GROUP_SIZE))  # B 4 8 T G
        motion = packed.permute(0, 3, 1, 4, 2).flatten(3).flatten(1, 2)  # B 4T 32
        motion = torch.cat([motion[:, :TIME_FACTOR].mean(1, keepdim=True), motion[:, 4:]], 1)
        return motion * self.motion_std + self.motion_mean

    def blend_at_joins(
        self, latents: torch.Tensor, num_known: int, num_last: int = 0
    ) -> torch.Tensor:
        """Let slow movements go on from what is known, and into it, without a jerk.

        Sampling leaves an error of a few hundredths of a scale, the same over many frames, which
        shows where a window begins or ends. The new frame beside the known ones is brought to
        where those were heading, and that correction fades over a second. Lips and lids are left
        alone.

        Args:
            latents: (1, 32, T, 1, 4) of a window.
            num_known: frames at its beginning that were given.
            num_last: frames at its end that were given.
        """
        motion = self.unpack(latents)
        stop = motion.shape[1] - num_last
        new = motion[:, num_known:stop, FIRST_SLOW:]
        away = torch.arange(stop - num_known, device=motion.device) / JOINING_FRAMES
        before = motion[:, max(0, num_known - 2) : num_known, FIRST_SLOW:]
        after = motion[:, stop : stop + 2, FIRST_SLOW:].flip(1)
        starting = _missed(before, new[:, 0])
        ending = _missed(after, new[:, -1]) if num_last else torch.zeros_like(starting)
        new += smoothstep(1.0, 0.0, away)[:, None] * starting[:, None]
        new += smoothstep(1.0, 0.0, away.flip(0))[:, None] * ending[:, None]
        return self.pack(motion)

    def smooth(self, latents: torch.Tensor, num_known: int, num_last: int = 0) -> torch.Tensor:
        """Take the tremor out of movements that are slow: brows, head, expression.

        Sampling in few steps leaves noise from frame to frame, a hundredth of a scale. The mean of
        a frame and its neighbours (1 2 1) leaves a quarter of it; of two nods a second 94 % stay.
        Lips, lids and gaze, which may jump, and known frames are left alone.

        Args:
            latents: (1, 32, T, 1, 4) of a window.
            num_known, num_last: frames at its beginning and its end that were given.
        """
        motion = self.unpack(latents)
        slow = motion[..., FIRST_STEADY:]
        after = torch.cat([slow[:, 1:], slow[:, -1:]], 1)
        before = torch.cat([slow[:, :1], slow[:, :-1]], 1)
        mean = slow / 2 + (before + after) / 4
        new = slice(num_known, motion.shape[1] - num_last)
        motion[:, new, FIRST_STEADY:] = mean[:, new]
        return self.pack(motion)

    def encode(self, landmarks: torch.Tensor, rest_landmarks: torch.Tensor) -> torch.Tensor:
        """Return latents (1, 32, T, 1, 4) of a tracked face in F = 1 + 4k pictures.

        Args:
            landmarks: (F, 478, 3) pixels.
            rest_landmarks: (478, 3) pixels of the same face in the reference.
        """
        return self.pack(self.motion_of(landmarks, rest_landmarks)[None])

    def motion_of(self, landmarks: torch.Tensor, rest_landmarks: torch.Tensor) -> torch.Tensor:
        """Return (F, 32) rig coefficients of a tracked face, any number of frames: see `encode`."""
        points, rest = in_rest_frame(landmarks, rest_landmarks)
        motion = self.encoder(points, rest) * self.motion_std
        motion[:, 0] = lip_gap(FaceFrame.of(landmarks).points)
        return motion

    @staticmethod
    def reference_motion(landmarks: torch.Tensor) -> torch.Tensor:
        """Return (F, 32), the rig coefficients that leave pictures with (F, 478, 3) unchanged."""
        shape = FaceShape.of(FaceFrame.of(landmarks).points)
        motion = landmarks.new_zeros(landmarks.shape[0], NUM_MOTION)
        motion[:, 0] = shape.gap
        return motion

    @staticmethod
    def crop_box(
        landmarks: torch.Tensor, region: tuple[float, float, float, float] | None = None
    ) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom pixels of all that may change in (F, 478, 3) frames.

        Args:
            region: as in `ReferenceClip`.
        """
        left, top, right, bottom = region or FIELD_BOX
        corners = landmarks.new_tensor([[left, top], [right, top], [left, bottom], [right, bottom]])
        corners = FaceFrame.of(landmarks).to_pixels(corners[None])
        low, high = corners.amin((0, 1)), corners.amax((0, 1))
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def correct_eyes(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return (478, 3) landmarks whose lids lie where (H, W, 3) pixels show them."""
        return correct_eyes(self.eye_finder, pixels, landmarks)

    @staticmethod
    def look_of(
        frame: torch.Tensor,
        landmarks: torch.Tensor,
        seed: int = 0,
        inside: torch.Tensor | None = None,
    ) -> MouthLook:
        """Return how the inside of the mouth looks: see `make_look`."""
        return make_look(frame, landmarks, seed, inside)

    def decode(
        self, latents: torch.Tensor, clip: ReferenceClip
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode latents (1, 32, T, 1, 4) over a clip of the reference video.

        Returns:
            frames (F, 4, h, w) pixels as those of the clip, and matte (F, 1, h, w) bool, false
            where the reference stays; what frames hold there is of no use.
        """
        motion, trail = self.motion_at(latents, clip.positions)
        return self.render(motion, clip, trail)

    def motion_at(
        self, latents: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rig coefficients at (F,) frames of latents (1, 32, T, 1, 4).

        Returns:
            (F, 32), and the same with the head where hair that trails behind it would be.
        """
        motion = self.unpack(latents)
        at = positions.clamp(0, motion.shape[1] - 1)
        low = at.floor().long().clamp_max(max(motion.shape[1] - 2, 0))
        high = (low + 1).clamp_max(motion.shape[1] - 1)
        share = (at - low)[:, None]
        both = torch.cat([motion, delay_head(motion)])
        here, late = (1 - share) * both[:, low] + share * both[:, high]
        return complete_blinks(here), late

    def render(
        self, motion: torch.Tensor, clip: ReferenceClip, trail: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Render (F, 32) rig coefficients over a clip: see `decode`.

        Args:
            trail: (F, 32) of `motion_at`; None leaves hair and shoulders with the head.
        """
        frame = FaceFrame.of(clip.landmarks)
        shape, values = (
            FaceShape.of(frame.points if clip.lively else frame.averaged_if_still()),
            MotionValues(clamp_coefficients(motion)),
        )
        late = None if trail is None else MotionValues(clamp_coefficients(trail))
        warp = coarse_warp(shape, values, clip.region, late, clip.edges)
        height, width = clip.frames.shape[2:]
        layers = warp.look_up(frame, clip)
        moved = frame.to_pixels(move_points(shape, values.motion, clip.edges))
        lips = pixel_box(moved[:, [*INNER_UPPER, *INNER_LOWER]], frame, 0.06, height, width)
        if lips is not None:
            points = frame.from_pixels(box_pixels(lips, clip.frames))
            self._look_at(clip, layers, lips, frame, self._part_lips(points, warp, shape, values))
        blinking = []
        for eye, rings in enumerate(EYES):
            rim = moved[:, [i for ring in rings for i in ring]]
            box = pixel_box(rim, frame, 0.05, height, width)
            if box is not None:
                before = layers.positions[box]
                if bool((values.motion[:, LIDS.start + eye] > 0.05).any()):
                    # The edge of a moving lid needs more than one look a pixel.
                    fine = F.interpolate(before, scale_factor=2, mode="bilinear")
                    undone = self._undo_eye(fine, eye, frame, shape, values)
                    positions = frame.to_pixels(undone).permute(0, 3, 1, 2)
                    blinking.append((box, positions, stretched_rows(fine, positions)))
                undone = self._undo_eye(before, eye, frame, shape, values)
                self._look_at(clip, layers, box, frame, undone)
        matte = layers.window > 0.005  # interpolated a little beyond its border
        if clip.detail is None:
            frames = sample_frames(clip.frames, layers.positions, clip.lively)
        else:
            frames = mix_detail(clip, layers.positions, layers.place, layers.share)
        for box, positions, stretched in blinking:
            drawn = soften_streaks(sample_clip(clip, positions).float(), stretched)
            frames[box] = F.avg_pool2d(drawn, 2).add_(0.5).byte()
        if lips is not None:
            colour, alpha = self._mouth(points, warp, frame, shape, values, clip)
            skin = frames[lips][:, :3]
            skin.copy_(skin.float().lerp_(255 * colour, alpha).add_(0.5).clamp_(0, 255.4))
        return frames, matte

    @staticmethod
    def _look_at(
        clip: ReferenceClip, layers: Lookup, box: Box, frame: FaceFrame, looked: torch.Tensor
    ) -> None:
        """Make the pixels of a box look at (F, h, w, 2) face coordinates."""
        positions = frame.to_pixels(looked).permute(0, 3, 1, 2)
        layers.positions[box] = positions
        if clip.detail is not None:
            layers.place[box] = detail_place(clip.detail, positions)[0]

    @staticmethod
    def _undo_eye(
        positions: torch.Tensor, eye: int, frame: FaceFrame, shape: FaceShape, values: MotionValues
    ) -> torch.Tensor:
        """Return (F, h, w, 2) where pixels that look at (F, 2, h, w) look with the eye undone."""
        looked = frame.from_pixels(positions.permute(0, 2, 3, 1))
        return undo_eye(looked.flatten(1, 2), eye, shape, values).reshape(looked.shape)

    @staticmethod
    def _part_lips(
        points: torch.Tensor, warp: CoarseWarp, shape: FaceShape, values: MotionValues
    ) -> torch.Tensor:
        """Return (F, h, w, 2) where points round the mouth look: the exact choice of the layer."""
        at = points + warp.at("head", points)
        line = lip_line(at[..., 0].flatten(1), shape, values).reshape(at.shape[:3])
        below = (at[..., 1] > line)[..., None]
        return points + torch.where(below, warp.at("lower", points), warp.at("upper", points))

    @staticmethod
    def _edges(
        shape: FaceShape, values: MotionValues
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the moved inner lip edges (F, 128) at patch columns (F, 128), head undone."""
        columns = torch.linspace(MOUTH_BOX[0], MOUTH_BOX[2], 2 * MOUTH_PATCH[1] + 1)[1::2]
        frames = values.motion.shape[0]
        columns = columns.to(shape.points).expand(frames, -1)
        edges = []
        for layer, rest_y in ((UPPER, shape.upper_y), (LOWER, shape.lower_y)):
            rest = torch.stack([shape.lip_x, rest_y], -1)
            rest = torch.stack([refine(rest[..., 0]), refine(rest[..., 1])], -1)
            rest = rest.expand(frames, -1, -1)
            moved = rest + mouth_field(rest, shape, values, layer)
            moved = moved + face_field(rest, shape, values)
            edges.append(interpolate_columns(columns, moved[..., 0], moved[..., 1]))
        upper = edges[0]
        return upper, torch.maximum(edges[1], upper), columns

    def _mouth(
        self,
        points: torch.Tensor,
        warp: CoarseWarp,
        frame: FaceFrame,
        shape: FaceShape,
        values: MotionValues,
        clip: ReferenceClip,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return colour (F, 3, h, w) and alpha (F, 1, h, w) of the open mouth at (F, h, w, 2)."""
        edge_up, edge_low, columns = self._edges(shape, values)
        motion = values.motion[:, :GROUP_SIZE]
        look = clip.look.expand(motion.shape[0]).anchored(frame.points)
        jaw = motion
        if clip.lively:  # whose numbers, but for the lip gap, say how it differs from the frames
            jaw = torch.cat([motion[:, :1], JAW_OF_GAP * motion[:, :1], motion[:, 2:]], 1)
        colour = mouth_interior(edge_up, edge_low, jaw, look)
        at = points + warp.at("head", points)
        x, y = at.flatten(1, 2).unbind(-1)
        pixel = 1.0 / frame.height_px[:, None]
        alpha = coverage(y, x, columns, edge_up, edge_low, 1.3 * pixel)
        left, top, right, bottom = MOUTH_BOX
        scale = at.new_tensor([2 / (right - left), 2 / (bottom - top)])
        grid = (at - at.new_tensor([left, top])) * scale - 1
        inside = F.grid_sample(
            colour, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        if bool((shape.gap > 0).any()):
            edges, teeth = (edge_up, edge_low, columns), clip.look.teeth
            own = SourceTeeth.of(at.flatten(1, 2), shape, teeth, edges, motion, pixel)
            looked = frame.to_pixels(own.at.reshape(at.shape)).permute(0, 3, 1, 2)
            seen = sample_clip(clip, looked)[:, :3] / 255
            share = own.share(seen.flatten(2), teeth).reshape(-1, 1, *at.shape[1:3])
            inside = inside + share * (seen - inside)
        return inside, alpha.reshape(-1, 1, *at.shape[1:3])


def _missed(known: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Return by how much (B, N) motion misses where the last two known frames (B, 2, N) head."""
    return 2 * known[:, -1] - known[:, 0] - new


def clamp_coefficients(motion: torch.Tensor) -> torch.Tensor:
    """Keep rig coefficients inside what the fields can do without folding."""
    limits = torch.tensor([4.0 * scale for scale in MOTION_SCALE], device=motion.device)
    return torch.maximum(torch.minimum(motion, limits), -limits)


def complete_blinks(motion: torch.Tensor) -> torch.Tensor:
    """Let blinks close the eyes in (F, 32) sampled motion.

    At the height of a blink, which lasts for a frame or two, samplers reach 0.8: an eye that never
    quite shuts. Eyes that are open or shut stay as they are.
    """
    lids = motion[:, LIDS]
    return torch.cat(
        [motion[:, : LIDS.start], smoothstep(0.03, 0.75, lids), motion[:, LIDS.stop :]], 1
    )
