"""The networks that see faces, persons and hands, as plain functions on arrays.

Where to look, whom to follow and what to believe is decided elsewhere. The weights are MediaPipe's
(version 0.10.21) but for the mesh of turned faces, and so are the steps round them; every class
names the graph that it follows.
All of them may be called from several threads at once.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import torch
from safetensors import safe_open

from skyreels_avatar.faces.detection import Detection, Grid, decode, suppress
from skyreels_avatar.faces.face import NUM_LANDMARKS
from skyreels_avatar.faces.region import CROP_SIZE
from skyreels_avatar.folders import asset_path
from skyreels_avatar.loading.checkpoints.load import from_8_bit_rows, read_header
from skyreels_avatar.loading.tiers import FACE_NETWORKS
from skyreels_avatar.models.tensor_graph import TensorGraph

_NUM_MESH = 468  # without the irises
_RIGHT_IRIS, _LEFT_IRIS = slice(468, 473), slice(473, 478)
_EYE_CONTOUR = 16  # of the points of an eye, the first ones
_REACHES = {"short": Grid(128, (8, 16, 16, 16), 2, 6), "full": Grid(192, (4,), 1, 6)}
_PALMS = Grid(192, (8, 16, 16, 16), 2, 7)
_MIN_PALM, _MIN_HAND = 0.5, 0.5
_MAX_HANDS = 4
_SAME_HAND = 0.5  # shared part of two hands' regions, above which they are one hand
_WRIST, _MIDDLE_FINGER = 0, 2  # keypoints of a palm
_HAND_SCALE, _HAND_SHIFT = 2.6, 0.5  # of the palm's box: to the hand's, towards the fingers
_SEGMENTER_PX, _HAND_PX = 256, 224


@cache
def _network(name: str) -> TensorGraph:
    """Return one of the networks in the weight file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    path = asset_path(FACE_NETWORKS)
    _, config = read_header(path)
    prefix = f"{name}."
    with safe_open(path, framework="pt") as file:
        keys = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118
        tensors = {key.removeprefix(prefix): file.get_tensor(key) for key in keys}
    return TensorGraph(**config["networks"][name]).fill(from_8_bit_rows(tensors))


def _run(network: TensorGraph, pixels: np.ndarray, low: float = 0.0) -> list[np.ndarray]:
    """Return the outputs for (B, H, W, 3) uint8, which becomes low..1."""
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    outputs = network(values.mul_((1 - low) / 255).add_(low))
    return [output.numpy() for output in outputs]


def _sample(
    pixels: np.ndarray, size: int, picture_from_input: np.ndarray, border: int
) -> np.ndarray:
    """Return (size, size, 3) uint8: a picture where a (2, 3) matrix says, as MediaPipe samples it.

    The networks were trained so: corners of pixels count as their centers, what is made smaller is
    not smoothed, and places are rounded to 1/32 of a pixel, as OpenCV did up to version 4.

    Source: MediaPipe, image_to_tensor_converter_opencv.cc.
    """
    along = np.arange(size)
    columns, rows, shift = 32 * picture_from_input.T[:, :, None, None]
    if picture_from_input[0, 1] == picture_from_input[1, 0] == 0:  # nothing turns: two axes
        x, y = columns[0] * along + shift[0], rows[1] * along[:, None] + shift[1]
    else:
        x, y = columns * along + rows * along[:, None] + shift
    x, y = (np.rint(places).astype(np.int32) for places in (x, y))
    whole = np.empty((size, size, 2), np.int16)
    whole[..., 0], whole[..., 1] = x >> 5, y >> 5
    weights = (32 * (y & 31) + (x & 31)).astype(np.uint16)
    return cv2.remap(pixels, whole, weights, cv2.INTER_LINEAR, borderMode=border)


def _letterbox(height: int, width: int, size: int) -> np.ndarray:
    """Return (2, 3): takes pixels of a square input to those of a picture that it all shows."""
    step = max(height, width) / size
    return np.array([[step, 0, (width - size * step) / 2], [0, step, (height - size * step) / 2]])


