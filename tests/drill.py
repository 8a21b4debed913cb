"""Kill workers and servers at random moments, and see that no job is lost, doubled or different.

    python tests/drill.py --jobs 8 --kills 20

Prints what was killed, and ends with exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "assets" / "examples"
SECONDS = 8.0  # of the voice: three windows
_SERVE = "from skyreels_avatar.cli import main; main()"


class Server:
    """A server in a process of its own, which can be killed and started again."""

    def __init__(self, data: Path, workers: int):
        self.data, self.workers, self.port = data, workers, 0
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        arguments = ["serve", "--data", str(self.data), "--port", str(self.port)]
        arguments += ["--workers", str(self.workers), "--private-addresses"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        log = (self.data.parent / "server.log").open("a+")
        begin = log.tell()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, *arguments],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        until = time.monotonic() + 120
        while time.monotonic() < until:
            text = (self.data.parent / "server.log").read_text()[begin:]
            if "http://127.0.0.1:" in text:
                self.port = int(text.split("http://127.0.0.1:")[1].split(",")[0])
                return
            time.sleep(0.1)
        raise RuntimeError(f"the server does not start: {text}")

    def workers_now(self) -> list[int]:
        """Return the process ids of its workers."""
        listed = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = [int(one) for path in listed for one in path.read_text().split()]
        return [one for one in children if b"apps.jobs\0" in _command(one)]

    def kill(self) -> None:
        """Kill the server alone; its workers notice."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask the server to stop."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def _command(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return b""


def call(server: Server, path: str, body: bytes | dict | None = None, headers: dict | None = None):
    """Return the answer of a server, tried again while it is down."""
    is_json = isinstance(body, dict)
    sent = json.dumps(body).encode() if is_json else body
    headers = {"Content-Type": "application/json"} | (headers or {}) if is_json else headers or {}
    for _ in range(300):
        try:
            address = f"http://127.0.0.1:{server.port}{path}"
            request = urllib.request.Request(address, sent, headers)
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()}") from error
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{path}: no answer")


def submit(server: Server, files: dict[str, str], seed: int, key: str) -> str:
    """Submit a small job, and return its id."""
    values = {
        **files,
        "prompt": "she smiles",
        "size": "192x192",
        "seed": seed,
        "camera": "swing:40",
    }
    body = {"kind": "generate", "input": values,
            "webhook": {"url": "http://127.0.0.1:9/", "secret": "x"}}  # fmt: skip
    return call(server, "/v1/jobs", body, {"Idempotency-Key": key})["id"]


def wait(server: Server, ids: list[str], seconds: float) -> dict[str, dict]:
    """Return jobs when all have ended, or as they are when the time is over."""
    until = time.monotonic() + seconds
    while True:
        jobs = {one: call(server, f"/v1/jobs/{one}") for one in ids}
        ended = all(job["status"] in ("succeeded", "failed", "canceled") for job in jobs.values())
        if ended or time.monotonic() > until:
            return jobs
        time.sleep(0.5)


def hash_of(server: Server, job_id: str) -> str:
    """Return the hash of a job's video."""
    path = server.data / "jobs" / job_id / "video.mp4"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def upload(server: Server, folder: Path) -> dict[str, str]:
    """Send a portrait and some seconds of a voice; return their ids."""
    from skyreels_avatar.media.audio import AudioTrack

    AudioTrack.load(EXAMPLES / "speech.wav", end_s=SECONDS).save(folder / "voice.wav")
    image = call(server, "/v1/uploads", (EXAMPLES / "portrait.png").read_bytes())
    audio = call(server, "/v1/uploads", (folder / "voice.wav").read_bytes())
    return {"image": image["id"], "audio": audio["id"]}


def disturb(server: Server, num_kills: int, rng: random.Random, pause_s: float) -> dict[str, int]:
    """Kill a worker, the server, or both at random moments of a job; return how often which."""
    killed = {"worker": 0, "server": 0, "everything": 0}
    for number in range(num_kills):
        while not call(server, "/v1/jobs?status=running")["jobs"]:
            if not call(server, "/v1/jobs?status=queued")["jobs"]:
                return killed
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, pause_s))
        workers, chance = server.workers_now(), rng.random()
        what = "worker" if chance > 0.4 and workers else "server" if chance > 0.15 else "everything"
        if what != "worker":
            server.kill()
        for worker in {"worker": [rng.choice(workers or [0])], "everything": workers}.get(what, ()):
            os.kill(worker, signal.SIGKILL)
        if what != "worker":
            server.start()
        killed[what] += 1
        print(f"kill {number + 1}: {killed}", flush=True)
    return killed


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--pause", type=float, default=4.0, help="longest, from a job's start to a kill"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        return run(given, Path(name))


def run(given: argparse.Namespace, folder: Path) -> int:
    """Run the drill in a folder."""
    server = Server(folder / "data", given.workers)
    server.start()
    files = upload(server, folder)
    seeds = [index % 2 for index in range(given.jobs)]
    calm = {seed: submit(server, files, seed, f"calm-{seed}") for seed in set(seeds)}
    wait(server, list(calm.values()), 600)
    wanted = {seed: hash_of(server, job_id) for seed, job_id in calm.items()}
    start = time.monotonic()
    ids = [submit(server, files, seed, f"drill-{n}") for n, seed in enumerate(seeds)]
    killed = disturb(server, given.kills, random.Random(given.seed), given.pause)
    again = [submit(server, files, seed, f"drill-{n}") for n, seed in enumerate(seeds)]
    jobs = wait(server, ids, 1200)
    took_s = time.monotonic() - start
    problems = [f"{one}: {job['status']} {job['error']}" for one, job in jobs.items()
                if job["status"] != "succeeded"]  # fmt: skip
    problems += [f"{one}: other bytes" for one, seed in zip(ids, seeds)
                 if hash_of(server, one) != wanted[seed]]  # fmt: skip
    listed = call(server, "/v1/jobs?limit=200")["jobs"]
    if again != ids or len(listed) != given.jobs + len(calm):
        problems.append(f"{len(listed)} jobs are listed, {given.jobs + len(calm)} were sent")
    with sqlite3.connect(server.data / "jobs.sqlite3") as database:
        query = "SELECT job, count(*) FROM webhook_deliveries GROUP BY job"
        ended = dict(database.execute(query))
        claims = dict(database.execute("SELECT id, num_claims FROM jobs"))
    problems += [f"{one}: ended {ended.get(one, 0)} times" for one in ids if ended.get(one) != 1]
    server.stop()
    count = sum(killed.values())
    print(f"{given.jobs} jobs, {count} kills {killed}, {took_s:.0f} s; claims of each job: "
          f"{[claims[one] for one in ids]}")  # fmt: skip
    print("\n".join(problems) or "nothing lost, nothing doubled, the same bytes")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
