"""Find faces in pictures and track one through a video, as 478 mesh points each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.face import Face, FaceTrack, pack_track, visibility_of
from skyreels_avatar.faces.identity_check import IdentityCheck
from skyreels_avatar.faces.networks import Detector
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
from skyreels_avatar.faces.turned_mesh import FaceMesh, mesh_of_regions

MIN_PRESENCE = 0.5  # below this score of the mesh network a crop shows no face
MIN_DETECTION = 0.5
# The detector verifies what the mesh network finds: on the upright crop it gives 0.76 and more for
# the faces of 54 photos, paintings, cartoons, statues and profiles, and 0.1 to 0.68 for wheels,
# foliage and folds of cloth that the mesh network takes for faces.
SURE, POSSIBLE = 0.72, 0.5
# Of 1,085 portraits and paintings three upright faces score less than 0.8, and none than 0.76; the
# meshes that were laid upright over faces upside down or on their side 0.56 to 0.74, turned 0.87
# and more.
UPRIGHT, SURELY_TURNED = 0.78, 0.84
MIN_TRACKED = 0.3  # the same score, for a face that was tracked in the frame before
VERIFY_EVERY = 12  # frames between verifications of a tracked face
SEARCH_NEAR_FRAMES = 8  # frames for which a lost face is searched where it was, before elsewhere
_ASKEW = float(np.deg2rad(20))  # between the eyes of the mesh and those that the detector sees
_SAME_PLACE, _NEAR = 0.25, 1.0  # distances of faces in sides of their regions
MIN_FACE_PX = 14  # a face whose box is smaller than this carries no usable points
DETECTION_PX = 384  # long side of what a detector sees (its own input is 128 or 192)
# Crops whose points are averaged, as (right, down, scale) around the face's own: the network's
# error differs from crop to crop, the face does not.
_LENIENT = ("short", 0.1)  # the detector that verifies crops of the mesh
_NEARBY = ((0.0, 0.0, 1.0), (0.015, 0.01, 1.02), (-0.015, -0.01, 0.98))


class FaceAnalyzer:
    """Detects and tracks faces; the networks are loaded at the first use.

    Several threads may use one analyzer at once.
    """

    def __init__(self, max_faces: int = 8) -> None:
        self.max_faces = max_faces
        self._mesh: FaceMesh | None = None
        self._detectors: dict[tuple[str, float], Detector] = {}

    def start(self) -> None:
        """Load the networks now."""
        self._mesh = self._mesh or FaceMesh()
        for reach, min_score in (("full", MIN_DETECTION), ("short", MIN_DETECTION), _LENIENT):
            self._detector(reach, min_score)

    def find(self, pixels: np.ndarray) -> list[Face]:
        """Return the faces of a picture, largest first.

        Args:
            pixels: (H, W, 3) uint8 sRGB.
        """
        faces = self._meshes(pixels, self._candidates(pixels))
        for picture in self._variants(pixels):  # small, blurred, noisy or rotated faces
            if not faces:
                faces = self._meshes(picture, self._hard_candidates(picture))
        if faces and max(faces, key=_area).confidence < UPRIGHT:
            faces = self._turned_right(pixels, faces)
        return sorted(faces, key=_area, reverse=True)[: self.max_faces]

    def find_in_box(self, pixels: np.ndarray, box: Box) -> Face:
        """Return the face in a box drawn by the user; if none is recognized, an average face in it.

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
        """Track one face through frames and return its raw points, not smoothed over time.

        Args:
            frames: each (H, W, 3) uint8 sRGB, all of one size.
            face: where the face is in the first frame; default the largest.
            num_crops: 1 to 3 crops of the same frame whose points are averaged. 3 cost twice
                as much and jitter 14 to 45 % less (second differences, six clips); evaluation
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
            check: identity of the person; None follows any face.
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
                if score >= MIN_PRESENCE and (jumped or unchecked >= VERIFY_EVERY):
                    # The mesh network stays confident on cloth and foliage; the detector does not.
                    verified, _ = self._verify(pixels, Region.of_landmarks(landmarks))
                    score, unchecked = (score if verified >= MIN_TRACKED else 0.0), 0
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
        """Return whether another face is near a tracked one."""
        own = Region.of_landmarks(landmarks)
        away = [own.distance(other) / own.side for other in self._detected(pixels, ("full",))]
        return any(_SAME_PLACE < one < _NEAR for one in away)

    def _recover(
        self,
        pixels: np.ndarray,
        home: Region | None,
        lost: int,
        accepts: Callable[[np.ndarray, np.ndarray], bool] | None = None,
    ) -> tuple[np.ndarray | None, float]:
        """Search for the face near its last place; after some lost frames, everywhere.

        Args:
            accepts: whether a face, by picture and points, is the person's; the search is then
                everywhere at once.
        """
        near = [] if home is None else [home]
        seen = self._detected(pixels)
        if home is not None:
            near += [region for region in seen if home.distance(region) < home.side]
        patient = home is not None and lost < SEARCH_NEAR_FRAMES
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
            if face.confidence < (POSSIBLE if same else SURE):
                continue
            if face.confidence < UPRIGHT:
                face = self._turned_right(pixels, [face])[0]
            if accepts is None or accepts(pixels, face.landmarks):
                return face.landmarks, face.confidence
            refused.append(face.box)
        if not patient and lost % VERIFY_EVERY == 0:
            # Small faces need the tiles, which take longer.
            faces = self._meshes(pixels, self._candidates(pixels))
            if faces and max(faces, key=_area).confidence < UPRIGHT:
                faces = self._turned_right(pixels, faces)
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
        return regions + self._turned_regions(pixels, (-90, -45, 45, 90, 180))

    def _turned_regions(self, pixels: np.ndarray, angles_deg: tuple[int, ...]) -> list[Region]:
        """Return regions from the picture turned round its middle."""
        regions = []
        height, width = pixels.shape[:2]
        side = max(height, width)
        for angle_deg in angles_deg:
            turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0)
            turn[:, 2] += (side - width) / 2, (side - height) / 2
            turned = cv2.warpAffine(pixels, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
            back = cv2.invertAffineTransform(turn)
            for region in self._detected(turned):
                x, y = back @ np.array([region.x, region.y, 1.0])
                angle = region.angle + np.deg2rad(angle_deg)
                regions.append(Region(float(x), float(y), region.side, float(angle)))
        return regions

    def _turned_right(self, pixels: np.ndarray, faces: list[Face]) -> list[Face]:
        """Return faces of which one was taken for upright and fits better turned.

        Eyes and brows upside down look like a mouth and eyes: a mouth opened on the forehead.
        """
        found = [self._refine(pixels, one) for one in self._turned_regions(pixels, (-90, 90, 180))]
        seen = [face for face in found if face is not None]
        best = max(seen, key=lambda face: face.confidence, default=None)
        if best is None or best.confidence < SURELY_TURNED:
            return faces
        region = Region.of_landmarks(best.landmarks)
        others = [
            one
            for one in faces
            if one.confidence >= UPRIGHT
            or region.distance(Region.of_landmarks(one.landmarks)) > region.side
        ]
        return [best, *others]

    @staticmethod
    def _variants(pixels: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the picture, a blurred one, and one with stretched contrast."""
        yield pixels
        sigma = max(pixels.shape[:2]) / 400
        soft = cv2.GaussianBlur(pixels, (0, 0), sigma)
        yield soft
        yield cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX)

    def _points(self, pixels: np.ndarray, *regions: Region) -> tuple[np.ndarray, float]:
        """Return the mean mesh (478, 3) of some regions, in picture pixels, and the mean score."""
        if self._mesh is None:
            self._mesh = FaceMesh()
        return mesh_of_regions(self._mesh, pixels, *regions)

    def _average(
        self, pixels: np.ndarray, region: Region, num_crops: int
    ) -> tuple[np.ndarray, float]:
        """Run the mesh on crops near a region; return the mean points and the mean score."""
        return self._points(pixels, *(region.shifted(*shift) for shift in _NEARBY[:num_crops]))

    def _refine(
        self, pixels: np.ndarray, region: Region, average: bool = True, straighten: bool = True
    ) -> Face | None:
        """Iterate the mesh until its crop converges, then average a few nearby crops."""
        for _ in range(4):
            landmarks, score = self._points(pixels, region)
            following = Region.of_landmarks(landmarks)
            if score < 0.1 or following.side < ROI_SCALE * MIN_FACE_PX:
                return None
            moved = np.hypot(following.x - region.x, following.y - region.y) / following.side
            region, converged = following, moved < 0.005
            if converged:
                break
        if average:
            landmarks, score = self._average(pixels, region, len(_NEARBY))
        if score < MIN_PRESENCE:
            return None
        visibility = visibility_of(landmarks, *pixels.shape[:2])
        verified, askew = self._verify(pixels, region)
        if straighten and abs(askew) > _ASKEW:  # the mesh rests between upright and the truth
            region = replace(region, angle=region.angle + askew)
            return self._refine(pixels, region, average, straighten=False)
        confidence = min(score, verified)
        return Face(box_of(landmarks), landmarks, confidence, visibility)

    def _verify(self, pixels: np.ndarray, region: Region) -> tuple[float, float]:
        """Return the detector's score for a face that the mesh found in a region.

        And the angle, in radians, of its eyes to those of the mesh.
        """
        wider = region.shifted(0.0, 0.0, 1.2)
        side = CROP_SIZE / (1.2 * ROI_SCALE)
        expected = ((CROP_SIZE - side) / 2, (CROP_SIZE - side) / 2, side, side)
        crop = cut(pixels, wider)
        best = 0.0, 0.0
        for picture in (crop, cv2.GaussianBlur(crop, (0, 0), 2.0)):  # blurred: against noise
            for box, keypoints, score in self._detector(*_LENIENT)(picture):
                if overlap(tuple(box), expected) > 0.5 and score > best[0]:
                    across = keypoints[1] - keypoints[0]
                    best = score, float(np.arctan2(across[1], across[0]))
        return best

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
        return sure or [face for face in faces if face.confidence >= POSSIBLE]


def _area(face: Face) -> float:
    return face.box[2] * face.box[3]


def _jumped(before: Region, after: Region) -> bool:
    """Return whether a face moved or grew more than is plausible between two frames."""
    growth = after.side / max(before.side, 1e-6)
    return before.distance(after) > 0.25 * before.side or not 0.75 < growth < 1.33
