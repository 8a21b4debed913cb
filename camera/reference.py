"""The reference video: what the camera sees along its path, drawn when asked for."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from camera.fast import InverseFlow
from camera.geometry import project, unproject
from camera.layers import Layer, background_layer, person_layer
from camera.mesh import build_mesh
from camera.path import CameraPath
from camera.render import rasterize
from camera.scene import Scene

MARGIN_STEP_PX = 8
MAX_MARGIN_SHARE = 0.6
"""No canvas is larger than this share of the long side on each side; beyond, its edge repeats."""

PROBED_FRAMES = 33


class ReferenceVideo:
    """A scene seen along a camera path; any range of frames gives the same pixels as the whole.

    Person and background are two layers, so that parallax never tears the person. A frame whose
    camera is that of the picture is the picture itself, bit for bit.
    """

    def __init__(self, scene: Scene, path: CameraPath, exact: bool = False):
        """Prepare the layers.

        Args:
            scene: what is filmed.
            path: where the camera is at each frame.
            exact: draw each layer as a full mesh (about a second per frame) instead of through
                the coarse flow.
        """
        self.scene = scene
        self.path = path
        self.exact = exact
        self._at_source = (path.extrinsics == torch.eye(4)).flatten(1).all(dim=1)
        self._at_source &= (path.intrinsics == scene.intrinsics).flatten(1).all(dim=1)
        self._layers: list[_Warp] = []
        if not bool(self._at_source.all()):
            margin = _needed_margin(scene, path)
            baseline = _baseline(path)
            intrinsics = scene.intrinsics.numpy()
            self._layers = [
                _Warp(layer, intrinsics, baseline)
                for layer in (background_layer(scene, margin), person_layer(scene, margin))
            ]

    @property
    def num_frames(self) -> int:
        return self.path.num_frames

    @property
    def fps(self) -> float:
        return self.path.fps

    def frames(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Draw frames `start` to `stop` (exclusive).

        Returns:
            frames (F, 3, H, W) in [0, 1], filled where nothing was seen, and seen (F, 1, H, W)
            bool, False where the frame shows what the picture did not.

        Raises:
            ValueError: the range lies outside the path.
        """
        self._check_range(start, stop)
        height, width = self.scene.depth.shape
        frames = torch.empty(stop - start, 3, height, width)
        seen = torch.ones(stop - start, 1, height, width, dtype=torch.bool)
        for position, index in enumerate(range(start, stop)):
            if self._at_source[index]:
                frames[position] = self.scene.image
            else:
                self._draw(index, frames[position].numpy(), seen[position, 0].numpy())
        return frames, seen

    def project(self, points: Tensor, start: int, stop: int) -> Tensor:
        """Return where world points (N, 3) appear in some frames: (F, N, 3) x, y px, depth."""
        self._check_range(start, stop)
        projected = []
        for index in range(start, stop):
            pixels, depth = project(
                points.float(), self.path.intrinsics[index], self.path.extrinsics[index]
            )
            projected.append(torch.cat([pixels, depth[:, None]], dim=-1))
        return torch.stack(projected) if projected else torch.zeros(0, len(points), 3)

    def lift(self, points_px: Tensor, relative_z_px: Tensor | None = None) -> Tensor:
        """Return the world points (N, 3) of picture positions (N, 2) on the person.

        Without `relative_z_px` they lie on the person's layer and so move exactly with its
        pixels. With it (N,), in pixels of the picture and smaller when nearer, the points keep
        their own relief, placed at the median distance of the layer under them.
        """
        pixels = points_px.float()
        height, width = self.scene.depth.shape
        grid = pixels / torch.tensor([width, height]) * 2 - 1
        inverse_depth = torch.nn.functional.grid_sample(
            1 / self.scene.person_depth[None, None],
            grid[None, None],
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        depth = 1 / inverse_depth[0, 0, 0]
        if relative_z_px is not None:
            distance = depth.median()
            relief_px = relative_z_px.float() - relative_z_px.float().median()
            depth = distance * (1 + relief_px / self.scene.intrinsics[0, 0])
        return unproject(pixels, depth, self.scene.intrinsics)

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.num_frames:
            raise ValueError(
                f"frames {start} to {stop} lie outside the path's {self.num_frames} frames"
            )

    def _draw(self, index: int, frame: np.ndarray, seen: np.ndarray) -> None:
        """Draw one frame into frame (3, H, W) float32 and seen (H, W) bool."""
        intrinsics, extrinsics = self.path.intrinsics[index], self.path.extrinsics[index]
        drawn = [layer.draw(intrinsics, extrinsics, self.exact) for layer in self._layers]
        (background, background_seen), (person, person_seen) = drawn
        coverage = person[..., 3]
        uncovered = 1 - coverage
        for channel in range(3):
            mixed = cv2.multiply(background[..., channel], uncovered)
            cv2.add(mixed, person[..., channel], dst=mixed)
            np.clip(mixed, 0.0, 1.0, out=frame[channel])
        seen[:] = np.where(coverage >= 0.5, person_seen, background_seen) >= 128


class _Warp:
    """One layer and the way to draw it from another camera."""

    def __init__(self, layer: Layer, intrinsics: np.ndarray, baseline: float):
        self.layer = layer
        self.intrinsics = intrinsics
        self.flow = InverseFlow(layer.inverse_depth, layer.margin, intrinsics, baseline)

    def draw(
        self, intrinsics: Tensor, extrinsics: Tensor, exact: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the layer's values (H, W, C) and seen (H, W) uint8 from one camera."""
        columns, rows = self.flow.maps(intrinsics.numpy(), extrinsics.numpy())
        if exact:
            columns, rows = self._exact_maps(intrinsics, extrinsics, columns, rows)
        border = cv2.BORDER_REPLICATE
        values = cv2.remap(self.layer.values, columns, rows, cv2.INTER_CUBIC, borderMode=border)
        seen = cv2.remap(self.layer.seen, columns, rows, cv2.INTER_LINEAR, borderMode=border)
        return values, seen

    def _exact_maps(
        self, intrinsics: Tensor, extrinsics: Tensor, columns: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw the canvas positions as a mesh; the coarse ones stay where the canvas ends."""
        margin = self.layer.margin
        depth = torch.from_numpy(1 / self.layer.inverse_depth)
        height, width = depth.shape
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        canvas_intrinsics = torch.from_numpy(self.intrinsics).clone()
        canvas_intrinsics[:2, 2] += margin
        mesh = build_mesh(torch.stack([x, y]).float(), depth, canvas_intrinsics)
        positions, drawn, _ = rasterize(mesh, intrinsics, extrinsics, self.flow.size, cut=False)
        drawn = drawn.numpy()
        return (
            np.where(drawn, positions[0].numpy(), columns).astype(np.float32),
            np.where(drawn, positions[1].numpy(), rows).astype(np.float32),
        )


def _baseline(path: CameraPath) -> float:
    return float(path.extrinsics[:, :3, 3].norm(dim=1).max())


def _needed_margin(scene: Scene, path: CameraPath) -> int:
    """Return how many pixels beyond its border the path looks, in steps of 8."""
    height, width = scene.depth.shape
    intrinsics = scene.intrinsics.numpy()
    count = min(PROBED_FRAMES, path.num_frames)
    frames = torch.linspace(0, path.num_frames - 1, count).round().long().tolist()
    reach = 0.0
    for depth in (scene.background_depth, scene.person_depth):
        flow = InverseFlow((1 / depth).numpy(), 0, intrinsics, _baseline(path))
        for index in frames:
            source = flow.coarse_map(path.intrinsics[index].numpy(), path.extrinsics[index].numpy())
            beyond = source - np.float64([width, height])
            reach = max(reach, -float(source.min()), float(beyond.max()))
    steps = -(-reach // MARGIN_STEP_PX) if reach > 0 else 0
    most = int(MAX_MARGIN_SHARE * max(height, width))
    return min(int(steps) * MARGIN_STEP_PX + MARGIN_STEP_PX, most)
