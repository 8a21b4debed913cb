"""The queue protocol of fal, through the proxy address that its client knows."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("starlette.testclient", reason="needs a client for tests")

from tests.apps.sending import picture_bytes, serving, sound_bytes, trust_files


@pytest.fixture
def server(tmp_path, monkeypatch):
    trust_files(monkeypatch)
    with serving(tmp_path) as (client, state):
        yield client, state


def _ask(client, method, url, body=None):
    return client.request(method, "/fal/proxy", json=body, headers={"x-fal-target-url": url})


QUEUE = "https://queue.fal.run/fal-ai/sync-lipsync"


def _upload(client, content, name):
    url = "https://rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
    place = _ask(client, "POST", url, {"content_type": "x/y", "file_name": name}).json()
    assert client.put(place["upload_url"], content=content).status_code == 200
    return place


def test_a_request_goes_through_the_queue_to_its_result(server):
    client, state = server
    image, audio = _upload(client, picture_bytes(), "a b.png"), _upload(client, sound_bytes(), "s")
    values = {"image_url": image["file_url"], "audio_url": audio["file_url"]}
    sent = _ask(client, "POST", f"{QUEUE}/v2", values).json()
    assert sent["status"] == "IN_QUEUE" and sent["queue_position"] == 0
    place = f"{QUEUE}/requests/{sent['request_id']}"
    assert _ask(client, "GET", place).status_code == 400
    job = state.queue.claim("host:1")
    state.queue.log.add(job.id, [("info", "analyse")])
    state.queue.renew(job, {"stage": "decode", "done": 1, "total": 4, "seconds_left": 1})
    status = _ask(client, "GET", f"{place}/status?logs=1")
    assert status.status_code == 202 and status.json()["status"] == "IN_PROGRESS"
    messages = [line["message"] for line in status.json()["logs"]]
    assert messages == ["analyse", "25% (1 of 4 frames)"]
    assert "logs" not in _ask(client, "GET", f"{place}/status?logs=0").json()
    folder = state.storage.job_folder(job.id)
    (folder / "video.mp4").write_bytes(b"video")
    state.queue.finish(job, "succeeded", {"video": "video.mp4", "duration_s": 1.5})
    assert _ask(client, "GET", f"{place}/status").json()["status"] == "COMPLETED"
    result = _ask(client, "GET", place)
    assert result.headers["x-fal-request-id"] == job.id
    video = result.json()["video"]
    assert video["file_size"] == 5 and client.get(video["url"]).content == b"video"
    assert _ask(client, "PUT", f"{place}/cancel").json() == {"status": "ALREADY_COMPLETED"}
    events = client.get(f"/fal/queue/fal-ai/x/requests/{job.id}/status/stream?logs=1").text
    assert json.loads(events.split("data: ")[1])["status"] == "COMPLETED"


def test_cancel_and_failure_are_told_as_the_client_knows_them(server):
    client, state = server
    first = _ask(client, "POST", QUEUE, {"text": "one"}).json()["request_id"]
    assert _ask(client, "PUT", f"{QUEUE}/requests/{first}/cancel").status_code == 202
    assert _ask(client, "GET", f"{QUEUE}/requests/{first}").status_code == 400
    second = _ask(client, "POST", QUEUE, {"text": "two"}).json()["request_id"]
    error = {"code": "invalid_input", "message": "no face", "fix": "another picture"}
    state.queue.finish(state.queue.claim("host:1"), "failed", error=error)
    answer = _ask(client, "GET", f"{QUEUE}/requests/{second}")
    assert answer.status_code == 422 and answer.json()["detail"][0]["msg"] == "no face"


def test_what_is_refused_is_said_in_their_form(server):
    client, _ = server
    for values, said in [
        ({}, "nothing"), ({"image_url": "http://a.example/x.png", "text": "hi"}, "fetches nothing"),
        ({"text": "x", "voice": "/etc/passwd"}, "voice"),
    ]:  # fmt: skip
        answer = _ask(client, "POST", QUEUE, values)
        assert answer.status_code == 422 and said in answer.json()["detail"][0]["msg"]
    assert _ask(client, "GET", "https://evil.example/x").status_code == 422
    assert _ask(client, "GET", f"{QUEUE}/nothing").status_code == 404
    webhook = f"{QUEUE}?fal_webhook=http%3A%2F%2F127.0.0.1%2F"
    refused = _ask(client, "POST", webhook, {"text": "x"})
    assert refused.json()["detail"][0]["type"] == "address_refused"


def test_an_upload_address_is_for_one_file_of_one_user(server):
    client, state = server
    place = _upload(client, picture_bytes(), "a.png")
    assert client.put(place["upload_url"], content=sound_bytes()).status_code == 409
    other = place["upload_url"].replace("user=local", "user=anna")
    assert client.put(other, content=sound_bytes()).status_code == 403
    assert client.get(place["file_url"]).content == picture_bytes()
    assert len(list((state.storage.root / "uploads").iterdir())) == 1


def test_a_large_file_comes_in_parts(server):
    client, state = server
    url = "https://rest.fal.ai/storage/upload/initiate-multipart?storage_type=fal-cdn-v3"
    place = _ask(client, "POST", url, {"content_type": "x/y", "file_name": "a.png"}).json()
    address, _, query = place["upload_url"].partition("?")
    content = picture_bytes()
    for number, part in ((2, content[50:]), (1, content[:50])):
        answer = client.put(f"{address}/{number}?{query}", content=part)
        assert answer.json()["partNumber"] == number
    missing = client.post(f"{address}/complete?{query}", json={"parts": [{"partNumber": 1}]})
    assert missing.status_code == 422
    assert client.post(f"{address}/complete?{query}", json=[]).status_code == 422
    parts = {"parts": [{"partNumber": number, "etag": f"{number}"} for number in (1, 2)]}
    assert client.post(f"{address}/complete?{query}", json=parts).status_code == 200
    assert client.get(place["file_url"]).content == content
    assert list(state.storage.incoming.iterdir()) == []
    assert client.put(f"{address}/0?{query}", content=b"x").status_code == 422
    forged = query.replace("signature=", "signature=x")
    assert client.put(f"{address}/1?{forged}", content=b"x").status_code == 403
