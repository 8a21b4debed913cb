"""The predictions API of Replicate, as its clients see it."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("starlette.testclient", reason="needs a client for tests")

from tests.apps.sending import picture_bytes, send_files, serving, sound_bytes, trust_files


@pytest.fixture
def server(tmp_path, monkeypatch):
    trust_files(monkeypatch)
    with serving(tmp_path) as (client, state):
        yield client, state


def _data(content, kind):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _create(client, values, **headers):
    return client.post("/v1/models/a/b/predictions", json={"input": values}, headers=headers)


def test_a_prediction_goes_from_starting_to_its_output(server):
    client, state = server
    values = {"image": _data(picture_bytes(), "image/png"),
              "audio": _data(sound_bytes(), "audio/wav"), "prompt": "she smiles"}  # fmt: skip
    answer = _create(client, values)
    found = answer.json()
    assert answer.status_code == 201 and found["status"] == "starting" and found["output"] is None
    job = state.queue.claim("host:1")
    assert (job.id, job.kind, job.dialect) == (found["id"], "generate", "replicate")
    state.queue.renew(job, {"stage": "decode", "done": 1, "total": 4, "seconds_left": 1})
    found = client.get(f"/v1/predictions/{job.id}").json()
    assert found["status"] == "processing" and " 25%|##" in found["logs"]
    state.queue.finish(job, "succeeded", {"video": "video.mp4", "duration_s": 1.0})
    found = client.get(found["urls"]["get"]).json()
    assert found["status"] == "succeeded" and f"/v1/files/{job.id}/video.mp4?" in found["output"]
    assert found["metrics"]["predict_time"] >= 0 and found["completed_at"]


def test_who_prefers_to_wait_gets_the_end_or_is_told_to_ask_again(server):
    client, state = server
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_create, client, {"text": "hello"}, Prefer="wait=20")
        while (job := state.queue.claim("host:1")) is None:
            pass
        state.queue.finish(job, "failed", error={"code": "x", "message": "no", "fix": "y"})
        found = waiting.result().json()
    assert (found["status"], found["error"]) == ("failed", "no")
    unfinished = _create(client, {"text": "hello"}, Prefer="wait=1").json()
    assert unfinished["status"] == "starting"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"video_url": "VIDEO", "audio_url": "AUDIO", "sync_mode": "loop"}, "retalk"),
        ({"source_image": "IMAGE", "driven_audio": "AUDIO", "seed": -1}, "generate"),
        ({"text": "hello", "voice_id": "en-us"}, "speak"),
    ],
)
def test_names_that_others_use_are_understood(server, monkeypatch, values, kind):
    client, state = server
    monkeypatch.setattr("skyreels_avatar.apps.jobs.prepare.check_input", lambda *_: None)
    video = client.post("/v1/uploads", content=b"\0\0\0\x20ftyp").json()["id"]
    files = {"VIDEO": video, **{name.upper(): one for name, one in send_files(client).items()}}
    given = {name: files.get(value, value) for name, value in values.items()}
    answer = _create(client, {**given, "their_own_option": 1})
    assert answer.status_code == 201, answer.text
    job = state.queue.get("local", answer.json()["id"])
    assert job.kind == kind and job.input.get("length", "loop") in ("loop", "audio")
    assert "their_own_option" in answer.json()["logs"]


@pytest.mark.parametrize(
    "value",
    ["file:///etc/passwd", "/etc/passwd", "http://[", "http://127.0.0.1:8080/v1/jobs", "http://1.1.1.1/a.png",
     "data:image/png;base64,%%%", "data:nothing", "concat:a|b", 5],
)  # fmt: skip
def test_inputs_lead_nowhere_but_to_uploads(server, value):
    client, _ = server
    answer = _create(client, {"image": value, "text": "hi"})
    assert answer.status_code == 422 and "image cannot be used" in answer.json()["error"]["message"]


def test_own_addresses_are_uploads_again(server):
    client, state = server
    file = {"content": ("me.png", picture_bytes(), "image/png")}
    kept = client.post("/v1/files", files=file).json()
    assert kept["name"] == "me.png" and kept["size"] == len(picture_bytes())
    found = _create(client, {"image": kept["urls"]["get"], "audio": send_files(client)["audio"]})
    assert found.json()["input"]["image"] == kept["id"]
    assert client.get(f"/v1/files/{kept['id']}").json()["id"] == kept["id"]
    assert client.delete(f"/v1/files/{kept['id']}").status_code == 204
    job = state.queue.claim("host:1")
    folder = state.storage.job_folder(job.id)
    (folder / "video.mp4").write_bytes(b"\0\0\0\x20ftyp")
    state.queue.finish(job, "succeeded", {"video": "video.mp4"})
    output = client.get(f"/v1/predictions/{job.id}").json()["output"]
    forged = output.replace("signature=", "signature=x")
    assert _create(client, {"video": forged, "text": "hi"}).status_code == 422


def test_lists_are_paged_and_models_are_whatever_they_are_called(server):
    client, _ = server
    ids = [_create(client, {"text": f"{number}"}).json()["id"] for number in range(52)]
    first = client.get("/v1/predictions").json()
    rest = client.get(first["next"]).json()
    listed = [one["id"] for one in first["results"] + rest["results"]]
    assert listed == ids[::-1] and rest["next"] is None
    assert client.get("/v1/models/a/b").json()["name"] == "b"
    version = client.get("/v1/models/a/b/versions/1").json()
    assert version["openapi_schema"]["components"]["schemas"]["Output"]["type"] == "string"
    assert client.get("/v1/webhooks/default/secret").json()["key"].startswith("whsec_")
    canceled = client.post(f"/v1/predictions/{ids[0]}/cancel").json()
    assert canceled["status"] == "canceled"
