"""What every request goes through: hosts, origins, sizes, headers."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("starlette.testclient", reason="needs a client for tests")

from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.server.tokens import add_token
from tests.apps.sending import serving

BODY = {"kind": "speak", "input": {"text": "hello"}}


@pytest.fixture
def client(tmp_path):
    with serving(tmp_path) as (client, _):
        yield client


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", "10.0.0.5"])
def test_a_name_that_somebody_points_at_loopback_is_refused(client, host):
    answer = client.get("/v1/jobs", headers={"Host": host})
    assert answer.status_code == 421 and answer.json()["error"]["code"] == "wrong_host"


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
def test_names_of_this_machine_are_served(client, host):
    assert client.get("/v1/jobs", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_commands_nothing(client):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9999"):
        answer = client.post("/v1/jobs", json=BODY, headers={"Origin": origin})
        assert answer.status_code == 403, origin
    own = {"Origin": "http://127.0.0.1:8080"}
    assert client.post("/v1/jobs", json=BODY, headers=own).status_code == 201
    assert len(client.get("/v1/jobs").json()["jobs"]) == 1


def test_a_token_may_come_from_anywhere_and_a_cookie_may_not(tmp_path):
    tokens = tmp_path / "tokens.txt"
    token = add_token(tokens, "anna")
    with serving(tmp_path, tokens=tokens) as (client, _):
        other = {"Origin": "https://evil.example"}
        named = {"Authorization": f"Bearer {token}"}
        assert client.post("/v1/jobs", json=BODY, headers=other | named).status_code == 201
        session = client.post("/v1/session", json={"token": token})
        cookie = session.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert client.get("/v1/jobs").json()["jobs"]
        assert client.post("/v1/jobs", json=BODY, headers=other).status_code == 403
        assert client.post("/v1/jobs", json=BODY).status_code == 201
        client.delete("/v1/session")
        assert client.get("/v1/jobs").status_code == 401


def test_answers_carry_headers_that_keep_browsers_careful(client):
    for path in ("/v1/jobs", "/docs", "/nothing", "/healthz"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path):
    with serving(tmp_path, limits=Limits(upload_mb=0.1)) as (client, state):
        answer = client.post("/v1/uploads", content=b"x" * 2_000_000)
        assert answer.status_code == 413
        told = client.post("/v1/jobs", content=b"{}", headers={"Content-Length": "999999999"})
        assert told.status_code == 413 and "MB" in told.json()["error"]["message"]

        def chunks():
            for _ in range(20):
                yield b"\x89PNG" + bytes(20_000)

        answer = client.post("/v1/uploads", content=chunks())
        assert answer.status_code == 413 and answer.json()["error"]["code"] == "too_large"
        assert list(state.storage.incoming.iterdir()) == []


def test_unknown_addresses_and_methods_are_answered_in_one_form(client):
    for answer in (client.get("/v1/nothing"), client.put("/v1/jobs"), client.post("/v1/jobs")):
        assert answer.status_code in (404, 405, 422)
        assert set(answer.json()["error"]) == {"code", "message", "fix"}
