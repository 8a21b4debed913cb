"""Subtitles: readable pieces, exact clocks, formats that other programs read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.spoken_text import Phone, SpokenText, SpokenWord
from skyreels_avatar.media.subtitles import (
    KINDS,
    MAX_CUE_S,
    MAX_LINE,
    group_words,
    subtitle_path,
    subtitle_text,
    write_subtitles,
)


def _spoken(text: str, word_s: float = 0.3, pause_s: float = 0.0) -> SpokenText:
    step_s = word_s + pause_s
    words = tuple(
        SpokenWord(word, i * step_s, i * step_s + word_s) for i, word in enumerate(text.split())
    )
    audio = AudioTrack(np.zeros(int(len(words) * step_s * 8000) + 8000, np.float32), 8000)
    return SpokenText(audio, words, (Phone("a", 0.0, 0.1),), "en-us")


def test_a_sentence_is_one_subtitle_with_its_own_times():
    cues = group_words(_spoken('Hello there. "How are you?" I asked.').words)
    assert [" ".join(cue.lines) for cue in cues] == ["Hello there.", '"How are you?"', "I asked."]
    assert [cue.start_s for cue in cues] == pytest.approx([0.0, 0.6, 1.5])
    assert [cue.end_s for cue in cues] == pytest.approx([0.6, 1.5, 2.1])


@pytest.mark.parametrize("word_s", [0.1, 0.5, 3.0])
def test_long_sentences_are_cut_into_two_lines_and_seven_seconds(word_s):
    words = _spoken("some words that go on " * 20, word_s).words
    cues = group_words(words)
    assert " ".join(" ".join(cue.lines) for cue in cues).split() == [word.text for word in words]
    for cue in cues:
        assert len(cue.lines) <= 2 and max(map(len, cue.lines)) <= MAX_LINE
        assert cue.end_s - cue.start_s <= MAX_CUE_S + 1e-6


def test_the_full_stop_of_an_abbreviation_ends_no_subtitle():
    cues = group_words(_spoken("Dr. Smith met Mr. Jones. They talked.").words)
    assert [" ".join(cue.lines) for cue in cues] == ["Dr. Smith met Mr. Jones.", "They talked."]


def test_a_pause_ends_a_subtitle_and_unspaced_scripts_get_no_spaces():
    assert len(group_words(_spoken("one two three", pause_s=1.0).words)) == 3
    words = [SpokenWord(c, i * 0.2, i * 0.2 + 0.2, i > 0) for i, c in enumerate("\u4f60" * 30)]
    (cue,) = group_words(words)
    assert [len(line) for line in cue.lines] == [MAX_LINE // 2, 30 - MAX_LINE // 2]


def test_every_format_has_its_own_clock():
    spoken = SpokenText(
        AudioTrack(np.zeros(8000, np.float32), 8000),
        (SpokenWord("a<b>", 3661.0075, 3662.9996),),
        (),
        "de",
    )
    assert subtitle_text(spoken, "srt") == "1\n01:01:01,008 --> 01:01:03,000\na<b>\n"
    assert subtitle_text(spoken, "vtt").startswith("WEBVTT\n\n01:01:01.008 --> 01:01:03.000\na&lt;")
    assert subtitle_text(spoken, "lrc") == "[61:01.01]a<b>\n"


def test_points_in_the_text_stay_points_in_srt():
    assert subtitle_text(_spoken("1.5 it is."), "srt").endswith("\n1.5 it is.\n")


def test_json_holds_words_and_phonemes():
    values = json.loads(subtitle_text(_spoken("one two"), "json"))
    assert [word["text"] for word in values["words"]] == ["one", "two"]
    assert values["phonemes"] == [{"ipa": "a", "start_s": 0.0, "end_s": 0.1}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_alone_means_beside_the_video(tmp_path, kind):
    video = tmp_path / "film.mp4"
    assert subtitle_path(kind, video) == tmp_path / f"film.{kind}"
    path = write_subtitles(_spoken("one two"), subtitle_path(tmp_path / f"other.{kind}", video))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_unknown_kinds_and_places_are_refused(tmp_path):
    for name in ("a.txt", "a", tmp_path / "absent" / "a.srt"):
        with pytest.raises(MediaError, match=r"must end in|no folder"):
            subtitle_path(name, tmp_path / "film.mp4")
    (tmp_path / "a.srt").mkdir()
    with pytest.raises(MediaError, match="cannot write"):
        write_subtitles(_spoken("one"), tmp_path / "a.srt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.srt"]
