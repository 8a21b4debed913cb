"""Plans and animatics: what a film will be, before any weights are touched."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

import skyreels_avatar as sa
from skyreels_avatar import cli
from skyreels_avatar.errors import Cancelled, ScriptError
from skyreels_avatar.film import preview
from skyreels_avatar.film.preview import describe_camera, plan_script, write_animatic
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.request.camera_spec import parse_camera


@pytest.fixture
def film(kit, tmp_path, monkeypatch):
    """A script of three shots in a file; loading weights fails."""

    def forbidden(*_, **__):
        raise AssertionError("a plan must not load weights")

    load_components.__globals__["_load"].cache_clear()
    monkeypatch.setitem(load_components.__globals__, "_load", forbidden)
    path = tmp_path / "film.yaml"
    path.write_text(yaml.safe_dump(kit.script(num_shots=3, fade_s=0.2).to_dict()))
    return path


def test_a_plan_lists_shots_and_adds_them_up(kit, film, capsys):
    assert cli.run(["plan", str(film), "--tier", kit.tier]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6  # a head, three shots, the film, memory
    assert "push_in 50 %" in lines[1] and "static" in lines[2]
    assert "64x64, 25 fps" in lines[4] and "1.20" in lines[4]
    assert cli.run(["plan", str(film), "--tier", kit.tier, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["num_frames"] == 30 and plan["fps"] == 25
    assert [shot["num_frames"] for shot in plan["shots"]] == [13, 15, 12]
    assert plan["seconds"] == pytest.approx(sum(shot["seconds"] for shot in plan["shots"]))
    assert plan["memory_mb"] == max(shot["memory_mb"] for shot in plan["shots"])


def test_a_plan_finds_pictures_that_cannot_be_read(kit, film):
    script = sa.read_script(film)
    shots = [sa.Shot(image=kit.voice, end_s=0.5), *script.shots[2:]]
    with pytest.raises(ScriptError, match=r"shot 1: .*a sound, not a picture"):
        plan_script(sa.Script(tuple(shots), script.soundtrack, height=64, width=64))


def test_a_plan_needs_a_script_or_a_shot(capsys):
    assert cli.run(["plan"]) == 2
    assert "a script, or --image and --audio" in capsys.readouterr().err


def test_an_animatic_has_the_frames_and_the_sound_of_the_film_and_moves(film, tmp_path, capsys):
    output = tmp_path / "animatic.mp4"
    assert cli.run(["plan", str(film), "--animatic", str(output)]) == 0
    video = sa.VideoReader(output)
    assert video.num_frames == 30
    assert abs(video.audio().duration_s - 1.2) < 0.04
    pictures = np.stack(list(video)).astype(float)
    within = np.abs(np.diff(pictures, axis=0)).mean((1, 2, 3))
    assert within[:7].max() > 0.3  # the first shot's camera moves in
    assert within[14:16].max() < within[:7].max()  # the second one's stands


def test_an_animatic_is_small_and_keeps_the_aspect():
    assert preview._small(720, 1280) == (180, 320)
    assert preview._small(96, 128) == (96, 128)
    assert preview._small(4096, 64) == (4096, 64)


def test_an_animatic_can_be_stopped_without_a_trace(film, tmp_path):
    with pytest.raises(Cancelled):
        write_animatic(sa.read_script(film), tmp_path / "a.mp4", lambda report: report.done < 10)
    assert [path.name for path in tmp_path.iterdir()] == ["film.yaml"]


def test_cameras_are_described_in_a_few_words():
    assert describe_camera(parse_camera("push_in:60")) == "push_in 60 %"
    assert describe_camera(parse_camera("pan_left:0")) == "static"
    keyframes = [(0, "crane_up:50"), (2.5, "swing")]
    assert describe_camera(parse_camera(keyframes)) == "crane_up 50 %, from 2.5 s swing 100 %"
