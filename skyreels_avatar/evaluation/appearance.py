"""Sharpness and color of a face, to compare a video with its reference."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.faces.face import FACE_OVAL


def face_sharpness(pixels: np.ndarray, landmarks: np.ndarray, height_px: float) -> float:
    """Return the variance of the Laplacian in the face, the face brought to a height first.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) px in it.
        height_px: to compare two pictures, the smaller of their face heights.
    """
    oval = landmarks[FACE_OVAL, :2]
    low = np.maximum(np.floor(oval.min(0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(oval.max(0)).astype(int) + 4, pixels.shape[1::-1])
    if (high - low < 8).any():
        return 0.0
    crop = cv2.cvtColor(pixels[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY)
    scale = height_px / max(float(np.linalg.norm(oval[0] - landmarks[152, :2])), 1e-6)
    size = np.maximum(np.round((high - low) * scale), 3).astype(int)
    if scale < 0.98:
        crop = cv2.resize(crop, tuple(int(side) for side in size), interpolation=cv2.INTER_AREA)
    scale_xy = np.array(crop.shape[1::-1]) / (high - low)
    mask = np.zeros(crop.shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(((oval - low) * scale_xy).astype(np.int32)), 1)
    values = cv2.Laplacian(crop.astype(np.float32), cv2.CV_32F)[mask.astype(bool)]
    return float(values.var()) if values.size else 0.0


def face_color(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (3,): the mean CIE Lab color of the face, L 0..100."""
    oval = landmarks[FACE_OVAL, :2]
    height, width = pixels.shape[:2]
    low = np.clip(np.floor(oval.min(0)), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(oval.max(0)) + 1, low + 1, (width, height)).astype(int)
    crop = pixels[low[1] : high[1], low[0] : high[0]].astype(np.float32) / 255
    mask = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull((oval - low).astype(np.int32)), 1)
    return cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)[mask.astype(bool)].mean(0)
