"""The sound of a stream from its first frame on: what is heard, and what the networks hear.

It grows by blocks, one for each motion frame; of the past only the last seconds are kept.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from skyreels_avatar.live.sound_queue import SAMPLE_RATE
from skyreels_avatar.media.speech_level import ACTIVE_RMS

HEARD_RATE = 16000
_STEP = SAMPLE_RATE // HEARD_RATE
_KEPT_BLOCKS = 128
_TAPS = 24  # of the filter between the rates, on either side
_FADE = 240  # samples in which a sound that is cut off falls silent
# The level of speech: blocks of the last half minute within 20 dB of their loud ones. Before much
# is heard, usual speech is expected; what is softer than -45 dBFS is a room.
_LEVEL_BLOCKS, _EXPECTED_BLOCKS = 750, 8
_FLOOR_POWER = 10**-4.5
_MOST_GAIN = 30.0


class Timeline:
    """Sound in blocks.

    Args:
        block: samples of a block at 48 kHz, a multiple of 3.

    Attributes:
        num_blocks: how far the sound reaches.
    """

    def __init__(self, block: int):
        self.block, self.num_blocks = block, 0
        self._sound = np.zeros(_KEPT_BLOCKS * block, np.float32)
        self._heard = np.zeros(_KEPT_BLOCKS * block // _STEP, np.float32)
        self._speaks = np.zeros(_KEPT_BLOCKS, bool)
        self._voiced = np.zeros(_KEPT_BLOCKS, bool)
        self._powers: deque[float] = deque(maxlen=_LEVEL_BLOCKS)
        self._filter = _low_pass()

    def append(self, samples: np.ndarray | None) -> None:
        """Append a block; None is silence in which nobody speaks."""
        index = self.num_blocks
        _put(self._sound, index * self.block, _silence(self.block) if samples is None else samples)
        self._speaks[index % _KEPT_BLOCKS] = samples is not None
        self.num_blocks = index + 1
        power = 0.0 if samples is None else float(np.dot(samples, samples)) / len(samples)
        self._voiced[index % _KEPT_BLOCKS] = power > _FLOOR_POWER
        if power > _FLOOR_POWER:
            self._powers.append(power)
        self._hear(index)

    def silence_from(self, sample: int) -> None:
        """Let the sound end at a sample."""
        first, stop = sample // self.block, self.num_blocks * self.block
        if sample >= stop:
            return
        after = self.read(sample, stop - sample)
        fade = min(_FADE, len(after))
        after[:fade] *= np.linspace(1, 0, fade, dtype=np.float32)
        after[fade:] = 0
        _put(self._sound, sample, after)
        for index in range(first, self.num_blocks):
            if index * self.block >= sample:
                self._speaks[index % _KEPT_BLOCKS] = False
                self._voiced[index % _KEPT_BLOCKS] = False
        for index in range(max(0, first - 1), self.num_blocks):
            self._hear(index)

    def read(self, start: int, count: int) -> np.ndarray:
        """Return samples (count,) at 48 kHz."""
        return _get(self._sound, start, count, self.num_blocks * self.block)

    def speaks(self, start: int, stop: int) -> bool:
        """Return whether any of the samples start to stop belongs to an utterance."""
        blocks = range(max(0, start // self.block), min(self.num_blocks, -(-stop // self.block)))
        return any(self._speaks[index % _KEPT_BLOCKS] for index in blocks)

    def voiced(self, first: int) -> list[bool]:
        """Return of the blocks from one on whether they are louder than a room."""
        return [bool(self._voiced[i % _KEPT_BLOCKS]) for i in range(first, self.num_blocks)]

    def heard(self, beyond: int) -> HeardSound:
        """Return what the networks hear: as far as it reaches, and silence for some blocks more.

        What is appended later is not heard in it.
        """
        reach = self.num_blocks * self.block // _STEP
        return HeardSound(self._heard.copy(), reach, beyond * self.block // _STEP, self._gain())

    def _hear(self, index: int) -> None:
        """Filter and thin out a block; the end of it, which needs the next one, comes with that."""
        late = _TAPS // _STEP
        size = self.block // _STEP
        first = max(0, index * size - late)
        count = (index + 1) * size - late - first
        reach = _STEP * (count - 1) + 2 * _TAPS + 1
        sound = self.read(first * _STEP - _TAPS, reach)
        taken = np.lib.stride_tricks.as_strided(
            sound, (count, 2 * _TAPS + 1), (_STEP * sound.itemsize, sound.itemsize)
        )
        _put(self._heard, first, taken @ self._filter)
        _put(self._heard, (index + 1) * size - late, _silence(late))

    def _gain(self) -> float:
        powers = np.array(self._powers)
        if not len(powers):
            return 1.0
        active = powers[powers >= 0.01 * np.percentile(powers, 95)]
        level = np.log(active.mean()) / 2
        share = len(powers) / (len(powers) + _EXPECTED_BLOCKS)
        return float(min(np.exp(share * (np.log(ACTIVE_RMS) - level)), _MOST_GAIN))


class HeardSound:
    """Samples at 16 kHz at the level of speech, up to where they are known: a `Sound`."""

    def __init__(self, ring: np.ndarray, reach: int, beyond: int, gain: float):
        self._ring, self._reach, self._gain = ring, reach, np.float32(gain)
        self.num_samples = reach + beyond

    def read(self, start: int, count: int) -> np.ndarray:
        """Return samples (count,); beyond what is known there is silence."""
        return self._gain * _get(self._ring, start, count, self._reach)


def _silence(count: int) -> np.ndarray:
    return np.zeros(count, np.float32)


def _put(ring: np.ndarray, start: int, samples: np.ndarray) -> None:
    place = start % len(ring)
    first = min(len(samples), len(ring) - place)
    ring[place : place + first] = samples[:first]
    ring[: len(samples) - first] = samples[first:]


def _get(ring: np.ndarray, start: int, count: int, reach: int) -> np.ndarray:
    """Return samples of a ring that reaches to `reach`: zeros before the start and beyond."""
    found = _silence(count)
    first, last = max(start, 0, reach - len(ring)), min(start + count, reach)
    if last > first:
        index = np.arange(first, last) % len(ring)
        found[first - start : last - start] = ring[index]
    return found


def _low_pass() -> np.ndarray:
    """Return (49,) weights that keep what 16 kHz can hold of 48 kHz."""
    at = np.arange(-_TAPS, _TAPS + 1)
    weights = np.sinc(at * 0.92 / _STEP) * np.kaiser(2 * _TAPS + 1, 6.0)
    return (weights / weights.sum()).astype(np.float32)
