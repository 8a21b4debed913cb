"""The addresses of a live face: who may use them, and what they answer."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra live")
pytest.importorskip("sqlalchemy", reason="needs the extra live")
pytest.importorskip("aiortc", reason="needs the extra live")
from starlette.testclient import TestClient

from skyreels_avatar.apps.live.app import create_live_app
from skyreels_avatar.apps.live.host import LiveHost, LiveSettings
from skyreels_avatar.apps.server.settings import ServerSettings
from skyreels_avatar.apps.server.tokens import add_token
from tests.apps.live.fakes import FakeStream, wait_until
from tests.apps.sending import picture_bytes


@contextmanager
def serving(tmp_path, **settings):
    with LiveHost(LiveSettings(Path("a.png")), FakeStream) as host:
        app = create_live_app(ServerSettings(tmp_path / "data", workers=0, **settings), host)
        with TestClient(app, base_url="http://127.0.0.1:8080") as client:
            yield client, host


@pytest.fixture
def live(tmp_path):
    with serving(tmp_path) as found:
        yield found


def test_the_page_loads_what_there_is_and_leads_nowhere_else(live):
    page = live[0].get("/", headers={"accept-language": "zh"})
    assert "live.js" in page.text and 'href="/retalk"' not in page.text
    assert "\u9ea6\u514b\u98ce" in page.text  # microphone
    for name in ("live.js", "style.css", "icons.svg", "strings.zh.js"):
        assert live[0].get(f"/static/{name}").status_code == 200
    assert live[0].get("/docs").status_code == 200 and live[0].get("/retalk").status_code == 404


def test_the_state_is_told(live):
    client, host = live
    wait_until(lambda: host.state()["frames"] > 2)
    state = client.get("/v1/live").json()
    assert state["viewers"] == 0 and state["fps"] == 25 and state["speaking"] is False


def test_it_is_told_what_to_do(live):
    client, host = live
    stream = host._pacer.stream
    assert client.post("/v1/live/interrupt").status_code == 200
    assert stream.calls == ["interrupt"]
    answer = client.post("/v1/live/set", json={"camera": "swing:20", "prompt": None})
    assert answer.json()["camera"] == "swing:20"
    assert stream.calls[-1] == {"camera": "swing:20", "prompt": None}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("say", {"text": " "}, "text"),
        ("say", {}, "text"),
        ("say", {"text": "a" * 5001}, "text"),
        ("set", {"camera": "nonsense"}, "camera"),
        ("set", {"expressiveness": 500}, "expressiveness"),
        ("connect", {"sdp": "nonsense"}, None),
        ("portrait", {"image": "../../etc/passwd"}, "image"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_field(live, path, body, field):
    answer = live[0].post(f"/v1/live/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"].get("field") == field


def test_an_uploaded_portrait_is_shown(live):
    client, host = live
    sent = client.post("/v1/uploads?name=b.png", content=picture_bytes())
    assert sent.status_code == 201, sent.text
    answer = client.post("/v1/live/portrait", json={"image": sent.json()["id"]})
    assert answer.status_code == 200, answer.text
    assert host.portrait.name == f"{sent.json()['id']}.png"


def test_a_page_of_another_site_commands_nothing(live):
    headers = {"origin": "http://evil.example"}
    assert live[0].post("/v1/live/interrupt", headers=headers).status_code == 403
    assert live[0].get("/v1/live", headers={"host": "evil.example"}).status_code == 421


def test_with_tokens_nothing_is_answered_without_one(tmp_path):
    tokens = tmp_path / "tokens.txt"
    token = add_token(tokens, "anna")
    with serving(tmp_path, tokens=tokens) as (client, _):
        for method, path in (("get", ""), ("get", "/options"), ("post", "/connect"),
                             ("post", "/say"), ("post", "/interrupt"), ("post", "/set"),
                             ("post", "/portrait")):  # fmt: skip
            assert getattr(client, method)(f"/v1/live{path}").status_code == 401, path
        assert client.delete("/v1/live/connect/x").status_code == 401
        assert client.post("/v1/uploads", content=picture_bytes()).status_code == 401
        assert client.get("/").status_code == 200  # the page itself, which then asks
        client.post("/v1/session", json={"token": token})
        assert client.get("/v1/live").status_code == 200
        sent = client.post("/v1/uploads?name=b.png", content=picture_bytes()).json()
        refused = client.post("/v1/live/portrait", json={"image": sent["id"]})
        assert refused.status_code == 422 and refused.json()["error"]["field"] == "consent"
        body = {"image": sent["id"], "consent": True}
        assert client.post("/v1/live/portrait", json=body).status_code == 200


def test_a_portrait_of_somebody_else_is_not_there(tmp_path):
    tokens = tmp_path / "tokens.txt"
    anna, ben = (add_token(tokens, name) for name in ("anna", "ben"))
    with serving(tmp_path, tokens=tokens) as (client, _):
        sent = client.post(
            "/v1/uploads?name=b.png", content=picture_bytes(),
            headers={"authorization": f"Bearer {anna}"},
        )  # fmt: skip
        answer = client.post(
            "/v1/live/portrait", json={"image": sent.json()["id"], "consent": True},
            headers={"authorization": f"Bearer {ben}"},
        )  # fmt: skip
        assert answer.status_code == 404
