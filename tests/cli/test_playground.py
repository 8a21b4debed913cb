"""`skyreels-avatar playground`."""

from __future__ import annotations

import sys
import webbrowser

import pytest

pytest.importorskip("fastapi", reason="needs the extra playground")
pytest.importorskip("sqlalchemy", reason="needs the extra playground")

from skyreels_avatar.apps.server import run as server_run
from skyreels_avatar.cli.playground import can_open_browser, playground_command


@pytest.fixture
def served(monkeypatch):
    """Return the settings with which a server would start; none starts."""
    found = []

    def serve(settings, on_start):
        found.append(settings)
        on_start(f"http://{settings.host}:{settings.port}")

    monkeypatch.setattr(server_run, "serve", serve)
    return found


def test_it_listens_on_this_machine_alone_and_says_where(served, tmp_path, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    playground_command(port=8123, data=tmp_path, workers=2, open_browser=False)
    (settings,) = served
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8123, 2)
    assert settings.data == tmp_path and settings.tokens is None
    assert "http://127.0.0.1:8123" in capsys.readouterr().out
    assert not opened


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks for a display of Linux")
def test_a_browser_is_opened_where_there_is_a_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    assert not can_open_browser()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert can_open_browser()
