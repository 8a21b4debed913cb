"""Neural voices: the real class with tiny random weights, saved and loaded like a public one."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.media.speech import speak

LETTERS = " abcdefghijklmnopqrstuvwxyz'-"


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a voice of eight channels that reads the letters a to z."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("voice")
    _write_tokenizer(folder, {})
    transformers.VitsModel(
        transformers.VitsConfig(
            vocab_size=len(LETTERS) + 1, hidden_size=8, num_hidden_layers=1, ffn_dim=8,
            flow_size=8, spectrogram_bins=9, duration_predictor_filter_channels=8,
            prior_encoder_num_flows=1, prior_encoder_num_wavenet_layers=1,
            posterior_encoder_num_wavenet_layers=1, depth_separable_num_layers=1,
            duration_predictor_num_flows=2, upsample_initial_channel=32,
        )
    ).save_pretrained(folder)  # fmt: skip
    return f"vits:{folder}"


def _write_tokenizer(folder: Path, changes: dict) -> None:
    vocabulary = {"<pad>": 0} | {letter: i + 1 for i, letter in enumerate(LETTERS)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    kind = {"tokenizer_class": "VitsTokenizer", "add_blank": True, "normalize": True}
    kind |= {"phonemize": False, "is_uroman": False, "pad_token": "<pad>", "unk_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind | changes))


def test_a_text_is_said_with_the_times_of_its_words(voice):
    text = 'Hello there, "my" friends. It is - well-known!'
    spoken = speak(text, voice)
    assert " ".join(word.text for word in spoken.words) == text
    assert spoken.voice == voice and spoken.audio.sample_rate == 16_000
    times = [(word.start_s, word.end_s) for word in spoken.words]
    assert all(start_s < end_s for start_s, end_s in times)
    assert all(later[0] >= earlier[1] - 1e-6 for earlier, later in itertools.pairwise(times))
    assert times[0][0] == 0 and times[-1][1] == pytest.approx(spoken.audio.duration_s, abs=0.01)
    first, last = (round(t * 16_000) for t in (times[3][1] + 0.02, times[4][0] - 0.02))
    assert not spoken.audio.samples[first:last].any() and last - first > 3000


def test_the_times_are_those_of_the_network(voice):
    """The samples of a word are found where the durations of its letters say."""
    import torch
    from transformers import VitsModel, VitsTokenizer

    spoken = speak("ab cd", voice)
    folder = voice.removeprefix("vits:")
    model, tokenizer = (
        VitsModel.from_pretrained(folder).eval(),
        VitsTokenizer.from_pretrained(folder),
    )
    durations = []
    model.duration_predictor.register_forward_hook(lambda *call: durations.append(call[-1]))
    torch.manual_seed(0)
    with torch.no_grad():
        waveform = model(tokenizer("ab cd", return_tensors="pt").input_ids).waveform
    assert np.array_equal(waveform[0].numpy(), spoken.audio.samples)
    steps = torch.ceil(torch.exp(durations[0])).flatten().cumsum(0) * 256 / 16_000
    # <blank> a <blank> b <blank> space <blank> c <blank> d <blank>
    assert spoken.words[0].end_s == pytest.approx(steps[4].item())
    assert spoken.words[1].start_s == pytest.approx(steps[6].item())


def test_the_same_text_is_the_same_sound_and_the_global_source_is_left_alone(voice):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = speak("hello", voice)
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(first.audio.samples, speak("hello", voice).audio.samples)


def test_speed_shortens_and_long_sentences_are_said_in_pieces(voice, monkeypatch):
    monkeypatch.setattr("skyreels_avatar.media.vits._MAX_CHARACTERS", 10)
    slow, fast = (speak("the fox jumps over a dog", voice, speed=speed) for speed in (1.0, 2.5))
    assert len(slow.words) == len(fast.words) == 6
    assert fast.audio.duration_s < slow.audio.duration_s
    # "the fox", "jumps over" and "a dog", with a quarter of a second between them.
    edges = np.flatnonzero(np.diff(np.concatenate([[1], slow.audio.samples != 0, [1]])))
    lengths = np.diff(edges)[::2]
    assert (lengths >= 4000).sum() == 2


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("I have 25 maps", {}, "numbers in words"),
        ("caf\u00e9", {}, "cannot read"),
        ("\u2603", {}, "nothing to say"),
        ("hello", {"pitch": 60}, "pitch of its own"),
    ],
)
def test_what_a_voice_cannot_say_is_refused(voice, text, options, message):
    with pytest.raises(InputError, match=message):
        speak(text, voice, **options)


def test_a_folder_without_a_voice_is_named(voice, tmp_path):
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        speak("hello", f"vits:{tmp_path}")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="bert, no VITS"):
        speak("hello", f"vits:{tmp_path}")


def test_voices_that_read_phonemes_or_romanised_text_are_refused(voice, tmp_path):
    for index, change in enumerate(({"phonemize": True}, {"is_uroman": True})):
        folder = tmp_path / str(index)
        folder.mkdir()
        for file in Path(voice.removeprefix("vits:")).iterdir():
            (folder / file.name).symlink_to(file)
        (folder / "tokenizer_config.json").unlink()
        (folder / "vocab.json").unlink()
        _write_tokenizer(folder, change)
        with pytest.raises(InputError, match="reads the letters"):
            speak("hello", f"vits:{folder}")
