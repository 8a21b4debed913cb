"""Weights are published where no figure is worse, and nothing is copied where one is."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.faces.template import template
from skyreels_avatar.loading.checkpoints.load import load_module, save_module
from skyreels_avatar.models.light_encoder import LightEncoder
from skyreels_avatar.models.occluder import OccluderNet
from skyreels_avatar.models.sync_network import SyncNetwork
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from skyreels_avatar.rig.face_rig import FaceRig
from tests.train.data.test_talking import write_talkers
from train.config import load_config
from train.data.simulate.portraits import FacePicture
from train.person_distance import spoken
from train.stages import publish
from train.stages.publish import GATES, Goal, failures, table

SHIPPED = Path(__file__).resolve().parents[3] / "assets" / "nano"


def test_a_band_has_a_distance_on_either_side():
    goal = Goal(0.08, 0.11, 0.01)
    assert goal.miss(0.1) == 0
    assert goal.miss(0.05) == pytest.approx(0.03) and goal.miss(0.2) == pytest.approx(0.09)
    assert goal.miss(float("nan")) == np.inf


@pytest.mark.parametrize(
    ("before", "after", "bad"),
    [(0.9, 0.9, False), (0.9, 0.885, False), (0.9, 0.87, True), (0.5, 0.6, False)],
)
def test_a_figure_may_be_worse_by_its_tolerance_alone(before, after, bad):
    goals = {"closures": Goal(1.0, np.inf, 0.02)}
    found = failures(goals, {"closures": before}, {"closures": after})
    assert bool(found) == bad
    assert ("worse" in table(goals, {"closures": before}, {"closures": after})) == bad


def test_every_file_that_is_trained_here_and_ships_has_a_gate():
    converted = {"face_networks", "identity"}  # of others, see train/README.md
    assert {path.stem for path in SHIPPED.glob("*.safetensors")} - converted == set(GATES)


@pytest.fixture
def light(tmp_path, monkeypatch):
    """Return the configuration of publishing a reader of light; a good one ships."""
    monkeypatch.setattr(publish, "NUM_SENTENCES", 60)
    (tmp_path / "ships").mkdir()
    (tmp_path / "ships" / "light.safetensors").write_bytes(
        (SHIPPED / "light.safetensors").read_bytes()
    )
    told = [f"start_from={tmp_path / 'new'}", f"publish_to={tmp_path / 'ships'}"]
    return load_config("publish", [*told, f"run={tmp_path / 'run'}"])


def test_a_worse_reader_of_light_is_refused(light, tmp_path):
    good = load_module(LightEncoder, SHIPPED / "light.safetensors")
    torch.manual_seed(0)
    for weight in good.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    save_module(good, tmp_path / "new" / "light.safetensors")
    before = (tmp_path / "ships" / "light.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="worse than what ships"):
        publish.run(light)
    assert (tmp_path / "ships" / "light.safetensors").read_bytes() == before


def test_one_that_is_no_worse_takes_its_place(light, tmp_path, capsys):
    good = load_module(LightEncoder, SHIPPED / "light.safetensors")
    written = save_module(good, tmp_path / "new" / "light.safetensors", torch.float32)
    publish.run(light)
    assert (tmp_path / "ships" / "light.safetensors").read_bytes() == written.read_bytes()
    assert "| false_alarms |" in capsys.readouterr().out
    measured = json.loads((tmp_path / "run" / "publish.json").read_text())
    assert measured["protocol"] == publish.PROTOCOL and len(measured["misses"]) == 2


@pytest.fixture
def material(tmp_path, monkeypatch) -> list[str]:
    """Two faces that are kept out, one that is not, and talkers: what the gates measure on."""
    folder = tmp_path / "faces"
    folder.mkdir()
    names = [f"face{number}.png" for number in range(100)]
    held = [name for name in names if zlib.crc32(name.encode()) % 1000 < 100][:2]
    face = template().astype(np.float32)
    face = (face - face.min(0)) / (face.max(0) - face.min(0))[1] * 150 + np.float32([60, 50, 0])
    pictures = []
    for name in (*held, "face0.png"):
        pixels = np.random.default_rng(len(name)).integers(80, 200, (260, 260, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
        pictures.append(FacePicture(folder / name, face))
    monkeypatch.setattr(publish, "load_portraits", lambda *_: pictures)
    monkeypatch.setattr(publish, "NUM_OCCLUDED", 6)
    monkeypatch.setattr(publish, "NUM_CROPS", 6)
    write_talkers(tmp_path / "talkers")
    return [
        f"data.portraits={folder}",
        f"data.talkers={tmp_path / 'talkers'}",
        f"publish_to={tmp_path / 'ships'}",
        f"run={tmp_path / 'run'}",
    ]


@pytest.mark.parametrize("name", ["vae", "occluder", "sync"])
def test_the_gates_of_faces_and_lips_let_the_shipped_pass_and_refuse_a_broken_one(
    name, material, tmp_path, capsys
):
    """Each measures both sides on toys and compares them."""
    cls = {"vae": FaceRig, "occluder": OccluderNet, "sync": SyncNetwork}[name]
    (tmp_path / "ships").mkdir()
    for path in SHIPPED.glob("*.safetensors"):
        (tmp_path / "ships" / path.name).symlink_to(path)
    shipped = tmp_path / "ships" / f"{name}.safetensors"
    shipped.unlink()
    shipped.write_bytes((SHIPPED / shipped.name).read_bytes())
    network = load_module(cls, shipped)
    new = save_module(network, tmp_path / "new" / shipped.name, torch.float32)
    config = load_config("publish", [*material, f"start_from={tmp_path / 'new'}"])
    publish.run(config)
    assert shipped.read_bytes() == new.read_bytes()
    measured = json.loads((tmp_path / "run" / "publish.json").read_text())
    figures = [pair for key, pair in measured.items() if key != "protocol"]
    assert figures and all(np.isfinite(pair).all() for pair in figures)
    torch.manual_seed(0)
    for weight in network.parameters():
        weight.data = 0.1 * torch.randn_like(weight)
    save_module(network, tmp_path / "new" / shipped.name, torch.float32)
    with pytest.raises(CheckpointError, match="worse than what ships"):
        publish.run(config)
    assert "| worse |" in capsys.readouterr().out


def test_the_gate_of_motion_refuses_weights_that_leave_noise_as_it_is(
    tmp_path, monkeypatch, capsys
):
    """On three seconds of one voice; the same weights pass."""
    monkeypatch.setattr(publish, "NUM_SPEECHES", 1)
    monkeypatch.setattr(publish, "SPEECH_S", 3.0)
    monkeypatch.setattr(publish, "KEYS", (11,))
    monkeypatch.setattr(publish, "_speeches", publish._speeches.__wrapped__)
    monkeypatch.setattr(publish, "_utterances", lambda: spoken()[:1])
    (tmp_path / "ships").mkdir()
    for path in SHIPPED.glob("*.safetensors"):
        (tmp_path / "ships" / path.name).write_bytes(path.read_bytes())
    shipped = tmp_path / "ships" / "transformer.safetensors"
    network = load_module(AvatarTransformer3DModel, shipped)
    told = [f"start_from={tmp_path / 'new'}", f"publish_to={tmp_path / 'ships'}"]
    config = load_config("publish", [*told, f"run={tmp_path / 'run'}"])
    new = save_module(network, tmp_path / "new" / shipped.name)
    publish.run(config)
    assert shipped.read_bytes() == new.read_bytes()
    torch.nn.init.zeros_(network.proj_out.weight)
    torch.nn.init.zeros_(network.proj_out.bias)
    save_module(network, new)
    with pytest.raises(CheckpointError, match="roll, degrees"):
        publish.run(config)
    assert shipped.read_bytes() != new.read_bytes() and "| worse |" in capsys.readouterr().out


def test_a_folder_without_weights_is_told(light):
    light.start_from = ""
    with pytest.raises(InputError, match="give start_from"):
        publish.run(light)
