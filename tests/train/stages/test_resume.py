"""Every stage that learns runs for a few steps, and a run that was killed ends as a whole one."""

from __future__ import annotations

import copy
import os
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import train.loop
from skyreels_avatar.faces.template import synthetic_landmarks, template
from skyreels_avatar.loading.checkpoints.load import save_module
from skyreels_avatar.loading.components import build_components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.audio_encoder import SAMPLE_RATE
from skyreels_avatar.rig.constants import CONSTANTS_FILE
from tests.train.data.test_talking import write_talkers
from tests.train.stages.test_mouth_fit import painted_mouths
from tests.train.stages.test_mouth_tones import dark_mouths
from train.config import TrainConfig, load_config
from train.data.footage_pieces import Piece
from train.data.footage_report import write_table
from train.data.mesh.crops import MeshPicture
from train.data.mesh.toon import draw_toon
from train.data.simulate.portraits import FacePicture
from train.stages import (
    STAGES,
    eyes,
    light,
    mouth,
    mouth_tones,
    occluder,
    stage_function,
    style,
    turned_mesh,
    vae,
)

# They write files, which they find again, or learn in one step.
WITHOUT_STEPS = {"data", "speakers", "voices", "corpus", "shapes", "publish", "recipe", "glasses"}
# They learn from windows of video, and share a run out: test_lora.py, test_distill_video.py.
ON_VIDEO = {"lora", "distill video"}
LEARNING = [
    name
    for name in STAGES
    if name not in WITHOUT_STEPS | ON_VIDEO and not name.startswith("validate")
]


class Killed(BaseException):
    """What ends a run in the test, as a signal would."""


@pytest.fixture
def killed_after_a_checkpoint(monkeypatch):
    """Let the first checkpoint of the next run be its last deed."""

    def arm() -> None:
        def replace_and_die(source, target):
            os.rename(source, target)
            if Path(target).name == train.loop.CHECKPOINT:
                monkeypatch.setattr(train.loop.os, "replace", os.rename)
                raise Killed

        monkeypatch.setattr(train.loop.os, "replace", replace_and_die)

    return arm


@pytest.fixture
def toy(tiny_config, tmp_path, monkeypatch):
    """Return the configuration of a stage at toy size: five steps, a checkpoint after two."""

    def make(name: str) -> TrainConfig:
        config = load_config(name, [])
        config = replace(
            config,
            tier=tiny_config.tier,
            num_steps=5,
            batch_size=2,
            warmup_steps=1,
            log_every=1,
            save_every=2,
            validate_every=5,
            start_from="",
            data=copy.deepcopy(tiny_config.data),
        )
        config.data.real_share = config.data.natural_share = 0.0
        config.distill.long_steps = [2]
        config.reward.many_steps, config.reward.num_pairs = 6, 1
        PREPARE.get(name, lambda *_: None)(config, tmp_path, monkeypatch)
        return config

    return make


def _weights(config: TrainConfig, folder: Path, _) -> None:
    """Write the tiny networks that a stage goes on from."""
    torch.manual_seed(3)
    parts = build_components(load_tier(config.tier))
    for name in ("transformer", "controlnet", "audio_encoder", "text_encoder"):
        save_module(getattr(parts, name), folder / "weights" / f"{name}.safetensors")
    config.start_from = str(folder / "weights")


