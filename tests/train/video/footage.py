"""Footage of a drawn person who speaks, and a tier of tiny public weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import skyreels_avatar as sa
import train.loop
from skyreels_avatar.faces.template import template
from skyreels_avatar.folders import MODELS_VARIABLE
from tests.faces.drawing import draw_person
from tests.processes import run_together
from train.config import TrainConfig, load_config
from train.data.footage_pieces import Piece
from train.data.footage_report import write_table

BOX = (100.0, 40.0, 90.0, 110.0)
SECONDS = (0.72, 0.72, 0.72, 0.72)
STAGE = """
import sys, torch
torch.set_num_threads(1)
from train.config import load_config
from train.stages import stage_function
stage_function(sys.argv[1])(load_config(sys.argv[1], sys.argv[2:]))
"""


class Killed(BaseException):
    """What ends a run in a test, as a signal would."""


def write_footage(folder: Path) -> Path:
    """Write a video of a drawn person whose picture grows lighter, and its pieces as `data` does.

    The third piece is the one that is kept back.
    """
    (folder / "videos").mkdir(parents=True)
    pixels, _, _ = draw_person(240, 300, BOX)
    num_frames = round(25 * sum(SECONDS))
    time_s = np.arange(round(16_000 * sum(SECONDS))) / 16_000
    samples = 0.3 * np.sin(2 * np.pi * 200 * time_s) * np.sin(2 * np.pi * 2 * time_s) ** 2
    audio = sa.AudioTrack(samples.astype(np.float32), 16_000)
    with sa.VideoWriter(folder / "videos" / "a.mp4", 240, 300, 25.0, audio) as writer:
        for number in range(num_frames):
            light = 1 + 0.2 * np.sin(number / 5)
            writer.write((pixels * light).clip(0, 255).astype(np.uint8)[None])
    _write_pieces(folder, samples)
    return folder


def _write_pieces(folder: Path, samples: np.ndarray) -> None:
    """Write the features and the table of the pieces, one after the other."""
    (folder / "pieces").mkdir()
    face = template().astype(np.float32)
    face = (face - face.min(0)) / (face.max(0) - face.min(0))[1] * 110 + np.float32([100, 40, 0])
    pieces, start_s = [], 0.0
    for number, seconds in enumerate(SECONDS):
        count = round(25 * seconds)
        heard = samples[round(16_000 * start_s) :][: 640 * count]
        landmarks = np.zeros((count, *face.shape), np.int32)
        landmarks[0] = np.round(16 * face)
        np.savez(
            folder / "pieces" / f"{number}.npz",
            motion=np.zeros((count, 32), np.float16),
            samples=np.round(32767 * heard).astype(np.int16),
            landmarks=landmarks,
            embedding=np.zeros(128, np.float32),
            thumb=np.zeros((8, 8, 3), np.uint8),
        )
        pieces.append(
            Piece("a.mp4", f"{number}.npz", start_s, seconds, "", 90.0, 50.0, 5.0, 0.0, 0.05, 0.9,
                  0.5, 0, "en", "a person smiles", "p1")
        )  # fmt: skip
        start_s += seconds
    write_table(pieces, folder / "pieces.csv")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The yaml of a tier of tiny public files, with windows of 17 frames."""
    pytest.importorskip("transformers", reason="the studio extra is not installed")
    pytest.importorskip("peft", reason="the studio extra is not installed")
    from tests.test_studio import write_studio

    return write_studio(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="session")
def own_footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Footage of four pieces of 18 frames."""
    return write_footage(tmp_path_factory.mktemp("footage") / "own")


@pytest.fixture(scope="session")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the encoded windows of all tests go."""
    return tmp_path_factory.mktemp("windows")


@pytest.fixture
def video_config(studio, own_footage, windows, tmp_path, monkeypatch):
    """Return the configuration of a stage at toy size: four steps, a checkpoint after two."""
    monkeypatch.setenv(MODELS_VARIABLE, str(windows / "models"))

    def make(stage: str, *overrides: str) -> TrainConfig:
        return load_config(stage, toy(stage, studio, own_footage, windows, tmp_path, *overrides))

    return make


def toy(stage, tier, footage, windows, folder, *overrides) -> list[str]:
    """Return the overrides of a configuration at toy size."""
    return [
        f"tier={tier}", f"run={folder / stage.replace(' ', '_')}", "num_steps=4", "batch_size=2",
        "warmup_steps=1", "log_every=1", "save_every=2", "validate_every=4", "lr=0.001",
        f"style.footage={footage}", f"footage.folder={footage / 'videos'}",
        f"video.windows={windows}", "video.size=160x128", "video.rank=4", *overrides,
    ]  # fmt: skip


def train_together(root: Path, stage: str, *told: str) -> None:
    """Run a stage in two processes."""
    run_together(STAGE, root, 2, stage, *told)


@contextmanager
def killed_at_a_checkpoint() -> Iterator[None]:
    """Let the first checkpoint of the run inside be its last deed."""
    real = train.loop.os.replace

    def replace_and_die(source, target):
        real(source, target)
        if Path(target).name == train.loop.CHECKPOINT:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(train.loop.os, "replace", replace_and_die)
        yield
