"""Public files are told apart by their tensors, checked by name, and loaded piece by piece."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.public import PartFiles, PublicFormat, load_public
from skyreels_avatar.loading.checkpoints.skyreels_v3 import PROJECTOR_FORMAT, TRANSFORMER_FORMAT
from skyreels_avatar.loading.checkpoints.uni3c import CONTROLNET_FORMAT
from skyreels_avatar.loading.checkpoints.wan import (
    IMAGE_ENCODER_FORMAT,
    PROMPT_ENCODER_FORMAT,
    VAE_FORMAT,
)
from skyreels_avatar.loading.checkpoints.wav2vec import SPEECH_ENCODER_FORMAT
from skyreels_avatar.loading.parts import format_of

AUDIO = ("audio_proj.", "audio_cross_attn.", "norm_x.")


@pytest.fixture(scope="module")
def published(golden_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a talking-avatar transformer is published in: one file and its config."""
    folder = tmp_path_factory.mktemp("published")
    source = golden_dir / "skyreels_v3_a2v"
    save_file(load_file(source / "case1_weights.safetensors"), folder / "model.safetensors")
    (folder / "config.json").write_text((source / "case1_config.json").read_text())
    return folder


def load(paths, kind: PublicFormat = TRANSFORMER_FORMAT, extra=None, **how) -> torch.nn.Module:
    return load_public(PartFiles(paths, **how), kind, extra)


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def shard(tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    """Write tensors as two shards with an index, and return the index."""
    names = sorted(tensors)
    half = len(names) // 2
    weight_map = {}
    for number, part in enumerate((names[:half], names[half:])):
        file = f"shard-{number}.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file)
        weight_map.update(dict.fromkeys(part, file))
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    return index


def test_one_file_fills_the_transformer_and_the_projector(published: Path) -> None:
    assert format_of("transformer", published).public is TRANSFORMER_FORMAT
    assert PROJECTOR_FORMAT.fits(WeightFile(published))
    transformer, projector = load(published), load(published, PROJECTOR_FORMAT)
    config = json.loads((published / "config.json").read_text())
    assert transformer.config.num_attention_heads == config["num_heads"]
    assert len(transformer.blocks) == config["num_layers"]
    assert projector.config.num_layers == config["audio_blocks"]
    assert not any(p.is_meta or p.requires_grad for p in transformer.parameters())


def test_shards_pickles_and_repacked_names_give_the_same_network(
    published: Path, tmp_path: Path
) -> None:
    expected = load(published)
    tensors = load_file(published / "model.safetensors")
    config = (published / "config.json").read_text()
    for name in ("shards", "pickled", "repacked"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
    index = shard(tensors, tmp_path / "shards")
    torch.save({"state_dict": tensors}, tmp_path / "pickled" / "model.pth")
    renamed = {f"model.diffusion_model.{key}": value for key, value in tensors.items()}
    save_file(renamed, tmp_path / "repacked" / "model.safetensors")
    for path in (index, tmp_path / "shards", tmp_path / "pickled", tmp_path / "repacked"):
        assert same(load(path), expected), path


def test_audio_weights_are_laid_over_those_of_the_base(published: Path, tmp_path: Path) -> None:
    tensors = load_file(published / "model.safetensors")
    base, audio = tmp_path / "base", tmp_path / "audio"
    for folder in (base, audio):
        folder.mkdir()
    is_audio = {key: any(mark in key for mark in AUDIO) for key in tensors}
    shard({k: v for k, v in tensors.items() if not is_audio[k]}, base)
    (base / "config.json").write_text((published / "config.json").read_text())
    save_file({k: v for k, v in tensors.items() if is_audio[k]}, audio / "infinitetalk.safetensors")
    assert same(load([base, audio / "infinitetalk.safetensors"]), load(published))
    with pytest.raises(CheckpointError, match=r"give Wan2\.1's files before it"):
        format_of("transformer", audio)


def test_precision_is_reduced_but_for_norms_and_tables(published: Path) -> None:
    transformer = load(published, dtype=torch.bfloat16)
    assert transformer.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert transformer.blocks[0].norm2.weight.dtype == torch.float32
    assert transformer.scale_shift_table.dtype == torch.float32


def test_every_fault_is_named(published: Path, tmp_path: Path) -> None:
    tensors = load_file(published / "model.safetensors")
    del tensors["blocks.1.self_attn.q.weight"]
    tensors["blocks.1.self_attn.o.bias"] = torch.zeros(3)
    (tmp_path / "config.json").write_text((published / "config.json").read_text())
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(CheckpointError) as error:
        load(tmp_path)
    assert "1 missing: blocks.1.attn1.to_q.weight" in str(error.value)
    assert "blocks.1.attn1.to_out.0.bias (3,) instead of" in str(error.value)
    tensors["surprise"] = torch.zeros(1)
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(CheckpointError, match="unknown tensors: surprise"):
        load(tmp_path)


def test_what_a_file_is_not(published: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="weights of transformer, not of vae"):
        format_of("vae", published)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="unknown kind of weights: tensors a"):
        format_of("vae", tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no weights at"):
        load(tmp_path / "absent.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path / "cut.safetensors")


def test_a_missing_shard_is_named(published: Path, tmp_path: Path) -> None:
    index = shard(load_file(published / "model.safetensors"), tmp_path)
    (tmp_path / "shard-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks shards: shard-1"):
        load(index)


def test_a_pickle_that_could_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return print, ("this must not be printed",)

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(CheckpointError, match=r"could run code.*save_file") as caught:
        load(path)
    # PyTorch's own message advises to read it without protection.
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    ("case", "kind"),
    [("case7_vae_weights", VAE_FORMAT), ("case10_clip_vision", IMAGE_ENCODER_FORMAT),
     ("case11_umt5_encoder", PROMPT_ENCODER_FORMAT), ("case9_wav2vec2", SPEECH_ENCODER_FORMAT)],
)  # fmt: skip
def test_the_other_parts(golden_dir: Path, tmp_path: Path, case: str, kind: PublicFormat) -> None:
    pytest.importorskip("transformers", reason="the studio extra is not installed")
    source = golden_dir / "skyreels_v3_a2v"
    tensors = load_file(source / f"{case}.safetensors")
    weights = {k.removeprefix("sd."): v for k, v in tensors.items() if k.startswith("sd.")}
    torch.save(weights or tensors, tmp_path / "model.pth")
    config = source / f"{case}_config.json"
    sizes = json.loads(config.read_text()) if config.is_file() else {"vision_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    module = load(tmp_path, kind)
    assert not any(tensor.is_meta for tensor in module.state_dict().values())


def test_uni3c(golden_dir: Path, tmp_path: Path) -> None:
    source = golden_dir / "uni3c_controlnet"
    config = json.loads((source / "config.json").read_text())
    tensors = load_file(source / "controlnet.safetensors")
    torch.save(tensors, tmp_path / "controlnet.pth")
    sizes = {"num_heads": config["controlnet"]["num_heads"], "freq_dim": config["dit"]["freq_dim"]}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    times = {
        key.removeprefix("condition_embedder."): value
        for key, value in load_file(source / "dit.safetensors").items()
        if ".time_embedder." in key
    }
    module = load(tmp_path, CONTROLNET_FORMAT, extra=times)
    assert module.config.ray_channels == config["controlnet"]["add_channels"]
    with pytest.raises(CheckpointError, match="missing: time_embedder"):
        load(tmp_path, CONTROLNET_FORMAT)
