"""The addresses of the playground: pages for everybody, files for their owners alone."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="needs the extra playground")
pytest.importorskip("httpx", reason="the test client of Starlette needs httpx")

from skyreels_avatar.apps.playground import pages
from skyreels_avatar.apps.server.tokens import add_token
from tests.apps.sending import send_files, serving, trust_files

PATHS = [f"/{path}" for path in (*pages.PAGES, pages.SIGN_IN)]


@pytest.fixture
def client(tmp_path, monkeypatch):
    trust_files(monkeypatch)
    with serving(tmp_path) as (client, _):
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_a_page_allows_no_script_but_its_own(client, path):
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_comes_in_the_language_that_was_chosen(client):
    assert 'lang="zh"' in client.get("/", headers={"Accept-Language": "zh-CN"}).text
    client.cookies.set("language", "en")
    client.cookies.set("theme", "dark")
    page = client.get("/", headers={"Accept-Language": "zh-CN"}).text
    assert 'lang="en"' in page and 'data-theme="dark"' in page


@pytest.mark.parametrize(
    "name", ["../routes.py", "..%2froutes.py", "%2e%2e/pages.py", "none.js", ".", "strings.json"]
)
def test_only_files_of_the_pages_are_static(client, name):
    assert client.get(f"/static/{name}").status_code in (404, 405)
    assert client.get(f"/examples/{name}").status_code in (404, 405)


def test_scripts_styles_and_examples_are_there(client):
    for path in pages.STATIC.iterdir():
        assert client.get(f"/static/{path.name}").status_code == 200
    assert client.get("/static/strings.zh.js").headers["content-type"].startswith("text/javascript")
    for name, kind in pages.EXAMPLES.items():
        assert client.get(f"/examples/{name}").headers["content-type"] == kind


def test_an_upload_is_shown_again_after_a_reload(client):
    files = send_files(client)
    answer = client.get(f"/playground/uploads/{files['image']}")
    assert answer.status_code == 200 and answer.content.startswith(b"\x89PNG")


def test_a_waveform_and_what_has_none(client):
    files = send_files(client)
    found = client.post("/v1/peaks", json={"audio": files["audio"], "count": 7}).json()
    assert found == {"peaks": [0.0] * 7, "duration_s": 0.5}
    refused = client.post("/v1/peaks", json={"audio": files["image"]})
    assert refused.status_code == 422 and "no sound" in refused.json()["error"]["message"]


def test_a_script_names_what_it_lacks_and_its_faults(client):
    files = send_files(client)
    script = "soundtrack: a.wav\nshots:\n- {image: anna.png, promt: she smiles}\n"
    found = client.post("/v1/script/read", json={"script": script}).json()
    assert found == {"film": None, "missing": ["a.wav", "anna.png"]}
    given = {"a.wav": files["audio"], "anna.png": files["image"]}
    refused = client.post("/v1/script/read", json={"script": script, "files": given})
    assert refused.status_code == 422
    assert "'promt' is unknown" in refused.json()["error"]["message"]
    good = client.post(
        "/v1/script/read", json={"script": script.replace("promt", "prompt"), "files": given}
    )
    film = good.json()["film"]
    assert film["shots"][0]["image"] == {"id": files["image"], "name": "anna.png"}
    written = client.post(
        "/v1/script/write",
        json={"script": {"shots": [{"image": files["image"]}]}, "names": {files["image"]: "a.png"}},
    )
    assert "image: a.png" in written.json()["script"]


def test_a_refused_job_names_the_field(client):
    files = send_files(client)
    job = {"kind": "generate", "input": {**files, "seed": -1}}
    assert client.post("/v1/jobs", json=job).json()["error"]["field"] == "seed"


def test_files_and_scripts_of_one_user_are_not_anothers(tmp_path, monkeypatch):
    trust_files(monkeypatch)
    users = {name: add_token(tmp_path / "tokens", name) for name in ("anna", "ben")}
    with serving(tmp_path, tokens=tmp_path / "tokens") as (client, _):
        anna, ben = ({"Authorization": f"Bearer {token}"} for token in users.values())
        files = send_files(client, **anna)
        path = f"/playground/uploads/{files['image']}"
        assert client.get(path, headers=anna).status_code == 200
        assert client.get(path, headers=ben).status_code == 404
        assert client.get(path).status_code == 401
        peaks = {"audio": files["audio"]}
        assert client.post("/v1/peaks", json=peaks, headers=ben).status_code == 404
        script = {"script": "soundtrack: a\nshots: []", "files": {"a": files["audio"]}}
        assert client.post("/v1/script/read", json=script, headers=ben).status_code == 404
        film = {"kind": "film", "consent": {"statement": True},
                "input": {"script": "shots: []", "reuse": f"job_{'0' * 32}"}}  # fmt: skip
        assert client.post("/v1/jobs", json=film, headers=ben).status_code == 404
        assert client.get("/").status_code == 200  # a page holds nothing of anybody


def test_a_picture_that_browsers_cannot_show_comes_as_a_jpeg(tmp_path, monkeypatch):
    from PIL import Image

    from tests.samples import write_portrait

    trust_files(monkeypatch)
    with serving(tmp_path) as (client, state):
        image = send_files(client)["image"]
        path = state.storage.upload_path(state.storage.upload("local", image))
        Image.open(write_portrait(tmp_path)).save(path, "TIFF")
        answer = client.get(f"/playground/uploads/{image}")
        assert answer.content.startswith(b"\xff\xd8\xff")
        assert answer.headers["content-type"] == "image/jpeg"
