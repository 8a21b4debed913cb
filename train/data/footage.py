"""Follow the faces of a video between its cuts: pieces of one person, with what tells their worth.

A cut within one scene leaves the picture much as it was; there the face jumps. A video is read
once. Each shot is cut into blocks of at most ten seconds, and up to three faces are
followed through a block side by side, so that memory holds one frame whatever the video's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from skyreels_avatar.evaluation.appearance import face_sharpness
from skyreels_avatar.faces.alignment import RIGID, align, head_angles_deg
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face, visibility_of
from skyreels_avatar.faces.face_crop import extract_crop, is_turned_away, picture_from_crop
from skyreels_avatar.faces.identity import embed_face, is_recognizable
from skyreels_avatar.faces.mouth_occlusion import (
    crop_lower_face,
    find_covered_mouths,
    skin_colors,
)
from skyreels_avatar.faces.occluder_mask import SegmentCrops, filter_mask
from skyreels_avatar.faces.opening import face_heights, mouth_opening
from skyreels_avatar.faces.region import box_of, overlap
from skyreels_avatar.faces.template import template
from skyreels_avatar.faces.transitions import TransitionFinder
from skyreels_avatar.media.video import VideoReader

BLOCK_S = 10.0
MAX_FACES = 3
MAX_SIDE = 1280  # pixels of a frame in which faces are followed
SHARP_PX = 100  # face height at which sharpness is measured; smaller faces are not enlarged
_MAX_GAP = 3  # frames without the face that a piece may have
_SEARCH_S = 1.0  # between searches where nobody is seen
_SHARP_STEP, _COVER_STEP, _IDENTITY_STEP = 12, 12, 50  # frames between samples
_MAX_FPS = 31.0  # of the frames that are followed; faster videos are thinned out
_SAME = 0.6  # overlap of the boxes of one face that was found twice
_THUMB_PX = 96
_LEAST_S = 1.0  # of a run of frames that is not the longest of its block
# People who move fast do so for several frames. A step of the face, / H, that is so large and so
# many times the largest of the frames around it is a cut within one scene, or frames are missing.
_JUMP, _JUMP_RATIO, _JUMP_FRAMES = 0.03, 2.5, 3
_TREMBLE = 0.004  # / H: what a face that is still is taken to move


@dataclass(frozen=True)
class Span:
    """Some frames of one face: what was seen before anything is judged.

    Attributes:
        start: first frame of it, counted in the frames that were followed.
        fps: of those frames.
        landmarks: (F, 478, 3) pixels.
        scale: picture pixels for one of these.
        sharpness: variance of the Laplacian at a face height of 100 px, median.
        covered: share of frames in which something is before the mouth or the face.
        embedding: (128,) of the face's identity, zeros in profile.
        thumb: (96, 96, 3) uint8.
    """

    start: int
    fps: float
    landmarks: np.ndarray
    scale: float
    sharpness: float
    covered: float
    embedding: np.ndarray
    thumb: np.ndarray

    @property
    def face_px(self) -> float:
        """Median face height in pixels of the video."""
        return self.scale * float(np.median(face_heights(self.landmarks)))

    @property
    def yaw_deg(self) -> float:
        """How far the head is turned away from the camera, 90th percentile."""
        _, rotation = align(self.landmarks, template())
        return float(np.percentile(np.abs(head_angles_deg(rotation)[:, 0]), 90))

    def rest(self) -> int:
        """Return the frame that is most like a face at rest: lips shut, usual pose."""
        _, rotation = align(self.landmarks, template())
        angles = head_angles_deg(rotation)
        away = np.linalg.norm(angles - np.median(angles, 0), axis=1)
        return int((mouth_opening(self.landmarks) + 0.004 * away).argmin())


@dataclass
class _Follower:
    """One face that is followed through a block."""

    found: Iterator[tuple[np.ndarray | None, float]]
    first: int
    points: list[np.ndarray | None] = field(default_factory=list)
    looks: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    sharp: dict[int, float] = field(default_factory=dict)
    crops: dict[int, np.ndarray] = field(default_factory=dict)
    embeddings: dict[int, np.ndarray] = field(default_factory=dict)
    thumbs: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, pixels: np.ndarray) -> None:
        """Follow the face into the next frame."""
        landmarks, _ = next(self.found)
        index = len(self.points)
        self.points.append(landmarks)
        if landmarks is None:
            return
        self.looks[index] = crop_lower_face(pixels, landmarks), skin_colors(pixels, landmarks)
        if index % _SHARP_STEP == 0:
            height_px = min(SHARP_PX, float(face_heights(landmarks[None])[0]))
            self.sharp[index] = face_sharpness(pixels, landmarks, height_px)
        if index % _COVER_STEP == 0 and not is_turned_away(landmarks):
            self.crops[index] = extract_crop(pixels, picture_from_crop(landmarks))
        if index % _IDENTITY_STEP == 0:
            self.thumbs[index] = _thumb(pixels, landmarks)
            if is_recognizable(landmarks):
                self.embeddings[index] = embed_face(pixels, landmarks)


def follow_faces(
    reader: VideoReader,
    analyzer: FaceAnalyzer,
    segment: SegmentCrops,
    after: int = 0,
    on_block: Callable[[int, list[Span]], None] = lambda stop, spans: None,
) -> None:
    """Follow the faces of a video and hand over their spans, block by block.

    Args:
        segment: masks of what is before faces, as in `segment_augmented`.
        after: frames that were followed before, of a run that was cut.
        on_block: called with the frame in which a block ends and the spans that were seen in it.
    """
    finder, block, faces = TransitionFinder(), None, []
    thin = max(1, round(reader.fps / _MAX_FPS + 0.2)) if reader.fps > _MAX_FPS else 1
    fps = reader.fps / thin
    last = -1
    for number, pixels in enumerate(reader):
        if number % thin:
            continue
        index = last = number // thin
        pixels, scale = _shrunk(pixels)
        cut = finder.add(pixels)
        if index < after:
            continue
        if block is not None and (cut or block.length >= BLOCK_S * fps):
            faces = [] if cut else block.faces()
            on_block(index, block.spans(segment, finder.spans))
            block = None
        if block is None:
            block = _Block(index, fps, scale, analyzer, faces)
            faces = []
        block.add(pixels)
    if block is not None:
        finder.finish()
        on_block(last + 1, block.spans(segment, finder.spans))


class _Block:
    """Some seconds of one shot, and the faces that are followed through it."""

    def __init__(
        self, first: int, fps: float, scale: float, analyzer: FaceAnalyzer, faces: list[Face]
    ):
        self.first, self.length = first, 0
        self._fps, self._scale, self._analyzer = fps, scale, analyzer
        self._faces, self._searched = faces, -1e9
        self._now: np.ndarray | None = None
        self._followers: list[_Follower] = []

    def add(self, pixels: np.ndarray) -> None:
        """Follow all faces into the next frame; look for some where there are none."""
        self._now = pixels
        if not self._followers and self.length - self._searched >= _SEARCH_S * self._fps:
            self._searched = self.length
            faces = self._faces or self._analyzer.find(pixels)
            self._faces = []
            for face in faces[:MAX_FACES]:
                found = self._analyzer.follow(self._frames(), face)
                self._followers.append(_Follower(found, self.first + self.length))
        for follower in self._followers:
            follower.add(pixels)
        self.length += 1

    def _frames(self) -> Iterator[np.ndarray]:
        """Yield the frame of the moment, for ever: all faces are followed side by side."""
        while True:
            yield self._now

    def faces(self) -> list[Face]:
        """Return where the faces are in the last frame."""
        last = [one.points[-1] for one in self._followers if one.points[-1] is not None]
        return [
            Face(box_of(points), points, 1.0, visibility_of(points, *self._now.shape[:2]))
            for points in last
        ]

    def spans(self, segment: SegmentCrops, transitions: list[tuple[int, int]]) -> list[Span]:
        """Return the spans of each face, largest first; a face found twice counts once.

        Args:
            transitions: frames (start, stop) that show two shots at once.
        """
        spans: list[Span] = []
        for follower in self._followers:
            found = _runs(follower, self._fps, self._scale, segment, transitions)
            spans += [span for span in found if not any(_is_same(span, other) for other in spans)]
        return spans


def _runs(
    follower: _Follower,
    fps: float,
    scale: float,
    segment: SegmentCrops,
    transitions: list[tuple[int, int]],
) -> list[Span]:
    """Return the longest run of frames in which a face was seen, and others of a second and more.

    Small gaps are filled; where the face jumps another run begins.
    """
    seen = np.array([points is not None for points in follower.points])
    for start, stop in transitions:
        seen[max(0, start - follower.first) : max(0, stop - follower.first)] = False
    places = np.flatnonzero(seen)
    if len(places) < 2:
        return []
    ends = np.diff(places) > _MAX_GAP + 1
    ends |= find_jumps(np.stack([follower.points[i] for i in places]))
    runs = np.split(places, np.flatnonzero(ends) + 1)
    longest = max(runs, key=len)
    return [
        _span(follower, run, fps, scale, segment)
        for run in runs
        if len(run) > 1 and (run is longest or len(run) >= _LEAST_S * fps)
    ]


def find_jumps(landmarks: np.ndarray) -> np.ndarray:
    """Return (F - 1,) bool, where the face of (F, 478, 3) landmarks jumps to its next frame."""
    places = landmarks[:, list(RIGID), :2]
    height = max(float(np.median(face_heights(landmarks))), 1e-6)
    steps = np.median(np.linalg.norm(np.diff(places, axis=0), axis=-1), axis=1) / height
    around = np.pad(steps, _JUMP_FRAMES)
    beside = np.stack([
        around[shift : shift + len(steps)]
        for shift in range(2 * _JUMP_FRAMES + 1)
        if shift != _JUMP_FRAMES
    ])  # fmt: skip
    return (steps > _JUMP) & (steps > _JUMP_RATIO * (beside.max(0) + _TREMBLE))


def _span(
    follower: _Follower, run: np.ndarray, fps: float, scale: float, segment: SegmentCrops
) -> Span:
    """Return the span of the frames of a follower that are numbered in `run`."""
    frames = np.arange(run[0], run[-1] + 1)
    nearest = run[np.searchsorted(run, frames, "right") - 1]
    landmarks = np.stack([follower.points[i] for i in nearest]).astype(np.float32)
    patches, skins = (np.stack(part) for part in zip(*(follower.looks[i] for i in nearest)))

    def kept(samples: dict) -> list:
        return [value for i, value in samples.items() if run[0] <= i <= run[-1]]

    crops = kept(follower.crops)
    masks = segment(np.stack(crops)) if crops else []
    hidden = float(np.mean([filter_mask(one, one) is not None for one in masks] or [0.0]))
    covered = max(hidden, float(find_covered_mouths(patches, skins, landmarks).mean()))
    embeddings, thumbs = kept(follower.embeddings), kept(follower.thumbs)
    return Span(
        start=follower.first + int(run[0]),
        fps=fps,
        landmarks=landmarks,
        scale=scale,
        sharpness=float(np.median(kept(follower.sharp) or [0.0])),
        covered=covered,
        embedding=np.mean(embeddings, 0) if embeddings else np.zeros(128, np.float32),
        thumb=thumbs[0] if thumbs else np.zeros((_THUMB_PX, _THUMB_PX, 3), np.uint8),
    )


def _is_same(span: Span, other: Span) -> bool:
    """Return whether two spans follow one face, by where they are in frames of both."""
    first = max(span.start, other.start)
    last = min(span.start + len(span.landmarks), other.start + len(other.landmarks)) - 1
    return first <= last and any(
        overlap(*(box_of(one.landmarks[frame - one.start]) for one in (span, other))) > _SAME
        for frame in (first, last)
    )


def _shrunk(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a frame whose longer side is at most `MAX_SIDE`, and pixels of the video for one."""
    scale = max(1.0, max(pixels.shape[:2]) / MAX_SIDE)
    if scale == 1.0:
        return pixels, 1.0
    size = tuple(round(side / scale) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), scale


def _thumb(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    x, y, width, height = box_of(landmarks)
    half = 0.75 * max(width, height)
    middle = np.array([x + width / 2, y + height / 2])
    low = np.clip(middle - half, 0, np.array(pixels.shape[1::-1]) - 2).astype(int)
    high = np.clip(middle + half, low + 2, pixels.shape[1::-1]).astype(int)
    crop = pixels[low[1] : high[1], low[0] : high[0]]
    return cv2.resize(crop, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA)
