"""`skyreels-avatar live`."""

from __future__ import annotations

import pytest

from skyreels_avatar.apps.live import air as module
from skyreels_avatar.cli import run
from skyreels_avatar.cli.live import live_command
from skyreels_avatar.errors import InputError
from tests.apps.live.fakes import FakeStream


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    opened = []

    def open_one(image, **given):
        opened.append(FakeStream(image, **given))
        return opened[-1]

    monkeypatch.setattr("skyreels_avatar.apps.live.host.open_streams", lambda: open_one)
    return opened


def test_a_script_runs_into_a_file_without_a_page(tmp_path, fake, capsys):
    (tmp_path / "a.png").write_bytes(b"a picture")
    (tmp_path / "host.yaml").write_text(
        "image: a.png\nfps: 20\nrounds: 1\nsteps: [{camera: 'swing:20', pause_s: 0.5}]"
    )
    output = tmp_path / "out.ts"
    arguments = ("--script", str(tmp_path / "host.yaml"), "--push", str(output), "--seed", "7")
    assert run(["live", "--no-page", *arguments]) == 0
    assert output.stat().st_size > 1000 and fake[0].closed
    assert fake[0].fps == 20 and fake[0].given["seed"] == 7
    assert "out.ts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "portrait"),
        (("--image", "a.png", "--no-page"), "push"),
        (("--image", "a.png", "--push", "http://x/"), "push"),
        (("--image", "bad.png", "--no-page", "--push", "-"), "no face"),
        (("--image", "a.png", "--fps", "500"), "fps"),
        (("--script", "no.yaml"), "not found"),
        (("--image", "a.png", "--host", "0.0.0.0"), "tokens"),
    ],
)
def test_what_cannot_be_used_ends_with_exit_code_2(arguments, said, capsys):
    if "--host" in arguments:
        for package in ("fastapi", "sqlalchemy", "aiortc"):
            pytest.importorskip(package, reason="needs the extra live")
    assert run(["live", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_page_is_served_for_the_host(monkeypatch, capsys):
    for package in ("fastapi", "sqlalchemy", "aiortc"):
        pytest.importorskip(package, reason="needs the extra live")
    from skyreels_avatar.apps.server import run as server_run

    served = []

    def serve(settings, on_start, make_app):
        served.append((settings, make_app(settings)))
        on_start("http://127.0.0.1:8123")

    monkeypatch.setattr(server_run, "serve", serve)
    live_command(image="a.png", port=8123, open_browser=False)
    ((settings, app),) = served
    assert settings.port == 8123 and settings.workers == 0 and settings.tokens is None
    assert any(getattr(route, "path", "") == "/v1/live" for route in app.routes) or app.openapi()
    assert "http://127.0.0.1:8123" in capsys.readouterr().out


def test_a_portrait_must_be_named():
    with pytest.raises(InputError):
        module.read_air({}, None)
