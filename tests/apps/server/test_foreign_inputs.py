"""Inputs that are addresses elsewhere: fetched only where that is allowed, in limits."""

from __future__ import annotations

import http.server
import threading

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("starlette.testclient", reason="needs a client for tests")

from skyreels_avatar.apps.jobs.limits import Limits
from tests.apps.sending import picture_bytes, serving, trust_files


@pytest.fixture
def elsewhere():
    """Yield the address of another server: a picture, a redirect, a file without an end."""

    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302 if self.path == "/redirect" else 200)
            if self.path == "/redirect":
                self.send_header("Location", "/me.png")
            self.end_headers()
            try:
                self.wfile.write(picture_bytes())
                while self.path == "/endless":
                    self.wfile.write(bytes(2**16))
            except OSError:
                return

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def _send(client, url):
    return client.post("/v1/predictions", json={"input": {"image": url, "text": "hi"}})


def test_a_file_elsewhere_becomes_an_upload(tmp_path, monkeypatch, elsewhere):
    trust_files(monkeypatch)
    limits = Limits(upload_mb=1)
    with serving(tmp_path, fetch_urls=True, private_addresses=True, limits=limits) as (
        client,
        state,
    ):
        answer = _send(client, f"{elsewhere}/me.png").json()
        upload = state.storage.upload("local", answer["input"]["image"])
        assert state.storage.upload_path(upload).read_bytes() == picture_bytes()
        assert "answered 302" in _send(client, f"{elsewhere}/redirect").text
        assert _send(client, f"{elsewhere}/endless").status_code == 413
        gone = _send(client, "http://127.0.0.1:1/me.png")
        assert gone.status_code == 422 and "could not be fetched" in gone.text
        assert list(state.storage.incoming.iterdir()) == []


def test_private_networks_are_not_asked(tmp_path, monkeypatch, elsewhere):
    trust_files(monkeypatch)
    with serving(tmp_path, fetch_urls=True) as (client, _):
        for url in (f"{elsewhere}/me.png", "http://localhost/x", "http://169.254.169.254/"):
            answer = _send(client, url)
            assert answer.json()["error"]["code"] == "address_refused"
