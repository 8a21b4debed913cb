"""Scripts in files: what they may say, and 60 ways to get one wrong, each one clear message."""

from __future__ import annotations

import re

import pytest
import yaml

from skyreels_avatar import cli
from skyreels_avatar.camera import CameraMove
from skyreels_avatar.errors import ScriptError
from skyreels_avatar.film.script_reader import read_script
from skyreels_avatar.film.sound import open_film
from skyreels_avatar.request.camera_spec import CameraKeyframe
from tests.samples import write_clicks, write_voice

SUBTITLES = """1
00:00:00,000 --> 00:00:02,000
Hello there, my friend!

2
00:00:02,500 --> 00:00:04,000
I am here. Hello there.
"""
GOOD = """\
soundtrack: voice.wav
transcript: words.srt
size: 128x96
shots:
  - image: good.png
    end_s: 2
    camera: push_in:60
  - image: good.png
    prompt: a woman smiles
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory, picture_file):
    """A folder with a picture, four seconds of voice, their words and eight seconds of clicks."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "good.png").write_bytes(picture_file.read_bytes())
    write_voice(folder, 4.0)
    write_clicks(folder, 8.0, tempo=120)
    (folder / "words.srt").write_text(SUBTITLES)
    (folder / "text.wav").write_text("I am no sound.\n" * 20)
    (folder / "empty.srt").write_text("")
    (folder / "loop.yaml").write_text("shots: [{include: film.yaml}]")
    (folder / "part.yaml").write_text("shots:\n  - image: good.png\n    start: 3\n")
    (folder / "list.yaml").write_text("- image: good.png\n")
    (folder / "more.yaml").write_text(
        "defaults: {prompt: more}\nshots:\n  - {image: good.png, end_s: 3}\n  - image: good.png\n"
    )
    return folder


def _read(folder, text: str):
    (folder / "film.yaml").write_text(text)
    return read_script(folder / "film.yaml")


def _spans(folder, text: str) -> list[tuple[float, float]]:
    film = open_film(_read(folder, text))
    return [(round(p.start_s, 3), round(p.end_s, 3)) for p in film.timeline.shots]


def _film(*shots: str, top: str = "soundtrack: voice.wav\ntranscript: words.srt\n") -> str:
    return f"{top}defaults: {{image: good.png}}\nshots:\n" + "".join(f"  - {s}\n" for s in shots)


