"""`plan`: what a shot or a film takes, as a table or JSON."""

from __future__ import annotations

import json
import re

from skyreels_avatar import cli
from skyreels_avatar.pipeline import open as opening


def test_plan_counts_without_weights(picture_file, sound_file, capsys, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("plan must not load weights")

    monkeypatch.setattr(opening, "load_components", forbidden)
    line = ["plan", "--image", str(picture_file), "--audio", str(sound_file), "--size", "128x128"]
    assert cli.run(line) == 0
    assert "128x128, 25 frames at 25 fps" in capsys.readouterr().out
    assert cli.run([*line, "--json", "--fps", "30"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["num_frames"], plan["height"], plan["width"]) == (30, 128, 128)
    assert plan["segments"][0]["first_frame"] == 0
    assert plan["seconds"] > 0 and plan["memory_mb"] > 0


def test_plan_of_more_steps_or_a_negative_prompt_takes_longer(picture_file, sound_file, capsys):
    line = ["plan", "--image", str(picture_file), "--audio", str(sound_file), "--json"]

    def seconds(*flags: str) -> float:
        assert cli.run([*line, *flags]) == 0
        return json.loads(capsys.readouterr().out)["seconds"]

    few = seconds("--steps", "2")
    assert few < seconds("--steps", "20")
    assert few == seconds("--steps", "2", "--guidance-scale", "3")  # the network guides itself
    assert few < seconds("--steps", "2", "--negative-prompt", "a frown")


def test_tables_fit_80_columns(root, printed_lines):
    examples = root / "assets" / "examples"
    shot = ["plan", "--image", examples / "portrait.png", "--audio", examples / "speech.wav"]
    for arguments in (
        ["plan", examples / "film.yaml"],
        shot,
        [*shot, "--windows", "keyframes", "--workers", "3", "--size", "1024x1024"],
        [*shot, "--tier", "studio", "--size", "720p"],
    ):
        lines = printed_lines(*arguments)
        assert len(lines) > 3 and max(map(len, lines)) <= 80, lines


def test_plan_says_how_far_the_camera_can_go_in_the_picture(root, printed_lines):
    examples = root / "assets" / "examples"
    shot = ["plan", "--image", examples / "portrait.png", "--audio", examples / "speech.wav"]
    lines = printed_lines(*shot, "--size", "128x128", "--camera", "push_out:60")
    text = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80
    assert re.search(r"camera 100 % of push_out is \d\d ?% of the whole move", text), text
    assert "whole move" not in " ".join(printed_lines(*shot, "--size", "128x128"))
