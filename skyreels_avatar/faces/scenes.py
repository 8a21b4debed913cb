"""One person through the scenes of a video: where the mouth is visible, and a neutral frame."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skyreels_avatar.faces.alignment import align, head_angles_deg
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.chooser import FaceChooser
from skyreels_avatar.faces.face import FaceTrack, pack_track, visibility_of
from skyreels_avatar.faces.identity_check import IdentityCheck
from skyreels_avatar.faces.mouth_occlusion import (
    crop_lower_face,
    find_covered_mouths,
    skin_colors,
)
from skyreels_avatar.faces.occluder_mask import SegmentCrops
from skyreels_avatar.faces.occluder_track import OccluderTrack
from skyreels_avatar.faces.opening import LIP_PAIRS, face_heights, mouth_opening
from skyreels_avatar.faces.silhouette import TURNED_FROM_DEG, SilhouetteTrack, narrowed_lips
from skyreels_avatar.faces.suitability import OUTER_LIPS
from skyreels_avatar.faces.template import template
from skyreels_avatar.faces.transitions import TransitionFinder

LEAST_INSIDE = 0.5  # of the lips: what of them the picture has to show
# Degrees from the camera, and shares of the lips beyond the head's edge: between them the new mouth
# fades into the source's, so that none starts or stops while it is seen well.
TURNED_DEG, BEYOND = (60.0, 66.0), (0.20, 0.32)
FADE = 5  # frames of the ramp between the new mouth and the source's
_SHORTEST = 25  # frames between two views from the side; a shorter turn starts no new mouth
MIN_FACE_PX = 24  # in smaller faces the mouth is a few pixels
FEWEST_FRAMES = 12  # of a scene; fewer give no usual appearance
_LIPS_SIGMA = 2.0  # frames; so the edge of a head jitters, in the eyes of the network
_SMOOTHING_SIGMA = 0.4  # frames; the face mesh jitters
_TURNED = "turned away or cut off"
_LIPS = (*LIP_PAIRS, (81, 178), (311, 402))
_OPEN_PX, _OPEN_SHARE = 4.0, 0.025  # lip gap in which the colors are those of the mouth
_MOST_TEETH, _TEETH_APART = 6, 5  # pictures kept that show teeth, further apart than some frames
_MOST_OPEN = 250  # frames from which colors are kept


@dataclass(frozen=True, eq=False)
class Scene:
    """One face between two cuts, in frames of the source.

    Attributes:
        start, stop: its frames.
        landmarks: (F, 478, 3) pixels of the face, smoothed over time; zeros if there is none.
        speaks: (F,) in [0, 1], the weight of the new mouth: 0 where no mouth is seen, ramped over a
            few frames.
        reasons: (F,) why the mouth of a frame cannot be replaced, "" where it can.
        rest: frame, from `start`, with the most neutral face.
        picture: (H, W, 3) uint8, that frame.
        inside: (K, 3) uint8 colors seen between the lips.
        teeth: pictures (h, w, 3) uint8 of the face and landmarks (478, 3) in each, where the most
            teeth are seen; none if the mouth never opens.
        occluders: masks of what occludes the face, by frames from `start`; None = nothing.
        silhouette: what is behind the face where it is turned, by the same frames; None = nowhere.
    """

    start: int
    stop: int
    landmarks: np.ndarray
    speaks: np.ndarray
    reasons: np.ndarray
    rest: int
    picture: np.ndarray
    inside: np.ndarray
    teeth: Sequence[tuple[np.ndarray, np.ndarray]] = ()
    occluders: OccluderTrack | None = None
    silhouette: SilhouetteTrack | None = None


def track_scenes(
    frames: Iterable[np.ndarray],
    analyzer: FaceAnalyzer,
    choose: FaceChooser,
    num_crops: int = 1,
    on_frame: Callable[[], object] = lambda: None,
    segment: SegmentCrops | None = None,
) -> list[Scene]:
    """Track one person through the frames of a video, which are read once.

    Args:
        frames: each (H, W, 3) uint8 sRGB, all of one size.
        choose: says which face is meant in the first frame of each scene.
        num_crops: as in `FaceAnalyzer.track`.
        on_frame: called after every frame; may raise.
        segment: masks of what occludes faces, as in `segment_augmented`; None = not looked for.
    """
    scenes: list[Scene] = []
    finder = TransitionFinder()
    numbered = _numbered(frames, finder, on_frame)
    for _, group in itertools.groupby(numbered, key=lambda item: item[0]):
        start = scenes[-1].stop if scenes else 0
        pictures = (pixels for _, pixels in group)
        occluders = None if segment is None else OccluderTrack(segment)
        gathered = _SceneRecorder(occluders)
        check = gathered.follow(pictures, analyzer, choose, num_crops)
        transitions = [(first - start, stop - start) for first, stop in finder.spans]
        scenes.append(gathered.scene(start, transitions, check))
    return scenes


def _numbered(
    frames: Iterable[np.ndarray], finder: TransitionFinder, on_frame: Callable[[], object]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of its scene with each frame."""
    scene = 0
    for pixels in frames:
        scene += finder.add(pixels)
        yield scene, pixels
        on_frame()
    finder.finish()


