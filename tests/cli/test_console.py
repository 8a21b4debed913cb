"""Lines, JSON and questions on the console."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from skyreels_avatar import cli
from skyreels_avatar.cli import console
from skyreels_avatar.errors import InputError


@pytest.mark.parametrize("name", ["a[/old]b.mp4", "a[bold]b.mp4", "a\udcffb.mp4", "a\x1bb.mp4"])
def test_any_file_name_can_be_printed(requests_made, capsys, name):
    """`[/old]` ended in a MarkupError after the video was made, a byte 0xff in a traceback."""
    assert cli.run(["generate", "--image", "p.png", "--audio", "a.wav", "-o", name]) == 0
    shown = name.replace("\udcff", "\ufffd").replace("\x1b", "\ufffd")
    assert shown in capsys.readouterr().out
    assert cli.run(["plan", "--image", f"absent{name}.png", "--audio", f"absent{name}.wav"]) == 2
    assert f"absent{shown}.wav" in capsys.readouterr().err


@dataclass(frozen=True)
class Inner:
    path: Path


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    name: str


def test_json_holds_dataclasses_and_paths_and_is_not_wrapped(capsys, monkeypatch):
    monkeypatch.setattr(console.stdout, "width", 40)
    name = "n\udcff" + "a long word " * 20
    console.print_json([Outer((Inner(Path("a/b")),), name)])
    assert json.loads(capsys.readouterr().out) == [{"inner": [{"path": "a/b"}], "name": name}]


@pytest.mark.parametrize(("answer", "kept"), [("y", False), ("yes", False), ("", True)])
def test_a_terminal_is_asked_before_a_file_is_replaced(monkeypatch, tmp_path, answer, kept):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = tmp_path / "a.mp4"
    file.touch()
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(console.stderr, "_force_terminal", True)
    asked = []
    monkeypatch.setattr(console.stderr, "input", lambda text: asked.append(text) or answer)
    if kept:
        with pytest.raises(InputError, match="was kept"):
            console.confirm_overwriting([file], False)
    else:
        console.confirm_overwriting([None, file, tmp_path / "new.mp4"], False)
    assert len(asked) == 1 and "a.mp4 exists. Overwrite?" in asked[0].plain
    console.confirm_overwriting([file], True)
    assert len(asked) == 1
