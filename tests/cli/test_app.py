"""The commands put together: help, version, and what all of them have."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from skyreels_avatar import __version__, cli
from skyreels_avatar.camera import MOVES
from skyreels_avatar.cli.app import app


def commands(group=None, path: tuple[str, ...] = ()):
    """Yield the words and the parameters of every command."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), {option for one in command.params for option in one.opts}


COMMANDS = dict(commands())


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.run([]) == 2
    assert "generate" in capsys.readouterr().out
    assert cli.run(["--help"]) == 0


def test_the_version_and_short_options(requests_made, capsys, tmp_path):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__
    output = str(tmp_path / "o.mp4")
    assert cli.run(["generate", "--image", "p.png", "--audio", "a.wav", "-o", output, "-q"]) == 0
    printed = capsys.readouterr()
    assert requests_made[0].output == Path(output)
    assert printed.err == "" and output in printed.out


def test_the_help_names_the_moves_and_shows_an_example(capsys):
    assert cli.run(["generate", "-h"]) == 0
    shown = capsys.readouterr().out
    words = " ".join(shown.replace("\u2502", " ").split())
    assert all(move in words for move in MOVES)
    assert "Example: skyreels-avatar generate" in words


@pytest.mark.parametrize("command", [(), ("models",), *COMMANDS], ids=" ".join)
def test_help_fits_80_columns_and_shows_switches_without_a_type(printed_lines, command):
    """`--help <bool>` looked as if it took a value."""
    lines = printed_lines(*command, "--help")
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "<bool>" not in text and "--help" in text
    assert command in ((), ("models",), ("version",)) or "Example: skyreels-avatar" in text


# Those that print one value, or run until they are stopped.
WITHOUT_REPORT = [("version",), ("serve",), ("playground",), ("live",), ("mcp",)]
WITHOUT_REPORT += [("token",)]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in WITHOUT_REPORT], ids=" ".join)
def test_every_command_that_reports_has_json(command):
    assert "--json" in COMMANDS[command]


def test_every_example_is_a_command_line_that_parses():
    import shlex

    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        for one in (command, *getattr(command, "commands", {}).values()):
            if one.epilog:
                words = shlex.split(one.epilog.removeprefix("Example: skyreels-avatar "))
                assert words[0] == name
                target, rest = command, words[1:]
                if one is not command:
                    target, rest = one, words[2:]
                target.make_context(name, rest)
