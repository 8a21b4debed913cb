"""A microphone that is always open: the pieces of it in which somebody speaks."""

from __future__ import annotations

from collections import deque

import numpy as np

_BEFORE_S, _AFTER_S = 0.2, 0.5  # what is kept around speech, so that no sound is cut
_OVER_NOISE, _QUIETEST = 3.0, 0.006
_NOISE_RISES, _NOISE_FALLS = 0.002, 0.3  # speech is not noise, and a pause shows it at once


class VoiceGate:
    """Passes on what is louder than the noise of the room, in blocks of 20 ms.

    The level of the noise is learned: it falls quickly and rises slowly. What is passed on begins
    a little before the voice and ends half a second after it.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int):
        self._block = sample_rate // 50
        self._rest = np.zeros(0, np.float32)
        self._before: deque[np.ndarray] = deque(maxlen=round(_BEFORE_S * 50))
        self._noise, self._quiet = 0.002, 0
        self.is_open = False

    def take(self, samples: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return what is to be heard of the next samples, and whether an utterance ends with it.

        Args:
            samples: (S,) float32 in [-1, 1].
        """
        self._rest = np.concatenate((self._rest, samples.astype(np.float32)))
        passed, ended = [], False
        while len(self._rest) >= self._block:
            block, self._rest = self._rest[: self._block], self._rest[self._block :]
            level = float(np.sqrt(np.mean(block * block)))
            weight = _NOISE_FALLS if level < self._noise else _NOISE_RISES
            self._noise += weight * (level - self._noise)
            is_voice = level > max(_QUIETEST, _OVER_NOISE * self._noise)
            if is_voice and not self.is_open:
                self.is_open, ended = True, False
                passed += self._before
                self._before.clear()
            if not self.is_open:
                self._before.append(block)
                continue
            passed.append(block)
            self._quiet = 0 if is_voice else self._quiet + 1
            if self._quiet >= round(_AFTER_S * 50):
                self.is_open, self._quiet, ended = False, 0, True
        return np.concatenate(passed) if passed else np.zeros(0, np.float32), ended
