"""Tiers by name, file, folder and repository, as `from_pretrained` is given them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.loading.pretrained import fetch_file, find_tier


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of two parts in folders called as diffusers calls them."""
    for name in ("transformer", "wav2vec2"):
        (tmp_path / "parts" / name).mkdir(parents=True)
    return tmp_path / "parts"


def test_names_and_files_are_tiers(tmp_path: Path) -> None:
    assert find_tier("nano")[0].name == find_tier("nano")[1] == "nano"
    path = tmp_path / "own.yaml"
    path.write_text("window: 17\noverlap: 5\nweights: {vae: a, transformer: b, controlnet: c, "
                    "audio_encoder: d, text_encoder: e}\n")  # fmt: skip
    for source in (path, tmp_path):
        tier, name = find_tier(source, weights={"vae": "x.pth"})
        assert tier.window == 17 and tier.weights.vae == str(Path("x.pth").absolute())
        assert name == str(path)
    path.with_name("other.yaml").write_text(path.read_text())
    with pytest.raises(InputError, match=r"several tiers: other\.yaml, own\.yaml"):
        find_tier(tmp_path)


def test_folders_of_parts_take_their_settings_from_a_tier(folder: Path) -> None:
    tier, name = find_tier(folder, "studio")
    assert name == "studio" and tier.scheme == "storyboard"
    assert tier.weights.transformer == str(folder / "transformer")
    assert tier.weights.audio_encoder == str(folder / "wav2vec2")
    assert tier.weights.vae.endswith("Wan2.1_VAE.pth")
    with pytest.raises(InputError, match="say with tier= whose settings count"):
        find_tier(folder)


def test_what_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a tier's yaml file nor folders of parts"):
        find_tier(tmp_path)
    with pytest.raises(InputError, match="no pipeline at nothing"):
        find_tier("nothing")
    with pytest.raises(InputError, match="got weights of lens"):
        find_tier("nano", weights={"lens": "x"})


def test_repositories_are_fetched(folder: Path, monkeypatch) -> None:
    asked = []

    def snapshot_download(repo_id, allow_patterns):
        asked.append(repo_id)
        return str(folder)

    def hf_hub_download(repo_id, filename):
        raise OSError("no such file\nmore")

    hub = SimpleNamespace(snapshot_download=snapshot_download, hf_hub_download=hf_hub_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    tier, _ = find_tier("someone/avatar", "studio")
    assert asked == ["someone/avatar"]
    assert tier.weights.transformer == str(folder / "transformer")
    with pytest.raises(AvatarError, match=r"someone/lora could not be fetched: no such file$"):
        fetch_file("someone/lora", "a.safetensors")
