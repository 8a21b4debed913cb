"""Jobs over HTTP: what is answered, what is refused, and that users are apart."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("starlette.testclient", reason="needs a client for tests")

from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.server.tokens import add_token
from tests.apps.sending import picture_bytes, send_files, serving, trust_files


@pytest.fixture(autouse=True)
def _trusted(monkeypatch):
    trust_files(monkeypatch)


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as (client, state):
        yield client, state


def _submit(client, headers=None, **values):
    body = {"kind": "speak", "input": {"text": "hello", **values}}
    return client.post("/v1/jobs", json=body, headers=headers or {})


def test_a_job_waits_in_the_queue_with_its_input_and_place(server):
    client, _ = server
    files = send_files(client)
    body = {"kind": "generate", "input": {**files, "camera": "push_in:60", "prompt": "she smiles"}}
    answer = client.post("/v1/jobs", json=body)
    job = answer.json()
    assert answer.status_code == 201 and answer.headers["location"].endswith(job["id"])
    assert (job["status"], job["position"], job["percent"]) == ("queued", 0, 0)
    assert job["input"]["image"] == files["image"] and len(job["id"]) > 32
    assert client.get(f"/v1/jobs/{job['id']}").json() == job
    assert [one["id"] for one in client.get("/v1/jobs?status=queued").json()["jobs"]] == [job["id"]]


def test_an_idempotency_key_gives_the_same_job(server):
    client, _ = server
    first = _submit(client, {"Idempotency-Key": "one"})
    again = _submit(client, {"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = _submit(client, {"Idempotency-Key": "one"}, voice="en-us")
    assert other.status_code == 409 and other.json()["error"]["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"camera": "fly:50"}, "fly"),
        ({"camera": "push_in:140"}, "140"),
        ({"size": "8000x8000"}, "1920"),
        ({"seed": -1}, "seed"),
        ({"nonsense": 1}, "nonsense"),
        ({"tier": "../secret.yaml"}, "tier"),
        ({"tier": "unknown"}, "unknown tier"),
        ({"voice": "/etc/passwd"}, "voice"),
        ({"audio": None, "text": "hi", "voice": "vits:.."}, "voice must be one of"),
        ({"audio": None, "text": "hi", "voice": "vits:somebody/weights"}, "voice must be one of"),
        ({"audio": None}, "audio"),
        ({"text": "both"}, "not both"),
        ({"image": "file_" + "0" * 32}, "no such upload"),
        ({"image": "/etc/passwd"}, "image"),
        ({"face": "photo.png"}, "face"),
    ],
)
def test_wrong_input_is_refused_with_what_to_do(server, values, said):
    client, state = server
    files = send_files(client)
    given = {key: value for key, value in {**files, **values}.items() if value is not None}
    answer = client.post("/v1/jobs", json={"kind": "generate", "input": given})
    assert answer.status_code in (404, 422)
    error = answer.json()["error"]
    assert said in error["message"] and error["fix"]
    assert str(state.settings.data) not in answer.text
    assert list((state.settings.data / "jobs").iterdir()) == []


def test_a_sound_is_no_picture(server):
    client, _ = server
    files = send_files(client)
    swapped = {"image": files["audio"], "audio": files["audio"]}
    answer = client.post("/v1/jobs", json={"kind": "generate", "input": swapped})
    assert answer.status_code == 422 and "image must be image" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("shots: [{image: /etc/passwd, text: hi}]", "no such upload"),
        ("shots: [{include: other.yaml}]", "include"),
        ("shots: [{image: IMAGE, text: hi, style: /etc/me.safetensors}]", "style"),
        ("transcript: words.srt\nshots: [{image: IMAGE, text: hi}]", "transcript"),
        ("shots: [{image: IMAGE, text: hi, face: ../me.png}]", "face"),
        ("shots: [{image: IMAGE, text: hi, motion: a.json}]", "motion"),
        ("shots: [{image: IMAGE, speakers: [{name: a, face: 0, audio: b.wav}]}]", "no such upload"),
        ("soundtrack: !!python/object/apply:os.system ['id']\nshots: []", "tags"),
        ("shots: [{image: IMAGE, text: hi, voice: 'vits:../weights'}]", "voice"),
        ("defaults: {voice: 'vits:x'}\nshots: [{image: IMAGE, text: hi}]", "voice"),
        ("shots: [{image: IMAGE, image: /etc/passwd, text: hi}]", "twice"),
        ("x: &x {image: /etc/passwd}\nshots: [{<<: *x, text: hi}]", "no such upload"),
        ("[1, 2]", "mapping"),
        ("defaults: {image: ../x.png}\nshots: [{text: hi}]", "no such upload"),
        ("shots: [1", "YAML"),
    ],
)
def test_a_script_reaches_nothing_but_uploads(server, script, said):
    client, _ = server
    text = script.replace("IMAGE", send_files(client)["image"])
    answer = client.post("/v1/jobs", json={"kind": "film", "input": {"script": text}})
    assert answer.status_code in (404, 422) and said in answer.json()["error"]["message"]


def test_a_film_of_uploads_is_queued(server):
    client, state = server
    files = send_files(client)
    script = f"soundtrack: {files['audio']}\nshots: [{{image: {files['image']}}}]"
    job = client.post("/v1/jobs", json={"kind": "film", "input": {"script": script}})
    assert job.status_code == 201, job.text
    folder = state.storage.job_folder(job.json()["id"])
    assert {path.name for path in folder.iterdir()} == {"script.yaml", *files.values()}


def test_two_users_see_nothing_of_each_other(tmp_path):
    tokens = tmp_path / "tokens.txt"
    anna = {"Authorization": f"Bearer {add_token(tokens, 'anna')}"}
    ben = {"Authorization": f"Bearer {add_token(tokens, 'ben')}"}
    with serving(tmp_path, tokens=tokens) as (client, _):
        upload = client.post("/v1/uploads", content=picture_bytes(), headers=anna).json()
        job = _submit(client, anna).json()["id"]
        for method, path in [
            ("GET", f"/v1/jobs/{job}"), ("GET", f"/v1/jobs/{job}/logs"),
            ("GET", f"/v1/jobs/{job}/events"), ("POST", f"/v1/jobs/{job}/cancel"),
            ("DELETE", f"/v1/jobs/{job}"), ("GET", f"/v1/uploads/{upload['id']}"),
            ("DELETE", f"/v1/uploads/{upload['id']}"), ("GET", f"/v1/predictions/{job}"),
            ("POST", f"/v1/predictions/{job}/cancel"), ("GET", f"/v1/files/{upload['id']}"),
            ("GET", f"/fal/queue/a/b/requests/{job}/status"),
            ("GET", f"/fal/queue/a/b/requests/{job}"),
            ("PUT", f"/fal/queue/a/b/requests/{job}/cancel"),
        ]:  # fmt: skip
            assert client.request(method, path, headers=ben).status_code == 404, path
            assert client.request(method, path).status_code == 401, path
        assert client.get("/v1/jobs", headers=ben).json() == {"jobs": []}
        assert client.get("/v1/predictions", headers=ben).json()["results"] == []
        for image in (upload["id"], upload["url"]):
            body = {"input": {"image": image, "text": "hi", "consent": True}}
            answer = client.post("/v1/predictions", json=body, headers=ben)
            assert answer.status_code == 404
        faces = client.post("/v1/faces", json={"image": upload["id"]}, headers=ben)
        assert faces.status_code == 404
        assert client.get(f"/v1/jobs/{job}", headers=anna).json()["status"] == "queued"


def test_a_person_is_shown_only_with_a_statement_of_consent(tmp_path):
    tokens = tmp_path / "tokens.txt"
    anna = {"Authorization": f"Bearer {add_token(tokens, 'anna')}"}
    with serving(tmp_path, tokens=tokens) as (client, state):
        body = {"kind": "generate", "input": send_files(client, **anna)}
        for consent in ({}, {"consent": {"statement": False}}):
            refused = client.post("/v1/jobs", json={**body, **consent}, headers=anna)
            assert refused.json()["error"]["code"] == "consent_required"
        stated = {"statement": True, "name": "Anna"}
        job = client.post("/v1/jobs", json={**body, "consent": stated}, headers=anna).json()
        assert job["consent"] == stated
        assert state.queue.get("anna", job["id"]).consent == stated
        assert _submit(client, anna).status_code == 201  # a voice alone needs none


def test_a_full_queue_and_too_many_requests_say_when_to_come_again(tmp_path):
    with serving(tmp_path, limits=Limits(queued_per_user=1, requests_per_minute=4)) as (client, _):
        assert _submit(client).status_code == 201
        full = _submit(client)
        assert full.status_code == 429 and int(full.headers["retry-after"]) > 1
        assert "come again" in full.json()["error"]["fix"]
        while (last := client.get("/v1/jobs")).status_code == 200:
            pass
        assert last.json()["error"]["code"] == "too_many_requests"
        assert int(last.headers["retry-after"]) >= 1


def test_webhooks_into_private_networks_are_refused(server):
    client, _ = server
    for url in ("http://127.0.0.1/x", "http://[::1]/", "http://169.254.169.254/", "ftp://a.b/",
                "http://localhost/", "http://10.0.0.1/", "https://user:pw@a.b/"):  # fmt: skip
        body = {"kind": "speak", "input": {"text": "x"}, "webhook": {"url": url}}
        answer = client.post("/v1/jobs", json=body)
        assert answer.status_code == 422 and answer.json()["error"]["code"] == "address_refused"
    body = {"kind": "speak", "input": {"text": "x"}, "webhook": {"url": "https://example.com/h"}}
    assert client.post("/v1/jobs", json=body).status_code == 201


def test_cancel_and_delete(server):
    client, state = server
    files = send_files(client)
    job = client.post("/v1/jobs", json={"kind": "generate", "input": files}).json()["id"]
    assert client.post(f"/v1/jobs/{job}/cancel").json()["status"] == "canceled"
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert not state.storage.job_folder(job).exists()
    assert client.get(f"/v1/jobs/{job}").status_code == 404
    assert client.delete(f"/v1/uploads/{files['image']}").status_code == 204
