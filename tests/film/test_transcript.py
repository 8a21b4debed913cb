"""Words and their times, from subtitles and lyrics."""

from __future__ import annotations

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.film.transcript import Transcript

SRT = """1
00:00:01,000 --> 00:00:03,000
<i>Over the hills</i>
and far away

2
00:01:02,500 --> 00:01:04,500
Over the hills: it's me.
"""
LRC = """[ar: nobody]
[00:10.00]Over the hills
[00:12.50] and far away
[00:20]<00:20.00> La <00:20.50> le <00:21.00> lu
"""


def _loaded(tmp_path, name: str, text: str) -> Transcript:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return Transcript.load(tmp_path / name)


def test_words_of_subtitles_share_the_time_of_their_line(tmp_path):
    transcript = _loaded(tmp_path, "a.srt", SRT)
    assert len(transcript.words) == 11
    assert transcript.find("over the hills and FAR away!") == (1.0, 3.0)
    start_s, end_s = transcript.find("the hills")
    assert 1.0 < start_s < end_s < 3.0
    assert transcript.find("over the hills", after_s=1.5)[0] == 62.5
    assert transcript.find("It\u2019s me")[1] == 64.5
    vtt = SRT.replace(",000", ".000").replace(",500", ".500").replace("00:00:", "00:")
    assert _loaded(tmp_path, "a.vtt", "WEBVTT\n\n" + vtt).words == transcript.words


def test_lines_of_lyrics_last_until_the_next_and_words_may_have_times(tmp_path):
    transcript = _loaded(tmp_path, "a.lrc", LRC)
    assert transcript.find("over the hills") == (10.0, 12.5)
    assert transcript.find("and far away") == (12.5, 20.0)
    assert transcript.find("le") == (20.5, 21.0)


def test_a_line_sung_twice_is_there_twice(tmp_path):
    transcript = _loaded(tmp_path, "a.lrc", "[00:05.00][00:09.00]again\n[00:07.00]between\n")
    assert [word.text for word in transcript.words] == ["again", "between", "again"]
    assert transcript.find("again", after_s=6)[0] == 9.0


def test_words_are_found_in_scripts_without_spaces(tmp_path):
    text = "1\n00:00:00,000 --> 00:00:04,000\n\u4f60\u597d\uff0c\u4e16\u754c\n"
    transcript = _loaded(tmp_path, "a.srt", text)
    assert transcript.find("\u4e16\u754c") == (2.0, 4.0)


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("over the hill", "did you mean 'Over the hills'"),
        ("bananas", "give words as they stand"),
        ("...", "words of the transcript are needed"),
    ],
)
def test_words_that_are_not_there_are_named(tmp_path, phrase, said):
    with pytest.raises(InputError, match=said):
        _loaded(tmp_path, "a.srt", SRT).find(phrase)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("a.srt", "no times here\n", "no words"), ("a.txt", SRT, r"ends in \.srt")],
)
def test_what_is_no_transcript_is_refused(tmp_path, name, text, said):
    with pytest.raises(InputError, match=said):
        _loaded(tmp_path, name, text)
