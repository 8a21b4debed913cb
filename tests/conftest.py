"""What many tests need: folders outside the repository, and small media made on the spot."""

from __future__ import annotations

import os

# Two workers of pytest-xdist on two cores would otherwise wait for each other's spinning threads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# The same examples in every run: a change is judged by itself, not by the draw.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]


def _folder_or_skip(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here; set {variable} to run this test")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _signing_key_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the key that videos are signed with out of the data of the user who runs the tests."""
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared inputs (SHARED_DIR, default ../shared); skips without it."""
    return _folder_or_skip("SHARED_DIR", ROOT.parent / "shared")


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """The folder of golden cases (GOLDEN_DIR, default ../shared/golden); skips without it."""
    return _folder_or_skip("GOLDEN_DIR", ROOT.parent / "shared" / "golden")


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded source of random numbers."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def picture_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG of 96x80 with smooth colours and no face."""
    from PIL import Image

    y, x = np.mgrid[0:80, 0:96]
    pixels = np.stack([x * 255 / 95, y * 255 / 79, 128 + 0 * x], axis=-1).astype(np.uint8)
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="session")
def sound_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV of one second, 440 Hz at half of full scale, 16 kHz mono."""
    import soundfile

    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    time_s = np.arange(16_000) / 16_000
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 440 * time_s), 16_000)
    return path
