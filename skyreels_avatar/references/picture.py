"""The reference video of a shot and the talking face in it, window by window."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as functional

from skyreels_avatar.camera import ReferenceVideo
from skyreels_avatar.faces.inpainting import inpaint, inpaint_crops, occluded_area
from skyreels_avatar.references.lighting import FrameLight, PictureLight
from skyreels_avatar.rig.apparent_motion import apparent_motion
from skyreels_avatar.rig.mouth import MouthLook, make_look
from skyreels_avatar.rig.picture_edge import picture_edges
from skyreels_avatar.rig.reference_clip import PictureDetail, as_pixels
from skyreels_avatar.rig.renderer import crop_box, rest_motion

FOLLOWING = 0.08  # of the face height: so far round the person pixels move with the head
_SEEN_STEP = 8  # pixels; what share is seen need not be counted pixel by pixel
_CHUNK_PIXELS = 8 * 512 * 512  # rendered at once; bounds the memory of float frames


def frames_per_chunk(height: int, width: int) -> int:
    """Return how many frames are worked on together at this size: 1 to 8."""
    return max(1, min(8, _CHUNK_PIXELS // (height * width)))


def pieces(start: int, stop: int, step: int) -> list[tuple[int, int]]:
    """Return (first, last) of consecutive ranges of at most `step` that cover start to stop."""
    return [(first, min(first + step, stop)) for first in range(start, stop, step)]


class ShotReference:
    """What the camera sees during a shot, and where the face is in it.

    Any frames can be asked for at any time, by several threads; none are kept.

    Args:
        video: the picture through the camera move, on the clock of the output.
        landmarks: (478, 3) of the face in the picture itself.
        fine: (3, 2 H, 2 W) the picture twice as fine; None takes the picture as it is.
        region: what of the face may change, as in `ReferenceClip`.
        detailed: whether the face is looked up in the picture itself, else in the frames.
        front: (H, W) in [0, 1] where something stands before the face in the picture itself.

    Attributes:
        lit: the light that the picture was put into; None = it is as it came.
        light: what is done to finished frames; None = nothing.
    """

    lively = False
    lit: PictureLight | None = None
    light: FrameLight | None = None

    def __init__(
        self,
        video: ReferenceVideo,
        landmarks: torch.Tensor,
        fine: torch.Tensor | None = None,
        region: tuple[float, float, float, float] | None = None,
        detailed: bool = True,
        front: np.ndarray | None = None,
    ):
        self.video = video
        self.num_frames = video.num_frames
        self.size: tuple[int, int] = tuple(video.scene.depth.shape)
        self._points = landmarks
        self._world = video.lift(landmarks[:, :2])
        self._start = self.landmarks(0, 1)[0]
        self.region = region
        self._edges = picture_edges(landmarks[None], *self.size)
        self._detail, self._front = None, front
        if front is not None:  # so that a coarse look cannot miss it
            self._spread = cv2.dilate(front, np.ones((49, 49), np.uint8))
        if detailed:
            picture = video.scene.image if fine is None else fine
            self._detail = _Detail(video, landmarks, picture, front)

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

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Draw frames start to stop: (F, H, W, 3) uint8."""
        return self.video.pictures(start, stop)

    def seen_share(self, start: int, stop: int) -> torch.Tensor:
        """Return (F,) the share of the talking region that the picture really shows."""
        box = np.array(self.box(self.landmarks(start, stop))) // _SEEN_STEP
        left, top, right, bottom = box.tolist()
        seen = self.video.seen(start, stop, _SEEN_STEP)[:, top : bottom + 1, left : right + 1]
        return torch.from_numpy(seen.mean((1, 2), dtype=np.float32))

    def apparent_motion(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the camera seems to do to the head, (F, 32), and the share (F,) really seen.

        Args:
            at: (F,) rising positions between frames.
        """
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
        """Return (1, 32) rig coefficients of the first frame as it is."""
        return rest_motion(self._points[None])

    def performed(self, motion: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Return (F, 32) what to do to frames start to stop to show `motion`: just that."""
        return motion

    def changes(self, start: int, stop: int) -> bool:
        """Return whether anything is to be drawn in frames start to stop: always."""
        return True

    def looks(self, seed: int, device: torch.device) -> list[MouthLook]:
        """Return the inside of this person's mouth, for the one scene that there is."""
        picture = self.video.scene.image if self.lit is None else self.lit.unlit
        if self._front is not None:
            hidden = occluded_area(self._front, self._points.numpy())
            picture = _without(picture, hidden).permute(2, 0, 1) / 255
        look = make_look(picture.to(device), self._points.to(device), seed)
        return [look if self.lit is None else self.lit.on_mouth(look, self._points)]

    def scene_at(self, frame: int) -> int:
        """Return which of `looks` belongs to a frame."""
        return 0

    def chunks(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return start and stop of pieces of frames to work on together."""
        return pieces(start, stop, frames_per_chunk(*self.size))

    def box(self, landmarks: torch.Tensor) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom of the talking region of (F, 478, 3), whole pixels."""
        return talking_box(landmarks, *self.size, self.region)

    def edges(self, start: int, stop: int) -> torch.Tensor:
        """Return (1, 4, 3) the edges of the picture itself, as in `ReferenceClip`."""
        return self._edges

    def front(self, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray | None:
        """Return (F, h, w) in [0, 1], what stands before the face in a box of some frames.

        It is where the camera sees it, and moves with no head; None where nothing stands.
        """
        if self._front is None:
            return None
        left, top, right, bottom = box
        if self.video.path.is_static():
            whole = self._front[None, top:bottom, left:right]
            return np.broadcast_to(whole, (stop - start, *whole.shape[1:]))
        return np.stack([self._front_at(index, box) for index in range(start, stop)])

    def _front_at(self, index: int, box: tuple[int, int, int, int]) -> np.ndarray:
        """Return (h, w), what stands before the face in a box of a frame of a moving camera.

        Where pixels come from is known on a grid; only the part of it that shows the thing is
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
            found = cv2.remap(self._front, at, None, cv2.INTER_LINEAR)
            shown[y : y + at.shape[0], x : x + at.shape[1]] = found
        return shown

    def behind(self, pixels: np.ndarray, front: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return crops (F, h, w, 3) of frames as they would be without what is before faces.

        Faces that are looked up in the picture itself find it filled already.

        Args:
            front: (F, h, w) of `front`.
            landmarks: (F, 478, 3) pixels.
        """
        return pixels if self._detail is not None else inpaint_crops(pixels, front, landmarks)

    def detail(self, start: int, stop: int, left: int, top: int) -> PictureDetail | None:
        """Return the finer picture for a crop of some frames that begins at (left, top)."""
        return None if self._detail is None else self._detail.of(start, stop, left, top)


class _Detail:
    """The finer picture, and where each frame of the reference video looks into it."""

    def __init__(
        self,
        video: ReferenceVideo,
        landmarks: torch.Tensor,
        fine: torch.Tensor,
        front: np.ndarray | None = None,
    ):
        scene, self._video = video.scene, video
        hidden = (
            None if front is None else torch.from_numpy(occluded_area(front, landmarks.numpy()))
        )
        if hidden is None:
            self._texture = as_pixels(fine[None])
        else:
            self._texture = as_pixels(_without(fine, hidden.numpy())[None].numpy())
        self._share = None
        mask = scene.person_mask[None, None]
        still = mask if front is None else (mask - torch.from_numpy(front)).clamp_min(0)
        self._person = _following(still, landmarks)
        if not video.path.is_static():
            # Behind the person another layer moves differently: only the person is looked up.
            self._share = (2 * -functional.max_pool2d(-mask, 5, 1, 2) - 1).clamp(0, 1)
            if hidden is not None:
                self._share = torch.maximum(self._share, hidden)
        self._size = torch.tensor(scene.depth.shape[::-1]).float()

    def of(self, start: int, stop: int, left: int, top: int) -> PictureDetail:
        """Return the detail for a crop of some frames that begins at (left, top)."""
        width, height = self._size.tolist()
        if self._share is None:
            nodes = torch.tensor([[[-1.0, 1.0], [-1.0, 1.0]], [[-1.0, -1.0], [1.0, 1.0]]])
            positions = nodes.expand(stop - start, -1, -1, -1)
            span = (-left, -top, width - left, height - top)
            return PictureDetail(self._texture, None, self._person, positions, span)
        maps = [self._video.person_map(index) for index in range(start, stop)]
        positions = torch.from_numpy(np.stack(maps)).float() * (2 / self._size) - 1
        targets = self._video.targets
        first, last = targets[0, 0], targets[-1, -1]
        span = (first[0] - left, first[1] - top, last[0] - left, last[1] - top)
        positions = positions.permute(0, 3, 1, 2)
        span = tuple(map(float, span))
        return PictureDetail(self._texture, self._share, self._person, positions, span)


def _without(picture: torch.Tensor, hidden: np.ndarray) -> torch.Tensor:
    """Return (H, W, 3) uint8: a picture (3, H, W) in [0, 1] filled where (h, w) hides it."""
    pixels = picture.mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8)
    pixels = pixels.permute(1, 2, 0).contiguous().numpy()
    size = pixels.shape[1::-1]
    return torch.from_numpy(inpaint(pixels, cv2.resize(hidden, size)))


def _following(mask: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """Return (1, 1, h, w): 1 on the person and a little around, falling softly to 0.

    What the matte missed of a head still moves with it, and the background stretches over a
    narrow band instead of swimming along.
    """
    height, width = mask.shape[2:]
    face_px = float((landmarks[10] - landmarks[152])[:2].norm())
    scale = min(1.0, 64.0 / face_px)  # soft, so coarse will do
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    person = cv2.resize(mask[0, 0].numpy(), size, interpolation=cv2.INTER_AREA)
    face = cv2.convexHull((landmarks[:, :2].numpy() * scale).round().astype(np.int32))
    cv2.fillConvexPoly(person, face, 1.0)
    reach = round(2 * FOLLOWING * face_px * scale) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    person = cv2.GaussianBlur(cv2.dilate(person, disc), (0, 0), FOLLOWING / 2 * face_px * scale)
    return torch.from_numpy(person)[None, None]


def talking_box(
    landmarks: torch.Tensor,
    height: int,
    width: int,
    region: tuple[float, float, float, float] | None = None,
) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what may move in frames with (F, 478, 3) landmarks.

    Multiples of 16 pixels, so that crops of neighbouring frames take memory of the same size;
    clipped to the picture, at least 2 pixels each way.

    Args:
        region: as in `ReferenceClip`.
    """
    box = crop_box(landmarks, region)
    low, high = torch.tensor(box[:2]), torch.tensor(box[2:])
    limit = torch.tensor([width, height])
    low = ((low / 16).floor().long() * 16).clamp_min(0).minimum(limit - 2)
    high = ((high / 16).ceil().long() * 16).minimum(limit).maximum(low + 2)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
