"""Complete a picture from its own patches, from coarse to fine.

Source: patch-based completion with a randomized nearest-neighbor search (PatchMatch, Barnes et
al. 2009) and coherent votes from coarse to fine (Space-Time Video Completion, Wexler et al. 2007).
Differs from both: all pixels are searched at once in numpy, and the finest search runs on a small
copy whose offsets then copy pixels at full resolution.
Not cv2.inpaint (Telea): on nine hidden parts of backgrounds at 512 px it takes an eighth of the
time, and its median RMS error is the smaller one (0.049 against 0.075); but it smears: of textured
ones it keeps 0.1 to 0.4 of the contrast, this keeps 0.8 to 1.2. Eyes prefer texture to low error.
"""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.camera.fill import SMOOTH_SHARE, resize, smooth_color, spread

PATCH_PX = 5
HALF = PATCH_PX // 2
FINEST_PX = 144
"""Long side of the finest copy that is searched; a patch then covers 3.5% of the picture."""
LEVELS = 3
ROUNDS = (8, 6, 4)
"""Rounds of searching and voting at each level, coarsest first."""
NEARNESS = 0.2
"""Cost of copying from a whole long side away, in mean squared color difference."""
NEAR_SHARE = 0.2
"""Nearer than this share of the long side distance costs nothing: the shortest copies repeat."""
FAINT = 0.08
"""Differences of smooth color below this count as unevenness, above twice this as an object."""
RIM_SHARE = 0.005
"""Width of the known rim, as a share of the long side, that the copies' color is fitted to."""
TRUST = 1.3
"""A vote counts this factor less per pixel of distance from what is known."""