class _SceneRecorder:
    """Records what the frames of one scene show while they are tracked."""

    def __init__(self, occluders: OccluderTrack | None):
        self._occluders = occluders
        self._silhouette = SilhouetteTrack()
        self._points: list[np.ndarray | None] = []
        self._scores: list[float] = []
        self._looks: list[tuple[np.ndarray, np.ndarray]] = []  # and the skin, where there is one
        self._inside: list[np.ndarray] = []
        self._rest, self._least = 0, np.inf
        self._teeth: list[tuple[float, int, tuple[np.ndarray, np.ndarray]]] = []

    def follow(
        self,
        frames: Iterator[np.ndarray],
        analyzer: FaceAnalyzer,
        choose: FaceChooser,
        num_crops: int,
    ) -> IdentityCheck:
        """Track the person through the frames of the scene; return the check of the track."""
        first = next(frames)
        self._picture = first
        shown, fed = itertools.tee(itertools.chain([first], frames))
        face, check = choose(first)
        for index, found in enumerate(analyzer.follow(fed, face, num_crops, check)):
            self._add(index, next(shown), *found)
        return check

    def _add(
        self, index: int, pixels: np.ndarray, landmarks: np.ndarray | None, score: float
    ) -> None:
        self._points.append(landmarks)
        self._scores.append(score)
        if self._occluders is not None:
            self._occluders.add(index, pixels, landmarks)
        if landmarks is not None:
            looks = crop_lower_face(pixels, landmarks), skin_colors(pixels, landmarks)
            self._looks.append(looks)
        deviation = np.inf if landmarks is None else _non_neutrality(landmarks, pixels)
        if deviation < self._least:
            self._picture, self._rest, self._least = pixels.copy(), index, deviation
        if landmarks is None:
            return
        # Between the lips of a head that is turned further there may be what is behind it.
        is_turned = _turned_deg(landmarks[None])[0] > TURNED_FROM_DEG
        if is_turned:
            self._silhouette.add(index, pixels, landmarks)
        colors = [] if is_turned else _mouth_colors(landmarks, pixels)
        if len(self._inside) < _MOST_OPEN:
            self._inside += colors
        shown = sum(_teeth_shown(one) for one in colors)
        shown *= visibility_of(landmarks, *pixels.shape[:2])
        kept = [one for one in self._teeth if index - one[1] > _TEETH_APART or one[0] >= shown]
        taken = len(kept) == len(self._teeth) and any(index - i <= _TEETH_APART for _, i, _ in kept)
        if shown > 0 and not taken and (len(kept) < _MOST_TEETH or shown > kept[-1][0]):
            kept = [*kept[: _MOST_TEETH - 1], (shown, index, _crop_face(pixels, landmarks))]
        self._teeth = sorted(kept, key=lambda one: -one[0])

    def scene(self, start: int, transitions: list[tuple[int, int]], check: IdentityCheck) -> Scene:
        """Return the scene.

        Args:
            start: its first frame.
            transitions: frames (start, stop) that show two scenes at once, from its first.
            check: kept the track on the person.
        """
        # Only videos need it, and importing it takes a tenth of a second.
        from scipy.ndimage import gaussian_filter1d, minimum_filter1d, uniform_filter1d

        track = pack_track(self._points, self._scores)
        landmarks = gaussian_filter1d(track.landmarks, _SMOOTHING_SIGMA, axis=0, mode="nearest")
        left = gaussian_filter1d(
            self._silhouette.lips_left(len(landmarks)), _LIPS_SIGMA, mode="nearest"
        )
        for index in np.flatnonzero((left < 1 - 1e-4) & track.found):
            landmarks[index] = narrowed_lips(landmarks[index], float(left[index]))
        turn = np.where(track.found, _turned_deg(track.landmarks), 0.0)
        beyond = self._silhouette.lips_beyond(len(turn))
        seen = np.ones(len(turn))
        for values, (low, high) in ((turn, TURNED_DEG), (beyond, BEYOND)):
            smooth = gaussian_filter1d(values, FADE, mode="nearest")
            seen = np.minimum(seen, ((high - smooth) / (high - low)).clip(0, 1))
        for first, stop in itertools.pairwise(np.flatnonzero(seen == 0)):
            if stop - first < _SHORTEST:
                seen[first:stop] = 0
        occluders = self._occluders
        if occluders is not None:
            occluders.finish()
        reasons = _reasons(track, self._looks, self._picture.shape[:2], occluders)
        reasons[(reasons == "") & (seen == 0)] = _TURNED
        strangers = check.strangers if check.finish(transitions) else [(0, len(reasons))]
        for first, stop in strangers:
            reasons[first:stop] = "another person"
        for first, stop in check.refused:
            reasons[first:stop][~track.found[first:stop]] = "another person"
        for first, stop in transitions:
            reasons[max(0, first) : max(0, stop)] = "transition"
        speaks = uniform_filter1d(
            minimum_filter1d((reasons == "").astype(np.float32), 2 * FADE + 1, mode="nearest"),
            2 * FADE + 1,
            mode="nearest",
        )
        speaks = np.minimum(speaks, seen.astype(np.float32))
        inside = np.concatenate([np.zeros((0, 3), np.uint8), *self._inside])
        if occluders is not None and not occluders.found:
            occluders = None
        stop = start + len(self._points)
        return Scene(
            start, stop, landmarks, speaks, reasons, self._rest, self._picture, inside,
            [one for *_, one in self._teeth], occluders, self._silhouette,
        )  # fmt: skip


