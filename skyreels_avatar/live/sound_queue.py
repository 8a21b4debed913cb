"""Sound that waits to be spoken: pushed in chunks of any size and rate, taken in equal blocks."""

from __future__ import annotations

import threading
from collections import deque

import av
import numpy as np

from skyreels_avatar.checks import short_repr
from skyreels_avatar.errors import InputError

SAMPLE_RATE = 48000  # of what leaves a stream
MAX_QUEUED_S = 600.0
_MIN_RATE, _MAX_RATE = 4000, 384000
# A sound that comes as fast as it is played may stutter: it begins when so much is there, which is
# three chunks of 20 ms less what a resampler keeps.
_START_S = 0.055
# Sound that comes as fast as it is played, as of a microphone, may wait longer than it must, since
# it began in a hurry, or a machine stood still. Where as much waited after each of so many blocks,
# give or take so much, pauses are shortened.
_WATCHED_BLOCKS, _MOST_UNEVEN_S, _SPARE_S = 50, 0.6, 0.03
_SILENT_PEAK = 0.02  # what is softer is a room
_PATIENCE_BLOCKS = 10  # after so many silent blocks a rest too short for a block is played


class SoundQueue:
    """The sound that waits, at 48 kHz; any thread may call any method.

    What is taken depends on the samples that were pushed and on when blocks are taken, and not on
    how the samples were cut into chunks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: deque[np.ndarray] = deque()
        self._length = 0  # samples that wait
        self._complete = 0  # of them, those of utterances whose end is known
        self._resampler: av.AudioResampler | None = None
        self._rate = SAMPLE_RATE
        self._flows = False
        self._dry = 0
        self._left = deque[int](maxlen=_WATCHED_BLOCKS)  # samples that waited after each block

    @property
    def queued_s(self) -> float:
        """Seconds of sound that wait."""
        return self._length / SAMPLE_RATE

    def push(self, samples: np.ndarray, sample_rate: int) -> None:
        """Append samples (S,) or (S, channels), float32 in [-1, 1] or int16.

        Raises:
            InputError: samples of another kind, or more than ten minutes would wait.
        """
        mono = _as_mono(samples)
        check_rate(sample_rate)
        with self._lock:
            if (self._length + len(mono) * SAMPLE_RATE / sample_rate) / SAMPLE_RATE > MAX_QUEUED_S:
                raise InputError(
                    f"{self.queued_s:.0f} s of sound wait already, and "
                    f"{len(mono) / sample_rate:.1f} s more are above {MAX_QUEUED_S:.0f} s; "
                    "push as fast as frames are read, or drop what is old with interrupt()"
                )
            if sample_rate != self._rate:
                self._flush()
                self._rate = sample_rate
            self._append(self._resampled(mono))

    def finish(self) -> None:
        """Say that what was pushed is complete: nothing is held back in the hope of more."""
        with self._lock:
            self._flush()
            self._complete = self._length

    def drop(self) -> None:
        """Forget all that waits."""
        with self._lock:
            self._chunks.clear()
            self._resampler = None
            self._length = self._complete = 0
            self._flows = False
            self._left.clear()

    def take(self, count: int) -> np.ndarray | None:
        """Return the next samples (count,), the end of an utterance filled up with silence.

        None: nothing is to be heard, or what waits is too little to begin with.
        """
        with self._lock:
            wanted = count if self._flows else max(count, round(_START_S * SAMPLE_RATE))
            if self._length >= wanted:
                usable = count
            elif self._complete or (self._length and self._dry >= _PATIENCE_BLOCKS):
                usable = min(count, self._complete or self._length)
            else:
                self._dry += 1
                self._flows = False
                self._left.clear()
                return None
            self._flows, self._dry = True, 0
            if self._is_behind(count) and self._is_silent(2 * count):
                self._pop(count)
                self._left = deque((left - count for left in self._left), _WATCHED_BLOCKS)
            taken = np.zeros(count, np.float32)
            taken[:usable] = self._pop(usable)
            self._complete = max(0, self._complete - usable)
            self._left.append(self._length)
            return taken

    def _is_behind(self, count: int) -> bool:
        """Tell whether more than a block waits always, of sound that comes as it is played."""
        if len(self._left) < _WATCHED_BLOCKS or self._complete:
            return False
        least, most = min(self._left), max(self._left)
        is_spare = least - count > _SPARE_S * SAMPLE_RATE
        return is_spare and most - least < _MOST_UNEVEN_S * SAMPLE_RATE

    def _is_silent(self, count: int) -> bool:
        """Tell whether nothing is heard in the next samples."""
        for chunk in self._chunks:
            part = chunk[:count]
            if np.abs(part).max() >= _SILENT_PEAK:
                return False
            count -= len(part)
            if not count:
                break
        return True

    def _append(self, samples: np.ndarray) -> None:
        if len(samples):
            self._chunks.append(samples)
            self._length += len(samples)

    def _pop(self, count: int) -> np.ndarray:
        parts, missing = [], count
        while missing:
            chunk = self._chunks.popleft()
            if len(chunk) > missing:
                self._chunks.appendleft(chunk[missing:])
                chunk = chunk[:missing]
            parts.append(chunk)
            missing -= len(chunk)
        self._length -= count
        return np.concatenate(parts)

    def _resampled(self, mono: np.ndarray) -> np.ndarray:
        if self._rate == SAMPLE_RATE:
            return mono
        if self._resampler is None:
            self._resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
        return _fed(self._resampler, mono, self._rate)

    def _flush(self) -> None:
        """Append what the filter of the resampler still holds."""
        if self._resampler is not None:
            self._append(_fed(self._resampler, None, self._rate))
            self._resampler = None


def check_rate(sample_rate: object) -> None:
    """Refuse what is not a sample rate."""
    usable = isinstance(sample_rate, (int, np.integer)) and not isinstance(sample_rate, bool)
    if not usable or not _MIN_RATE <= sample_rate <= _MAX_RATE:
        raise InputError(
            f"sample_rate must be a whole number from {_MIN_RATE} to {_MAX_RATE} Hz, got "
            f"{short_repr(sample_rate)}"
        )


def _as_mono(samples: object) -> np.ndarray:
    """Return a copy (S,) float32 of samples, checked."""
    if not isinstance(samples, np.ndarray) or samples.ndim not in (1, 2):
        raise InputError(
            "samples must be a numpy array (n,) or (n, channels) of float32 or int16, got "
            f"{short_repr(getattr(samples, 'shape', samples))}"
        )
    if samples.ndim == 2 and not 1 <= samples.shape[1] <= 16:
        raise InputError(
            f"samples must be (n, channels) with 1 to 16 channels, got {samples.shape}; "
            "transpose them if channels come first"
        )
    if samples.dtype == np.int16:
        values = samples.astype(np.float32) / 32768
    elif samples.dtype in (np.float32, np.float64):
        values = samples.astype(np.float32)
    else:
        raise InputError(f"samples must be float32 or int16, got {samples.dtype}")
    if not np.isfinite(values).all():
        raise InputError("samples contain values that are not numbers (NaN or infinity)")
    return values if values.ndim == 1 else values.mean(1)


def _fed(resampler: av.AudioResampler, mono: np.ndarray | None, rate: int) -> np.ndarray:
    frame = None
    if mono is not None:
        if not len(mono):
            return mono
        frame = av.AudioFrame.from_ndarray(mono[None], format="fltp", layout="mono")
        frame.sample_rate = rate
    pieces = [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    return np.concatenate([*pieces, np.zeros(0, np.float32)])
