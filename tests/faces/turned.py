"""A face that can be turned."""

import cv2
import numpy as np


def turned(points: np.ndarray, yaw=0.0, pitch=0.0, roll=0.0) -> np.ndarray:
    """Turn points by degrees: yaw + right in the picture, pitch + up, roll + clockwise."""
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    about_y, _ = cv2.Rodrigues(np.array([0.0, -yaw, 0.0]))
    about_x, _ = cv2.Rodrigues(np.array([-pitch, 0.0, 0.0]))
    about_z, _ = cv2.Rodrigues(np.array([0.0, 0.0, roll]))
    return points @ (about_y @ about_x @ about_z).T