def complete(
    picture: np.ndarray, target: np.ndarray, source: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Synthesize the target pixels of a picture by copying patches of its source pixels.

    Args:
        picture: (H, W, 3) float32 in [0, 1], anything in the target.
        target: (H, W) bool, the pixels to synthesize.
        source: (H, W) bool, the pixels that may be copied; target pixels never are.
        seed: of the randomized search.

    Returns:
        (H, W, 3) float32, equal to `picture` outside the target.
    """
    source = source & ~target
    if not target.any() or not source.any():
        return picture
    generator = np.random.default_rng(seed)
    search: _Search | None = None
    for level in range(LEVELS):
        long_side = FINEST_PX / 2 ** (LEVELS - 1 - level)
        scaled = _scaled(picture, target, source, long_side / max(target.shape))
        finer = _Search(*scaled, generator)
        if not len(finer.places):
            continue
        finer.start(search)
        for round_index in range(ROUNDS[level]):
            finer.improve(step=(4, 2, 1)[round_index % 3])
            finer.vote()
        search = finer
    if search is None:
        return np.where(target[..., None], spread(picture, ~target), picture)
    return _copied(picture, target, search)


def _scaled(
    picture: np.ndarray, target: np.ndarray, source: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scale = min(1.0, scale)
    height, width = (max(PATCH_PX, round(side * scale)) for side in target.shape)
    size = (width, height)
    known = (~target).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    small = resize(picture * known[..., None], size, cv2.INTER_AREA)
    small = small / np.maximum(weight, 1e-6)[..., None]
    small_target = weight < 0.5
    allowed = cv2.resize(source.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    return spread(small, ~small_target), small_target, allowed


class _Search:
    """The nearest-neighbor field of one level: for each target pixel the place it copies."""

    def __init__(
        self,
        picture: np.ndarray,
        target: np.ndarray,
        allowed: np.ndarray,
        generator: np.random.Generator,
    ):
        self.picture, self.generator = picture, generator
        self.shape = target.shape
        # In portraits little background is left: a patch may reach beyond what can be copied, but
        # only its copyable pixels are compared and copied.
        self.usable = allowed
        self.places = np.flatnonzero(self.usable)
        # The field also covers the rim of the known, so that the outermost target pixels get all
        # their votes.
        kernel = np.ones((PATCH_PX, PATCH_PX), np.uint8)
        self.rows, self.columns = np.nonzero(cv2.dilate(target.astype(np.uint8), kernel))
        self.is_target = target[self.rows, self.columns]
        self._pixels = self.rows * self.shape[1] + self.columns
        self.source_patches = _patches(picture)
        self.source_mask = _patches(allowed[..., None].astype(np.float32))
        # Pixels that are neither target nor source (a face, another layer) are no context either.
        relevant = (allowed | target)[..., None].astype(np.float32)
        self.wanted_mask = _patches(relevant).take(self._pixels, axis=0)
        distance = cv2.distanceTransform(target.astype(np.uint8), cv2.DIST_L2, 5)
        self.trust = (TRUST**-distance)[self.rows, self.columns]
        self.field = np.zeros((*self.shape, 2), np.int64)
        self.cost = np.full(len(self.rows), np.inf, np.float32)

    def start(self, coarser: _Search | None) -> None:
        """Initialize with the coarser level, or mirrored at the edge of the known pixels."""
        y, x = self._mirrored()
        if coarser is not None:
            scale_y = coarser.shape[0] / self.shape[0]
            scale_x = coarser.shape[1] / self.shape[1]
            cell_y = (self.rows * scale_y).astype(np.int64).clip(0, coarser.shape[0] - 1)
            cell_x = (self.columns * scale_x).astype(np.int64).clip(0, coarser.shape[1] - 1)
            copied = coarser.field[cell_y, cell_x]
            shifted_y = self.rows + np.rint((copied[:, 0] - cell_y) / scale_y).astype(np.int64)
            shifted_x = self.columns + np.rint((copied[:, 1] - cell_x) / scale_x).astype(np.int64)
            fits = self._fits(shifted_y, shifted_x) & coarser.covered()[cell_y, cell_x]
            y, x = np.where(fits, shifted_y, y), np.where(fits, shifted_x, x)
        self.field[self.rows, self.columns] = np.stack([y, x], axis=-1)
        self.vote()

    def covered(self) -> np.ndarray:
        mask = np.zeros(self.shape, bool)
        mask[self.rows, self.columns] = True
        return mask

    def improve(self, step: int) -> None:
        """Propagate from neighbors, then search randomly in shrinking windows."""
        self.wanted = _patches(self.picture).take(self._pixels, axis=0)
        current = self.field[self.rows, self.columns]
        self.cost = self._cost(current[:, 0], current[:, 1], np.arange(len(current)))
        height, width = self.shape
        for dy, dx in ((0, step), (0, -step), (step, 0), (-step, 0)):
            y = (self.rows + dy).clip(0, height - 1)
            x = (self.columns + dx).clip(0, width - 1)
            neighbor = self.field[y, x]
            self._try(neighbor[:, 0] + self.rows - y, neighbor[:, 1] + self.columns - x)
        reach = max(self.shape) / 2
        while reach >= 1:
            current = self.field[self.rows, self.columns]
            jump = self.generator.integers(-int(reach), int(reach) + 1, current.shape)
            self._try(*(current + jump).T)
            reach /= 3

    def vote(self) -> None:
        """Repaint the target: each pixel is the mean of what the patches over it propose."""
        # Everything in one row after another, with a border that has no weight: a step in the
        # picture is one number, and nothing has to be held inside.
        weight = np.zeros(self.shape, np.float32)
        weight[self.rows, self.columns] = self.trust
        weight, usable = (_bordered(array).ravel() for array in (weight, self.usable))
        colors = _bordered(self.picture).reshape(-1, self.picture.shape[2])
        across = self.shape[1] + 2 * HALF
        field = _bordered(self.field + HALF, HALF) @ (across, 1)
        field = field.ravel()
        rows, columns = self.rows[self.is_target], self.columns[self.is_target]
        pixels = (rows + HALF) * across + columns + HALF
        total = np.zeros((len(rows), self.picture.shape[2]), np.float32)
        weights = np.zeros(len(rows), np.float32)
        for dy in range(-HALF, HALF + 1):
            for dx in range(-HALF, HALF + 1):
                step = dy * across + dx
                place = field.take(pixels + step) - step
                share = weight.take(pixels + step) * usable.take(place)
                total += share[:, None] * colors.take(place, axis=0)
                weights += share
        good = weights > 0
        self.picture[rows[good], columns[good]] = total[good] / weights[good][:, None]

    def _mirrored(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the places as far inside the usable as the pixels are outside, or nearer."""
        _, labels = cv2.distanceTransformWithLabels(
            (~self.usable).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        nearest = np.zeros(int(labels.max()) + 1, np.int64)
        nearest[labels[self.usable]] = self.places
        edge = nearest[labels[self.rows, self.columns]]
        edge_y, edge_x = edge // self.shape[1], edge % self.shape[1]
        y, x = edge_y, edge_x
        for share in (0.25, 0.5, 1.0):  # the furthest that is usable wins
            mirrored_y = edge_y + np.rint(share * (edge_y - self.rows)).astype(np.int64)
            mirrored_x = edge_x + np.rint(share * (edge_x - self.columns)).astype(np.int64)
            fits = self._fits(mirrored_y, mirrored_x)
            y, x = np.where(fits, mirrored_y, y), np.where(fits, mirrored_x, x)
        return y, x

    def _fits(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        height, width = self.shape
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return inside & self.usable.take(y * width + x, mode="clip")

    def _cost(self, y: np.ndarray, x: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Return what copying places y, x costs the field's pixels number `of`, (N,) float32."""
        places = y * self.shape[1] + x
        difference = self.source_patches.take(places, axis=0)
        difference -= self.wanted.take(of, axis=0)
        difference = difference.reshape(len(of), 3, -1)
        squared = np.einsum("ncp,ncp->np", difference, difference)
        squared /= 3
        mask = self.source_mask.take(places, axis=0)
        mask *= self.wanted_mask.take(of, axis=0)
        color = np.einsum("np,np->n", squared, mask) / mask.sum(axis=-1).clip(1.0)
        away = np.hypot(y - self.rows[of], x - self.columns[of]).astype(np.float32)
        far = np.maximum(away / max(self.shape) - NEAR_SHARE, 0.0)
        return color + np.float32(NEARNESS) * far**2

    def _try(self, y: np.ndarray, x: np.ndarray) -> None:
        pixels = np.flatnonzero(self._fits(y, x))
        if not len(pixels):
            return
        y, x = y[pixels], x[pixels]
        cost = self._cost(y, x, pixels)
        better = cost < self.cost[pixels]
        y, x, pixels = y[better], x[better], pixels[better]
        self.cost[pixels] = cost[better]
        self.field[self.rows[pixels], self.columns[pixels]] = np.stack([y, x], axis=-1)


def _bordered(array: np.ndarray, value: int = 0) -> np.ndarray:
    """Return (H, W, ...) with half a patch of one value round it."""
    widths = [(HALF, HALF)] * 2 + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, widths, constant_values=value)


def _patches(picture: np.ndarray) -> np.ndarray:
    """Return the patch round each pixel, row after row, (H * W, C * patch * patch) float32."""
    padded = cv2.copyMakeBorder(picture, HALF, HALF, HALF, HALF, cv2.BORDER_REFLECT_101)
    padded = padded.reshape(*padded.shape[:2], -1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (PATCH_PX, PATCH_PX), axis=(0, 1))
    return np.ascontiguousarray(windows).reshape(picture.shape[0] * picture.shape[1], -1)


def _copied(picture: np.ndarray, target: np.ndarray, search: _Search) -> np.ndarray:
    """Copy pixels at full resolution along the field, crossfading between neighboring cells."""
    height, width = target.shape
    cell_y, cell_x = height / search.shape[0], width / search.shape[1]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    at_y = np.maximum((rows + 0.5) / cell_y - 0.5, 0.0)
    at_x = np.maximum((columns + 0.5) / cell_x - 0.5, 0.0)
    top, left = at_y.astype(np.int64), at_x.astype(np.int64)
    share_y, share_x = at_y - top, at_x - left
    index = np.stack(np.indices(search.shape), axis=-1)
    offset = (search.field - index).astype(np.float32) * np.float32([cell_y, cell_x])
    covered = search.covered().astype(np.float32)
    total, weights = np.zeros_like(picture), np.zeros((height, width), np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            y = np.minimum(top + dy, search.shape[0] - 1)
            x = np.minimum(left + dx, search.shape[1] - 1)
            share = (share_y if dy else 1 - share_y) * (share_x if dx else 1 - share_x)
            share = (share * covered[y, x]).astype(np.float32)
            shift = offset[y, x]
            values = cv2.remap(
                picture,
                columns + shift[..., 1],
                rows + shift[..., 0],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            )
            total += share[..., None] * values
            weights += share
    copied = total / np.maximum(weights, 1e-6)[..., None]
    filled = np.clip(_without_color_steps(picture, target, copied), 0.0, 1.0)
    return np.where(target[..., None], filled, picture).astype(np.float32)


def _without_color_steps(picture: np.ndarray, target: np.ndarray, copied: np.ndarray) -> np.ndarray:
    """Remove color steps from the copies: faint ones inside, all of them at the rim.

    Where the copied color is close to the interpolated one, the latter is right; where they differ
    much, the copy shows an object and stays.
    """
    color = smooth_color(picture, ~target)
    painted = np.where(target[..., None], copied, picture)
    sigma = max(1.0, SMOOTH_SHARE * max(target.shape))
    difference = cv2.GaussianBlur(painted, (0, 0), sigma) - color
    size = np.abs(difference).max(axis=-1, keepdims=True)
    kept = np.clip((size - FAINT) / FAINT, 0.0, 1.0)
    evened = copied - (1 - kept) * difference

    width = 2 * round(RIM_SHARE * max(target.shape)) + 3
    near = cv2.dilate(target.astype(np.uint8), np.ones((width, width), np.uint8)) > 0
    rim = (near & ~target).astype(np.float32)
    sigma = 0.5 * width
    step = cv2.GaussianBlur((picture - evened) * rim[..., None], (0, 0), sigma)
    step /= np.maximum(cv2.GaussianBlur(rim, (0, 0), sigma), 1e-4)[..., None]
    distance = cv2.distanceTransform(target.astype(np.uint8), cv2.DIST_L2, 5)
    return evened + np.exp(-distance / (3 * sigma))[..., None] * step
