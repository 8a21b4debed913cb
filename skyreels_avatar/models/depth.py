"""Monocular depth of a picture of a person, relative to the face at depth 1."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from skyreels_avatar.errors import CheckpointError, InputError, MissingExtraError

logger = logging.getLogger(__name__)

DEPTH_ANYTHING = "depth-anything/Depth-Anything-V2-Small-hf"
DEPTH_ANYTHING_VARIABLE = "SKYREELS_AVATAR_DEPTH_MODEL"  # names a folder or another repository
BACKENDS = ("relief", "auto", "depth_anything")

WALL = 3.0  # distance of the background
FAR_OVER_SUBJECT = 3.5  # disparity has an unknown shift: chosen so that far / face is this
MAX_RELIEF = 0.25  # face width / focal length is limited to this: lenses of close-ups are longer
WORK_PX = 512  # the relief is smooth: it is built at this long side


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Distances along the viewing axis.

    Attributes:
        depth: (H, W) float32, positive; the face is at 1.0.
        source: "relief" (a model of a person) or the name of the network.
    """

    depth: torch.Tensor
    source: str


class _Face(Protocol):
    landmarks: np.ndarray


def estimate_depth(
    pixels: np.ndarray,
    face: _Face | None,
    person_mask: np.ndarray,
    backend: str = "relief",
    hfov_deg: float = 45.0,
    weights: str | None = None,
) -> DepthMap:
    """Estimate the depth of a picture of a person.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        face: has `landmarks` (478, 3) px with z in the same scale; None: no face known.
        person_mask: (H, W) in 0..1.
        backend: "relief" builds the depth from face points and mask; "depth_anything" runs
            Depth Anything V2 Small; "auto" runs it where it is on disk, else builds a relief.
        hfov_deg: horizontal field of view of the camera that will look at the result.
        weights: folder of the network's weights; None = where the hub keeps them.

    Raises:
        InputError: unknown backend, or a mask that does not fit the picture.
        MissingExtraError, CheckpointError: "depth_anything" without transformers or weights.
    """
    if backend not in BACKENDS:
        raise InputError(f"unknown depth backend {backend!r}; choose one of: {', '.join(BACKENDS)}")
    if person_mask.shape != pixels.shape[:2]:
        raise InputError(
            f"the person mask is {person_mask.shape} but the picture is {pixels.shape[:2]}; "
            "give a mask of the picture's height and width"
        )
    if backend != "relief":
        try:
            network = _load_network(weights)
        except (MissingExtraError, CheckpointError) as error:
            if backend == "depth_anything":
                raise
            logger.debug("depth from a relief: %s", error)
        else:
            predicted = predict_disparity(network, pixels)
            metric = network.config.depth_estimation_type == "metric"
            depth_from = depth_from_metres if metric else depth_from_disparity
            depth = depth_from(predicted, person_mask, _face_region(pixels, face))
            name = "Depth Anything V2, metric" if metric else "Depth Anything V2 Small"
            return DepthMap(torch.from_numpy(depth), name)
    return DepthMap(torch.from_numpy(_relief(pixels, face, person_mask, hfov_deg)), "relief")


# --- relief -----------------------------------------------------------------------------------


