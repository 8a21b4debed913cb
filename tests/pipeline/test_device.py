"""Videos of the nano tier made on a GPU: emulated, and on a real one where there is one."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch

import skyreels_avatar as sa
from skyreels_avatar.folders import asset_path
from skyreels_avatar.media.video_reader import VideoReader
from tests.emulated_device import DEVICE, ElsewhereTensor, emulate

SIZE, SECONDS = "128x128", 0.64


@pytest.fixture
def tier(tmp_path: Path, root: Path) -> Path:
    """The nano tier on "cuda"."""
    path = tmp_path / "nano_gpu.yaml"
    text = (root / "configs" / "nano.yaml").read_text()
    path.write_text(text.replace("assets/", f"{root}/assets/") + "\ndevice: cuda\n")
    return path


@pytest.fixture(params=["emulated", "real"])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """A context in which there is a GPU."""
    if request.param == "emulated":
        return emulate(monkeypatch)
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    return contextlib.nullcontext()


@pytest.mark.parametrize("camera", ["static", "push_in:60"])
def test_a_video_is_the_same_on_a_gpu(gpu, tier: Path, tmp_path: Path, camera: str) -> None:
    """But for rounding: OpenCV looks up to 1/32 of a pixel, and a GPU works in 16 bits."""
    videos = []
    for name, place, where in (("cpu", "nano", contextlib.nullcontext()), ("gpu", tier, gpu)):
        with where:
            made = sa.generate(
                asset_path("examples") / "portrait.png", asset_path("examples") / "speech.wav",
                "she smiles", output=tmp_path / f"{name}.mp4", tier=str(place), size=SIZE,
                camera=camera, audio_end=SECONDS,
            )  # fmt: skip
        videos.append(_frames(made.path))
    assert np.abs(videos[0][-1] - videos[0][0]).mean() > 0.2  # somebody moves
    assert np.percentile(np.abs(videos[1] - videos[0]), 99) < 20


def test_the_emulated_gpu_refuses_what_a_real_one_refuses(monkeypatch) -> None:
    with emulate(monkeypatch):
        there = torch.arange(4.0).to(DEVICE)
        assert isinstance(there + 1, ElsewhereTensor)
        assert (there * 2).sum().item() == 12
        assert there[[0, 3]].cpu().tolist() == [0, 3]
        with pytest.raises(RuntimeError, match="mixes devices"):
            there + torch.ones(4)
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()


def _frames(path: str | Path) -> np.ndarray:
    return np.stack(list(VideoReader(path))).astype(np.float32)