def _non_neutrality(landmarks: np.ndarray, pixels: np.ndarray) -> float:
    """Return how far a face is from frontal with closed lips."""
    gap = float(mouth_opening(landmarks[None])[0])
    return gap + 0.1 * (1 - visibility_of(landmarks, *pixels.shape[:2]))


def _turned_deg(landmarks: np.ndarray) -> np.ndarray:
    """Return (F,) degrees by which (F, 478, 3) heads are turned from the camera, to a side."""
    _, rotation = align(landmarks, template())
    return np.abs(head_angles_deg(rotation)[:, 0])


def _reasons(
    track: FaceTrack,
    looks: list[tuple[np.ndarray, np.ndarray]],
    size: tuple[int, int],
    occluders: OccluderTrack | None,
) -> np.ndarray:
    """Return (F,) why mouths cannot be replaced.

    Args:
        looks: of `crop_lower_face` and `skin_colors`, of the frames with a face.
        occluders: what the occluder network saw of all frames; None if it did not look.
    """
    lips = track.landmarks[:, list(OUTER_LIPS), :2]
    inside = ((lips >= 0) & (lips < size[::-1])).all(-1).mean(1)
    height = face_heights(track.landmarks)
    reasons = np.full(len(inside), "", object)
    if track.found.sum() > FEWEST_FRAMES:
        patches, skins = (np.stack(part) for part in zip(*looks))
        covered = find_covered_mouths(patches, skins, track.landmarks[track.found])
        for index in np.flatnonzero(track.found)[covered]:
            # Shouts and shadows look unusual, too: left as filmed they would speak with the old
            # voice for as long as it takes to fade there and back.
            if occluders is None or not occluders.sees_bare_lips(index):
                reasons[index] = "mouth covered"
    reasons[inside < LEAST_INSIDE] = _TURNED
    reasons[height < MIN_FACE_PX] = f"smaller than {MIN_FACE_PX} pixels"
    reasons[~track.found] = "no face"
    return reasons


def _teeth_shown(colors: np.ndarray) -> float:
    """Return how many of (K, 3) colors between the lips are like enamel, and how much so."""
    values = colors.astype(np.float32) / 255
    white = values.min(1) ** 2 / values.max(1).clip(1e-3)
    return float(white.mean())


def _crop_face(pixels: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a copy of the part of a picture that shows the face, and the landmarks in it."""
    low = np.floor(landmarks[:, :2].min(0)).astype(int).clip(0)
    high = np.ceil(landmarks[:, :2].max(0)).astype(int).clip(low + 2)
    crop = pixels[low[1] : high[1], low[0] : high[0]].copy()
    return crop, landmarks - np.append(low, 0).astype(landmarks.dtype)


def _mouth_colors(landmarks: np.ndarray, pixels: np.ndarray) -> list[np.ndarray]:
    """Return a list with the colors (K, 3) between the lips; empty if they are nearly closed."""
    top = landmarks[[above for above, _ in _LIPS], :2]
    bottom = landmarks[[below for _, below in _LIPS], :2]
    gap = float(np.linalg.norm(bottom[0] - top[0]))
    height = float(face_heights(landmarks[None])[0])
    if gap < max(_OPEN_PX, _OPEN_SHARE * height):
        return []
    shares = np.linspace(0.2, 0.8, 7)[:, None, None]
    places = (top + shares * (bottom - top)).reshape(-1, 2).astype(int)
    x, y = places.clip(0, np.array(pixels.shape[1::-1]) - 1).T
    return [pixels[y, x]]
