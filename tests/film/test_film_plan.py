"""The plan of a film: what it will take, before any weights are touched."""

from __future__ import annotations

import json

import pytest

import skyreels_avatar as sa
from skyreels_avatar import cli
from skyreels_avatar.errors import ScriptError
from skyreels_avatar.film.film_plan import describe_camera, plan_script
from skyreels_avatar.request.camera_spec import parse_camera


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


def test_cameras_are_described_in_a_few_words():
    assert describe_camera(parse_camera("push_in:60")) == "push_in 60 %"
    assert describe_camera(parse_camera("pan_left:0")) == "static"
    keyframes = [(0, "crane_up:50"), (2.5, "swing")]
    assert describe_camera(parse_camera(keyframes)) == "crane_up 50 %, from 2.5 s swing 100 %"
