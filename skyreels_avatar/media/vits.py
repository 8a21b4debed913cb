"""Neural voices as a `SpeechEngine`: VITS networks of transformers, such as the 1,100 of MMS-TTS.

A voice is `vits:` and a folder, a repository on the Hugging Face hub (`vits:facebook/mms-tts-deu`,
fetched once, then kept in the hub's cache), or the ISO 639-3 code of a language of MMS-TTS
(`vits:deu`), whose weights are CC-BY-NC 4.0: not for commercial use. transformers comes with the
extra `studio`. Source: VITS (arXiv 2106.06103), MMS (arXiv 2305.13516).
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from skyreels_avatar.errors import CheckpointError, InputError, MissingExtraError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.sentences import split_sentences
from skyreels_avatar.media.spoken_text import Phone, SpokenText
from skyreels_avatar.media.voice import Voice
from skyreels_avatar.media.words import word_times

if TYPE_CHECKING:
    import torch

_MMS = "facebook/mms-tts-"
_OWN_PITCH = 50.0
_MAX_CHARACTERS = 300  # of a sentence; longer ones are spoken in pieces, attention is quadratic
_PAUSE_S = 0.25  # between sentences, which are spoken one by one


class VitsEngine:
    """VITS networks, one a voice."""

    def voices(self) -> tuple[Voice, ...]:
        """Return none: any folder and any repository may be a voice."""
        return ()

    def speak(self, text: str, voice: str, speed: float, pitch: float) -> SpokenText:
        """Speak a text; see `speech.speak`. The same text gives the same sound.

        Raises:
            InputError: the voice cannot read the text, or `pitch` was changed.
            CheckpointError: there is no such network.
            MissingExtraError: transformers is not installed.
        """
        if pitch != _OWN_PITCH:
            raise InputError(f"a vits voice has a pitch of its own, give 50, got {pitch:g}")
        name = f"{_MMS}{voice}" if re.fullmatch(r"[a-z]{3}", voice) else voice
        model, tokenizer = load_vits(name)
        rate = model.config.sampling_rate
        pieces: list[np.ndarray] = []
        phones: list[Phone] = []
        marks: list[tuple[int, float]] = []
        begin_s = 0.0
        for words in split_sentences(text, _MAX_CHARACTERS):
            read = [(offset, readable(word, tokenizer, name)) for offset, word in words]
            read = [(offset, letters) for offset, letters in read if letters]
            if not read:
                continue
            samples, ends_s = _say(model, tokenizer, " ".join(part for _, part in read), speed)
            at, start_s = 0, 0.0
            for offset, letters in read:
                marks.append((offset, begin_s + start_s))
                for letter, end_s in zip(letters, ends_s[at:]):
                    phones.append(Phone(letter, begin_s + start_s, begin_s + float(end_s)))
                    start_s = float(end_s)
                at += len(letters)
                if at < len(ends_s):  # the space after the word
                    start_s = float(ends_s[at])
                    at += 1
            pieces += [samples, np.zeros(round(_PAUSE_S * rate), np.float32)]
            begin_s = sum(map(len, pieces)) / rate
        if not phones:
            raise InputError(f"the voice vits:{voice} finds nothing to say in {text[:40]!r}")
        audio = AudioTrack(np.concatenate(pieces[:-1]), rate)
        return SpokenText(audio, word_times(text, marks, phones), (), f"vits:{voice}")


@functools.lru_cache(maxsize=2)
def load_vits(name: str) -> tuple[Any, Any]:
    """Return the network and the tokenizer of a folder or repository.

    Raises:
        CheckpointError: it is not there, cannot be fetched, or is no VITS.
        InputError: it reads phonemes or romanised text, which is not made here.
        MissingExtraError: transformers is not installed.
    """
    try:
        from transformers import AutoConfig, VitsModel, VitsTokenizer
    except ImportError as error:
        raise MissingExtraError("transformers", "studio") from error
    try:
        kind = AutoConfig.from_pretrained(name).model_type
        if kind != "vits":
            raise CheckpointError(f"{name} is a {kind}, no VITS voice; give another one")
        tokenizer = VitsTokenizer.from_pretrained(name)
        model = VitsModel.from_pretrained(name).eval()
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"the voice {name} cannot be loaded: {' '.join(str(error).split())[:200]}"
        ) from error
    if tokenizer.phonemize or tokenizer.is_uroman:
        raise InputError(
            f"the voice {name} reads {'phonemes' if tokenizer.phonemize else 'romanised text'}; "
            "take one that reads the letters of its language, such as vits:deu"
        )
    return model, tokenizer


def readable(word: str, tokenizer: Any, name: str) -> str:
    """Return the letters of a word that a voice reads, without punctuation.

    Raises:
        InputError: some letters or digits would be left out.
    """
    kept, _ = tokenizer.prepare_for_tokenization(word)
    whole = tokenizer.normalize_text(word)
    lost = {c for c in whole if c.isalnum() and c not in tokenizer.get_vocab()}
    if lost:
        hint = "write numbers in words" if any(c.isdigit() for c in lost) else "write it otherwise"
        raise InputError(f"the voice {name} cannot read {word!r} ({''.join(sorted(lost))}); {hint}")
    return kept


def _say(model: Any, tokenizer: Any, text: str, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples (S,) of a text of known letters, and when each letter ends, in seconds."""
    import torch

    found: list[torch.Tensor] = []
    hook = model.duration_predictor.register_forward_hook(lambda *call: found.append(call[-1]))
    tokens = tokenizer(text, return_tensors="pt").input_ids
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the network draws from the global source, restored here
            spoken = model(tokens, speaking_rate=speed)
    finally:
        hook.remove()
    # As the network rounds them itself; each step is one column of its spectrogram.
    steps = torch.ceil(torch.exp(found[0]) / speed).flatten().cumsum(0).numpy()
    samples = spoken.waveform[0].float().numpy()
    # Between the letters stand blanks: letter i is token 2 i + 1, and holds the blank after it.
    last = steps[2::2] if tokenizer.add_blank else steps
    return samples, last / steps[-1] * len(samples) / model.config.sampling_rate
