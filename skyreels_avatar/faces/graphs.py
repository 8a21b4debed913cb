"""The bundled mediapipe networks, as plain functions on arrays: mesh, detectors, segmentation.

Everything that knows mediapipe is in this file. Cropping, tracking and choosing happen elsewhere,
in pixels; a network here only sees a picture that is already cut out for it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from skyreels_avatar.errors import AvatarError
from skyreels_avatar.faces.region import CROP_SIZE

NUM_LANDMARKS = 478

_MESH = """
input_stream: "image"
input_stream: "roi"
input_side_packet: "with_attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""
_DETECTOR = """
input_stream: "image"
output_stream: "detections"
node {
  calculator: "%s"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:detections"
}
"""
_SEGMENTER = """
input_stream: "image"
input_side_packet: "model_selection"
output_stream: "mask"
node {
  calculator: "SelfieSegmentationCpu"
  input_stream: "IMAGE:image"
  input_side_packet: "MODEL_SELECTION:model_selection"
  output_stream: "SEGMENTATION_MASK:mask"
}
"""
_SCORE = "facelandmarkcpu__face_presence_score"
_HANDS = """
input_stream: "image"
input_side_packet: "num_hands"
input_side_packet: "model_complexity"
input_side_packet: "use_prev_landmarks"
output_stream: "landmarks"
output_stream: "handedness"
node {
  calculator: "HandLandmarkTrackingCpu"
  input_stream: "IMAGE:image"
  input_side_packet: "NUM_HANDS:num_hands"
  input_side_packet: "MODEL_COMPLEXITY:model_complexity"
  input_side_packet: "USE_PREV_LANDMARKS:use_prev_landmarks"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "HANDEDNESS:handedness"
}
"""
_GATE = "facelandmarkcpu__ThresholdingCalculator.threshold"
_DETECTORS = {
    "short": ("FaceDetectionShortRangeCpu", "facedetectionshortrangecpu__facedetectionshortrange"),
    "full": ("FaceDetectionFullRangeCpu", "facedetectionfullrangecpu__facedetectionfullrange"),
}
_import_lock = threading.Lock()


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere: TFLite and absl write there whatever Python says."""
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no usable stderr: nothing to silence
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(nowhere)
        os.close(saved)


@contextlib.contextmanager
def _without_plotting() -> Iterator[None]:
    """Spare mediapipe's drawing helpers, which nothing here calls, the import of matplotlib.

    It costs more than a second, a tenth of the time that ten seconds of video may take.
    """
    names = ("matplotlib", "matplotlib.pyplot")
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = types.ModuleType(name)
    if "matplotlib" in absent:
        sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def _mediapipe() -> tuple[Any, Any]:
    """Return mediapipe's graph runner and its rectangle type.

    It is imported in a thread of its own: an exception that the import keeps holds every frame
    that led there, and with it the sound of the shot.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_import_mediapipe).result()


def _import_mediapipe() -> tuple[Any, Any]:
    """Import mediapipe without its chatter."""
    with _import_lock, _silent_stderr(), _without_plotting(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ.setdefault("GLOG_minloglevel", "2")
        try:
            from mediapipe.framework.formats import rect_pb2
            from mediapipe.python.solution_base import SolutionBase
        except ImportError as error:
            raise AvatarError(
                f"face analysis needs mediapipe 0.10.21, which cannot be imported ({error}); "
                "install it with: pip install mediapipe==0.10.21"
            ) from error
    return SolutionBase, rect_pb2.NormalizedRect


def _build(graph: str, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
    """Start a graph and run it once, so that its start-up messages are over before it is used."""
    runner, _ = _mediapipe()
    with _import_lock, _silent_stderr():
        solution = runner(graph_config=graph, **options)
        solution.process(inputs or {"image": np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)})
    # protobuf warns about its own deprecated calls at every packet that it unpacks.
    warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
    return solution


class MeshNetwork:
    """The attention face mesh: one upright face crop in, 478 points and a presence score out."""

    def __init__(self) -> None:
        _, rectangle = _mediapipe()
        self._whole = rectangle(x_center=0.5, y_center=0.5, width=1.0, height=1.0)
        blank = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        self._graph = _build(
            _MESH,
            {"image": blank, "roi": self._whole},
            side_inputs={"with_attention": True},
            outputs=["landmarks", _SCORE],
            calculator_params={_GATE: 0.0},
        )

    def __call__(self, crop: np.ndarray) -> tuple[np.ndarray, float]:
        """Return (478, 3) points in crop pixels (z in the same scale) and a presence score.

        Args:
            crop: (CROP_SIZE, CROP_SIZE, 3) uint8 RGB.
        """
        result = self._graph.process({"image": np.ascontiguousarray(crop), "roi": self._whole})
        points = np.array([(p.x, p.y, p.z) for p in result.landmarks.landmark], np.float64)
        return points * CROP_SIZE, float(getattr(result, _SCORE))


class Detector:
    """A face detector: a picture in, boxes with six keypoints and scores out."""

    def __init__(self, reach: str, min_score: float) -> None:
        calculator, prefix = _DETECTORS[reach]
        gate = f"{prefix}__facedetection__TensorsToDetectionsCalculator.min_score_thresh"
        self._graph = _build(_DETECTOR % calculator, calculator_params={gate: min_score})

    def __call__(self, pixels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """Return (box (4,) x y w h, keypoints (6, 2), score) in pixels, best first.

        Keypoints: the person's right eye, left eye, nose tip, mouth, right ear, left ear.
        """
        height, width = pixels.shape[:2]
        found = self._graph.process({"image": np.ascontiguousarray(pixels)}).detections or []
        size = np.array([width, height], np.float64)
        faces = []
        for detection in found:
            area = detection.location_data.relative_bounding_box
            box = np.array([area.xmin, area.ymin, area.width, area.height]) * np.tile(size, 2)
            keypoints = np.array([(p.x, p.y) for p in detection.location_data.relative_keypoints])
            faces.append((box, keypoints * size, float(detection.score[0])))
        return sorted(faces, key=lambda face: -face[2])


class Segmenter:
    """Selfie segmentation (general, 256 x 256): a picture in, the share of person per pixel out."""

    def __init__(self) -> None:
        self._graph = _build(_SEGMENTER, side_inputs={"model_selection": 0})

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return (H, W) float32 in 0..1 for (H, W, 3) uint8 RGB."""
        mask = self._graph.process({"image": np.ascontiguousarray(pixels)}).mask
        return np.array(mask, np.float32).reshape(pixels.shape[:2])


class HandNetwork:
    """Palm detection and hand landmarks: a picture in, 21 points and a score of each hand out."""

    def __init__(self) -> None:
        settings = {"num_hands": 4, "model_complexity": 1, "use_prev_landmarks": False}
        self._graph = _build(_HANDS, side_inputs=settings)

    def __call__(self, pixels: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """Return points (21, 2) in pixels and the score of each hand in (H, W, 3) uint8 RGB.

        Points: the wrist, then four of each finger from its root, thumb first. They are exact in
        square pictures only.
        """
        with _silent_stderr():
            found = self._graph.process({"image": np.ascontiguousarray(pixels)})
        size = np.array(pixels.shape[1::-1], np.float64)
        hands = []
        for hand, side in zip(found.landmarks or [], found.handedness or []):
            points = np.array([(p.x, p.y) for p in hand.landmark]) * size
            hands.append((points, float(side.classification[0].score)))
        return hands