# What is done to the good script, the line of the problem, and what the message says.
CASES = {
    "empty file": ("", 1, "empty"),
    "only a comment": ("# film\n", 1, "empty"),
    "a list": ("- image: good.png\n", 1, "mapping that holds a list of shots"),
    "a word": ("film\n", 1, "mapping that holds a list of shots"),
    "no YAML": ("shots: [\n", 2, "not valid YAML"),
    "a tab": ("shots:\n\t- image: good.png\n", 2, "indent with spaces"),
    "two documents": (GOOD + "---\nshots: []\n", 10, "second document"),
    "a key twice": (GOOD + "size: 64x64\n", 10, "'size' is given twice, first in line 3"),
    "a shot's key twice": (GOOD + "    prompt: x\n", 10, "'prompt' is given twice"),
    "a key that is a number": (GOOD + "7: x\n", 10, "a key must be a word, got 7"),
    "a tag": (GOOD.replace("end_s: 2", "end_s: !!python/name:os.system"), 6, "tags"),
    "binary": ("\x00\x01\x02", 1, "not valid YAML"),
    "aliases in aliases": (
        "a: &a [x]\n" + "".join(f"{c}: &{c} [{', '.join(['*' + p] * 30)}]\n"
                              for p, c in zip("abcdef", "bcdefg")), 1, "aliases"),
    "an alias of itself": ("shots: &a [*a]\n", 1, "nested too deeply"),
    "nested 30 deep": ("shots: " + "[" * 30 + "]" * 30, 1, "nested too deeply"),
    "no shots": ("soundtrack: voice.wav\n", 1, "at least one shot"),
    "empty shots": ("soundtrack: voice.wav\nshots: []\n", 2, "at least one shot"),
    "shots is a word": ("soundtrack: voice.wav\nshots: many\n", 2, "at least one shot"),
    "a shot is a word": (GOOD + "  - fade\n", 10, "a shot is a mapping"),
    "an unknown key": (GOOD.replace("size:", "sise:"), 3, "did you mean 'size'"),
    "an unknown key of a shot": (GOOD.replace("prompt:", "promt:"), 9, "did you mean 'prompt'"),
    "a key that resembles none": (GOOD + "    zzz: 1\n", 10, "known are image, video"),
    "missing picture": (GOOD.replace("good.png\n    end", "no.png\n    end"), 5, "not found"),
    "picture is a folder": (GOOD.replace("good.png\n    end", ".\n    end"), 5, "is a folder"),
    "picture is a list": (GOOD.replace("good.png\n    end", "[a]\n    end"), 5, "path of a file"),
    "picture without a name": (GOOD.replace(" good.png\n    end", " ''\n    end"), 5, "path"),
    "no picture": (GOOD.replace("  - image: good.png\n    prompt", "  - prompt"), 8, "image or"),
    "picture and video": (GOOD + "    video: voice.wav\n", 8, "not both"),
    "missing sound": (GOOD.replace("voice.wav", "no.wav"), 1, "sound.* not found|not found"),
    "a text as sound": (GOOD.replace("voice.wav", "text.wav"), 1, "cannot be read as a sound"),
    "no sound": (GOOD.replace("soundtrack: voice.wav\n", ""), 4, "no soundtrack"),
    "unknown move": (GOOD.replace("push_in:60", "pushin:60"), 7, "did you mean push_in"),
    "strength 140 %": (GOOD.replace("push_in:60", "push_in:140"), 7, "140%"),
    "strength 140": (
        GOOD.replace("push_in:60", "{move: swing, strength: 140}"), 7, "percentage like 60%"),
    "strength much": (GOOD.replace("push_in:60", "{move: swing, strength: big}"), 7, "big"),
    "unknown ease": (GOOD.replace("push_in:60", "{move: swing, ease: bouncy}"), 7, "bouncy"),
    "camera is a number": (GOOD.replace("push_in:60", "60"), 7, "got 60"),
    "camera keyframe backwards": (
        GOOD.replace("push_in:60", "[[1, swing], [0.5, static]]"), 7, "must rise"),
    "camera keyframe beyond the shot": (
        GOOD.replace("push_in:60", "[[0, swing], [9, static]]"), 7, "beyond shot 1"),
    "negative time": (GOOD.replace("end_s: 2", "end_s: -2"), 6, "between 0 and"),
    "time is a word": (GOOD.replace("end_s: 2", "end_s: soon"), 6, "seconds like 12.5"),
    "infinite time": (GOOD.replace("end_s: 2", "end_s: .inf"), 6, "between 0 and"),
    "time that is not a number": (GOOD.replace("end_s: 2", "end_s: .nan"), 6, "between 0 and"),
    "huge time": (GOOD.replace("end_s: 2", "end_s: 1" + "0" * 200), 6, "too large"),
    "5000 digits": (GOOD.replace("end_s: 2", "end_s: " + "9" * 5000), 6, "cannot be used"),
    "a date that is none": (GOOD.replace("end_s: 2", "end_s: 2024-99-99"), 6, "cannot be used"),
    "beyond the soundtrack": (GOOD.replace("end_s: 2", "end_s: 9"), 6, "soundtrack has 4.00 s"),
    "overlap": (GOOD + "    start_s: 1.5\n", 10, "overlaps shot 1, which ends at 2 s"),
    "gap": (GOOD + "    start_s: 2.5\n", 10, "leaves a gap after shot 1"),
    "backwards": (GOOD.replace("end_s: 2", "start_s: 2\n    end_s: 1"), 7, "end after it starts"),
    "too short": (GOOD.replace("end_s: 2", "end_s: 0.1"), 6, "at least 0.2 s"),
    "two ends": (GOOD.replace("end_s: 2", "end_s: 2\n    duration_s: 2"), 7, "not both"),
    "two starts": (GOOD + "    start_s: 2\n    from: I am\n", 11, "not both"),
    "a length after no end": (
        _film("{}", "{duration_s: 1}"), 6, "give the shots before it a length"),
    "words that nobody says": (GOOD + "    from: I am heer\n", 10, "did you mean 'I am here"),
    "words said too early": (GOOD + "    from: my friend\n", 10, "not at 2.00 s or later"),
    "words without transcript": (
        GOOD.replace("transcript: words.srt\n", "") + "    from: I am\n", 9, "need a transcript"),
    "transcript without words": (
        GOOD.replace("words.srt", "empty.srt") + "    from: I am\n", 2, "is empty"),
    "transcript of another kind": (
        GOOD.replace("words.srt", "good.png") + "    from: I am\n", 10, "cannot read|ends in"),
    "beat 0": (_film("{start_beat: 0}", top="soundtrack: clicks.wav\n"), 4, "whole number from 1"),
    "beat 99": (
        _film("{end_s: 1}", "{end_beat: 99}", top="soundtrack: clicks.wav\n"), 5, "beats at 120"),
    "tempo 5": (GOOD + "tempo: 5\n", 10, "30 to 300"),
    "size without height": (GOOD.replace("128x96", "128"), 3, "WIDTHxHEIGHT"),
    "odd size": (GOOD.replace("128x96", "129x96"), 3, "even"),
    "giant size": (GOOD.replace("128x96", "99998x96"), 3, "64 to 4096"),
    "size and height": (GOOD + "height: 96\n", 3, "not both"),
    "height is a fraction": (GOOD.replace("size: 128x96", "height: 96.5"), 3, "whole number"),
    "fps 0": (GOOD + "fps: 0\n", 10, "between 1 and 120"),
    "fps 1e9": (GOOD + "fps: 1.0e+9\n", 10, "between 1 and 120"),
    "prompt is a number": (GOOD.replace("a woman smiles", "3"), 9, "prompt must be text"),
    "seed -1": (GOOD + "    seed: -1\n", 10, "seed must be a whole number"),
    "face left": (GOOD + "    face: left\n", 10, "x,y,w,h"),
    "a cross-fade of -1 s": (GOOD + "    fade_s: -1\n", 10, "between 0 and 10"),
    "a wipe": (GOOD + "    transition: wipe\n", 10, "transition must be cut"),
    "cross-fades longer than a shot": (GOOD + "    transition: {fade_s: 6}\n", 10, "do not fit"),
    "a script in itself": (GOOD + "  - include: film.yaml\n", 10, "cannot include itself"),
    "a circle of scripts": (GOOD + "  - include: loop.yaml\n", 1, "film.yaml -> loop.yaml"),
    "missing part": (GOOD + "  - include: no.yaml\n", 10, "script not found"),
    "a part that is a list": (GOOD + "  - include: list.yaml\n", 1, "an included script"),
    "a wrong part": (GOOD + "  - include: part.yaml\n", 3, "part.*did you mean 'start_s'|start"),
    "words in a shot with its own sound": (
        GOOD + "    audio: voice.wav\n    from: I am\n", 11, "a sound of its own"),
    "own sound beyond its end": (
        GOOD + "    audio: voice.wav\n    end_s: 9\n", 10, "cannot cut"),
    "defaults that are a word": (GOOD + "defaults: cheap\n", 10, "defaults must be a mapping"),
    "a start for all": (GOOD + "defaults: {start_s: 3}\n", 10, "'start_s' is unknown in defaults"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said"), CASES.values(), ids=CASES)
def test_a_bad_script_is_one_clear_line_with_its_place(files, capsys, text, line, said):
    (files / "film.yaml").write_text(text)
    before = sorted(files.iterdir())
    assert cli.run(["render", str(files / "film.yaml"), "--output", str(files / "o.mp4")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "Traceback" not in printed.err
    (error,) = printed.err.splitlines()
    place = re.match(r"error: .*?\.yaml:(\d+): ", error)
    assert place and int(place[1]) == line, error
    assert re.search(said, error), error
    assert sorted(files.iterdir()) == before, "a file was left behind"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("absent.yaml", "script not found"),
        (".", "is a folder"),
        ("good.png", "not UTF-8 text"),
        ("film.yaml --only 3", "numbered from 1 to 2"),
        ("film.yaml --only two", "3,5 or 2-4"),
        ("film.yaml --output o.avi", r"\.mp4"),
        ("film.yaml --output absent/o.mp4", "does not exist"),
        ("film.yaml --tier giga", "unknown tier"),
        ("film.yaml --steps 0", "steps must be a whole number"),
        ("film.yaml --seed -1", "seed must be a whole number"),
        ("film.yaml --work good.png", "work folder"),
        ("film.yaml --output o.mp4", "shot 1: .*face.*|shot 1"),
    ],
)
def test_wrong_flags_are_refused_and_nothing_is_left(files, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(files)
    (files / "film.yaml").write_text(GOOD)
    before = sorted(path.name for path in files.rglob("*"))
    assert cli.run(["render", *arguments.split()]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and re.search(said, printed.err), printed.err
    assert sorted(path.name for path in files.rglob("*")) == before


def test_all_problems_are_said_at_once(files):
    text = (
        GOOD.replace("size:", "sise:")
        .replace("push_in:60", "zoom")
        .replace("good.png\n    p", "no.png\n    p")
    )
    with pytest.raises(ScriptError) as error:
        _read(files, text)
    lines = [re.match(r".*film\.yaml:(\d+): ", problem)[1] for problem in error.value.problems]
    assert lines == ["3", "7", "8"]


def test_what_a_script_says_is_what_a_shot_is(files):
    script = _read(
        files,
        """
soundtrack: voice.wav
size: 720p
fps: 30
defaults: {image: good.png, prompt: all, negative_prompt: blur, camera: static, face: 0}
shots:
  - {duration_s: 1, camera: {move: push_in, strength: 50%, ease: smooth}}
  - {prompt: own, transition: {fade_s: 0.5}, seed: 3, camera: [[0, swing], [1, "pan_left:30"]]}
""",
    )
    first, second = script.shots
    assert (script.height, script.width, script.fps) == (720, 1280, 30)
    assert first.image == files / "good.png" and first.prompt == "all"
    assert first.camera == CameraMove("push_in", 0.5, "smooth") and first.face == "0"
    assert second.prompt == "own" and second.fade_s == 0.5 and second.seed == 3
    assert second.negative_prompt == "blur"
    assert second.camera == (
        CameraKeyframe(0, CameraMove("swing")), CameraKeyframe(1, CameraMove("pan_left", 0.3)),
    )  # fmt: skip


def test_shots_without_times_follow_each_other_and_share_what_is_left(files):
    assert _spans(files, _film("{}", "{}", "{}", "{}")) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert _spans(files, _film("{end_s: 1}", "{}", "{start_s: 3}")) == [(0, 1), (1, 3), (3, 4)]
    assert _spans(files, _film("{duration_s: 1.5}", "{duration_s: 1}")) == [(0, 1.5), (1.5, 2.5)]
    assert _spans(files, _film('{start_s: "0:01"}', "{start_s: 0:03}")) == [(0, 2), (2, 3)]


def test_shots_begin_and_end_with_words_and_hold_through_pauses(files):
    shots = "{to: my friend}", "{from: I am here}", "{from: hello there}"
    spans = _spans(files, _film(*shots))
    assert spans[0] == (0, 2.5)  # its last word ends at 2.0, the next shot's first begins at 2.5
    assert spans[1][0] == 2.5 and 3 < spans[1][1] < 3.5  # the second "hello there", not the first
    assert spans[2][1] == 4


def test_shots_last_beats(files):
    top = "soundtrack: clicks.wav\n"
    spans = _spans(
        files, _film("{beats: 4}", "{beats: 2}", "{start_beat: 7, end_beat: 9}", top=top)
    )
    assert [round(end, 1) for _, end in spans] == [2.2, 3.2, 4.2]  # 120 a minute, from 0.2 s on


def test_a_shot_with_its_own_sound_lasts_as_long_and_time_goes_on_after_it(files):
    own = "{audio: voice.wav, start_s: 1, end_s: 2.5}"
    assert _spans(files, _film(own, own, top="")) == [(0, 1.5), (1.5, 3)]
    spans = _spans(files, _film("{end_s: 1}", own, "{}"))
    assert spans == [(0, 1), (1, 2.5), (2.5, 4)]


def test_an_included_script_stands_in_its_place(files):
    script = _read(files, _film("{end_s: 2}", "include: more.yaml"))
    assert [shot.prompt for shot in script.shots] == ["", "more", "more"]
    assert [shot.end_s for shot in script.shots] == [2, 3, None]


def test_what_a_script_gives_is_a_script(files):
    script = _read(files, GOOD + "    transition: {fade_s: 0.5}\n")
    again = _read(files, yaml.safe_dump(script.to_dict()))
    assert again == script
