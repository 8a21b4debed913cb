"""Move a camera through one picture: geometry, moves, rendering. Conventions: README.md.

Stands alone: needs numpy, torch and OpenCV, imports nothing else of this project and raises plain
ValueError.
"""

from camera.border import find_inside
from camera.limit import limit
from camera.moves import EASES, MOVES, CameraMove
from camera.path import CameraPath, plan_path
from camera.reference import ReferenceVideo
from camera.render import Rendering, render
from camera.scene import Plate, Scene, build_scene

__all__ = [
    "EASES",
    "MOVES",
    "CameraMove",
    "CameraPath",
    "Plate",
    "ReferenceVideo",
    "Rendering",
    "Scene",
    "build_scene",
    "find_inside",
    "limit",
    "plan_path",
    "render",
]
