"""An invisible watermark in the pixels: it says who made a video where the metadata is gone.

A tile of band-limited noise is added to the brightness, repeated over the picture and the same in
all frames. It is the sum of one fixed pattern, which tells place and scale, and of `NUM_CHIPS` more
whose signs spell a number of `NUM_BITS` bits. Wavelengths of 6 to 22 pixels survive H.264 and half
the size; where the picture is rough the noise is louder (0.35 to 2 of 255), where it is smooth the
eye would see it. The detector averages what is rough in many frames and correlates it with the
patterns at all offsets and scales.

Source: spread-spectrum watermarking (Cox et al. 1997), tiled as by Kalker et al. (1999).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.fft import fftfreq, irfft2, rfft2, rfftfreq

NUM_BITS = 24
NUM_CHIPS = 96
_TILE_PX = 128
_BAND = (0.045, 0.16)  # cycles per pixel
_SYNC_SHARE = 0.45  # of the tile's energy
_GAIN, _GAIN_PER_ROUGHNESS, _MOST_GAIN = 0.35, 0.11, 2.0
_COARSE = 4  # roughness is measured in a picture so many times smaller
_SCALES = np.exp(np.arange(np.log(0.4), np.log(2.5), 0.003))
_SURE, _POSSIBLE = 7.5, 5.0  # peak of the fixed pattern, in standard deviations
_MOST_CHIP_ERRORS = 0.17  # above it a number is a guess
_SEARCHED_PX = 640  # the scale is looked for in the middle of a larger picture
_LEAST_PX = 160  # a smaller picture holds too little of the pattern
_COMMON_SCALES = (1.0, 0.5, 2 / 3, 0.75, 1.5, 2.0)


@dataclass(frozen=True)
class Watermark:
    """What the detector found in some frames.

    Attributes:
        peak: height of the fixed pattern's correlation, in standard deviations; below 6 is chance.
        scale: size of the picture against what was marked.
        numbers: the numbers it spells, of a film one for each picture and seed that could be read.
        chip_error: share of the chips that do not fit the best number; 0.2 is chance.
    """

    peak: float
    scale: float
    numbers: tuple[int, ...]
    chip_error: float


def mark_frames(frames: np.ndarray, number: int) -> np.ndarray:
    """Return frames (F, H, W, 3) uint8 with a watermark; the same frame is marked the same.

    Args:
        number: 0 to 2**NUM_BITS - 1.
    """
    height, width = frames.shape[1:3]
    brighter, darker = _pattern_of(height, width, number)
    marked = np.empty(frames.shape, np.uint8)  # C order, whatever theirs
    for index, frame in enumerate(frames):
        gain = _gain(frame)
        added, taken = (
            cv2.cvtColor(cv2.multiply(part, gain, dtype=cv2.CV_8U), cv2.COLOR_GRAY2RGB)
            for part in (brighter, darker)
        )
        cv2.subtract(cv2.add(frame, added, added), taken, marked[index])
    return marked


def find_watermark(parts: Iterable[Iterable[np.ndarray]]) -> Watermark | None:
    """Return the watermark of a video, or None.

    The more frames, and the further apart, the surer. The video may have been encoded again, scaled
    (0.4 to 2.5) and cropped; not turned, mirrored or squeezed.

    Args:
        parts: frames (H, W, 3) uint8 of one size, such as 32 of each of a few seconds; each part
            may spell a number of its own.
    """
    residuals = [_residual(frames) for frames in parts]
    whole = np.sum(residuals, axis=0)
    if min(whole.shape) < _LEAST_PX:
        return None
    scales = _fitting_scales(whole)
    if not scales:
        return None
    readings = {scale: [_read(one, scale) for one in residuals] for scale in scales}
    # Of scales that fit the fixed pattern alike, the one at which a number is clearest.
    scale, found = min(readings.items(), key=lambda item: min(error for _, error in item[1]))
    least = min(error for _, error in found)
    numbers = tuple(sorted({number for number, error in found if error <= _MOST_CHIP_ERRORS}))
    peak = max(_peak(whole, one)[0] for one in scales)
    if peak < _SURE and not numbers:
        return None
    return Watermark(float(peak), float(scale), numbers, least)


def _fitting_scales(residual: np.ndarray) -> list[float]:
    """Return the scales at which the fixed pattern fits about best; none where it fits nowhere."""
    height, width = residual.shape
    top, left = max(0, (height - _SEARCHED_PX) // 2), max(0, (width - _SEARCHED_PX) // 2)
    middle = residual[top : height - top, left : width - left]
    best, coarse = max((_peak(middle, scale)[0], scale) for scale in _COMMON_SCALES)
    if best < _SURE:
        _, coarse = max((_peak(middle, scale)[0], scale) for scale in _SCALES)
    fine = [one for one in _COMMON_SCALES if abs(one / coarse - 1) < 0.01]
    fine += [coarse, *(coarse * (1 + np.linspace(-0.004, 0.004, 17)))]
    peaks = {scale: _peak(residual, scale)[0] for scale in fine}
    best = max(peaks.values())
    return [] if best < _POSSIBLE else [one for one in fine if peaks[one] > 0.85 * best]


def _gain(frame: np.ndarray) -> np.ndarray:
    """Return how loud the pattern may be at each pixel, (H, W) float32."""
    height, width = frame.shape[:2]
    small = max(8, width // _COARSE), max(8, height // _COARSE)
    gray = cv2.cvtColor(frame[::2], cv2.COLOR_RGB2GRAY)  # every second row tells as much
    # Of the pixels themselves: a small picture made with INTER_AREA has lost its roughness.
    means = cv2.resize(gray, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    squares = cv2.multiply(gray, gray, dtype=cv2.CV_32F)
    squares = cv2.resize(squares, small, interpolation=cv2.INTER_AREA)
    means, squares = cv2.blur(means, (5, 5)), cv2.blur(squares, (5, 5))
    roughness = cv2.blur(np.sqrt(np.maximum(squares - means * means, 0)), (3, 3))
    gain = np.clip(_GAIN + _GAIN_PER_ROUGHNESS * roughness, _GAIN, _MOST_GAIN)
    return cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)


@lru_cache(maxsize=4)
def _pattern_of(height: int, width: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the pattern of a number is above 0 and below, two (H, W) float32 >= 0."""
    patterns = _patterns()
    chips = np.tensordot(_code_of(number), patterns[1:], 1) / np.sqrt(NUM_CHIPS)
    tile = np.sqrt(_SYNC_SHARE) * patterns[0] + np.sqrt(1 - _SYNC_SHARE) * chips
    repeats = -(-height // _TILE_PX), -(-width // _TILE_PX)
    whole = np.tile(tile / tile.std(), repeats)[:height, :width]
    return np.maximum(whole, 0).astype(np.float32), np.maximum(-whole, 0).astype(np.float32)


def _residual(frames: Iterable[np.ndarray]) -> np.ndarray:
    """Return what is rough in all frames (H, W), evened out: where edges are, and where not."""
    total: np.ndarray | None = None
    for frame in frames:
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
        rough = gray - cv2.GaussianBlur(gray, (0, 0), 4)
        loud = np.sqrt(cv2.GaussianBlur(rough * rough, (0, 0), 6)) + 0.7
        even = np.clip(rough / loud, -2, 2)
        total = even if total is None else total + even
    assert total is not None, "no frames were given"
    return total


def _fold(residual: np.ndarray, scale: float) -> np.ndarray:
    """Return the sum (_TILE_PX, _TILE_PX) of all tiles of a picture that was scaled."""
    if scale != 1:
        size = [max(8, round(side / scale)) for side in residual.shape[::-1]]
        way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        residual = cv2.resize(residual, size, interpolation=way)
    height, width = residual.shape
    padded = np.pad(residual, ((0, -height % _TILE_PX), (0, -width % _TILE_PX)))
    rows, columns = (side // _TILE_PX for side in padded.shape)
    return padded.reshape(rows, _TILE_PX, columns, _TILE_PX).sum((0, 2))


def _whitened(tile: np.ndarray) -> np.ndarray:
    """Return the spectrum of a tile with magnitudes of 1 in the band and 0 elsewhere."""
    spectrum = rfft2(tile)
    return spectrum / np.maximum(np.abs(spectrum), 1e-9) * _band_mask()


def _peak(residual: np.ndarray, scale: float) -> tuple[float, tuple[int, int]]:
    """Return how well the fixed pattern fits at its best offset, and that offset (y, x)."""
    fits = irfft2(_whitened(_fold(residual, scale)) * _sought())
    y, x = np.unravel_index(fits.argmax(), fits.shape)
    return float(fits[y, x] / max(fits.std(), 1e-9)), (int(y), int(x))


def _read(residual: np.ndarray, scale: float) -> tuple[int, float]:
    """Return the most likely number, and the share of chips that do not fit it."""
    _, (y, x) = _peak(residual, scale)
    tile = irfft2(_whitened(np.roll(_fold(residual, scale), (-y, -x), (0, 1))))
    chips = np.tensordot(_patterns()[1:], tile, 2)
    # All numbers at once: a code word is the product of those of its upper and its lower half.
    upper, lower = _half_codes()
    fits = (upper * chips.astype(np.float32)) @ lower.T
    high, low = np.unravel_index(fits.argmax(), fits.shape)
    number = int(high) << (NUM_BITS // 2) | int(low)
    return number, float((np.sign(chips) != _code_of(number)).mean())


def _code_of(number: int) -> np.ndarray:
    """Return the code word (NUM_CHIPS,) of +-1 of a number."""
    upper, lower = _half_codes()
    half = NUM_BITS // 2
    return upper[number >> half] * lower[number & ((1 << half) - 1)]


@lru_cache(maxsize=1)
def _half_codes() -> tuple[np.ndarray, np.ndarray]:
    """Return the code words of all upper and all lower halves of numbers, (2**12, NUM_CHIPS)."""
    half = NUM_BITS // 2
    rows = _random_signs("code", NUM_BITS * NUM_CHIPS).reshape(NUM_BITS, NUM_CHIPS) < 0
    bits = (np.arange(2**half)[:, None] >> np.arange(half)[::-1]) & 1
    upper, lower = (1.0 - 2 * (bits @ part % 2) for part in (rows[:half], rows[half:]))
    return upper.astype(np.float32), lower.astype(np.float32)


@lru_cache(maxsize=1)
def _band_mask() -> np.ndarray:
    radius = np.hypot(fftfreq(_TILE_PX)[:, None], rfftfreq(_TILE_PX)[None])
    return ((radius > _BAND[0]) & (radius < _BAND[1])).astype(np.float32)


@lru_cache(maxsize=1)
def _sought() -> np.ndarray:
    """Return the spectrum that finds the fixed pattern."""
    return np.conj(_whitened(_patterns()[0]))


@lru_cache(maxsize=1)
def _patterns() -> np.ndarray:
    """Return the fixed pattern and those of the chips, (1 + NUM_CHIPS, tile, tile) float32."""
    return np.stack(list(_make_patterns()))


def _make_patterns() -> Iterator[np.ndarray]:
    for index in range(1 + NUM_CHIPS):
        signs = _random_signs(f"pattern {index}", _TILE_PX**2).reshape(_TILE_PX, _TILE_PX)
        pattern = irfft2(rfft2(signs) * _band_mask())
        yield (pattern / pattern.std()).astype(np.float32)


def _random_signs(name: str, count: int) -> np.ndarray:
    """Return +-1 (count,), the same on all machines and with all versions of NumPy."""
    blocks = (hashlib.sha256(f"{name} {i}".encode()).digest() for i in range(-(-count // 256)))
    bits = np.unpackbits(np.frombuffer(b"".join(blocks), np.uint8))[:count]
    return 1.0 - 2 * bits.astype(np.float32)
