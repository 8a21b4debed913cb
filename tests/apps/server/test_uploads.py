"""Uploads over HTTP: bodies and forms, names, limits; the content decides."""

from __future__ import annotations

import hashlib

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("starlette.testclient", reason="needs a client for tests")

from skyreels_avatar.apps.jobs.limits import Limits
from tests.apps.sending import picture_bytes, serving, sound_bytes, trust_files


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as (client, state):
        yield client, state


def test_a_body_and_a_form_give_the_same_upload(server, monkeypatch):
    trust_files(monkeypatch)
    client, state = server
    content = picture_bytes()
    body = client.post("/v1/uploads?name=../a/me.png", content=content)
    form = client.post("/v1/uploads", files={"file": ("me.png", content, "text/html")})
    assert body.status_code == form.status_code == 201
    for found in (body.json(), form.json()):
        assert (found["kind"], found["name"], found["num_bytes"]) == (
            "image", "me.png", len(content),
        )  # fmt: skip
        assert found["sha256"] == hashlib.sha256(content).hexdigest()
        assert client.get(found["url"]).content == content
        assert client.get(found["url"]).headers["content-type"] == "image/png"
    assert client.get(f"/v1/uploads/{body.json()['id']}").json() == body.json()
    assert list(state.storage.incoming.iterdir()) == []


def test_the_content_decides_and_not_the_name_or_the_type(server):
    client, state = server
    answer = client.post("/v1/uploads?name=a.mp4", content=sound_bytes(),
                         headers={"Content-Type": "video/mp4"})  # fmt: skip
    assert (answer.json()["kind"], answer.json()["content_type"]) == ("audio", "audio/wav")
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    refused = client.post("/v1/uploads?name=a.mp4", content=playlist)
    assert refused.status_code == 422 and refused.json()["error"]["code"] == "unusable_file"
    assert len(list((state.storage.root / "uploads").iterdir())) == 1


def test_empty_files_and_forms_without_one_are_refused(server):
    client, _ = server
    assert client.post("/v1/uploads", content=b"").json()["error"]["code"] == "empty_file"
    form = client.post("/v1/uploads", files={"other": ("a", b"x")})
    assert form.json()["error"]["code"] == "no_file"


def test_room_is_bounded_for_each_user(tmp_path, monkeypatch):
    trust_files(monkeypatch)
    room = (len(picture_bytes()) + 10) / 1e6
    with serving(tmp_path, limits=Limits(storage_mb=room)) as (client, _):
        first = client.post("/v1/uploads", content=picture_bytes())
        full = client.post("/v1/uploads", content=picture_bytes())
        assert (first.status_code, full.status_code) == (201, 413)
        assert full.json()["error"]["code"] == "storage_full" and full.headers["retry-after"]
        client.delete(f"/v1/uploads/{first.json()['id']}")
        assert client.post("/v1/uploads", content=picture_bytes()).status_code == 201


def test_a_full_disk_is_said(server, monkeypatch):
    client, _ = server

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skyreels_avatar.apps.server.uploads._write", full)
    answer = client.post("/v1/uploads", content=picture_bytes())
    assert answer.status_code == 507 and answer.json()["error"]["code"] == "disk_full"
