"""Entries of a script become shots; every wrong field is reported at its own line."""

from __future__ import annotations

import pytest
import yaml

from skyreels_avatar.errors import ScriptError
from skyreels_avatar.film.marked_yaml import read_marked
from skyreels_avatar.film.problem_log import ProblemLog
from skyreels_avatar.film.shot_reader import ShotReader


def read(folder, text: str, span=None):
    """Return the shot of a mapping in a file, and the log of its problems."""
    (folder / "f.yaml").write_text(text)
    (folder / "p.png").write_bytes(b"x")
    (folder / "a.wav").write_bytes(b"x")
    marked = read_marked(folder / "f.yaml")
    log = ProblemLog()
    return ShotReader(log).shot(marked, marked.value, span or {}), log


def test_a_shot_gets_its_files_fade_camera_and_speakers(tmp_path):
    values = {
        "image": "p.png",
        "transition": {"fade_s": 0.5},
        "camera": [{"time_s": 0, "move": "push_in", "strength": "60%"}],
        "speakers": [{"name": "ann", "face": 0, "audio": "a.wav"}],
    }
    shot, log = read(tmp_path, yaml.safe_dump(values), {"start_s": 1.0, "end_s": 2.0})
    assert len(log) == 0
    assert shot.image == tmp_path / "p.png" and shot.fade_s == 0.5
    assert (shot.start_s, shot.end_s) == (1.0, 2.0)
    assert shot.camera[0].move.strength == 0.6
    assert shot.speakers[0].face == "0" and shot.speakers[0].audio == tmp_path / "a.wav"


def test_every_wrong_field_is_reported_at_its_line(tmp_path):
    text = "image: p.png\nkeep: hair\nseed: -1\ntransition: wipe\ncamera: zzz\n"
    shot, log = read(tmp_path, text)
    assert shot is None
    with pytest.raises(ScriptError) as caught:
        log.raise_all()
    for line, said in ((2, "keep"), (3, "seed"), (4, "transition must be cut"), (5, "'zzz'")):
        assert any(f"f.yaml:{line}: " in one and said in one for one in caught.value.problems)


def test_a_contradiction_of_two_fields_is_reported_for_the_shot(tmp_path):
    shot, log = read(tmp_path, "image: p.png\nvoice: de\n")
    assert shot is None
    with pytest.raises(ScriptError, match="nothing to say"):
        log.raise_all()


@pytest.mark.parametrize(
    ("written", "vocals", "gate"),
    [
        ("vocals: auto", "auto", "auto"),
        ("vocals: on\ngate: off", "on", "off"),
        ("vocals: off", None, "auto"),
        ("vocals: a.wav", "a.wav", "auto"),
    ],
)
def test_on_and_off_are_words_though_yaml_reads_them_as_truth(tmp_path, written, vocals, gate):
    """`gate: off`, as the pages on scripts say it, was refused: "gate must be text, got False"."""
    shot, log = read(tmp_path, f"image: p.png\naudio: a.wav\n{written}\n")
    assert len(log) == 0
    wanted = tmp_path / "a.wav" if vocals == "a.wav" else vocals
    assert (shot.vocals, shot.gate) == (wanted, gate)


def test_the_file_of_a_person_s_style_lies_beside_the_script(tmp_path):
    (tmp_path / "me.safetensors").write_bytes(b"x")
    shot, log = read(tmp_path, "image: p.png\naudio: a.wav\nstyle: me.safetensors\n")
    assert len(log) == 0 and shot.style == str(tmp_path / "me.safetensors")
    shot, _ = read(tmp_path, "image: p.png\naudio: a.wav\nstyle: lively\n")
    assert shot.style == "lively"
    assert read(tmp_path, "image: p.png\naudio: a.wav\nstyle: you.safetensors\n")[0] is None
