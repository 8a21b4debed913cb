"""A picture seen by a camera, as the reference video of a shot."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import cv2
import numpy as np
import torch

from skyreels_avatar.camera import ReferenceVideo
from skyreels_avatar.camera.rays import pluecker_map
from skyreels_avatar.faces.inpainting import inpaint_crops, occluded_area
from skyreels_avatar.references.lighting import FrameLight, PictureLight
from skyreels_avatar.references.reference import frames_per_chunk, split_range, talking_box
from skyreels_avatar.references.texture import PersonTexture, filled_behind
from skyreels_avatar.rig.apparent_motion import apparent_motion
from skyreels_avatar.rig.coefficients import NUM_MOTION
from skyreels_avatar.rig.drawn_style import find_style
from skyreels_avatar.rig.geometry import FaceFrame
from skyreels_avatar.rig.mouth import MouthLook, make_look
from skyreels_avatar.rig.picture_edge import picture_edges
from skyreels_avatar.rig.reference_clip import PictureDetail, as_pixels

# Frames that share a face at rest, and the fields made from it. At full strength cameras deform it
# by 0.004 H in that time, and by 0.001 H near the lips.
_SHARE_REST = 16
_SEEN_STEP = 8  # pixels; what share is seen need not be counted pixel by pixel


class PictureReference:
    """What the camera sees of a picture during a shot: a `Reference` that draws its frames.

    No frames are kept.

    Args:
        video: the picture through the camera move, on the clock of the output.
        landmarks: (478, 3) of the face in the picture itself.
        texture: the picture, or one twice as fine, in which the face is looked up: (3, H, W) or
            (3, 2 H, 2 W) in [0, 1]; None looks it up in the frames.
        region: what of the face may change, as in `ReferenceClip`.
        occluder: (H, W) in [0, 1] where something covers the face in the picture itself.
        light: that the picture was put into; None = it is as it came.
    """

    has_own_motion = False
    teeth: tuple[float, float, float] | None = None  # of `Face`

    def __init__(
        self,
        video: ReferenceVideo,
        landmarks: torch.Tensor,
        texture: torch.Tensor | None = None,
        region: tuple[float, float, float, float] | None = None,
        occluder: np.ndarray | None = None,
        light: PictureLight | None = None,
    ):
        self.video = video
        self.num_frames = video.num_frames
        self.size: tuple[int, int] = tuple(video.scene.depth.shape)
        self.region = region
        self._light, self._occluder = light, occluder
        self._points = landmarks
        self._world = video.lift(landmarks[:, :2])
        self._start = self.landmarks(0, 1)[0]
        self._rest = -1, self._start[None]
        person = None if texture is None else video.scene.person_mask
        self._edges = picture_edges(landmarks[None], *self.size, person)
        self._texture, self._torso = None, None
        if occluder is not None:  # so that a coarse look cannot miss it
            self._spread = cv2.dilate(occluder, np.ones((49, 49), np.uint8))
        if texture is not None:
            self._texture = PersonTexture(video, landmarks, texture, occluder)
            if region is None:  # nobody beside whom it would have to stop
                self._torso = self._texture.torso

    @property
    def moves_torso(self) -> bool:
        """See `Reference`: that of a single person of whom it is known where they are."""
        return self._torso is not None

    @cached_property
    def frame_light(self) -> FrameLight | None:
        """See `Reference`."""
        return None if self._light is None else self._light.frame_light(self.video)

    def landmarks(self, start: int, stop: int) -> torch.Tensor:
        """Return (F, 478, 3) of the face in frames start to stop, in pixels, z in their scale.

        The camera sees the points of the picture's own mesh from elsewhere; z keeps the shape of
        the face and grows and shrinks with it.
        """
        projected = self.video.project(self._world, start, stop)[..., :2]
        size = (projected - projected.mean(1, keepdim=True)).norm(dim=-1).mean(1)
        rest = (self._points[:, :2] - self._points[:, :2].mean(0)).norm(dim=-1).mean()
        z = self._points[:, 2] * (size / rest)[:, None]
        return torch.cat([projected, z[..., None]], -1)

    def rest_points(self, start: int, stop: int) -> torch.Tensor:
        """See `Reference`: that of the middle of some frames, which they and others share."""
        middle = (start + stop) // 2 // _SHARE_REST * _SHARE_REST + _SHARE_REST // 2
        middle = 0 if self.is_still else min(middle, self.num_frames - 1)
        rest = self._rest
        if rest[0] != middle:
            points = FaceFrame.of(self.landmarks(middle, middle + 1)).points
            self._rest = rest = middle, points  # at once: several threads ask
        return rest[1]

    def frames(self, start: int, stop: int) -> np.ndarray:
        """See `Reference`."""
        return self.video.pictures(start, stop)

    @property
    def is_still(self) -> bool:
        """Whether the camera rests all the time."""
        return self.video.is_still

    def rays(self, at: np.ndarray) -> torch.Tensor:
        """Return (7, F, H, W) for frames: 1 where the picture shows nothing, and Pluecker maps.

        Args:
            at: (F,) rising frames, of which the first is where the path of the maps begins.
        """
        if at[-1] - at[0] > 2 * len(at):  # a storyboard leaps
            seen = np.concatenate([self.video.seen(i, i + 1) for i in at.tolist()])
        else:
            seen = self.video.seen(int(at[0]), int(at[-1]) + 1)[at - at[0]]
        path = self.video.path
        maps = pluecker_map(path.intrinsics[at], path.extrinsics[at], *self.size)
        return torch.cat([1 - torch.from_numpy(seen)[None].float(), maps])

    def seen_share(self, start: int, stop: int) -> torch.Tensor:
        """Return (F,) the share of the talking region that the picture really shows."""
        region = talking_box(self.landmarks(start, stop), *self.size, self.region)
        box = np.array(region) // _SEEN_STEP
        left, top, right, bottom = box.tolist()
        seen = self.video.seen(start, stop, _SEEN_STEP)[:, top : bottom + 1, left : right + 1]
        return torch.from_numpy(seen.mean((1, 2), dtype=np.float32))

    def apparent_motion(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Reference`: what the camera seems to do to the head."""
        first, last = int(at[0]), int(at[-1].ceil())
        landmarks = self.landmarks(first, last + 1)
        seen = self.seen_share(first, last + 1)
        low = at.floor().long()
        share = at - low
        low, high = low - first, (low - first + 1).clamp_max(last - first)
        seen = torch.lerp(seen[low], seen[high], share)
        landmarks = torch.lerp(landmarks[low], landmarks[high], share[:, None, None])
        return apparent_motion(landmarks, self._start), seen

    def first_motion(self) -> torch.Tensor:
        """See `Reference`: with the lips shut, whatever the picture shows."""
        return torch.zeros(1, NUM_MOTION)

    def relative_motion(self, motion: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """See `Reference`: a picture has no motion of its own."""
        return motion

    def narrow_mouths(
        self, pixels: np.ndarray, landmarks: torch.Tensor, motion: torch.Tensor, start: int
    ) -> tuple[np.ndarray, torch.Tensor]:
        """See `Reference`: a wide mouth of a picture is shut before (`closed_mouth`)."""
        return pixels, landmarks

    def changes(self, start: int, stop: int) -> bool:
        """See `Reference`: always."""
        return True

    def looks(self, seed: int, device: torch.device) -> list[MouthLook]:
        """See `Reference`: there is one scene."""
        picture = self.video.scene.image if self._light is None else self._light.unlit
        if self._occluder is not None:
            hidden = occluded_area(self._occluder, self._points.numpy())
            picture = filled_behind(as_pixels(picture[None])[0], hidden)[:3] / 255
        teeth = None if self.teeth is None else torch.tensor(self.teeth)
        look = make_look(picture.to(device), self._points.to(device), seed, enamel=teeth)
        if self._light is None:
            return [look]
        look = self._light.relight_mouth(look, self._points)
        if look.drawn is not None:  # flat colors are the picture's own
            look = replace(look, drawn=find_style(self.video.scene.image.cpu(), self._points))
        return [look]

    def scene_at(self, frame: int) -> int:
        """See `Reference`."""
        return 0

    def chunks(self, start: int, stop: int) -> list[tuple[int, int]]:
        """See `Reference`: all frames of a range are as sharp."""
        sharp = self.video.sharpening[start:stop]
        cuts = (np.flatnonzero(sharp[1:] != sharp[:-1]) + start + 1).tolist()
        edges, step = [start, *cuts, stop], frames_per_chunk(*self.size)
        return [part for span in pairwise(edges) for part in split_range(*span, step)]

    def box(self, landmarks: torch.Tensor) -> tuple[int, int, int, int]:
        """See `Reference`."""
        return talking_box(landmarks, *self.size, self.region, self._torso)

    def edges(self, start: int, stop: int) -> torch.Tensor:
        """See `Reference`: those of the picture itself, (1, 4, 4)."""
        return self._edges

    def occluder(self, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray | None:
        """See `Reference`: it is where the camera sees it, and moves with no head."""
        if self._occluder is None:
            return None
        left, top, right, bottom = box
        if self.video.path.is_static():
            whole = self._occluder[None, top:bottom, left:right]
            return np.broadcast_to(whole, (stop - start, *whole.shape[1:]))
        return np.stack([self._occluder_at(index, box) for index in range(start, stop)])

    def behind(self, start: int, stop: int, box: tuple[int, int, int, int]) -> None:
        """See `Reference`: a head moves over what is behind it."""

    def draws_all(self, box: tuple[int, int, int, int]) -> bool:
        """See `Reference`: while the camera moves, `detail` has all of its box but what covers."""
        height, width = self.size
        drawn = self._texture is not None and self._occluder is None and self.region is None
        return drawn and not self.is_still and box == (0, 0, width, height)

    def _occluder_at(self, index: int, box: tuple[int, int, int, int]) -> np.ndarray:
        """Return (h, w) of `occluder` in a frame of a moving camera.

        Where pixels come from is known on a grid; only the part of it that shows the occluder is
        interpolated.
        """
        shown = np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
        targets, origins = self.video.targets, self.video.person_map(index)
        near = cv2.remap(self._spread, origins - 0.5, None, cv2.INTER_NEAREST) > 0
        if not near.any():
            return shown
        rows, columns = (np.flatnonzero(near.any(axis)) for axis in (1, 0))
        top, bottom = max(0, rows[0] - 1), rows[-1] + 2
        left, right = max(0, columns[0] - 1), columns[-1] + 2
        step = round(float(targets[0, 1, 0] - targets[0, 0, 0]))
        part = origins[top:bottom, left:right]
        size = step * part.shape[1], step * part.shape[0]
        at = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        # The first pixel of `at`, counted from the corner of the box.
        x, y = np.round(targets[top, left] - step / 2 - box[:2]).astype(int).tolist()
        at = at[max(0, -y) : shown.shape[0] - y, max(0, -x) : shown.shape[1] - x] - 0.5
        x, y = max(0, x), max(0, y)
        if at.size:
            found = cv2.remap(self._occluder, at, None, cv2.INTER_LINEAR)
            shown[y : y + at.shape[0], x : x + at.shape[1]] = found
        return shown

    def without_occluder(
        self, pixels: np.ndarray, occluder: np.ndarray, landmarks: np.ndarray
    ) -> np.ndarray:
        """See `Reference`: a texture is filled behind the occluder already."""
        return pixels if self._texture is not None else inpaint_crops(pixels, occluder, landmarks)

    def detail(self, start: int, stop: int, box: tuple[int, int, int, int]) -> PictureDetail | None:
        """See `Reference`."""
        return None if self._texture is None else self._texture.detail(start, stop, box)
