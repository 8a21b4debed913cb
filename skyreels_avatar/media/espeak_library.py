"""espeak-ng through ctypes: texts become samples, with events that tell what sounds when.

Needs the standard library alone, so that it also runs as a program of its own: what espeak-ng
has said before changes what it says next by some samples, and only a fresh process has said
nothing. The program reads one request as JSON and writes one line of JSON, then the samples.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import NamedTuple

_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME_IPA = 2, 1, 2
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_UTF8 = 1


class Utterance(NamedTuple):
    """What was said.

    Attributes:
        pcm: 16-bit samples, mono, in the byte order of the machine.
        sample_rate: Hz.
        phonemes: (start in seconds, IPA) as reported, silence is "".
        marks: (offset in the text in characters, start in seconds) of words.
    """

    pcm: bytes
    sample_rate: int
    phonemes: list[tuple[float, str]]
    marks: list[tuple[int, float]]


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


class _VoiceRecord(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class EspeakLibrary:
    """espeak-ng, loaded into this process; there can be one.

    Args:
        library: path of the shared library.
        folder: path of its data.
    """

    def __init__(self, library: str, folder: str) -> None:
        self._paths = library, folder
        self._library = ctypes.CDLL(library)
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceRecord))
        options = _PHONEME_EVENTS | _PHONEME_IPA
        rate = self._library.espeak_Initialize(_SYNCHRONOUS, 200, folder.encode(), options)
        self.sample_rate: int = rate
        self._chunks: list[bytes] = []
        self._phonemes: list[tuple[float, str]] = []
        self._marks: list[tuple[int, float]] = []
        self._busy = threading.Lock()  # the library speaks one text at a time
        self._callback = _CALLBACK(self._collect)  # kept alive: C holds a bare pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, voice: str, rate: int, pitch: int, pitch_range: int
    ) -> Utterance | None:
        """Speak a text; None when the voice cannot be loaded.

        Args:
            voice: identifier as `voices` gives it, optionally with + and a variant.
            rate: words a minute, 80 to 450.
            pitch: 0 to 99. pitch_range: 0 (monotone) to 100.
        """
        encoded = text.encode("utf-8")
        with self._busy:
            self._chunks, self._phonemes, self._marks = [], [], []
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                return None
            for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_PITCH_RANGE, pitch_range)):
                self._library.espeak_SetParameter(parameter, int(value), 0)
            self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
            self._library.espeak_Synchronize()
            return Utterance(b"".join(self._chunks), self.sample_rate, self._phonemes, self._marks)

    def say_in_new_process(
        self, text: str, voice: str, rate: int, pitch: int, pitch_range: int
    ) -> Utterance | None:
        """Speak as `say` does, in a process of its own: the same text gives the same samples.

        Raises:
            RuntimeError: that process failed.
        """
        request = [*self._paths, text, voice, rate, pitch, pitch_range]
        command = [sys.executable, "-I", "-S", __file__]
        done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace").strip()[-300:])
        head, _, pcm = done.stdout.partition(b"\n")
        said = json.loads(head)
        return said and Utterance(pcm, self.sample_rate, *said)

    def voices(self, kind: str | None = None) -> list[tuple[str, tuple[str, ...], str]]:
        """Return (name, language tags, identifier) of the voices, or with "variant" of timbres."""
        wanted = None
        if kind is not None:
            tag = ctypes.create_string_buffer(kind.encode())
            wanted = ctypes.byref(_VoiceRecord(languages=ctypes.addressof(tag)))
        records = self._library.espeak_ListVoices(wanted)
        listed = []
        while records[len(listed)]:
            record = records[len(listed)].contents
            tags = tuple(_language_tags(record.languages))
            listed.append((record.name.decode().strip(), tags, record.identifier.decode()))
        return listed

    def seed(self, value: int) -> None:
        """Make the noise in voices repeatable."""
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(value))

    def _collect(self, samples, num_samples: int, events) -> int:
        if samples and num_samples > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * num_samples))
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            time_s = event.audio_position_ms / 1000
            if event.type == _EVENT_PHONEME:
                name = ctypes.string_at(ctypes.addressof(event.id), 8).split(b"\0")[0]
                self._phonemes.append((time_s, name.decode("utf-8", "ignore")))
            elif event.type == _EVENT_WORD:
                self._marks.append((event.text_position - 1, time_s))
            index += 1
        return 0


def _language_tags(address: int) -> Iterator[str]:
    """Yield the tags of a list in which a byte of priority stands before each."""
    while ctypes.string_at(address, 1) != b"\0":
        tag = ctypes.string_at(address + 1)
        yield tag.decode()
        address += len(tag) + 2


def main() -> None:
    """Say what one request on stdin asks for."""
    library, folder, *request = json.loads(sys.stdin.buffer.read())
    speaker = EspeakLibrary(library, folder)
    speaker.seed(1)
    said = speaker.say(*request)
    head = said and (said.phonemes, said.marks)
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + (said.pcm if said else b""))


if __name__ == "__main__":
    main()
