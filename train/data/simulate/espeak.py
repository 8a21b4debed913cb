"""Speak with espeak-ng and learn when each phoneme sounds.

A binding of the few functions needed, through ctypes: samples and time-stamped phonemes come from
the same call, in a few milliseconds a sentence. The library and its voices come with the package
`espeakng-loader` (extra `voice`).
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass

import numpy as np

from skyreels_avatar.errors import InputError, MissingExtraError

_EVENT_END, _EVENT_PHONEME = 0, 7
_SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME_IPA = 2, 1, 2
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_UTF8 = 1


@dataclass(frozen=True)
class Phone:
    """One phoneme: IPA text with stress marks ("" = silence), start and end in seconds."""

    ipa: str
    start_s: float
    end_s: float


class _Name(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_pointer", ctypes.c_void_p),
        ("id", _Name),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """One running espeak-ng; use `espeak()` to get the process's only one."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise MissingExtraError("espeakng-loader", "voice") from error
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        folder = espeakng_loader.get_data_path().encode()
        options = _PHONEME_EVENTS | _PHONEME_IPA
        self.sample_rate = self._library.espeak_Initialize(_SYNCHRONOUS, 200, folder, options)
        self._chunks: list[np.ndarray] = []
        self._events: list[tuple[float, str]] = []
        self._callback = _CALLBACK(self._collect)  # kept alive: C holds a bare pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, voice: str, rate: int = 170, pitch: int = 50, pitch_range: int = 50
    ) -> tuple[np.ndarray, list[Phone]]:
        """Speak a text.

        Args:
            voice: language and variant, such as "de+f3".
            rate: words a minute, 80 to 450.
            pitch: 0 to 99. pitch_range: 0 (monotone) to 100.

        Returns:
            samples (S,) float32 in [-1, 1] at `sample_rate`, and the phonemes in order.
        """
        self._chunks, self._events = [], []
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(
                f"espeak-ng has no voice {voice!r}; give a language such as en-us, de or cmn, "
                "optionally with a variant such as +f3"
            )
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_PITCH_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, int(value), 0)
        encoded = text.encode("utf-8")
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        if not self._chunks:
            return np.zeros(0, np.float32), []
        samples = np.concatenate(self._chunks).astype(np.float32) / 32768
        return samples, _phones(self._events, len(samples) / self.sample_rate)

    def _collect(self, samples, num_samples: int, events) -> int:
        if samples and num_samples > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                name = ctypes.string_at(ctypes.addressof(event.id), 8).split(b"\0")[0]
                self._events.append(
                    (event.audio_position_ms / 1000, name.decode("utf-8", "ignore"))
                )
            index += 1
        return 0


@functools.lru_cache(maxsize=1)
def espeak() -> Espeak:
    """Return the espeak-ng of this process, started at the first call."""
    return Espeak()


def _phones(events: list[tuple[float, str]], duration_s: float) -> list[Phone]:
    ordered = sorted(events, key=lambda event: event[0])
    ends = [start_s for start_s, _ in ordered[1:]] + [duration_s]
    return [
        Phone(ipa, start_s, end_s)
        for (start_s, ipa), end_s in zip(ordered, ends)
        if end_s > start_s and not ipa.startswith("(")
    ]