class MeshNetwork:
    """The attention face mesh: one upright face crop in, 478 points and a presence score out.

    Args:
        weights: "mesh" for MediaPipe's, "turned_mesh" for those learned here from them.

    Source: MediaPipe, face_landmark_cpu.pbtxt and tensors_to_face_landmarks_with_attention.pbtxt.
    """

    def __init__(self, weights: str = "mesh") -> None:
        self._network = _network(weights)
        # The network looks again at the lips and eyes; it corrects the points that lead it there.
        crops = [o["points"] for o in self._network.operators if o["kind"] == "crop_matrix"]
        self._lips, self._right_eye, self._left_eye = (np.array(points) for points in crops)

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (B, 478, 3) points in crop pixels (z in the same scale) and (B,) scores.

        Args:
            crops: (B, CROP_SIZE, CROP_SIZE, 3) uint8 RGB. Three at once take half as long again
                as one.
        """
        assert crops.shape[1:] == (CROP_SIZE, CROP_SIZE, 3), crops.shape
        mesh, *parts, presence = _run(self._network, crops)
        batch = len(crops)
        lips, right_eye, left_eye, right_iris, left_iris = (
            part.reshape(batch, -1, 2) for part in parts
        )
        points = np.zeros((batch, NUM_LANDMARKS, 3))
        points[:, :_NUM_MESH] = mesh.reshape(batch, -1, 3)
        for chosen, refined in (
            (self._lips, lips), (self._right_eye, right_eye), (self._left_eye, left_eye)
        ):  # fmt: skip
            points[:, chosen, :2] = refined
        for eye, iris, chosen in (
            (self._right_eye, right_iris, _RIGHT_IRIS), (self._left_eye, left_iris, _LEFT_IRIS)
        ):  # fmt: skip
            points[:, chosen, :2] = iris
            points[:, chosen, 2] = points[:, eye[:_EYE_CONTOUR], 2].mean(1, keepdims=True)
        return points, _sigmoid(presence.reshape(batch))


class Detector:
    """A face detector: a picture in, boxes with six keypoints and scores out.

    Args:
        reach: "short" for faces that fill a good part of the picture, "full" for small ones, too.
        min_score: what scores less is not a face.

    Source: MediaPipe, face_detection.pbtxt.
    """

    def __init__(self, reach: str, min_score: float) -> None:
        self._network = _network(f"face_{reach}")
        self._grid, self._min_score = _REACHES[reach], min_score

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """Return (box (4,) x y w h, keypoints (6, 2), score) in pixels, best first.

        Keypoints: the person's right eye, left eye, nose tip, mouth, right ear, left ear.
        """
        return _detections(self._network, self._grid, pixels, self._min_score, low=-1.0)


def _detections(
    network: TensorGraph, grid: Grid, pixels: np.ndarray, min_score: float, low: float
) -> list[Detection]:
    matrix = _letterbox(*pixels.shape[:2], grid.size)
    sampled = _sample(pixels, grid.size, matrix, cv2.BORDER_CONSTANT)
    boxes, logits = _run(network, sampled[None], low)
    step, corner = matrix[0, 0], matrix[:, 2]
    found = suppress(*decode(boxes[0], logits[0, :, 0], grid, min_score))
    return [
        (np.concatenate([box[:2] * step + corner, box[2:] * step]), points * step + corner, score)
        for box, points, score in found
    ]


class Segmenter:
    """Selfie segmentation (general, 256 x 256): a picture in, the share of person per pixel out.

    Source: MediaPipe, selfie_segmentation_cpu.pbtxt.
    """

    def __init__(self) -> None:
        self._network = _network("segmenter")

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return (H, W) float32 in 0..1 for (H, W, 3) uint8 RGB."""
        height, width = pixels.shape[:2]
        steps = np.array([width, height]) / _SEGMENTER_PX
        matrix = np.concatenate([np.diag(steps), np.zeros((2, 1))], 1)
        sampled = _sample(pixels, _SEGMENTER_PX, matrix, cv2.BORDER_CONSTANT)
        (share,) = _run(self._network, sampled[None])
        return cv2.resize(share[0, 0], (width, height), interpolation=cv2.INTER_LINEAR)


class HandNetwork:
    """Palm detection and hand landmarks: a picture in, 21 points and a score of each hand out.

    Source: MediaPipe, palm_detection_cpu.pbtxt, hand_landmark_tracking_cpu.pbtxt and
    hand_landmark_cpu.pbtxt, without tracking.
    """

    def __init__(self) -> None:
        self._palms, self._hands = _network("palm"), _network("hand")

    def __call__(self, pixels: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """Return points (21, 2) in pixels and the score of each hand in (H, W, 3) uint8 RGB.

        The score says how sure the network is that it is a left or a right hand. Points: the
        wrist, then four of each finger from its root, thumb first.
        """
        palms = _detections(self._palms, _PALMS, pixels, _MIN_PALM, low=0.0)[:_MAX_HANDS]
        hands = []
        for matrix in _distinct([_hand_region(box, points) for box, points, _ in palms]):
            sampled = _sample(pixels, _HAND_PX, matrix, cv2.BORDER_REPLICATE)
            points, presence, right = _run(self._hands, sampled[None])
            if presence.item() > _MIN_HAND:
                flat = points.reshape(-1, 3)[:, :2].astype(np.float64)
                score = max(right.item(), 1 - right.item())
                hands.append((flat @ matrix[:, :2].T + matrix[:, 2], score))
        return hands


def _hand_region(box: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Return (2, 3): takes pixels of the hand network's input to those of the picture."""
    ahead = keypoints[_MIDDLE_FINGER] - keypoints[_WRIST]
    angle = np.pi / 2 - np.arctan2(-ahead[1], ahead[0])  # upright hands have none
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    center = box[:2] + box[2:] / 2 + turn @ np.array([0.0, -_HAND_SHIFT * box[3]])
    turn = turn * (_HAND_SCALE * max(box[2], box[3]) / _HAND_PX)
    return np.concatenate([turn, (center - turn @ np.full(2, _HAND_PX / 2))[:, None]], 1)


def _distinct(regions: list[np.ndarray]) -> list[np.ndarray]:
    """Drop a region that a later one nearly repeats; only their centers and sides count."""
    kept: list[np.ndarray] = []
    for region in regions:
        kept = [other for other in kept if _shared(region, other) <= _SAME_HAND]
        kept.append(region)
    return kept


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """Return intersection over union of two squares, as if they were upright."""
    center = np.full(2, _HAND_PX / 2)
    sides = [_HAND_PX * np.hypot(*matrix[:, 0]) for matrix in (one, other)]
    apart = np.abs((one[:, :2] - other[:, :2]) @ center + one[:, 2] - other[:, 2])
    inner = np.minimum((sides[0] + sides[1]) / 2 - apart, min(sides))
    common = float(np.prod(np.maximum(inner, 0.0)))
    return common / (sides[0] ** 2 + sides[1] ** 2 - common)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values.astype(np.float64)))
