"""A playground and a browser for the tests that go the whole way."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
PHONE, DESKTOP = (390, 844), (1280, 860)
WAIT_MS = 300_000


@contextmanager
def running(*command):
    """Yield the address of a server that a command of the program starts."""
    for package in ("fastapi", "uvicorn", "sqlalchemy"):
        pytest.importorskip(package, reason="needs the extra playground")
    program = [sys.executable, "-c", "from skyreels_avatar.cli import main; main()", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://[\w.]+:\d+", line):
            break
    else:
        raise AssertionError("".join(said))
    threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop it
    yield found[0]
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    """Return the address of a playground with a worker."""
    data = str(tmp_path_factory.mktemp("data"))
    with running("playground", "--port", "0", "--no-open", "--data", data) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    """Return a headless browser with a false camera and microphone."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright from PyPI")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs the program chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, playground):
    """Return a function that opens a page; its errors fail the test."""
    contexts, problems = [], []

    def open_one(path="/", size=DESKTOP, **settings):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, base_url=playground,
            permissions=["microphone", "camera", "clipboard-read", "clipboard-write"],
            **{"locale": "en-US", **settings},
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda one: one.type == "error" and problems.append(one.text))
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    # A refusal of the server is shown on the page, and logged by the browser all the same.
    unexpected = [one for one in problems if "the server responded with a status" not in one]
    assert not unexpected
