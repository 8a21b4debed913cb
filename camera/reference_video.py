"""The reference video: a scene seen along a camera path, drawn on demand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from skyreels_avatar.camera.geometry import project, unproject
from skyreels_avatar.camera.inverse_flow import CELL_PX, InverseFlow
from skyreels_avatar.camera.mesh import build_mesh
from skyreels_avatar.camera.path import CameraPath
from skyreels_avatar.camera.rasterizer import rasterize
from skyreels_avatar.camera.scene import Scene
from skyreels_avatar.camera.scene_layers import Layer, background_layer, person_layer
from skyreels_avatar.camera.sharpen import sharpened, sharpening
from skyreels_avatar.camera.weak_methods import weakly

MARGIN_STEP_PX = 8
MAX_MARGIN_SHARE = 0.6
"""No canvas is larger than this share of the long side on each side; beyond, its edge repeats."""

PROBED_FRAMES = 33

FINE_CANVAS_PX = 1_500_000
"""Up to this size a canvas is kept at twice its resolution and looked up linearly, which is as
sharp as a cubic look-up and five times as fast; larger ones would take too much memory."""

LEVEL = 128
"""Steps of a texture in one of 255 brightnesses: it has room for twice the range."""

KEPT_MAPS = 400
"""Coarse maps of both layers, 35 kB each at 512 x 512, kept for those who ask for them again."""

KEPT_BACKGROUNDS = 3
"""Sharpened canvases: neighboring frames often want the same."""


class ReferenceVideo:
    """A scene seen along a camera path; any range of frames gives the same pixels as the whole.

    Person and background are two layers, so that parallax never tears the person. A frame whose
    camera is that of the picture is the picture itself, bit for bit.
    """

    def __init__(
        self,
        scene: Scene,
        path: CameraPath,
        exact: bool = False,
        layers: tuple[Layer, Layer] | None = None,
    ):
        """Prepare the layers.

        Args:
            scene: what is filmed.
            path: where the camera is at each frame.
            exact: draw each layer as a full mesh (about a second per frame) instead of through
                the coarse flow.
            layers: of this scene from `make_layers`, for those who try many paths; None makes
                those of this path.
        """
        self.scene = scene
        self.path = path
        self.exact = exact
        self._at_source = (path.extrinsics == torch.eye(4)).flatten(1).all(dim=1)
        self._at_source &= (path.intrinsics == scene.intrinsics).flatten(1).all(dim=1)
        self._layers: list[_Warp] = []
        self._map = lru_cache(KEPT_MAPS)(weakly(self._coarse_map))
        self._sharp_background = lru_cache(KEPT_BACKGROUNDS)(weakly(self._sharpen_background))
        if not bool(self._at_source.all()):
            baseline = _baseline(path)
            intrinsics = scene.intrinsics.numpy()
            chosen = make_layers(scene, [path]) if layers is None else layers
            with ThreadPoolExecutor(2) as pool:
                self._layers = list(
                    pool.map(lambda layer: _Warp(layer, intrinsics, baseline), chosen)
                )

    @property
    def num_frames(self) -> int:
        return self.path.num_frames

    @property
    def is_still(self) -> bool:
        """Whether every frame is the picture itself."""
        return bool(self._at_source.all())

    @property
    def fps(self) -> float:
        return self.path.fps

    @cached_property
    def sharpening(self) -> np.ndarray:
        """(F,) how much `sharpened` adds to each frame: the nearer the subject, the more."""
        depth = self.project(self.scene.anchor[None], 0, self.num_frames)[:, 0, 2]
        return sharpening((self.scene.anchor[2] / depth).numpy())

    def frames(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Draw frames `start` to `stop` (exclusive).

        Returns:
            frames (F, 3, H, W) in [0, 1], filled where nothing was seen, and seen (F, 1, H, W)
            bool, False where the frame shows what the picture did not.

        Raises:
            ValueError: the range lies outside the path.
        """
        pixels, seen = self.pictures(start, stop), self.seen(start, stop)
        frames = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
        frames[self._at_source[start:stop]] = self.scene.image
        return frames, torch.from_numpy(seen)[:, None]

    def pictures(self, start: int, stop: int) -> np.ndarray:
        """Draw frames as bytes (F, H, W, 3) uint8 sRGB; see `frames`."""
        self._check_range(start, stop)
        pixels = np.empty((stop - start, *self.scene.depth.shape, 3), np.uint8)
        for index, frame in zip(range(start, stop), pixels):
            if self._at_source[index]:
                frame[:] = self._source
            else:
                self._draw(index, frame)
        return pixels

    def backgrounds(self, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray:
        """Draw what is behind the person in a box of moving frames.

        Args:
            box: left, top, right, bottom in pixels.

        Returns:
            (F, h, w, 4) uint8 sRGB; the fourth channel is of no use.
        """
        self._check_range(start, stop)
        left, top, right, bottom = box
        pixels = np.empty((stop - start, bottom - top, right - left, 4), np.uint8)
        layer = self._layers[0]
        for index, frame in zip(range(start, stop), pixels):
            positions = layer.positions(self.path, index, self._map(0, index), self.exact)
            texture = self._sharp_background(float(self.sharpening[index]))
            layer.look_up(texture, positions[top:bottom, left:right], frame)
        return pixels

    @property
    def person_canvas(self) -> tuple[np.ndarray, int]:
        """The person as far as moving frames look: values and margin of a `Layer`."""
        return self._layers[1].layer.values, self._layers[1].layer.margin

    def seen(self, start: int, stop: int, step: int = 1) -> np.ndarray:
        """Return which pixels of frames the picture shows: (F, H / step, W / step), rounded up.

        Args:
            step: only every so many pixels along both axes.
        """
        self._check_range(start, stop)
        height, width = self.scene.depth.shape
        seen = np.ones((stop - start, -(-height // step), -(-width // step)), bool)
        for index, frame in zip(range(start, stop), seen):
            if not self._at_source[index]:
                behind, before = (
                    layer.seen(self.path, index, self._map(number, index), self.exact, step)
                    for number, layer in enumerate(self._layers)
                )
                covered = before[1] > 127
                frame[:] = np.where(covered, before[0], behind[0]) > 0
        return seen

    @cached_property
    def _source(self) -> np.ndarray:
        """The picture itself, (H, W, 3) uint8."""
        pixels = (self.scene.image * 255 + 0.5).to(torch.uint8).permute(1, 2, 0)
        return pixels.contiguous().numpy()  # as the frames it is copied into: ten times as fast

    @property
    def targets(self) -> np.ndarray:
        """Return (rows, columns, 2) pixels x, y of the frames: what `person_map` is about."""
        return self._layers[1].flow.targets

    def person_map(self, index: int) -> np.ndarray:
        """Return where in the picture the person's pixels at `targets` of a frame come from."""
        return self._map(1, index)

    def _coarse_map(self, layer: int, index: int) -> np.ndarray:
        return self._layers[layer].coarse_map(self.path, index).astype(np.float32)

    def project(self, points: Tensor, start: int, stop: int) -> Tensor:
        """Return where world points (N, 3) appear in some frames: (F, N, 3) x, y px, depth."""
        self._check_range(start, stop)
        pixels, depth = project(
            points.float(),
            self.path.intrinsics[start:stop, None],
            self.path.extrinsics[start:stop, None],
        )
        return torch.cat([pixels, depth[..., None]], dim=-1)

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

    def _sharpen_background(self, amount: float) -> np.ndarray:
        return self._layers[0].sharpened(amount)

    def _draw(self, index: int, pixels: np.ndarray) -> None:
        """Draw one frame into pixels (H, W, 3) uint8."""
        before = self._layers[1].draw(self.path, index, self._map(1, index), self.exact)
        rest = cv2.cvtColor(255 * LEVEL - before[..., 3], cv2.COLOR_GRAY2RGBA)
        behind = self._layers[0].draw(self.path, index, self._map(0, index), self.exact)
        behind = cv2.multiply(behind, rest, scale=1 / (255 * LEVEL))
        shift = self._layers[1].offset
        both = cv2.addWeighted(behind, 1 / LEVEL, before, 1 / LEVEL, shift, dtype=cv2.CV_8U)
        cv2.cvtColor(both, cv2.COLOR_RGBA2RGB, dst=pixels)
        pixels[:] = sharpened(pixels, float(self.sharpening[index]))


def make_layers(scene: Scene, paths: Iterable[CameraPath]) -> tuple[Layer, Layer]:
    """Return background and person, extrapolated as far as the widest of the paths looks."""
    margin = max(_needed_margin(scene, path) for path in paths)
    scene.plate_layers  # noqa: B018 (once, before two threads ask for it)
    with ThreadPoolExecutor(2) as pool:
        makers = (background_layer, person_layer)
        background, person = pool.map(lambda make: make(scene, margin), makers)
    return background, person


def _halfway(values: np.ndarray, axis: int) -> np.ndarray:
    """Return a picture between each of its pixels and the next one along an axis, cubic."""
    taps = np.float32([-3, 19, 19, -3]) / 32
    if axis == 0:
        taps, anchor = taps[:, None], (0, 1)
    else:
        taps, anchor = taps[None], (1, 0)
    return cv2.filter2D(values, -1, taps, anchor=anchor, borderType=cv2.BORDER_REPLICATE)


class _Warp:
    """One layer and the way to draw it from another camera."""

    def __init__(self, layer: Layer, intrinsics: np.ndarray, baseline: float):
        self.layer = layer
        self.intrinsics = intrinsics
        self.flow = InverseFlow(layer.inverse_depth, layer.margin, intrinsics, baseline)
        values = layer.values
        if values.shape[2] == 3:  # four channels are looked up faster than three
            values = cv2.cvtColor(values, cv2.COLOR_RGB2RGBA)
        self._seen = layer.seen
        self._is_fine = layer.seen.size <= FINE_CANVAS_PX
        values = self._fine(255 * values)
        if self._is_fine:
            size = values.shape[1::-1]
            self._seen = cv2.resize(layer.seen, size, interpolation=cv2.INTER_NEAREST)
        # Whole numbers of 16 bits are looked up twice as fast as floats. Colors of a person's edge
        # go below 0 and above 255, so that with what is behind them they give the picture.
        self.offset = 0.0
        if layer.values.shape[2] == 4:
            self.offset = min(0.0, math.floor(float(values[..., :3].min())))
        shifts = np.float32([self.offset, self.offset, self.offset, 0])
        most = np.float32([65535, 65535, 65535, 255 * LEVEL])
        self._texture = np.rint((values - shifts) * LEVEL).clip(0, most).astype(np.uint16)
        self._covered = np.where(values[..., 3] > 127, np.uint8(255), np.uint8(0))

    def coarse_map(self, path: CameraPath, index: int) -> np.ndarray:
        """Return `InverseFlow.coarse_map` of one frame."""
        return self.flow.coarse_map(path.intrinsics[index].numpy(), path.extrinsics[index].numpy())

    def draw(self, path: CameraPath, index: int, coarse: np.ndarray, exact: bool) -> np.ndarray:
        """Return the layer (H, W, 4) uint16 in one frame, `LEVEL` times 0 to 255.

        Colors are higher by `offset`; the fourth channel is how far it covers.
        """
        return self.look_up(self._texture, self.positions(path, index, coarse, exact))

    def sharpened(self, amount: float) -> np.ndarray:
        """Return the canvas of a layer without a person as `look_up` takes it, in bytes.

        Args:
            amount: of `sharpen.sharpened`.
        """
        pixels = cv2.convertScaleAbs(cv2.cvtColor(self.layer.values, cv2.COLOR_RGB2RGBA), alpha=255)
        return self._fine(sharpened(pixels, amount))

    def look_up(
        self, texture: np.ndarray, positions: np.ndarray, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Return a texture (h, w, 4) at `positions`."""
        way = cv2.INTER_LINEAR if self._is_fine else cv2.INTER_CUBIC
        return cv2.remap(
            texture, positions, None, way, dst=out, borderMode=cv2.BORDER_REPLICATE
        )  # fmt: skip

    def _fine(self, values: np.ndarray) -> np.ndarray:
        """Return a canvas at twice its resolution, if it is one of those that are kept so."""
        if not self._is_fine:
            return values
        # Every second sample is the canvas itself: a still camera shows it unchanged.
        height, width, channels = values.shape
        fine = np.empty((2 * height - 1, 2 * width - 1, channels), values.dtype)
        whole = np.dtype((np.void, channels * values.itemsize))
        pixels = fine.view(whole)[..., 0]
        for first, rows in enumerate((values, _halfway(values, 0))):
            for start, part in enumerate((rows, _halfway(rows, 1))):
                place = pixels[first::2, start::2]
                place[:] = part.view(whole)[: place.shape[0], : place.shape[1], 0]
        return fine

    def seen(
        self, path: CameraPath, index: int, coarse: np.ndarray, exact: bool, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return seen and coverage of every so many pixels of one frame, uint8."""
        if step == CELL_PX and not exact:
            positions = self.flow.of_cells(coarse, 2 if self._is_fine else 1)
        else:
            positions = self.positions(path, index, coarse, exact)[::step, ::step]
        return tuple(
            cv2.remap(mask, positions, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            for mask in (self._seen, self._covered)
        )

    def positions(self, path, index: int, coarse: np.ndarray, exact: bool) -> np.ndarray:
        """Return the texture positions x, y (H, W, 2) of the pixels of one frame."""
        scale = 2 if self._is_fine else 1
        positions = self.flow.enlarged(coarse, scale)
        if exact:
            camera = path.intrinsics[index], path.extrinsics[index]
            positions = scale * self._exact(*camera, positions / scale)
        return positions

    def _exact(self, intrinsics: Tensor, extrinsics: Tensor, positions: np.ndarray) -> np.ndarray:
        """Draw the canvas positions as a mesh; the coarse ones stay where the canvas ends."""
        margin = self.layer.margin
        depth = torch.from_numpy(1 / self.layer.inverse_depth)
        height, width = depth.shape
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        canvas_intrinsics = torch.from_numpy(self.intrinsics).clone()
        canvas_intrinsics[:2, 2] += margin
        mesh = build_mesh(torch.stack([x, y]).float(), depth, canvas_intrinsics)
        exact, drawn, _ = rasterize(mesh, intrinsics, extrinsics, self.flow.size, cut=False)
        drawn = drawn.numpy()[..., None]
        return np.where(drawn, exact.permute(1, 2, 0).numpy(), positions).astype(np.float32)


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
