"""Convert decoded frames to 8-bit sRGB: YUV, HDR and wide gamuts, transparency."""

from __future__ import annotations

from functools import lru_cache

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

# swscale's flags: exact rounding and full chroma; without them every conversion darkens by one
# level. Chroma is spread bilinearly; a picture that changes its size is resampled bicubically.
EXACT = 0x40000 | 0x4000
_TO_RGB = EXACT | 0x2000 | 0x02
_TO_RGB_RESIZED = EXACT | 0x2000 | 0x04
_PQ, _HLG = 16, 18
_WIDE_PRIMARIES = {9: "BT.2020", 11: "P3", 12: "P3"}
_CURVES = {_PQ: "PQ", _HLG: "HLG"}
# BT.2408: the luminance of diffuse white in HDR, which is white in SDR; and the brightest
# highlight that the tone curve keeps apart from white, both in cd/m2.
_WHITE_NITS, _PEAK_NITS = 203.0, 1000.0
# Below this share of white nothing changes; faces lie there.
_KNEE = 0.75
_DISPLAY_GAMMA = 2.4  # BT.1886
_HLG_GAMMA = 1.2
_BT2020_LUMINANCE = (0.2627, 0.6780, 0.0593)
_STEPS = 65535  # of tables over a signal; of 4096 dark saturated colors would be off by 4 levels
_FULL_RANGE = 2
# Linear RGB of BT.709 from wider primaries, all with a D65 white.
_BT709_FROM = {
    "BT.2020": ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349),
                (-0.018151, -0.100579, 1.118730)),
    "P3": ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0),
           (-0.019638, -0.078636, 1.098274)),
}  # fmt: skip
# Luma weights of red and blue by the code of the matrix (ISO/IEC 23091-2).
_LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def describe_color(transfer: int, primaries: int) -> str:
    """Return transfer and gamut that need a conversion, as "HLG, BT.2020"; "" for none."""
    names = [_CURVES.get(transfer), _WIDE_PRIMARIES.get(primaries)]
    return ", ".join(name for name in names if name)


def to_rgb(
    frame: av.VideoFrame, size: tuple[int, int], reformatter: VideoReformatter
) -> np.ndarray:
    """Return (H, W, 3) uint8 of an ordinary frame at a height and width.

    A reformatter that is used for all frames of a video saves a third of the time.
    Files without a color tag follow the custom of players: HD is BT.709, smaller is BT.601.
    """
    return _reformatted(frame, "rgb24", size, reformatter).to_ndarray()


