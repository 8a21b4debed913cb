"""A whole server, its workers, and the clients that people have: minutes, so only when asked for.

python -m pytest tests/apps/server/test_server.py -m slow
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from tests.drill import Server, call, wait
from tests.samples import write_portrait, write_voice

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    one = Server(folder / "data", 1)
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return write_portrait(folder), write_voice(folder, 0.8)


def _upload(server, path):
    return call(server, "/v1/uploads", path.read_bytes())["id"]


def _generate(server, files, **headers):
    image, audio = (_upload(server, path) for path in files)
    values = {"image": image, "audio": audio, "size": "96x96"}
    return call(server, "/v1/jobs", {"kind": "generate", "input": values}, headers)["id"]


def test_a_job_is_made_and_its_video_read(server, files):
    job_id = _generate(server, files)
    job = wait(server, [job_id], 120)[job_id]
    assert job["status"] == "succeeded", job["error"]
    with urllib.request.urlopen(job["result"]["video"]["url"]) as response:
        assert response.read()[4:8] == b"ftyp"
    assert job["result"]["num_frames"] == 20


def test_jobs_survive_the_death_of_worker_and_server(server, files):
    ids = [_generate(server, files) for _ in range(3)]
    os.kill(server.workers_now()[0], signal.SIGKILL)
    time.sleep(1)
    server.kill()
    server.start()
    jobs = wait(server, ids, 180)
    assert {job["status"] for job in jobs.values()} == {"succeeded"}
    videos = {(server.data / "jobs" / one / "video.mp4").read_bytes() for one in ids}
    assert len(videos) == 1


def test_the_client_of_replicate_works(server, files):
    pytest.importorskip("replicate", reason="needs the package replicate")
    code = f"""
import replicate
out = replicate.run("a/b", input={{"image": open({str(files[0])!r}, "rb"),
    "audio": open({str(files[1])!r}, "rb"), "size": "96x96"}})
print(out)
"""
    place = {"REPLICATE_BASE_URL": f"http://127.0.0.1:{server.port}", "REPLICATE_API_TOKEN": "x"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **place}, capture_output=True, text=True
    )
    assert "/video.mp4?" in done.stdout, done.stderr


FAL = """
const { createFalClient } = require("@fal-ai/client");
const fs = require("node:fs");
const proxyUrl = { url: process.argv[2], when: "always" };
const fal = createFalClient({ proxyUrl });
(async () => {
  const image_url = await fal.storage.upload(new Blob([fs.readFileSync(process.argv[3])]));
  const audio_url = await fal.storage.upload(new Blob([fs.readFileSync(process.argv[4])]));
  const seen = [];
  const result = await fal.subscribe("fal-ai/some/avatar", {
    input: { image_url, audio_url, size: "96x96" }, logs: true,
    onQueueUpdate: (update) => seen.push(update.status),
  });
  const bytes = await (await fetch(result.data.video.url)).arrayBuffer();
  console.log(JSON.stringify({ seen, size: bytes.byteLength, told: result.data.video.file_size }));
})();
"""


def test_the_client_of_fal_works(server, files, tmp_path):
    node = shutil.which("node")
    check = [node or "node", "-e", 'require.resolve("@fal-ai/client")']
    if node is None or subprocess.run(check, capture_output=True).returncode:
        pytest.skip("needs node and the npm package @fal-ai/client in a folder of NODE_PATH")
    script = tmp_path / "client.cjs"
    script.write_text(FAL)
    proxy = f"http://127.0.0.1:{server.port}/fal/proxy"
    command = [node, str(script), proxy, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["size"] == found["told"] > 1000 and found["seen"][-1] == "COMPLETED"
