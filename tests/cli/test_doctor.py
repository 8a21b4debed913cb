"""`doctor`: findings as lines of 80 columns or JSON, and pictures before a video is made."""

from __future__ import annotations

import json

from skyreels_avatar import cli
from skyreels_avatar.api import doctor


def test_this_machine_has_what_is_needed_on_one_screen(printed_lines):
    lines = printed_lines("doctor")
    assert len(lines) <= 29
    assert all(len(line) <= 80 for line in lines if "pip install" not in line)
    for wanted in ("PyTorch", "libx264", "libsndfile", "tier nano", *doctor.EXTRAS):
        assert wanted in "\n".join(lines)


def test_names_and_details_are_apart(printed_lines):
    """`provenance` ran into its description."""
    (line,) = (line for line in printed_lines("doctor") if " provenance" in line)
    assert line.split()[1:3] == ["provenance", "signs"]


def test_json_has_the_findings_and_the_command_for_what_is_missing(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SKYREELS_AVATAR_MODELS", str(tmp_path))
    assert cli.run(["doctor", "--tier", "studio", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    found = {one["name"]: one for one in report["findings"]}
    assert found["Python"]["ok"] is True
    assert found["networks"]["command"].startswith("skyreels-avatar models pull skyreels-v3-a2v")
    assert {one["name"] for one in report["extras"]} == set(doctor.EXTRAS)


def test_a_picture_is_examined_before_a_video_is_made(root, tmp_path, capsys):
    from PIL import Image

    portrait = root / "assets" / "examples" / "portrait.png"
    assert cli.run(["doctor", "--image", str(portrait)]) == 0
    assert "1 face" in (said := capsys.readouterr().out) and "looks good" in said
    with Image.open(portrait) as image:
        image.resize((120, 120)).save(tmp_path / "small.png")
    assert cli.run(["doctor", "--image", str(tmp_path / "small.png")]) == 0
    assert "small: the face is" in capsys.readouterr().out
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "none.png")
    assert cli.run(["doctor", "--image", str(tmp_path / "none.png")]) == 2
    assert "no face was found" in capsys.readouterr().out


def test_a_picture_as_json(root, tmp_path, capsys):
    from PIL import Image

    portrait = root / "assets" / "examples" / "portrait.png"
    assert cli.run(["doctor", "--image", str(portrait), "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["ok"] is True and len(seen["faces"]) == 1
    assert len(seen["faces"][0]["box"]) == 4 and seen["faces"][0]["findings"] == []
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "none.png")
    assert cli.run(["doctor", "--image", str(tmp_path / "none.png"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["faces"] == []
