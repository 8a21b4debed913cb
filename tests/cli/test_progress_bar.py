"""The bar: where a run is, and what is left."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from skyreels_avatar.cli import progress_bar as bars
from skyreels_avatar.film.progress import FilmProgress
from skyreels_avatar.progress import Progress


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(bars, "stderr", console)
    return text


def test_stage_share_and_time_left_are_shown(terminal):
    with bars.progress_bar() as show:
        show(Progress("load", 0, 0, None))
        show(Progress("denoise", 5, 10, 12.4))
    shown = terminal.getvalue()
    assert "start" in shown and "denoise" in shown
    assert " 50 %" in shown and "12 s left" in shown


def test_of_a_film_shot_and_window_are_shown(terminal):
    with bars.progress_bar() as show:
        show(FilmProgress("decode", 5, 20, None, 1, 2, 3, 4, 7))
    assert "shot 3 (1 of 2), window 4 of 7, decode" in terminal.getvalue()
    with bars.progress_bar() as show:
        show(FilmProgress("join", 20, 20, 0.0, 2, 2))
    assert "shot 0" not in terminal.getvalue()


def test_nothing_is_shown_where_there_is_no_terminal(monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr(bars, "stderr", Console(file=text))
    with bars.progress_bar() as show:
        show(Progress("denoise", 5, 10, 1.0))
    assert text.getvalue() == ""
