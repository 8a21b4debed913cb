"""Detect shot transitions in a video: cuts, cross-fades, fades through one color."""

from __future__ import annotations

import cv2
import numpy as np

_THUMB = (64, 36)
_CUT = 24.0  # mean change of gray from frame to frame, of 255, and
_CUT_RATIO = 4.0  # so many times the change before and after
# A cross-fade changes every pixel along a straight line, at one pace.
_LENGTHS = (75, 62, 50, 42, 34, 28, 23, 19, 16, 13, 11, 9, 7, 5)  # frames
_FADED = 12.0  # mean change of gray from its first frame to its last
_RESIDUE = 0.28  # of that change, what frames differ from the line
_UNEVEN = 0.2  # of that change, what they differ from one pace
_STILL = 0.5  # of its pace, the change just after it
_LIGHT = 0.9  # correlation of pictures that differ by their light alone
_PLAIN, _SHOWN = 5.0, 8.0  # contrast of a picture that a fade has emptied, and of one after it
_RAMP = 0.85  # of the usual contrast, that of a frame that is still fading
_LONGEST_RAMP = 75  # frames
_FLASH = 2  # frames between two cuts: nobody cuts so fast


class TransitionFinder:
    """Detects transitions frame by frame, looking back only.

    Attributes:
        spans: (start, stop) frames of gradual transitions, which show two shots or half a picture,
            and of flashes.
    """

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self._thumbs: list[np.ndarray] = []  # of the latest frames, up to the longest cross-fade
        self._contrast: list[float] = []  # of all frames
        self._usual = 1.0
        self._start = 0  # of this shot
        self._after_fade = False  # this shot came out of one color
        self._plain = False

    def add(self, pixels: np.ndarray) -> bool:
        """Add the next frame (H, W, 3) uint8 and return whether another shot begins in it."""
        gray = cv2.resize(pixels, _THUMB, interpolation=cv2.INTER_AREA)
        gray = cv2.cvtColor(gray, cv2.COLOR_RGB2GRAY).astype(np.float32)
        before = self._thumbs[-1] if self._thumbs else gray
        self._thumbs = [*self._thumbs[-_LENGTHS[0] - 1 :], gray]
        self._contrast.append(float(gray.std()))
        shown_again = self._plain and self._contrast[-1] >= _SHOWN
        self._plain = self._contrast[-1] < (_SHOWN if self._plain else _PLAIN)
        change = float(np.abs(gray - before).mean())
        if shown_again or change > max(_CUT, _CUT_RATIO * self._usual):
            self._begin(shown_again)
            return True
        self._usual += 0.2 * (change - self._usual)
        length = self._cross_fade(change)
        if length:
            now = len(self._contrast) - 1
            self.spans.append((max(self._start, now - length - 1), now))
            self._begin(False)
        return bool(length)

    def finish(self) -> None:
        """Find the fades of the last shot; call it after the last frame."""
        self._fade_in()
        self._fade_out(len(self._contrast))

    def _begin(self, after_fade: bool) -> None:
        self._fade_in()
        now = len(self._contrast) - 1
        if after_fade:
            self._fade_out(now)
        if now - self._start <= _FLASH and self._start > 0:
            self.spans.append((self._start, now))
        self._thumbs = self._thumbs[-1:]
        self._start, self._after_fade, self._usual = now, after_fade, 1.0

    def _fade_in(self) -> None:
        """Note the frames of a fade-in of this shot."""
        if not self._after_fade:
            return
        contrast = self._contrast[self._start : self._start + _LONGEST_RAMP]
        full = np.flatnonzero(np.array(contrast) >= _RAMP * max(contrast))[0]
        self._after_fade = False
        if full:
            self.spans.append((self._start, self._start + int(full)))

    def _fade_out(self, stop: int) -> None:
        """Note the frames before `stop` of a fade-out of this shot."""
        contrast = np.array(self._contrast[max(self._start, stop - 2 * _LONGEST_RAMP) : stop])
        if len(contrast) == 0 or contrast[-1] >= _SHOWN:
            return
        full = np.flatnonzero(contrast >= _RAMP * contrast.max())[-1]
        first = stop - len(contrast) + int(full) + 1
        if first < stop:
            self.spans.append((first, stop))

    def _cross_fade(self, pace: float) -> int:
        """Return the length of a cross-fade that ended in the frame before, 0 for none.

        Args:
            pace: change of the latest frame.
        """
        last = self._thumbs[-1]
        for length in _LENGTHS:
            if len(self._thumbs) < length + 2:
                continue
            part = np.stack(self._thumbs[-2 - length : -1])
            way = part[-1] - part[0]
            size = float(np.abs(way).mean())
            if size < _FADED or pace > _STILL * size / length or _same_but_light(part[0], last):
                continue
            shares = ((part - part[0]) * way).sum((1, 2)) / (way**2).sum()
            residue = np.abs(part - part[0] - shares[:, None, None] * way).mean((1, 2)).max()
            uneven = np.abs(shares - np.linspace(0, 1, length + 1)).max()
            if residue < _RESIDUE * size and uneven < _UNEVEN:
                return length
        return 0


def _same_but_light(first: np.ndarray, last: np.ndarray) -> bool:
    """Return whether two pictures differ only by their light, or one of them is blank."""
    if min(first.std(), last.std()) < _SHOWN:
        return True
    return float(np.corrcoef(first.ravel(), last.ravel())[0, 1]) > _LIGHT
