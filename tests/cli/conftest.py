"""What the tests of commands share: a run that stops short of the networks, a terminal's width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from skyreels_avatar import cli, progress
from skyreels_avatar.api import generation
from skyreels_avatar.cli import console
from skyreels_avatar.workers.shot import GenerationResult


def made(request) -> GenerationResult:
    """Return a result as a run of ten seconds has it."""
    return GenerationResult(
        request.output, 250, 25.0, 512, 384, 10.0, {"load": 1.0, "total": 12.3}, 900.0,
        (1.0, 2.0, 3.0, 4.0), (),
    )  # fmt: skip


@pytest.fixture
def requests_made(monkeypatch) -> list:
    """Replace the generation itself; returns the list of requests that reach it."""
    requests = []

    def make(request, on_progress=None, work_folder=None):
        for done in (0, 5, 10):
            on_progress(progress.Progress("denoise", done, 10, 1.5))
        requests.append(request)
        return made(request)

    monkeypatch.setattr(generation, "generate_request", make)
    return requests


@pytest.fixture
def failing(monkeypatch) -> Callable[[BaseException], None]:
    """Return a function that lets the generation raise an error."""

    def let(error: BaseException) -> None:
        def fail(*_, **__):
            raise error

        monkeypatch.setattr(generation, "generate_request", fail)

    return let


@pytest.fixture
def printed_lines(monkeypatch, capsys) -> Callable[..., list[str]]:
    """Return a function that runs a command in 80 columns and returns the lines of its stdout."""
    monkeypatch.setattr(console.stdout, "width", 80)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str | Path, code: int = 0) -> list[str]:
        capsys.readouterr()
        assert cli.run([str(argument) for argument in arguments]) == code
        return capsys.readouterr().out.splitlines()

    return run
