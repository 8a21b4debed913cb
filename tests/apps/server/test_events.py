"""The events of a job, files by signed addresses, pages of the server."""

from __future__ import annotations

import json
import threading
import time
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("starlette.testclient", reason="needs a client for tests")

from skyreels_avatar.apps.server import events
from tests.apps.sending import send_files, serving, trust_files


@pytest.fixture
def server(tmp_path, monkeypatch):
    trust_files(monkeypatch)
    with serving(tmp_path) as (client, state):
        yield client, state


def _submit(client):
    body = {"kind": "speak", "input": {"text": "hello"}}
    return client.post("/v1/jobs", json=body).json()["id"]


def _parse(text):
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return found


def _finish(state, job_id, content=b"RIFFsound" * 100):
    job = state.queue.claim("host:1")
    folder = state.storage.job_folder(job_id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speech.wav").write_bytes(content)
    state.queue.finish(job, "succeeded", {"audio": "speech.wav", "duration_s": 1.0})


def test_events_tell_of_every_change_and_end_with_the_job(server, monkeypatch):
    client, state = server
    monkeypatch.setattr(events, "_POLL_S", 0.02)
    job_id = _submit(client)

    def work():
        job = state.queue.claim("host:1")
        state.queue.log.add(job_id, [("info", "one"), ("warning", "two")])
        state.queue.renew(job, {"stage": "speak", "done": 1, "total": 2, "seconds_left": 1.0})
        time.sleep(0.3)
        state.queue.finish(job, "succeeded", {"duration_s": 1.0})

    thread = threading.Timer(0.3, work)
    thread.start()
    answer = client.get(f"/v1/jobs/{job_id}/events")
    thread.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = _parse(answer.text)
    states = [data["status"] for name, _, data in found if name == "job"]
    assert states[0] == "queued" and "running" in states and states[-1] == "succeeded"
    assert any(data["percent"] == 50 for name, _, data in found if name == "job")
    assert [data["message"] for name, _, data in found if name == "log"] == ["one", "two"]
    assert state.streams == {"local": 0}


def test_a_stream_goes_on_after_the_last_event_seen(server):
    client, state = server
    job_id = _submit(client)
    state.queue.log.add(job_id, [("info", str(number)) for number in range(4)])
    _finish(state, job_id)
    everything = _parse(client.get(f"/v1/jobs/{job_id}/events").text)
    seen = everything[1][1]
    rest = _parse(
        client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(seen)}).text
    )
    assert [data["message"] for name, _, data in rest if name == "log"] == ["2", "3"]
    text = client.get(f"/v1/jobs/{job_id}/logs").text
    assert [line.split(" ", 1)[1] for line in text.splitlines()] == [f"info: {n}" for n in range(4)]


def test_results_are_read_by_signed_addresses_in_ranges(server):
    client, state = server
    job_id = _submit(client)
    _finish(state, job_id)
    job = client.get(f"/v1/jobs/{job_id}").json()
    url = job["result"]["audio"]["url"]
    whole = client.get(url)
    assert whole.content == b"RIFFsound" * 100 and whole.headers["content-type"] == "audio/wav"
    assert job["result"]["audio"]["num_bytes"] == len(whole.content)
    part = client.get(url, headers={"Range": "bytes=4-8"})
    assert (part.status_code, part.content) == (206, b"sound")
    saved = client.get(url + "&download=1")
    assert saved.headers["content-disposition"].startswith("attachment")
    for changed in (
        url.replace("speech.wav", "script.yaml"), url.replace("expires=1", "expires=2"), url[:-2],
        url.replace(job_id, "job_" + "0" * 32), url.replace("speech.wav", "..%2f..%2fsecret.key"),
        url.split("&", maxsplit=1)[0], url.replace("speech.wav", "work/manifest.json"),
    ):  # fmt: skip
        assert client.get(changed).status_code in (403, 404, 422), changed


def test_expired_addresses_are_refused(tmp_path, monkeypatch):
    trust_files(monkeypatch)
    with serving(tmp_path, address_s=-10_000) as (client, _):
        url = client.get(f"/v1/uploads/{send_files(client)['image']}").json()["url"]
        answer = client.get(url)
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "address_expired"


def test_pages_work_offline_and_describe_every_address(server):
    client, _ = server
    page, schema = client.get("/docs").text, client.get("/openapi.json").json()
    for path in schema["paths"]:
        assert path in page
    assert "<script" not in page and "//cdn" not in page and "GenerateInput" in page
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ok"


def test_options_name_what_can_be_chosen(server):
    client, _ = server
    options = client.get("/v1/options").json()
    assert "push_in" in options["moves"] and "natural" in options["styles"]
    assert options["limits"]["audio_s"] > 0 and options["consent_required"] is False
    from skyreels_avatar.loading.tiers import tier_names
    from skyreels_avatar.request import shot

    assert options["tiers"] == tier_names()
    assert options["styles"] == list(shot.STYLES) and options["keeps"] == list(shot.KEEPS)
    assert options["lengths"] == list(shot.LENGTHS) and options["gates"] == list(shot.GATES)


def test_a_public_address_stands_in_answers(tmp_path):
    with serving(tmp_path, public_url="https://a.example/x/") as (client, _):
        body = {"kind": "speak", "input": {"text": "hello"}}
        client.headers["Host"] = "a.example"
        events_url = client.post("/v1/jobs", json=body).json()["events"]
        assert urlsplit(events_url)[:2] == ("https", "a.example")
        assert events_url.startswith("https://a.example/x/v1/jobs/")
