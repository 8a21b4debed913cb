"""Move a camera through one picture: geometry, moves, rendering. Conventions: README.md.

Stands alone: needs numpy, torch and OpenCV, imports nothing else of this project and raises plain
ValueError.
"""

from skyreels_avatar.camera.amplitude import limit
from skyreels_avatar.camera.border import find_inside
from skyreels_avatar.camera.moves import EASES, MOVES, CameraMove
from skyreels_avatar.camera.path import CameraPath, plan_path
from skyreels_avatar.camera.rasterizer import Rendering, render
from skyreels_avatar.camera.reference_video import ReferenceVideo, make_layers
from skyreels_avatar.camera.scene import Plate, Scene, build_scene

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
    "make_layers",
    "plan_path",
    "render",
]