def to_rgb_on_white(
    frame: av.VideoFrame, size: tuple[int, int], reformatter: VideoReformatter
) -> tuple[np.ndarray, bool]:
    """Return (H, W, 3) uint8 of a frame laid on white, and whether anything is transparent."""
    pixels = _reformatted(frame, "rgba", size, reformatter).to_ndarray()
    color, alpha = np.ascontiguousarray(pixels[..., :3]), pixels[..., 3:]
    if alpha.min() == 255:
        return color, False
    weight = alpha.astype(np.uint16)
    mixed = color * weight + 255 * (255 - weight)
    return ((mixed + 127) // 255).astype(np.uint8), True


def has_alpha(frame: av.VideoFrame) -> bool:
    """Tell whether the pixels of a frame may be transparent."""
    pixel_format = frame.format
    return pixel_format.has_palette or any(part.is_alpha for part in pixel_format.components)


def hdr_to_rgb(
    frame: av.VideoFrame,
    size: tuple[int, int],
    reformatter: VideoReformatter,
    transfer: int,
    primaries: int,
) -> np.ndarray:
    """Return (H, W, 3) uint8 BT.709 of a frame in PQ, HLG or a wide gamut.

    Luminance of an HDR frame stays as it is up to three quarters of diffuse white (203 cd/m2),
    so that faces keep their tones; brighter ones are rolled off towards white.

    Args:
        transfer, primaries: codes of ISO/IEC 23091-2.

    Source: BT.2100 (PQ, HLG), BT.2408 (diffuse white), Reinhard's extended curve above the knee.
    """
    is_rgb = frame.format.is_rgb
    planes = _planes_16bit(
        _reformatted(frame, "gbrp16le" if is_rgb else "yuv444p16le", size, reformatter)
    )
    if is_rgb:
        signal = planes[..., [2, 0, 1]] * np.float32(1 / 65535)
    else:
        matrix = _rgb_from_yuv(int(frame.colorspace), int(frame.color_range) == _FULL_RANGE)
        signal = cv2.transform(planes, matrix)
    return _to_bt709(signal, transfer, primaries)


def _to_bt709(signal: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Return (H, W, 3) uint8 BT.709 from (H, W, 3) float32 R'G'B' in another system."""
    codes = (np.clip(signal, 0, 1) * np.float32(_STEPS) + np.float32(0.5)).astype(np.uint16)
    light = _light_table(transfer)[codes]
    if transfer == _HLG:
        luminance = cv2.transform(light, np.array([_BT2020_LUMINANCE], np.float32))
        # Of a display of 1000 cd/m2, where HLG says how scenes become light.
        gain = np.maximum(luminance, 1e-9) ** np.float32(_HLG_GAMMA - 1)
        light = light * (gain * np.float32(_PEAK_NITS / _WHITE_NITS)).reshape(*gain.shape[:2], 1)
    gamut = _WIDE_PRIMARIES.get(primaries)
    if gamut:
        light = cv2.transform(light, np.array(_BT709_FROM[gamut], np.float32))
    np.maximum(light, 0, out=light)
    if transfer in _CURVES:
        brightest = np.maximum(np.maximum(light[..., 0], light[..., 1]), light[..., 2])
        light *= (_tone(brightest) / np.maximum(brightest, np.float32(1e-9)))[..., None]
    # Steps of the square root are fine enough in the shadows.
    codes = (np.sqrt(np.minimum(light, 1)) * np.float32(_STEPS) + np.float32(0.5)).astype(np.uint16)
    return _display_table()[codes]


@lru_cache(maxsize=8)
def _light_table(transfer: int) -> np.ndarray:
    """Return (65536,) float32 linear light by signal: of HLG of the scene, else 1 is white."""
    signal = np.linspace(0, 1, _STEPS + 1)
    if transfer == _PQ:
        light = _pq_nits(signal) / _WHITE_NITS
    elif transfer == _HLG:
        light = _hlg_scene(signal)
    else:
        light = signal**_DISPLAY_GAMMA
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _display_table() -> np.ndarray:
    """Return (65536,) uint8 by the square root of linear light."""
    root = np.linspace(0, 1, _STEPS + 1)
    return (255 * root ** (2 / _DISPLAY_GAMMA) + 0.5).astype(np.uint8)


def _tone(light: np.ndarray) -> np.ndarray:
    """Roll light above the knee off, so that the peak becomes white."""
    over = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    peak = (_PEAK_NITS / _WHITE_NITS - _KNEE) / (1 - _KNEE)
    rolled = over * (1 + over / peak**2) / (1 + over)
    return np.minimum(np.where(light <= _KNEE, light, _KNEE + (1 - _KNEE) * rolled), 1)


def _pq_nits(signal: np.ndarray) -> np.ndarray:
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = np.clip(signal, 0, 1) ** (1 / m2)
    return 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def _hlg_scene(signal: np.ndarray) -> np.ndarray:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _reformatted(
    frame: av.VideoFrame, pixel_format: str, size: tuple[int, int], reformatter: VideoReformatter
) -> av.VideoFrame:
    height, width = size
    flags = _TO_RGB if (frame.height, frame.width) == size else _TO_RGB_RESIZED
    return reformatter.reformat(frame, width, height, pixel_format, interpolation=flags)


def _planes_16bit(frame: av.VideoFrame) -> np.ndarray:
    """Return (H, W, 3) float32, the 16-bit codes of three planes."""
    out = np.empty((frame.height, frame.width, 3), np.float32)
    for index, plane in enumerate(list(frame.planes)[:3]):
        rows = np.frombuffer(plane, "<u2").reshape(-1, plane.line_size // 2)
        out[..., index] = rows[: frame.height, : frame.width]
    return out


@lru_cache(maxsize=8)
def _rgb_from_yuv(code: int, full: bool) -> np.ndarray:
    """Return (3, 4) float32 that makes R'G'B' in [0, 1] of 16-bit Y, Cb, Cr and 1."""
    kr, kb = _LUMA.get(code, _LUMA[9])
    kg = 1 - kr - kb
    low, luma, chroma = (0, 255, 255) if full else (16, 219, 224)
    matrix = np.array(
        [
            [1, 0, 2 * (1 - kr)],
            [1, -2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg],
            [1, 2 * (1 - kb), 0],
        ]
    ) / (256 * np.array([luma, chroma, chroma]))
    offset = -matrix @ (256 * np.array([low, 128, 128]))
    return np.concatenate([matrix, offset[:, None]], axis=1).astype(np.float32)
