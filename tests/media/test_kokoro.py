"""Kokoro's voices: the real code on a tiny graph and voice table of the published format."""

from __future__ import annotations

import struct

import numpy as np
import pytest

pytest.importorskip("hibari")
pytest.importorskip("espeakng_loader")

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.folders import MODELS_VARIABLE
from skyreels_avatar.media import kokoro
from skyreels_avatar.media.speech import find_voice, list_voices, speak

FLOAT, INT64 = 1, 7


def _field(number: int, value: bytes | str | int) -> bytes:
    """Return a field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


def _value(name: str, kind: int, dims: list[int | str]) -> bytes:
    shape = b"".join(_field(1, _field(2 if isinstance(d, str) else 1, d)) for d in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> bytes:
    node = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind)
    for name, value in attributes.items():
        node += _field(5, _field(1, name) + _field(3, value) + _field(20, 2))
    return node


def _constant(name: str, value: float) -> bytes:
    return _field(2, FLOAT) + _field(8, name) + _field(9, struct.pack("<f", value))


def _graph(clip: str) -> bytes:
    """Return a model: a token lasts 1 to 6 units of 600 samples, the style gives the pitch."""
    nodes = [
        _node("Cast", ["input_ids"], "numbers", to=FLOAT),
        _node("Add", ["numbers", "five"], "raised"),
        _node("Mod", ["raised", "seven"], "rest", fmod=1),
        _node("Div", ["rest", "speed"], "lengths"),
        _node("Round", ["lengths"], "rounded"),
        _node("Clip", ["rounded", "one"], clip),
        _node("ReduceSum", [clip], "units_1x1"),
        _node("Squeeze", ["units_1x1"], "units"),
        _node("Mul", ["units", "samples"], "length"),
        _node("Range", ["zero", "length", "one"], "time"),
        _node("ReduceMean", ["style"], "pitch_1x1"),
        _node("Squeeze", ["pitch_1x1"], "pitch"),
        _node("Mul", ["time", "pitch"], "phase"),
        _node("Sin", ["phase"], "waveform"),
    ]
    constants = [
        ("zero", 0.0), ("one", 1.0), ("five", 5.0), ("seven", 7.0), ("samples", 600.0),
    ]  # fmt: skip
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "tiny")
    graph += b"".join(_field(5, _constant(name, value)) for name, value in constants)
    graph += _field(11, _value("input_ids", INT64, [1, "L"]))
    graph += _field(11, _value("style", FLOAT, [1, 256])) + _field(11, _value("speed", FLOAT, [1]))
    graph += _field(12, _value("waveform", FLOAT, ["S"]))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 17))


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder of models in which three voices of Kokoro are."""
    kokoro._network.cache_clear()
    kokoro._styles.cache_clear()
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    root = tmp_path / "kokoro"
    for name in ("onnx", "voices"):
        (root / name).mkdir(parents=True)
    (root / "onnx" / "model_quantized.onnx").write_bytes(_graph("/encoder/Clip_output_0"))
    for index, name in enumerate(("ff_siwis", "bf_emma", "im_nicola")):
        rows = np.linspace(0.05, 0.1, 510, dtype="<f4")[:, None] * (1 + index)
        (root / "voices" / f"{name}.bin").write_bytes(np.tile(rows, 256).tobytes())
    return root


def test_a_language_is_spoken_by_its_voice_once_that_is_there(folder, caplog):
    assert find_voice("fr") == find_voice("fr-FR") == ("kokoro", "ff_siwis")
    assert find_voice("en-gb") == ("kokoro", "bf_emma")
    assert find_voice("espeak:fr") == ("espeak", "fr") and find_voice("es")[0] == "espeak"
    spoken = speak("Bonjour \u00e0 tous, il est 3 heures.", "fr")
    assert spoken.voice == "ff_siwis" and not caplog.records
    voices = {voice.name: voice for voice in list_voices("fr")}
    assert voices["ff_siwis"].installed and voices["ff_siwis"].mos == 4.7


@pytest.mark.parametrize(
    ("text", "voice", "ipa"),
    [
        ("Bonjour \u00e0 tous, il est 3 heures.", "ff_siwis", "b\u0254\u0303"),
        ("Good morning, Dr. Smith. It is late.", "bf_emma", "\u0261\u02c8\u028ad"),
        ("Buongiorno a tutti: ho 3 gatti.", "im_nicola", "d\u0292"),
    ],
)
def test_words_have_the_times_of_the_graph(folder, text, voice, ipa):
    spoken = speak(text, voice)
    assert " ".join(word.text for word in spoken.words) == text
    assert ipa in "".join(phone.ipa for phone in spoken.phonemes)
    for one, after in zip(spoken.phonemes, spoken.phonemes[1:]):
        assert one.start_s < one.end_s == after.start_s
    assert spoken.phonemes[-1].end_s == pytest.approx(spoken.audio.duration_s)
    # Whole units of 25 ms, seen 60 ms late, are what the graph says.
    first = spoken.phonemes[1:5]
    units = np.asarray([phone.end_s + 0.06 for phone in first]) / 0.025
    assert np.abs(units - units.round()).max() < 1e-3
    starts = [word.start_s for word in spoken.words]
    assert starts == sorted(set(starts))


def test_speed_shortens_and_a_style_changes_the_sound(folder):
    slow, fast = (speak("Good morning to all", "bf_emma", speed=s) for s in (1.0, 2.0))
    assert fast.audio.duration_s < slow.audio.duration_s
    again = speak("Good morning to all", "bf_emma")
    assert np.array_equal(again.audio.samples, slow.audio.samples)
    first, second = (speak("ho tre gatti", voice).audio.samples[:300] for voice in
                     ("im_nicola", "ff_siwis"))  # fmt: skip
    assert not np.allclose(first, second)


def test_a_graph_without_durations_or_a_damaged_one_is_named(folder):
    graph = folder / "onnx" / "model_quantized.onnx"
    graph.write_bytes(_graph("durations"))
    kokoro._network.cache_clear()
    with pytest.raises(CheckpointError, match="how long its phonemes last"):
        speak("Bonjour", "ff_siwis")
    (folder / "voices" / "ff_siwis.bin").write_bytes(b"1234")
    kokoro._styles.cache_clear()
    with pytest.raises(CheckpointError, match="not a Kokoro voice"):
        speak("Bonjour", "ff_siwis")
    graph.write_bytes(b"no graph at all")
    kokoro._network.cache_clear()
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        speak("Bonjour", "ff_siwis")


def test_what_a_voice_cannot_do_is_refused(folder):
    with pytest.raises(InputError, match="pitch of its own"):
        speak("Bonjour", "ff_siwis", pitch=60)
    with pytest.raises(InputError, match="cannot read"):
        speak("\u041f\u0440\u0438\u0432\u0435\u0442", "ff_siwis")
