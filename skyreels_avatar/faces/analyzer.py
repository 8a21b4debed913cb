"""Find faces in pictures and follow one through a video, as 478 mesh points each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.identity_check import IdentityCheck
from skyreels_avatar.faces.networks import NUM_LANDMARKS, Detector, MeshNetwork
from skyreels_avatar.faces.region import (
    CROP_SIZE,
    ROI_SCALE,
    Box,
    Region,
    box_of,
    cut,
    overlap,
    tiles,
)
from skyreels_avatar.faces.template import synthetic_landmarks

MIN_PRESENCE = 0.5  # below this score of the mesh network a crop shows no face
MIN_DETECTION = 0.5
# A second look decides: the detector on the upright crop of the mesh gives 0.76 and more on the
# faces of 54 photos, paintings, cartoons, statues and profiles, and 0.1 to 0.68 on wheels, foliage
# and folds of cloth in which the mesh network is sure to see one.
SURE, DOUBTFUL = 0.72, 0.5
STILL_THERE = 0.3  # the same score, for a face that was there in the frame before
CHECK_EVERY = 12  # frames between second looks at a tracked face
STAY_HOME = 8  # frames for which a lost face is awaited where it was, before looking elsewhere
_ITSELF, _BESIDE = 0.25, 1.0  # distances of faces in sides of their regions
MIN_FACE_PX = 14  # a face whose box is smaller than this carries no usable points
DETECTION_PX = 384  # long side of what a detector sees (its own input is 128 or 192)
SIDES = (234, 454)  # edge of the face beside the ears
MIDLINE = [168, 13]  # bridge of the nose, lips
# Crops whose points are averaged, as (right, down, scale) around the face's own: the network's
# error differs from crop to crop, the face does not.
_LENIENT = ("short", 0.1)  # the detector that looks at what the mesh claims to see
_NEARBY = ((0.0, 0.0, 1.0), (0.015, 0.01, 1.02), (-0.015, -0.01, 0.98))


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one picture.

    Attributes:
        box: x, y, width, height of the mesh in pixels; may reach beyond the picture.
        landmarks: (478, 3) mesh points in pixels, x right, y down, z in the same scale with
            nearer = smaller and 0 near the middle of the head.
        confidence: 0..1, the lower of the scores of mesh and detector; above 0.72 is sure, and 0
            is a face that was only placed in a box.
        visibility: 0..1, how much of the mouth and face is inside the picture and turned to the
            camera: 1 up to a three-quarter view, below 0.3 in profile.
    """

    box: Box
    landmarks: np.ndarray
    confidence: float
    visibility: float


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face through F frames; points are raw: each depends on the pixels of its frame alone.

    Attributes:
        landmarks: (F, 478, 3) float32 as in `Face`; frames without the face repeat a neighbor.
        boxes: (F, 4) float32 x, y, width, height.
        found: (F,) bool, False where the face was not seen.
        confidence: (F,) float32, score of the mesh network, 0 where not found.
    """

    landmarks: np.ndarray
    boxes: np.ndarray
    found: np.ndarray
    confidence: np.ndarray


def visibility_of(landmarks: np.ndarray, height: int, width: int) -> float:
    """Return 0..1: the share of the points inside the picture times how frontal the face is.

    Frontal is measured where the bridge of the nose and the lips lie between the sides of the
    face: in the middle when it looks at the camera, beyond the far side in profile.
    """
    right, left = landmarks[SIDES[0], :2], landmarks[SIDES[1], :2]
    across = left - right
    along = (landmarks[MIDLINE, :2] - right) @ across / max(float(across @ across), 1e-6)
    frontal = float(np.minimum(along, 1 - along).mean()) * 2  # 1 frontal, below 0 in profile
    inside = (landmarks[:, :2] >= 0).all(1) & (landmarks[:, :2] < (width, height)).all(1)
    return float(np.clip((frontal + 0.6) / 1.2, 0.0, 1.0) * inside.mean())


class FaceAnalyzer:
    """Finds faces and their mesh points; the networks are loaded at the first use.

    Several threads may use one analyzer at once.
    """

    def __init__(self, max_faces: int = 8) -> None:
        self.max_faces = max_faces
        self._mesh: MeshNetwork | None = None
        self._detectors: dict[tuple[str, float], Detector] = {}

    def start(self) -> None:
        """Load the networks now instead of at the first use."""
        self._mesh = self._mesh or MeshNetwork()
        for reach, min_score in (("full", MIN_DETECTION), ("short", MIN_DETECTION), _LENIENT):
            self._detector(reach, min_score)

    def find(self, pixels: np.ndarray) -> list[Face]:
        """Return the faces of a picture, largest first.

        Args:
            pixels: (H, W, 3) uint8 sRGB.
        """
        faces = self._meshes(pixels, self._candidates(pixels))
        for picture in self._variants(pixels):  # small, blurred, noisy or turned faces
            if not faces:
                faces = self._meshes(picture, self._hard_candidates(picture))
        return sorted(faces, key=lambda face: -face.box[2] * face.box[3])[: self.max_faces]

    def find_in_box(self, pixels: np.ndarray, box: Box) -> Face:
        """Return the face in a box that the user drew, at worst an average face placed in it.

        Args:
            pixels: (H, W, 3) uint8 sRGB.
            box: x, y, width, height in pixels of a rectangle round the face.
        """
        best: Face | None = None
        for crop_scale in (1.5, 1.2, 1.9):
            for angle_deg in (0, -20, 20, -40, 40):
                region = Region.of_box(box, np.deg2rad(angle_deg), crop_scale)
                for picture in self._variants(pixels):
                    face = self._refine(picture, region)
                    if face is None or overlap(face.box, box) < 0.6:
                        continue
                    if best is None or face.confidence > best.confidence:
                        best = face
                if best is not None and best.confidence > SURE:
                    return best
        if best is not None:
            return best
        landmarks = synthetic_landmarks(box)
        visibility = visibility_of(landmarks, *pixels.shape[:2])
        return Face(box_of(landmarks), landmarks, 0.0, visibility)

    def track(
        self, frames: Iterable[np.ndarray], face: Face | None = None, num_crops: int = 1
    ) -> FaceTrack:
        """Follow one face through frames and return its raw points, never smoothed over time.

        Args:
            frames: each (H, W, 3) uint8 sRGB, all of one size.
            face: where the face is in the first frame; default the largest.
            num_crops: 1 to 3 crops of the same frame whose points are averaged. 3 cost twice
                as much and shake 14 to 45 % less (second differences, six clips); evaluation
                uses 1, by which its figures were defined.
        """
        points, scores = [], []
        for landmarks, score in self.follow(frames, face, num_crops):
            points.append(landmarks)
            scores.append(score)
        return pack_track(points, scores)

    def follow(
        self,
        frames: Iterable[np.ndarray],
        face: Face | None = None,
        num_crops: int = 1,
        check: IdentityCheck | None = None,
    ) -> Iterator[tuple[np.ndarray | None, float]]:
        """Yield (478, 3) points, or None where the face is lost, and a score for each frame.

        Arguments as in `track`.

        Args:
            check: knows the person; None follows whoever is there.
        """
        if not 1 <= num_crops <= len(_NEARBY):
            raise InputError(f"num_crops must be between 1 and {len(_NEARBY)}, got {num_crops}")
        region = None if face is None else Region.of_landmarks(face.landmarks)
        home, lost, unchecked = region, 0, 0
        for index, pixels in enumerate(frames):
            landmarks, score = None, 0.0
            if region is not None:
                landmarks, score = self._average(pixels, region, num_crops)
                jumped = _jumped(region, Region.of_landmarks(landmarks))
                if score >= MIN_PRESENCE and (jumped or unchecked >= CHECK_EVERY):
                    # The mesh network stays sure on cloth and foliage: ask the detector.
                    looked = self._second_look(pixels, Region.of_landmarks(landmarks))
                    score, unchecked = (score if looked >= STILL_THERE else 0.0), 0
                if check is not None and score >= MIN_PRESENCE:
                    if check.counts(index):
                        check.count(index, self._crowded(pixels, landmarks))
                    if not check.agrees(index, pixels, landmarks, jumped):
                        score, home = 0.0, None
            if score < MIN_PRESENCE:
                landmarks, score = None, 0.0
                if check is None or not check.waits(index):
                    accepts = None if check is None else partial(check.accepts, index)
                    landmarks, score = self._recover(pixels, home, lost, accepts)
                unchecked = 0
            if landmarks is None:
                region, lost = None, lost + 1
                yield None, 0.0
                continue
            region = home = Region.of_landmarks(landmarks)
            lost, unchecked = 0, unchecked + 1
            yield landmarks, score

    def _crowded(self, pixels: np.ndarray, landmarks: np.ndarray) -> bool:
        """Return whether another face is beside a tracked one."""
        own = Region.of_landmarks(landmarks)
        away = [own.distance(other) / own.side for other in self._detected(pixels, ("full",))]
        return any(_ITSELF < one < _BESIDE for one in away)

    def _recover(
        self,
        pixels: np.ndarray,
        home: Region | None,
        lost: int,
        accepts: Callable[[np.ndarray, np.ndarray], bool] | None = None,
    ) -> tuple[np.ndarray | None, float]:
        """Look for the face near where it was; after some lost frames, anywhere.

        Args:
            accepts: says of the picture and the points of a face whether it is the person's, who
                may then be anywhere at once.
        """
        near = [] if home is None else [home]
        seen = self._detected(pixels)
        if home is not None:
            near += [region for region in seen if home.distance(region) < home.side]
        patient = home is not None and lost < STAY_HOME
        if accepts is not None or not patient:
            near += sorted(seen, key=lambda region: -region.side)
        refused: list[Box] = []
        for region in near:
            if any(overlap(region.box(), box) > 0.6 for box in refused):
                continue
            face = self._refine(pixels, region, average=False)
            if face is None:
                continue
            same = home is not None and not _jumped(home, Region.of_landmarks(face.landmarks))
            if face.confidence < (DOUBTFUL if same else SURE):
                continue
            if accepts is None or accepts(pixels, face.landmarks):
                return face.landmarks, face.confidence
            refused.append(face.box)
        if not patient and lost % CHECK_EVERY == 0:
            # Small faces need the tiles, which take longer.
            faces = self._meshes(pixels, self._candidates(pixels))
            for face in sorted(faces, key=lambda face: -face.box[2] * face.box[3]):
                if any(overlap(face.box, box) > 0.6 for box in refused):
                    continue
                if accepts is None or accepts(pixels, face.landmarks):
                    return face.landmarks, face.confidence
        return None, 0.0

    def _detector(self, reach: str, min_score: float) -> Detector:
        key = (reach, min_score)
        if key not in self._detectors:
            self._detectors[key] = Detector(reach, min_score)
        return self._detectors[key]

    def _detected(self, pixels: np.ndarray, reaches: tuple[str, ...] = ("full", "short")) -> list:
        """Return a region for every face that the detectors see in a picture."""
        height, width = pixels.shape[:2]
        scale = min(1.0, DETECTION_PX / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return [
            Region.of_detection(box / scale, keypoints / scale)
            for reach in reaches
            for box, keypoints, _ in self._detector(reach, MIN_DETECTION)(pixels)
        ]

    def _candidates(self, pixels: np.ndarray) -> list[Region]:
        """Return regions from the whole picture and from its nine half-size tiles."""
        regions = self._detected(pixels)
        for left, top, part in tiles(pixels, 2):
            for region in self._detected(part, ("full",)):
                regions.append(Region(region.x + left, region.y + top, region.side, region.angle))
        return regions

    def _hard_candidates(self, pixels: np.ndarray) -> list[Region]:
        """Return regions from small tiles and from the picture turned."""
        regions = []
        for left, top, part in tiles(pixels, 4):
            for region in self._detected(part, ("full",)):
                regions.append(Region(region.x + left, region.y + top, region.side, region.angle))
        height, width = pixels.shape[:2]
        for angle_deg in (-90, -45, 45, 90, 180):
            turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0)
            turned = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
            back = cv2.invertAffineTransform(turn)
            for region in self._detected(turned):
                x, y = back @ np.array([region.x, region.y, 1.0])
                angle = region.angle + np.deg2rad(angle_deg)
                regions.append(Region(float(x), float(y), region.side, float(angle)))
        return regions

    @staticmethod
    def _variants(pixels: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the picture itself, softened, and with its contrast stretched."""
        yield pixels
        sigma = max(pixels.shape[:2]) / 400
        soft = cv2.GaussianBlur(pixels, (0, 0), sigma)
        yield soft
        yield cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX)

    def _points(self, pixels: np.ndarray, *regions: Region) -> tuple[np.ndarray, float]:
        """Return the mean mesh (478, 3) of some regions, in picture pixels, and the mean score."""
        if self._mesh is None:
            self._mesh = MeshNetwork()
        points, scores = self._mesh(np.stack([cut(pixels, region) for region in regions]))
        for mesh, region in zip(points, regions):
            back = cv2.invertAffineTransform(region.matrix())
            mesh[:, :2] = mesh[:, :2] @ back[:, :2].T + back[:, 2]
            mesh[:, 2] *= region.side / CROP_SIZE
        return points.mean(0).astype(np.float32), float(scores.mean())

    def _average(
        self, pixels: np.ndarray, region: Region, num_crops: int
    ) -> tuple[np.ndarray, float]:
        """Run the mesh on crops near a region; return the mean points and the mean score."""
        return self._points(pixels, *(region.shifted(*shift) for shift in _NEARBY[:num_crops]))

    def _refine(self, pixels: np.ndarray, region: Region, average: bool = True) -> Face | None:
        """Run the mesh until its own crop no longer moves, then average a few nearby crops."""
        for _ in range(4):
            landmarks, score = self._points(pixels, region)
            following = Region.of_landmarks(landmarks)
            if score < 0.1 or following.side < ROI_SCALE * MIN_FACE_PX:
                return None
            moved = np.hypot(following.x - region.x, following.y - region.y) / following.side
            region, settled = following, moved < 0.005
            if settled:
                break
        if average:
            landmarks, score = self._average(pixels, region, len(_NEARBY))
        if score < MIN_PRESENCE:
            return None
        visibility = visibility_of(landmarks, *pixels.shape[:2])
        confidence = min(score, self._second_look(pixels, region))
        return Face(box_of(landmarks), landmarks, confidence, visibility)

    def _second_look(self, pixels: np.ndarray, region: Region) -> float:
        """Return the detector's score for the face that the mesh claims to see in a region."""
        wider = region.shifted(0.0, 0.0, 1.2)
        side = CROP_SIZE / (1.2 * ROI_SCALE)
        claimed = ((CROP_SIZE - side) / 2, (CROP_SIZE - side) / 2, side, side)
        crop = cut(pixels, wider)
        scores = [0.0]
        for picture in (crop, cv2.GaussianBlur(crop, (0, 0), 2.0)):  # softened: against noise
            for box, _, score in self._detector(*_LENIENT)(picture):
                if overlap(tuple(box), claimed) > 0.5:
                    scores.append(score)
        return max(scores)

    def _meshes(self, pixels: np.ndarray, regions: list[Region]) -> list[Face]:
        """Return one face for every distinct region that the mesh network confirms."""
        faces: list[Face] = []
        for region in regions:
            if any(overlap(region.box(), face.box) > 0.6 for face in faces):
                continue
            face = self._refine(pixels, region)
            if face is None or any(overlap(face.box, known.box) > 0.4 for known in faces):
                continue
            faces.append(face)
        sure = [face for face in faces if face.confidence >= SURE]
        return sure or [face for face in faces if face.confidence >= DOUBTFUL]


def _jumped(before: Region, after: Region) -> bool:
    """Return whether a face moved or changed its size more than faces do from frame to frame."""
    growth = after.side / max(before.side, 1e-6)
    return before.distance(after) > 0.25 * before.side or not 0.75 < growth < 1.33


def pack_track(points: list, scores: list[float]) -> FaceTrack:
    """Pack what `follow` yields; frames without a face take the nearest earlier (else next)."""
    found = np.array([landmarks is not None for landmarks in points], bool)
    if not found.any():
        landmarks = np.zeros((len(points), NUM_LANDMARKS, 3), np.float32)
    else:
        seen = np.flatnonzero(found)
        source = seen[np.maximum(np.searchsorted(seen, np.arange(len(points)), "right") - 1, 0)]
        landmarks = np.stack([points[index] for index in source])
    low, high = landmarks[..., :2].min(1), landmarks[..., :2].max(1)
    boxes = np.concatenate([low, high - low], 1).astype(np.float32)
    return FaceTrack(landmarks, boxes, found, np.array(scores, np.float32))