def _relief(
    pixels: np.ndarray, face: _Face | None, person_mask: np.ndarray, hfov_deg: float
) -> np.ndarray:
    """Return (H, W) float32: face points, a rounded body, a wall and a floor."""
    height, width = pixels.shape[:2]
    scale = min(1.0, WORK_PX / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    mask = cv2.resize(person_mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    person = mask > 0.5
    if person.mean() < 0.01:  # hardly a person: one plane
        return np.ones((height, width), np.float32)
    ratio = np.array([size[0] / width, size[1] / height, size[0] / width])
    points = None if face is None else face.landmarks[:468] * ratio
    focal = size[0] / (2 * np.tan(np.deg2rad(hfov_deg) / 2))
    body = _body(person, points, focal)
    background = _background(person)
    enlarged = [
        cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR)
        for layer in (body, background)
    ]
    # The two layers are complete, so that the jump between them is exactly one pixel wide.
    return np.where(person_mask > 0.5, *enlarged).astype(np.float32)


def _body(person: np.ndarray, points: np.ndarray | None, focal: float) -> np.ndarray:
    """Return (h, w) float32 distances of the person, extrapolated beyond its outline."""
    if points is None:
        columns = np.flatnonzero(person.any(0))
        face_width = 0.35 * (columns[-1] - columns[0] + 1)
    else:
        face_width = max(np.ptp(points[:, 0]), 0.8 * np.ptp(points[:, 1]))
    unit = min(face_width / focal, MAX_RELIEF)  # one face width as a distance
    inside = cv2.distanceTransform(person.astype(np.uint8), cv2.DIST_L2, 5)
    rise = np.clip(inside / (0.7 * face_width), 0.0, 1.0)
    # The outline is where the surface turns away: half a head behind the face.
    body = (1.0 + unit * (0.45 - 0.6 * np.sqrt(1 - (1 - rise) ** 2))).astype(np.float32)
    body = cv2.GaussianBlur(body, (0, 0), max(1.0, 0.06 * face_width))
    if points is None:
        return body + (1.0 - float(np.median(body[person])))
    relief, weight = face_relief(person.shape, points, face_width)
    return body + weight * (1.0 + unit * relief - body)


def face_relief(
    shape: tuple[int, int], points: np.ndarray, face_width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (h, w) depth of the face in face widths (0 in the mean) and (h, w) weights 0..1."""
    flat, depth = points[:, :2], points[:, 2] / face_width
    # In side views the far half of the mesh lies behind the near one: keep what is in front.
    near = np.linalg.norm(flat[:, None] - flat, axis=2) < 0.06 * face_width
    front = depth < np.where(near, depth, np.inf).min(1) + 0.12
    flat, depth = flat[front], depth[front]
    depth = depth - np.median(depth)
    surface = _triangulated(shape, flat, depth)
    known = np.isfinite(surface)
    surface = np.where(known, surface, 0.0).astype(np.float32)
    inside = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5)
    ramp = np.clip(inside / (0.14 * face_width), 0.0, 1.0)
    weight = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    blur = max(0.8, 0.015 * face_width)
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), blur)
    return cv2.GaussianBlur(surface, (0, 0), blur) / np.maximum(share, 1e-3), weight


def _triangulated(shape: tuple[int, int], flat: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return (h, w) float64 values (N,) at points (N, 2) px, linear between them, NaN outside.

    Not scipy's: importing it takes half a second, and its search at every pixel outside the points
    holds the interpreter lock.
    """
    surface = np.full(shape, np.nan)
    for corners in _delaunay(flat):
        (x0, y0), (x1, y1), (x2, y2) = triangle = flat[corners]
        left, top = np.maximum(np.floor(triangle.min(0) - 0.5), 0).astype(int)
        right, bottom = np.minimum(np.ceil(triangle.max(0) + 0.5), shape[::-1]).astype(int)
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if right <= left or bottom <= top or area == 0:
            continue
        x = np.arange(left, right) + 0.5 - x0
        y = (np.arange(top, bottom) + 0.5 - y0)[:, None]
        second = ((y2 - y0) * x - (x2 - x0) * y) / area
        third = ((x1 - x0) * y - (y1 - y0) * x) / area
        inside = (second >= 0) & (third >= 0) & (second + third <= 1)
        a, b, c = values[corners]
        part = surface[top:bottom, left:right]
        part[inside] = (a + second * (b - a) + third * (c - a))[inside]
    return surface


def _delaunay(flat: np.ndarray) -> np.ndarray:
    """Return the corners (T, 3) of a Delaunay triangulation of points (N, 2)."""
    flat = flat.astype(np.float32)
    low, high = np.floor(flat.min(0)) - 1, np.ceil(flat.max(0)) + 1
    subdivision = cv2.Subdiv2D((*map(int, low), *map(int, high - low)))
    subdivision.insert(flat)
    index = {point.tobytes(): number for number, point in enumerate(flat)}
    corners = subdivision.getTriangleList().reshape(-1, 3, 2)
    found = [[index.get(point.tobytes(), -1) for point in triangle] for triangle in corners]
    triangles = np.array(found, int).reshape(-1, 3)
    return triangles[(triangles >= 0).all(1)]  # the others use a corner of the bounding triangle


def _background(person: np.ndarray) -> np.ndarray:
    """Return (h, w) float32: a wall, and a floor where the person ends above the lower edge.

    A camera takes straight lines on one plane to straight lines; the floor (or table) is a second
    plane, which meets the person.
    """
    height, width = person.shape
    feet = (np.flatnonzero(person.any(1))[-1] + 1) / height
    row = (np.arange(height) + 0.5) / height
    if feet > 0.97:
        return np.full((height, width), WALL, np.float32)
    start = min(0.55, 0.6 * feet)
    slope = (1 / 1.05 - 1 / WALL) / (feet - start)  # a plane has a linear inverse depth
    near = 1 / np.clip(1 / WALL + slope * (row - start), 1 / WALL, 1 / 0.7)
    return np.repeat(near[:, None], width, 1).astype(np.float32)


# --- Depth Anything ---------------------------------------------------------------------------


def _load_network(weights: str | None) -> Any:
    name = os.environ.get(DEPTH_ANYTHING_VARIABLE) or weights or DEPTH_ANYTHING
    if find_weights(weights) is None:
        # Checked before transformers is imported, which takes two seconds.
        raise CheckpointError(_absent(name, "it is not on disk"))
    return _cached_network(name)


def find_weights(weights: str | None) -> str | None:
    """Return the folder of the weights that `estimate_depth` would use; None where none are.

    Args:
        weights: as in `estimate_depth`.
    """
    name = os.environ.get(DEPTH_ANYTHING_VARIABLE) or weights or DEPTH_ANYTHING
    if os.path.isdir(name):
        return name
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(name, "config.json")
    except ValueError:  # not a name of the hub, but of a folder that is not there
        return None
    return os.path.dirname(found) if isinstance(found, str) else None


def _absent(name: str, reason: object) -> str:
    return (
        f"Depth Anything V2 Small ({name}) cannot be loaded: {reason}; fetch it with: "
        "skyreels-avatar models pull depth-anything-v2-small, or put its folder's path into "
        f"{DEPTH_ANYTHING_VARIABLE}"
    )


def unload_depth() -> None:
    """Forget the depth network that was loaded last."""
    _cached_network.cache_clear()


@lru_cache(maxsize=1)
def _cached_network(name: str) -> Any:
    try:
        from transformers import DepthAnythingForDepthEstimation
    except ImportError as error:
        raise MissingExtraError("transformers", "studio") from error
    try:
        network = DepthAnythingForDepthEstimation.from_pretrained(
            name, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise CheckpointError(_absent(name, error)) from error
    return network.eval()


@torch.inference_mode()
def predict_disparity(network: Any, pixels: np.ndarray) -> np.ndarray:
    """Return (H, W) float32 relative disparity (larger = nearer, shift and scale unknown).

    Of a network that was trained on metres, these.

    Args:
        network: transformers' DepthAnythingForDepthEstimation.
        pixels: (H, W, 3) uint8 sRGB.
    """
    height, width = pixels.shape[:2]
    patch = network.config.patch_size
    side = network.config.backbone_config.image_size  # 518: the short side it was trained with
    scale = side / min(height, width)
    size = tuple(max(patch, round(edge * scale / patch) * patch) for edge in (width, height))
    resized = cv2.resize(
        pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    normal = (resized.astype(np.float32) / 255 - mean) / std
    batch = torch.from_numpy(normal.transpose(2, 0, 1)[None]).to(network.device, network.dtype)
    disparity = network(pixel_values=batch).predicted_depth[0].float().cpu().numpy()
    return cv2.resize(disparity, (width, height), interpolation=cv2.INTER_LINEAR)


def depth_from_disparity(
    disparity: np.ndarray, person_mask: np.ndarray, subject: np.ndarray | None
) -> np.ndarray:
    """Return (H, W) float32 depth with 1.0 at the subject and a clean jump at the person's edge.

    Args:
        disparity: (H, W), larger = nearer, with unknown scale and shift.
        person_mask: (H, W) in 0..1.
        subject: (H, W) bool, where depth is 1; None: the person.
    """
    person, subject = _person_and_subject(person_mask, subject)
    near = float(np.median(disparity[subject]))
    far = float(np.percentile(disparity, 1))
    span = near - far
    if span <= 1e-6 * max(abs(near), 1.0):  # nothing is behind the subject: one plane
        logger.warning("the depth network finds no background behind the person; using one plane")
        return np.ones(disparity.shape, np.float32)
    # depth = 1 / (disparity + shift), scaled to 1 at the subject
    shift = (near - FAR_OVER_SUBJECT * far) / (FAR_OVER_SUBJECT - 1)
    floor = (far + shift) * 0.9
    depth = (near + shift) / np.maximum(disparity + shift, floor)
    depth = np.minimum(depth, np.percentile(depth, 99)).clip(0.3, 8 * float(np.median(depth)))
    return _snapped(depth.astype(np.float32), person)


def depth_from_metres(
    metres: np.ndarray, person_mask: np.ndarray, subject: np.ndarray | None
) -> np.ndarray:
    """Return (H, W) float32 depth as `depth_from_disparity`, of depth in metres.

    How far the background is behind the person is known, and need not be chosen.

    Args:
        metres: (H, W) along z.
        person_mask, subject: as in `depth_from_disparity`.
    """
    person, subject = _person_and_subject(person_mask, subject)
    near = max(float(np.median(metres[subject])), 1e-6)
    return _snapped((metres / near).clip(0.3, 30).astype(np.float32), person)


def _person_and_subject(
    person_mask: np.ndarray, subject: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the person is, and where depth is 1: the subject, else the person, else all."""
    person = person_mask > 0.5
    if subject is None or not subject.any():
        subject = person if person.any() else np.ones_like(person)
    return person, subject


def _snapped(depth: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Replace depths along the person's outline by those of the nearest unmixed pixels."""
    reach = max(1, round(max(depth.shape) / 250))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    result = depth.copy()
    for side in (person, ~person):
        sure = cv2.erode(side.astype(np.uint8), kernel) > 0
        band = side & ~sure
        if not sure.any() or not band.any():
            continue
        _, labels = cv2.distanceTransformWithLabels(
            (~sure).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        values = np.zeros(labels.max() + 1, np.float32)
        values[labels[sure]] = depth[sure]
        result[band] = values[labels[band]]
    return result


def _face_region(pixels: np.ndarray, face: _Face | None) -> np.ndarray | None:
    """Return (H, W) bool, the inside of the face."""
    if face is None:
        return None
    outline = cv2.convexHull(np.round(face.landmarks[:468, :2]).astype(np.int32))
    return cv2.fillConvexPoly(np.zeros(pixels.shape[:2], np.uint8), outline, 1) > 0
