"""Existing video as the reference video: its frames, and what the face in it does already."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch

from skyreels_avatar.faces.face_crop import picture_from_crop, uncrop_mask
from skyreels_avatar.faces.inpainting import inpaint_crops
from skyreels_avatar.faces.narrowed_mouth import narrow_mouths, narrowing
from skyreels_avatar.faces.scenes import Scene
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.references.filmed_mouth import filmed_mouth
from skyreels_avatar.references.reference import frames_per_chunk, split_range, talking_box
from skyreels_avatar.rig.apparent_motion import clamp_to_trained_range
from skyreels_avatar.rig.coefficients import GROUP_SIZE, MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.rig.fields import FaceShape
from skyreels_avatar.rig.geometry import FaceFrame
from skyreels_avatar.rig.mouth import MouthLook, make_look
from skyreels_avatar.rig.picture_edge import picture_edges

# What may change, in face coordinates: left, top, right, bottom.
REGIONS = {
    "lips": (-0.46, -0.26, 0.46, 0.56),
    "face": (-0.70, -1.00, 0.70, 0.60),
    "none": None,
}
_CACHED_BYTES = 256 * 2**20
_LIDS_AND_GAZE = slice(MOTION_INDEX["blink_r"], MOTION_INDEX["gaze_y"] + 1)
_HEAD = slice(MOTION_INDEX["yaw"], MOTION_INDEX["sway"] + 1)


class Footage:
    """Frames of a video by their place in the output; read forwards, safe for several threads.

    Args:
        video: the video; its own position is left alone.
        source: (N,) which frame of it each frame of the output shows.
        size: height and width that are shown; rows and columns beyond are left out.
    """

    def __init__(self, video: VideoReader, source: np.ndarray, size: tuple[int, int]):
        self._reader = video.reopened()
        self.source = np.asarray(source, np.int64)
        self.size = size
        self._lock = threading.Lock()
        self._frames: OrderedDict[int, np.ndarray] = OrderedDict()
        self._capacity = max(16, _CACHED_BYTES // (3 * self.size[0] * self.size[1]))

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Return copies of output frames start to stop, (F, H, W, 3) uint8."""
        wanted = self.source[start:stop].tolist()
        with self._lock:
            missing = sorted({index for index in wanted if index not in self._frames})
            for index in missing:
                pixels = self._reader.read(index, index + 1)[0]
                self._frames[index] = pixels[: self.size[0], : self.size[1]]
            found = np.stack([self._frames[index] for index in wanted])
            while len(self._frames) > self._capacity:
                self._frames.popitem(last=False)
        return found


