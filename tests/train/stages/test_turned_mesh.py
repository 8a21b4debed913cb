"""The stage `turned_mesh`: what learns is MediaPipe's mesh, and what ships is read back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.faces import networks
from skyreels_avatar.faces.networks import MeshNetwork
from skyreels_avatar.faces.template import synthetic_landmarks
from train.data.mesh.crops import MeshPicture
from train.data.mesh.toon import draw_toon
from train.stages.turned_mesh import SIDE, LearnedMesh, draw, errors, export, losses


@pytest.fixture(scope="module")
def pictures() -> dict[str, list[MeshPicture]]:
    points = synthetic_landmarks((78.0, 70.0, 100.0, 120.0)).astype(np.float64)
    seen = np.ones(478, np.float32)
    made = []
    for seed in range(3):
        pixels, weights = draw_toon(points, SIDE, np.random.default_rng(seed))
        made.append((pixels, points, weights))
    photo = [MeshPicture(pixels, points, seen) for pixels, points, _ in made]
    turned = [MeshPicture(p, q, seen, 35.0, is_rendered=True) for p, q, _ in made]
    toon = [MeshPicture(*one) for one in made]
    return {"photo": photo, "turned": turned, "toon": toon, "painted": photo}


def test_it_starts_as_mediapipes_mesh(pictures):
    crops = draw(pictures, np.random.default_rng(0))[0][:2]
    pixels = (255 * crops).round().byte().permute(0, 2, 3, 1).numpy()
    expected, _ = MeshNetwork()(pixels)
    with torch.no_grad():
        _, points, _ = LearnedMesh()(crops)
    assert np.abs(points.numpy() - expected[..., :2]).max() < 1e-3


def test_steps_lower_the_loss_and_leave_what_is_frozen(pictures):
    network, before = LearnedMesh(), LearnedMesh()
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 1e-4)
    crops, found = draw(pictures, np.random.default_rng(0)), []
    for _ in range(5):
        loss = losses(network, before, *crops)
        assert set(loss) == {"loss", "points", "rough", "gaps", "depth", "presence"}
        found.append(float(loss["loss"]))
        optimizer.zero_grad()
        loss["loss"].backward()
        optimizer.step()
    assert found[-1] < found[0]
    assert errors(network, pictures).keys() == {
        f"{kind}{what}" for kind in ("turned 30 to 45", "photo", "toon", "painted")
        for what in ("", ", gap")
    }  # fmt: skip
    old, new = before.tensors(), network.tensors()
    assert torch.equal(old["0.weight"], new["0.weight"])
    assert torch.equal(old["75.factor"], new["75.factor"])
    assert not torch.equal(old["61.weight"], new["61.weight"])


def test_the_exported_file_holds_both_meshes(pictures, tmp_path, monkeypatch):
    network = LearnedMesh()
    with torch.no_grad():
        network.tensors()["61.bias"].add_(1.0)
    export(network, tmp_path / "face_networks.safetensors")
    crop = pictures["photo"][0].pixels[32:224, 32:224][None]
    before = MeshNetwork()(crop)[0]
    monkeypatch.setattr(networks, "asset_path", lambda name: tmp_path / "face_networks.safetensors")
    networks._network.cache_clear()
    try:
        kept, shifted = MeshNetwork()(crop)[0], MeshNetwork("turned_mesh")(crop)[0]
    finally:
        networks._network.cache_clear()
    assert np.array_equal(kept, before)
    assert (shifted - before)[:, 10] == pytest.approx(1, abs=0.01)
