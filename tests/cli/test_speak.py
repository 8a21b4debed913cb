"""`speak` and `voices` of the command line."""

from __future__ import annotations

import io
import json
import sys

import pytest

from skyreels_avatar.cli import run
from skyreels_avatar.media.audio import AudioTrack

pytest.importorskip("espeakng_loader")


def test_speak_writes_a_sound_and_its_subtitles(tmp_path, capfd):
    sound = tmp_path / "a.wav"
    code = run(["speak", "Hello there.", "--voice", "en-gb", "--output", str(sound),
                "--subtitles", "srt", "--speed", "1.2"])  # fmt: skip
    assert code == 0 and "2 words" in capfd.readouterr().out
    assert AudioTrack.load(sound).duration_s > 0.4
    assert "Hello there." in (tmp_path / "a.srt").read_text()


def test_speak_reads_a_file_or_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("one two three")
    for arguments in (["--file", str(tmp_path / "a.txt")], ["-"]):
        stdin = io.TextIOWrapper(io.BytesIO(b"one two three"))
        monkeypatch.setattr(sys, "stdin", stdin)
        words = tmp_path / "words.json"
        output = ["-o", str(tmp_path / "a.flac"), "--subtitles", str(words), "--overwrite"]
        assert run(["speak", *arguments, *output]) == 0
        assert [word["text"] for word in json.loads(words.read_text())["words"]] == [
            "one", "two", "three",
        ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["speak"],
        ["speak", "hi", "--file", "a.txt"],
        ["speak", "hi", "--voice", "klingonish"],
        ["speak", "hi", "--output", "a.xyz"],
        ["speak", "hi", "--subtitles", "a.txt"],
        ["speak", "hi", "--speed", "9"],
        ["speak", "..."],
        ["speak", "--file", "absent.txt"],
        ["voices", "--language", "nowhere"],
    ],
)
def test_wrong_input_ends_with_2_and_leaves_nothing(tmp_path, monkeypatch, capfd, arguments):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert capfd.readouterr().err.startswith("error: ")
    assert not list(tmp_path.iterdir())


def test_standard_input_must_be_text(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    assert run(["speak", "-"]) == 2
    assert "UTF-8" in capfd.readouterr().err


def test_json_has_the_files_and_the_words(tmp_path, capfd):
    sound = tmp_path / "a.wav"
    assert run(["speak", "Hello there.", "-o", str(sound), "--subtitles", "srt", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert (said["path"], said["subtitles"]) == (str(sound), str(tmp_path / "a.srt"))
    assert [word["text"] for word in said["words"]] == ["Hello", "there."]
    assert said["duration_s"] > said["words"][1]["start_s"] > 0


def test_voices_fit_80_columns(printed_lines):
    assert max(map(len, printed_lines("voices"))) <= 80


def test_voices_lists_names_that_speak_takes(capfd):
    assert run(["voices", "--language", "en", "--json"]) == 0
    names = [voice["name"] for voice in json.loads(capfd.readouterr().out)]
    assert {"heart", "espeak:en-us", "espeak:en-gb-scotland"} <= set(names)
    assert run(["voices"]) == 0
    listed = capfd.readouterr().out
    assert "\nespeak:cmn " in listed and "+f1 to +f5" in listed
    assert max(map(len, listed.splitlines()[:-3])) <= 80
    assert "models pull kokoro" in listed