class FootageReference:
    """An existing video and one face in it: a `Reference` that leaves the rest as it is.

    Args:
        footage: the video, on the clock of the output.
        scenes: the face in it, scene by scene.
        keep: what stays: "lips", "face" or "none", as in `Shot.keep`.
        vae: reads rig coefficients from the face; None where none are wanted.
    """

    has_own_motion, moves_torso = True, False
    frame_light = None  # what is left of a video stays as it is

    def __init__(
        self, footage: Footage, scenes: Sequence[Scene], keep: str, vae: FaceRig | None = None
    ):
        self._footage, self._keep = footage, keep
        self.size, self.num_frames = footage.size, len(footage.source)
        self.region = REGIONS[keep]
        source = self._source = footage.source
        self._scenes = scenes
        self._scene = np.searchsorted([scene.stop for scene in scenes], source, "right")
        landmarks = np.concatenate([scene.landmarks for scene in scenes])
        self._landmarks = torch.from_numpy(landmarks[source].astype(np.float32))
        self._speaks = torch.from_numpy(
            np.concatenate([scene.speaks for scene in scenes])[source].astype(np.float32)
        )
        self._reasons = np.concatenate([scene.reasons for scene in scenes])[source]
        if vae is None:
            return
        own = [
            vae.motion_of(
                torch.from_numpy(scene.landmarks).to(vae.device),
                torch.from_numpy(scene.landmarks[scene.rest]).to(vae.device),
            ).cpu()
            for scene in scenes
        ]
        self._own = torch.cat(own)[torch.from_numpy(source)]
        mouths = [filmed_mouth(scene.landmarks, scene.rest, vae) for scene in scenes]
        self._mouth = torch.cat(mouths)[torch.from_numpy(source)]

    def landmarks(self, start: int, stop: int) -> torch.Tensor:
        """See `Reference`."""
        return self._landmarks[start:stop]

    def frames(self, start: int, stop: int) -> np.ndarray:
        """See `Reference`."""
        return self._footage.frames(start, stop)

    def box(self, landmarks: torch.Tensor) -> tuple[int, int, int, int]:
        """See `Reference`."""
        return talking_box(landmarks, *self.size, self.region)

    def rest_points(self, start: int, stop: int) -> None:
        """See `Reference`: each frame has its own."""

    def edges(self, start: int, stop: int) -> torch.Tensor:
        """See `Reference`: those of each frame, (F, 4, 3)."""
        return picture_edges(self._landmarks[start:stop], *self.size)

    def draws_all(self, box: tuple[int, int, int, int]) -> bool:
        """See `Reference`: a face is drawn over the footage."""
        return False

    def occluder(self, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray | None:
        """See `Reference`; None where nothing covers the face in any of the frames."""
        scene = self._scenes[self._scene[start]]
        if scene.occluders is None:
            return None
        masks = [scene.occluders.at(int(i) - scene.start) for i in self._source[start:stop]]
        return self._uncropped(masks, start, box)

    def _uncropped(
        self, masks: Sequence[np.ndarray | None], start: int, box: tuple[int, int, int, int]
    ) -> np.ndarray | None:
        """Return (F, h, w) masks of crops in the pixels of a box; None where there are none."""
        if not any(mask is not None for mask in masks):
            return None
        left, top, right, bottom = box
        shares = np.zeros((len(masks), bottom - top, right - left), np.float32)
        for mask, landmarks, share in zip(masks, self._landmarks[start:], shares):
            if mask is not None:
                matrix = picture_from_crop(landmarks.numpy())
                share[:] = uncrop_mask(mask, matrix, share.shape, (left, top))
        return shares

    def behind(self, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray | None:
        """See `Reference`: of heads that are turned so far that lips reach the edge of the face."""
        masks = [
            scene.silhouette.at(int(i) - scene.start) if scene.silhouette is not None else None
            for scene, i in (
                (self._scenes[self._scene[frame]], self._source[frame])
                for frame in range(start, stop)
            )
        ]
        return self._uncropped(masks, start, box)

    def without_occluder(
        self, pixels: np.ndarray, occluder: np.ndarray, landmarks: np.ndarray
    ) -> np.ndarray:
        """See `Reference`."""
        return inpaint_crops(pixels, occluder, landmarks)

    def detail(self, start: int, stop: int, box: tuple[int, int, int, int]) -> None:
        """See `Reference`: there is nothing finer than the frames."""
        return None

    def looks(self, seed: int, device: torch.device) -> list[MouthLook]:
        """See `Reference`: in the tones that the video shows."""
        return [
            make_look(
                torch.from_numpy(scene.picture).to(device).permute(2, 0, 1).float() / 255,
                torch.from_numpy(scene.landmarks[scene.rest]).to(device),
                seed,
                torch.from_numpy(scene.inside).float() / 255,
                _filmed(scene),
            )
            for scene in self._scenes
        ]

    def scene_at(self, frame: int) -> int:
        """See `Reference`."""
        return int(self._scene[frame])

    def chunks(self, start: int, stop: int) -> list[tuple[int, int]]:
        """See `Reference`."""
        cuts = [i for i in range(start + 1, stop) if self._scene[i] != self._scene[i - 1]]
        edges, step = [start, *cuts, stop], frames_per_chunk(*self.size)
        spans = itertools.pairwise(edges)
        return [chunk for span in spans for chunk in split_range(*span, step)]

    def changes(self, start: int, stop: int) -> bool:
        """See `Reference`: where a mouth can be seen."""
        return bool((self._speaks[start:stop] > 0).any())

    def unseen(self) -> list[tuple[int, int, str]]:
        """Return (start, stop, reason) of the frames in which no mouth can be made to speak."""
        spans, position = [], 0
        for reason, run in itertools.groupby(self._reasons.tolist()):
            stop = position + len(list(run))
            if reason:
                spans.append((position, stop, reason))
            position = stop
        return spans

    def first_motion(self) -> torch.Tensor:
        """See `Reference`."""
        motion = torch.zeros(1, NUM_MOTION)
        motion[:, :GROUP_SIZE] = self._own[:1, :GROUP_SIZE]
        return motion

    def apparent_motion(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Reference`: what the face does by itself, all of it seen."""
        low = at.floor().long().clamp(0, self.num_frames - 1)
        high = (low + 1).clamp_max(self.num_frames - 1)
        own = torch.lerp(self._own[low], self._own[high], (at - low)[:, None])
        return clamp_to_trained_range(own), torch.ones(len(at))

    def relative_motion(self, motion: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """See `Reference`.

        The mouth is absolute: what it does already, and what is left of that once it is narrowed,
        is subtracted. Only the lip gap, which the decoder knows from the landmarks, is left as it
        is.
        """
        speaks = self._speaks[start:stop, None].to(motion)
        asked, points = motion.clone(), self._points(start, stop).to(motion)
        gaps = FaceShape.of(points).gap
        left = 1 - narrowing(points, torch.lerp(gaps, motion[:, 0], speaks[:, 0]))
        asked[:, 1:GROUP_SIZE] -= left[:, None] * self._mouth[start:stop, 1:].to(motion)
        asked[:, _LIDS_AND_GAZE] = 0
        if self._keep != "none":
            asked[:, _HEAD] = 0
        if self._keep == "lips":
            asked[:, GROUP_SIZE:] = 0
        still = torch.zeros_like(asked)
        still[:, 0] = gaps
        return torch.lerp(still, asked, speaks)

    def narrow_mouths(
        self, pixels: np.ndarray, landmarks: torch.Tensor, motion: torch.Tensor, start: int
    ) -> tuple[np.ndarray, torch.Tensor]:
        """See `Reference`."""
        points = self._points(start, start + len(pixels))
        shares = narrowing(points, motion[:, 0].cpu()).numpy()
        pixels, moved = narrow_mouths(pixels, landmarks.numpy(), shares, self.region)
        return pixels, torch.from_numpy(moved)

    def _points(self, start: int, stop: int) -> torch.Tensor:
        """Return (F, 478, 3) face coordinates in frames."""
        return FaceFrame.of(self._landmarks[start:stop]).points


def _filmed(scene: Scene) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return pictures and landmarks of a scene that show teeth, for `make_look`."""
    return [
        (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255, torch.from_numpy(points).float())
        for pixels, points in scene.teeth
    ]
