"""Public weights are listed with their licences, fetched once, checked, and never half trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from skyreels_avatar import cli
from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.folders import MODELS_VARIABLE
from skyreels_avatar.loading import model_hub
from skyreels_avatar.loading.tiers import load_tier

huggingface_hub = pytest.importorskip("huggingface_hub", reason="the studio extra is not installed")

VAE = model_hub.find_model("wan2.1-vae")
CONTENT = b"tensors"


@pytest.fixture
def hub(monkeypatch, tmp_path: Path):
    """A hub of one repository; `hub.content` is what it really sends."""
    hub = SimpleNamespace(content=CONTENT, fetched=[])
    digest = hashlib.sha256(CONTENT).hexdigest()

    def describe(name: str):
        return SimpleNamespace(
            rfilename=name, size=len(CONTENT), lfs=SimpleNamespace(sha256=digest)
        )

    class Api:
        def model_info(self, repo, files_metadata):
            names = ("Wan2.1_VAE.pth", "README.md")
            return SimpleNamespace(sha="abc", siblings=[describe(name) for name in names])

    def fetch(repo, name, local_dir, revision):
        path = Path(local_dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.content)
        hub.fetched.append(name)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    return hub


def test_only_what_is_needed_is_fetched_and_only_once(hub, tmp_path: Path):
    assert not model_hub.is_here(VAE)
    folder = model_hub.pull(VAE)
    assert folder == tmp_path / "wan2.1-vae" and model_hub.is_here(VAE)
    assert (folder / "Wan2.1_VAE.pth").read_bytes() == CONTENT
    model_hub.pull(VAE)
    assert hub.fetched == ["Wan2.1_VAE.pth"]


@pytest.mark.parametrize("sent", [b"tensorz", b"tens"])
def test_a_file_that_is_not_what_the_hub_describes_is_removed(hub, tmp_path: Path, sent: bytes):
    hub.content = sent
    with pytest.raises(AvatarError, match="not the file that the hub describes"):
        model_hub.pull(VAE)
    assert not (tmp_path / "wan2.1-vae" / "Wan2.1_VAE.pth").exists()
    assert not model_hub.is_here(VAE)


def test_progress_reaches_the_end_and_may_stop_it(hub):
    told = []
    model_hub.pull(VAE, lambda what, share: told.append((what, share)))
    assert told[0][0] == "fetching Wan2.1_VAE.pth" and told[-1] == ("done", 1.0)
    with pytest.raises(AvatarError, match="run the command again"):
        model_hub.pull(VAE, lambda *_: False)


def test_a_hub_out_of_reach_is_said_so(monkeypatch, tmp_path: Path, capsys):
    class Api:
        def model_info(self, repo, files_metadata):
            raise OSError("Network is unreachable")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    assert cli.run(["models", "pull", "uni3c"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "Network is unreachable" in said and "run the command again" in said
    assert str(tmp_path / "uni3c") in said


def test_an_unknown_model_lists_the_known_ones(capsys):
    with pytest.raises(InputError, match="skyreels-v3-a2v"):
        model_hub.find_model("sora")
    assert cli.run(["models", "pull", "sora"]) == 2


def test_the_list_names_size_and_licence(hub, capsys):
    assert cli.run(["models", "list"]) == 0
    out = capsys.readouterr().out
    for model in model_hub.MODELS:
        assert model.name in out and model.licence in out


def test_no_file_is_fetched_under_two_names(monkeypatch):
    """The repository of the transformer holds T5, CLIP and the VAE too: they came twice."""
    transformer = model_hub.find_model("skyreels-v3-a2v")
    for name in ("wan2.1-vae", "umt5-xxl", "clip-vit-h"):
        for file in model_hub.find_model(name).files:
            assert not model_hub._matches(file.replace("*", "tokenizer.json"), transformer.files)
    for file in ("config.json", "model-00001-of-8.safetensors", "model.safetensors.index.json"):
        assert model_hub._matches(file, transformer.files)


def test_models_that_a_tier_needs_beside_its_weights_are_asked_for(monkeypatch, tmp_path: Path):
    """The depth network was in no command, and its absence silent."""
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    tier = load_tier("studio")
    with pytest.raises(model_hub.MissingModelsError) as error:
        model_hub.check_models(tier)
    assert error.value.command.endswith(" uni3c depth-anything-v2-small")
    (tmp_path / "depth-anything-v2-small").mkdir()
    with pytest.raises(model_hub.MissingModelsError) as error:
        model_hub.check_models(tier)
    assert error.value.command.endswith(" uni3c")