def _portraits(config: TrainConfig, folder: Path, monkeypatch) -> None:
    """Write two faces to learn from and one that is kept out; their landmarks are known."""
    (folder / "faces").mkdir(exist_ok=True)
    names = [f"face{number}.png" for number in range(100)]
    held = [name for name in names if zlib.crc32(name.encode()) % 1000 < 100][:1]
    others = [name for name in names if zlib.crc32(name.encode()) % 1000 >= 100][:2]
    face = template().astype(np.float32)
    face = (face - face.min(0)) / (face.max(0) - face.min(0))[1] * 150 + np.float32([60, 50, 0])
    pictures = []
    for name in (*held, *others):
        pixels = np.random.default_rng(len(name)).integers(80, 200, (260, 260, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "faces" / name)
        pictures.append(FacePicture(folder / "faces" / name, face))
    for stage in (vae, eyes, occluder, mouth):
        monkeypatch.setattr(stage, "load_portraits", lambda *_: pictures)
    monkeypatch.setattr(eyes, "VALIDATION_CROPS", 4)
    monkeypatch.setattr(vae, "NUM_VALIDATION", 8)
    monkeypatch.setattr(occluder, "NUM_VALIDATION", 4)
    config.data.portraits, config.data.cache = str(folder / "faces"), str(folder)


def _mouths(config: TrainConfig, folder: Path, monkeypatch) -> None:
    _portraits(config, folder, monkeypatch)
    mouths = painted_mouths(4)
    mouths.kept_out[:1] = True
    monkeypatch.setattr(mouth, "real_mouths", lambda *_: mouths)
    monkeypatch.setattr(mouth, "store_fitted", lambda _: CONSTANTS_FILE)
    monkeypatch.setattr(mouth, "VALIDATION_STEPS", 1)
    monkeypatch.setattr(mouth, "GUESSES", 2)


def _dark_mouths(config: TrainConfig, folder: Path, monkeypatch) -> None:
    mouths = dark_mouths(6)
    mouths.kept_out[:2] = mouths.control[:1] = True
    monkeypatch.setattr(mouth_tones, "load_components", lambda _: SimpleNamespace(vae=None))
    monkeypatch.setattr(mouth_tones, "spoken_mouths", lambda *_: mouths)
    monkeypatch.setattr(mouth_tones, "store_fitted", lambda _: CONSTANTS_FILE)
    config.data.talkers = str(folder)


def _talkers(config: TrainConfig, folder: Path, _) -> None:
    if not (folder / "talkers").exists():
        write_talkers(folder / "talkers")
    config.data.talkers = str(folder / "talkers")


def write_footage(folder: Path, seconds: float = 4.0) -> None:
    """Write three pieces of a person whose head turns slowly, as the stage `data` does."""
    rng, pieces = np.random.default_rng(0), []
    (folder / "pieces").mkdir(parents=True, exist_ok=True)
    for number in range(3):
        count = round(25 * seconds)
        motion = np.zeros((count, 32))
        motion[:, 0] = 0.03 * rng.random(count)
        motion[:, 16] = 0.1 * np.sin(np.arange(count) / 9 + number)
        samples = 0.2 * rng.standard_normal(round(seconds * SAMPLE_RATE))
        np.savez(
            folder / "pieces" / f"{number}.npz",
            motion=motion,
            samples=np.round(32767 * samples.clip(-1, 1)).astype(np.int16),
            embedding=np.zeros(128, np.float32),
            thumb=np.zeros((8, 8, 3), np.uint8),
        )
        pieces.append(
            Piece("a.mp4", f"{number}.npz", 0.0, seconds, "", 90.0, 50.0, 5.0, 0.0, 0.05, 0.9, 0.5,
                  0, "en", "a person is talking", "p1")
        )  # fmt: skip
    write_table(pieces, folder / "pieces.csv")


def _footage(config: TrainConfig, folder: Path, monkeypatch) -> None:
    _weights(config, folder, monkeypatch)
    write_footage(folder / "footage")
    config.style.footage = str(folder / "footage")
    nothing = {"default": {"all": 1.0}, "style": {"all": 1.0}}
    monkeypatch.setattr(style, "compare", lambda *_: nothing)  # tests/train/test_person_distance.py
    monkeypatch.setattr(style, "table", lambda _: "")


def _few_sentences(config: TrainConfig, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(light, "_NUM_HELD_OUT", 20)


def _drawn_faces(config: TrainConfig, _, monkeypatch) -> None:
    config.data.portraits = config.data.head = "faces"  # tests/train/data/mesh reads real ones
    points = synthetic_landmarks((78.0, 70.0, 100.0, 120.0)).astype(np.float64)
    pixels, seen = draw_toon(points, turned_mesh.SIDE, np.random.default_rng(0))
    face = MeshPicture(pixels, points, seen)
    turned = MeshPicture(pixels, points, seen, 35.0, is_rendered=True)
    pictures = {"photo": [face], "turned": [turned], "toon": [face], "painted": [face]}
    monkeypatch.setattr(turned_mesh, "load_portraits", lambda *_: [])
    monkeypatch.setattr(turned_mesh.HeadModel, "load", lambda *_: None)
    monkeypatch.setattr(turned_mesh, "make_pictures", lambda *_: pictures)


PREPARE = {
    "vae": _portraits, "eyes": _portraits, "occluder": _portraits, "mouth": _mouths,
    "mouth_tones": _dark_mouths,
    "listen": _weights, "camera": _weights, "distill": _weights, "sync": _talkers,
    "motion_rl": _weights, "style": _footage, "light": _few_sentences,
    "turned_mesh": _drawn_faces,
}  # fmt: skip


def flat(state: object) -> list[torch.Tensor]:
    """Return every tensor in what a checkpoint holds, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    if isinstance(state, dict):
        return [one for key in sorted(state, key=str) for one in flat(state[key])]
    if isinstance(state, (list, tuple)):
        return [one for item in state for one in flat(item)]
    return []


@pytest.mark.parametrize("name", LEARNING)
def test_a_killed_run_ends_with_the_same_weights(
    name, toy, tmp_path, monkeypatch, killed_after_a_checkpoint
):
    config, run = toy(name), stage_function(name)
    ends = []
    for place in ("whole", "killed"):
        config.run = str(tmp_path / place)
        if place == "killed":
            killed_after_a_checkpoint()
            with pytest.raises(Killed):
                run(copy.deepcopy(config))
            monkeypatch.setattr(train.loop.os, "replace", os.rename)
            state = torch.load(tmp_path / place / train.loop.CHECKPOINT, weights_only=True)
            assert 0 < state["step"] < config.num_steps
        run(copy.deepcopy(config))
        ends.append(torch.load(tmp_path / place / train.loop.CHECKPOINT, weights_only=True))
    whole, killed = ends
    assert whole["step"] == killed["step"] == config.num_steps
    pairs = list(zip(flat(whole), flat(killed), strict=True))
    assert len(pairs) > 4
    apart = [(one - other).abs().max() for one, other in pairs if not torch.equal(one, other)]
    assert not apart
