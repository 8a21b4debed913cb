"""Words in a corner of the picture, such as "AI-generated"."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from skyreels_avatar.errors import InputError

MAX_LABEL = 60  # letters
_TEXT_HEIGHT, _LEAST_TEXT_PX = 0.035, 11  # of the shorter side
_PADDING, _MARGIN = 0.5, 0.6  # of the text's size
_OPACITY = 0.55  # of the box behind the words


def check_label(text: str) -> None:
    """Refuse a label that cannot be drawn.

    Raises:
        InputError: it is empty, too long, or has characters that the built-in font does not have.
    """
    if not text.strip() or len(text) > MAX_LABEL or not text.isprintable():
        raise InputError(
            f"a label must be one line of 1 to {MAX_LABEL} characters, got {text!r}",
            parameter="label",
        )
    missing = sorted({letter for letter in text if not _is_drawn(letter)})
    if missing:
        raise InputError(
            f"the label has characters that the built-in font cannot draw: {' '.join(missing)}; "
            "use plain Latin letters, such as 'AI-generated'",
            parameter="label",
        )


def draw_label(frames: np.ndarray, text: str) -> np.ndarray:
    """Return frames (F, H, W, 3) uint8 with a label in the lower left corner."""
    box, (top, left) = _label_box(text, *frames.shape[1:3])
    drawn = frames.copy()
    part = drawn[:, top : top + len(box), left : left + box.shape[1]]
    box = box[: part.shape[1], : part.shape[2]]
    color, opacity = box[..., :1], box[..., 1:]
    part[:] = np.rint(part * (1 - opacity) + color * opacity).astype(np.uint8)
    return drawn


@lru_cache(maxsize=8)
def _label_box(text: str, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Return gray level and opacity (h, w, 2) of a label, and its top and left."""
    size = max(_LEAST_TEXT_PX, _TEXT_HEIGHT * min(height, width))
    room = width - 2 * (_MARGIN + _PADDING) * size
    length = _font(size).getlength(text)
    size *= min(1.0, room / length)
    font = _font(size)
    left, top, right, bottom = font.getbbox(text)
    pad, margin = round(_PADDING * size), round(_MARGIN * size)
    words = Image.new("L", (round(right - left) + 2 * pad, round(bottom - top) + 2 * pad))
    ImageDraw.Draw(words).text((pad - left, pad - top), text, 255, font)
    ink = np.asarray(words, np.float32) / 255
    box = np.stack([255 * ink, _OPACITY + (1 - _OPACITY) * ink], -1)
    return box, (max(0, height - margin - len(box)), min(margin, width - 1))


@lru_cache(maxsize=256)
def _is_drawn(letter: str) -> bool:
    """Tell whether the font has a letter: what it does not have looks like an unassigned one."""
    font = _font(24)
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\U000e0080"))


@lru_cache(maxsize=8)
def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
