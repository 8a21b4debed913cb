"""Servers in this process for tests, without workers, and files to send to them."""

from __future__ import annotations

import io
import wave
from contextlib import contextmanager

import numpy as np
from PIL import Image

from skyreels_avatar.apps.jobs.probe import MediaFacts


class HereInteractive:
    """Answers in this process, where the tests have loaded what it needs."""

    def warm_up(self):
        """Do nothing."""

    def stop(self):
        """Do nothing."""

    def call(self, function, *arguments):
        """Call the function."""
        return function(*arguments)


@contextmanager
def serving(folder, **settings):
    """Yield (client, state) of a server without workers that does not look into files."""
    from starlette.testclient import TestClient

    from skyreels_avatar.apps.server.app import create_app
    from skyreels_avatar.apps.server.settings import ServerSettings

    app = create_app(ServerSettings(folder / "data", workers=0, **settings))
    state = app.state.server
    state.interactive = HereInteractive()
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client, state


def trust_files(monkeypatch):
    """Let uploads be what their beginnings say, without the process that decodes them."""

    def probe(path, limits):
        beginning = path.read_bytes()[:4]
        kinds = {b"\x89PNG": ("image", ".png", "image/png", 64, 64, None),
                 b"RIFF": ("audio", ".wav", "audio/wav", None, None, 0.5)}  # fmt: skip
        return MediaFacts(*kinds.get(beginning, ("video", ".mp4", "video/mp4", 64, 64, 1.0)))

    monkeypatch.setattr("skyreels_avatar.apps.jobs.intake.probe_file", probe)


def picture_bytes(side=64):
    """Return a small PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 120, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def sound_bytes(seconds=0.5):
    """Return a small WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(8000 * seconds) * 2))
    return buffer.getvalue()


def send_files(client, **headers):
    """Return the ids of a picture and a sound that were sent."""
    image = client.post("/v1/uploads", content=picture_bytes(), headers=headers).json()["id"]
    audio = client.post("/v1/uploads", content=sound_bytes(), headers=headers).json()["id"]
    return {"image": image, "audio": audio}
