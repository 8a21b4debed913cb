"""One fingerprint of all that determines a shot, for films and for work folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import skyreels_avatar as sa
from skyreels_avatar.film.jobs import film_jobs
from skyreels_avatar.film.sound import open_film
from skyreels_avatar.folders import MODELS_VARIABLE
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.models.depth import DEPTH_ANYTHING_VARIABLE
from skyreels_avatar.workers import fingerprint
from skyreels_avatar.workers.fingerprint import fingerprint_of
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


@dataclass(frozen=True)
class Kit:
    """The files of a shot, which a test may change."""

    image: Path
    audio: Path
    photo: Path
    tier: Path


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    write_portrait(folder), write_voice(folder, 1.0), write_tier(folder)
    return folder


@pytest.fixture
def kit(originals, tmp_path, monkeypatch) -> Kit:
    folder = tmp_path / "kit"
    shutil.copytree(originals, folder)
    (image,), (audio,) = folder.glob("*.png"), folder.glob("*.wav")
    photo = Path(shutil.copy(image, folder / "photo.png"))
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.delenv(DEPTH_ANYTHING_VARIABLE, raising=False)
    return Kit(image, audio, photo, folder / "tiny.yaml")


def _work_folder_key(kit: Kit) -> str:
    shot = sa.Shot(image=kit.image, audio=kit.audio, face=str(kit.photo))
    request = sa.GenerationRequest(shot, "a.mp4", str(kit.tier))
    return fingerprint_of(request, load_components(str(kit.tier))).key


def _film_key(kit: Kit) -> str:
    shot = sa.Shot(image=kit.image, end_s=0.4, face=str(kit.photo))
    film = open_film(sa.Script((shot,), kit.audio, height=64, width=64))
    (job,) = film_jobs(film, sa.SamplingParams(), str(kit.tier), kit.tier.parent / "work")
    return job.key


def _upgrade_package(kit: Kit, monkeypatch) -> None:
    monkeypatch.setattr(fingerprint, "__version__", "99.0")


def _upgrade_torch(kit: Kit, monkeypatch) -> None:
    monkeypatch.setattr(fingerprint, "version", lambda package: "99.0")
    fingerprint._package_versions.cache_clear()


def _pull_depth_weights(kit: Kit, monkeypatch) -> None:
    folder = kit.tier.parents[1] / "models" / "depth-anything-v2-small"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")


def _train_tier(kit: Kit, monkeypatch) -> None:
    with (kit.tier.parent / "transformer.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")


def _change_face_networks(kit: Kit, monkeypatch) -> None:
    file = kit.tier.parent / "face_networks.safetensors"
    file.write_bytes(b"weights")
    monkeypatch.setattr(fingerprint, "asset_path", lambda name: file)


def _replace_photo(kit: Kit, monkeypatch) -> None:
    kit.photo.write_bytes(kit.photo.read_bytes() + b"\0")


def _replace_sound(kit: Kit, monkeypatch) -> None:
    track = sa.AudioTrack.load(kit.audio)
    sa.AudioTrack(0.5 * track.samples, track.sample_rate).save(kit.audio)


@pytest.fixture(autouse=True)
def _versions_of_this_machine():
    yield
    fingerprint._package_versions.cache_clear()


@pytest.mark.parametrize("key_of", [_work_folder_key, _film_key])
@pytest.mark.parametrize(
    "change",
    [
        _upgrade_package, _upgrade_torch, _pull_depth_weights, _train_tier, _change_face_networks,
        _replace_photo, _replace_sound,
    ],
)  # fmt: skip
def test_whatever_determines_a_shot_makes_it_another(
    kit, key_of: Callable[[Kit], str], change: Callable, monkeypatch
):
    """Shots of a film stayed as they were after an upgrade, or when depth weights had arrived."""
    before = key_of(kit)
    assert key_of(kit) == before
    change(kit, monkeypatch)
    assert key_of(kit) != before


@pytest.mark.parametrize("key_of", [_work_folder_key, _film_key])
def test_moved_files_change_nothing(kit, key_of):
    before = key_of(kit)
    moved = kit.tier.parent.rename(kit.tier.parent.with_name("moved"))
    paths = (kit.image, kit.audio, kit.photo, kit.tier)
    assert key_of(Kit(*(moved / path.name for path in paths))) == before


def test_the_networks_need_not_be_loaded(kit):
    request = sa.GenerationRequest(sa.Shot(kit.image, audio=kit.audio), "a.mp4", str(kit.tier))
    loaded = fingerprint_of(request, load_components(str(kit.tier)))
    assert fingerprint_of(request).digest == loaded.digest
    bfloat16 = load_components(str(kit.tier), dtype=torch.bfloat16)
    assert fingerprint_of(request, bfloat16).digest != loaded.digest


def test_the_fingerprint_is_of_what_the_files_hold(kit, tmp_path):
    def request_of(image: Path = kit.image, output: str = "a.mp4", **changes):
        shot = sa.Shot(image=image, audio=kit.audio)
        return sa.GenerationRequest(shot, tmp_path / output, str(kit.tier), **changes)

    components = load_components(str(kit.tier))
    request = request_of()
    same = fingerprint_of(request, components).digest
    copy = tmp_path / "copy.png"
    copy.write_bytes(kit.image.read_bytes())
    elsewhere = request_of(copy, "b.mp4")
    assert fingerprint_of(elsewhere, components).digest == same
    copy.write_bytes(kit.image.read_bytes() + b"\0")
    others = [
        elsewhere,
        request_of(size="64x64"),
        request_of(fps=30.0),
        request_of(sampling=sa.SamplingParams(seed=1)),
    ]
    digests = {fingerprint_of(other, components).digest for other in others}
    assert len(digests) == 4 and same not in digests
    text = json.dumps(fingerprint_of(request, components).to_dict())
    assert kit.image.parent.name not in text and str(tmp_path) not in text


def test_files_that_lie_deeper_in_a_request_count_by_content_too(kit, tmp_path):
    """The voice of a speaker was told apart by its path: another sound in its place went unseen."""
    image, audio, tier = kit.image, kit.audio, str(kit.tier)
    voice = tmp_path / "anna.wav"
    voice.write_bytes(audio.read_bytes())

    def digest() -> str:
        shot = sa.Shot(image=image, speakers=[{"name": "anna", "face": "0", "audio": voice}])
        request = sa.GenerationRequest(shot, tmp_path / "a.mp4", tier)
        return fingerprint_of(request, load_components(tier)).digest

    first = digest()
    assert digest() == first
    voice.write_bytes(audio.read_bytes() + b"\0\0")
    assert digest() != first


def test_a_file_without_a_suffix_counts_by_content_too(kit, tmp_path):
    """A job server stores files under ids alone: its path stood in the fingerprint of a shot, so
    that no film took a shot of an earlier one."""
    keys = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        image = Path(shutil.copy(kit.image, tmp_path / name / "file_0a1b"))
        shot = sa.Shot(image=image, audio=kit.audio)
        keys.append(fingerprint_of(sa.GenerationRequest(shot, "a.mp4", str(kit.tier))).key)
    assert keys[0] == keys[1]


def test_another_name_for_a_file_in_use_is_no_change_of_it(kit, tmp_path):
    """Two jobs that link to one upload changed its ctime, and the first one failed."""
    read = fingerprint.ReadFiles(
        sa.GenerationRequest(sa.Shot(image=kit.image, audio=kit.audio), "a.mp4", str(kit.tier))
    )
    (tmp_path / "another.png").hardlink_to(kit.image)
    read.check()
    kit.image.write_bytes(kit.photo.read_bytes() + b"more")
    with pytest.raises(sa.InputError, match="was changed"):
        read.check()
