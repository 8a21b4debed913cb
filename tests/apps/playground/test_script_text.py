"""Scripts for the film page, and back."""

from __future__ import annotations

import shutil

import pytest
import yaml

from skyreels_avatar.apps.playground.script_text import missing_files, read_film, write_script
from skyreels_avatar.errors import InputError
from skyreels_avatar.film.script_reader import read_script
from skyreels_avatar.folders import asset_path

SCRIPT = asset_path("examples/film.yaml").read_text(encoding="utf-8")
TEXTS = {"film.srt": asset_path("examples/film.srt").read_text(encoding="utf-8")}
NAMES = ("film.flac", "portrait.png", "portrait_man.png")
FILES = {name: (f"file_{number}", asset_path(f"examples/{name}")) for number, name in
         enumerate(NAMES)}  # fmt: skip


def test_the_files_that_a_script_needs_are_named():
    assert missing_files(SCRIPT, {}, {}) == ["film.flac", "film.srt", *NAMES[1:]]
    assert missing_files(SCRIPT, TEXTS, FILES) == []


def test_a_voice_that_is_separated_is_no_file():
    script = SCRIPT.replace("otherwise\n", "otherwise\n  vocals: auto\n", 1)
    assert "vocals: auto" in script
    assert missing_files(script, TEXTS, FILES) == []


def test_words_become_seconds_and_files_ids():
    film = read_film(SCRIPT, TEXTS, FILES)
    assert film["soundtrack"]["id"] == "file_0" and film["soundtrack"]["name"] == "film.flac"
    assert film["size"] == "768x512" and film["end_s"] == pytest.approx(21.1, abs=0.1)
    first, second, third = film["shots"]
    assert first["camera"] == "push_in:60" and first["start_s"] == 0
    assert second["image"] == {"id": "file_2", "name": "portrait_man.png"}
    assert second["fade_s"] == 0.4 and second["camera"][1]["move"] == "push_in"
    assert third["seed"] == 7 and third["camera"] == {"move": "swing", "strength": 0.6, "seed": 4}
    assert 0 < second["start_s"] < third["start_s"] < film["end_s"]


def test_a_script_that_was_written_is_read_as_the_same_film(tmp_path):
    film = read_film(SCRIPT, TEXTS, FILES)
    shots = [
        {"image": shot["image"]["id"], "prompt": shot["prompt"], "camera": shot["camera"],
         "start_s": shot["start_s"], "seed": shot["seed"] or None,
         "transition": {"fade_s": shot["fade_s"]} if shot["fade_s"] else None}
        for shot in film["shots"]
    ]  # fmt: skip
    script = {"soundtrack": "file_0", "size": film["size"], "fps": 25, "shots": shots}
    text = write_script(script, {identity: name for name, (identity, _) in FILES.items()})
    assert "file_" not in text
    assert read_film(text, {}, FILES) == film
    for name in NAMES:
        shutil.copy(asset_path(f"examples/{name}"), tmp_path)
    (tmp_path / "film.yaml").write_text(text, encoding="utf-8")
    assert len(read_script(tmp_path / "film.yaml").shots) == 3


@pytest.mark.parametrize(
    "line",
    ["- include: /etc/passwd", "- {image: portrait.png, motion: /etc/passwd}",
     "- {image: portrait.png, face: /etc/photo.jpg}", "- {image: [a, b]}",
     "- {image: portrait.png, text: hi, voice: 'vits:../folder'}"],
)  # fmt: skip
def test_a_script_reads_nothing_but_what_was_sent_with_it(line):
    with pytest.raises(InputError):
        missing_files(f"soundtrack: film.flac\nshots:\n{line}\n", {}, FILES)


def test_a_path_of_this_machine_is_a_file_that_is_missing():
    script = "soundtrack: /etc/passwd\nshots:\n- {image: ../../secret.png}\n"
    assert missing_files(script, {}, FILES) == ["/etc/passwd", "../../secret.png"]
    with pytest.raises(InputError, match="was not given"):
        read_film(script, {}, FILES)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("shots: [{image: portrait.png, text: hello}]", "sounds of their own"),
        ("soundtrack: film.flac\nshots: [{image: portrait.png, promt: x}]", "did you mean"),
        ("soundtrack: film.flac\nshots: []", "at least one shot"),
        ("!!python/object:os.system {}", "tags are not allowed"),
        ("[1, 2", "not valid YAML"),
    ],
)
def test_what_cannot_be_edited_is_refused_without_paths(script, message):
    with pytest.raises(InputError, match=message) as caught:
        missing_files(script, {}, FILES)
        read_film(script, {}, FILES)
    assert "/" not in str(caught.value).replace("x,y", "")


def test_what_users_type_stays_a_value_in_yaml():
    prompt = 'she says: "no"\n- include: x # \'\U0001f600'
    text = write_script({"shots": [{"image": "file_0", "prompt": prompt}]}, {})
    assert yaml.safe_load(text)["shots"] == [{"image": "file_0", "prompt": prompt}]


@pytest.mark.parametrize("script", [{}, {"shots": "x"}, {"shots": [1]}])
def test_only_scripts_are_written(script):
    with pytest.raises(InputError):
        write_script(script, {})
