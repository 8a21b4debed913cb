"""A LoRA learnt from footage: it lowers the loss, is found by `generate`, and resumes exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.tiers import load_tier
from tests.samples import write_portrait, write_voice
from tests.train.video.footage import killed_at_a_checkpoint, toy, train_together
from train.config import load_config
from train.stages import lora
from train.video.loop import Draw
from train.video.networks import load_transformer
from train.video.windows import VideoWindow


def exported(config) -> dict[str, torch.Tensor]:
    return load_file(Path(config.run) / "export" / lora.NAME)


def loss_of(tier: Path, config, clip: Path, path: Path | None) -> float:
    """Return the mean loss of a clip over 24 noise levels, with a LoRA as the package loads it."""
    from skyreels_avatar.loading.checkpoints.lora import fuse_lora

    transformer = load_transformer(load_tier(str(tier)), torch.device("cpu"), torch.float32)
    if path is not None:
        assert fuse_lora(transformer, path) == 2 * 3 * 4  # blocks, attentions, matrices
    window = VideoWindow.load(clip)
    with torch.no_grad():
        losses = [
            lora.flow_loss(transformer, window, Draw.of(5, -1, index), config, 3.0)
            for index in range(24)
        ]
    return float(sum(losses) / len(losses))


def test_a_lora_lowers_the_loss_of_its_clip_and_changes_the_video(video_config, studio, tmp_path):
    config = video_config("lora", "num_steps=30", "save_every=30", "validate_every=30", "lr=0.02")
    lora.run(config)
    path = Path(config.run) / "export" / lora.NAME
    folder = next(Path(config.video.windows).glob("studio-*"))
    clip = folder / "0-0.safetensors"
    before, after = (loss_of(studio, config, clip, one) for one in (None, path))
    assert after < 0.97 * before
    styled = studio.with_name("with_lora.yaml")
    styled.write_text(studio.read_text() + f"loras: {{{path}: 1.0}}\n")
    portrait, voice = write_portrait(tmp_path), write_voice(tmp_path, 0.68)
    frames = [
        np.stack(list(sa.VideoReader(sa.generate(
            portrait, voice, output=tmp_path / f"{tier.stem}.mp4", tier=str(tier), size="96x80",
            prompt="a person smiles").path)))
        for tier in (studio, styled)
    ]  # fmt: skip
    assert frames[0].shape == frames[1].shape and (frames[0] != frames[1]).any()


def test_names_are_those_of_diffusers(video_config):
    config = video_config("lora")
    lora.run(config)
    tensors = exported(config)
    stem = "transformer.blocks.1.audio_attn.to_k"
    assert tensors[f"{stem}.lora_A.weight"].shape == (4, 8)
    assert tensors[f"{stem}.lora_B.weight"].shape == (24, 4)
    assert len(tensors) == 2 * 2 * 3 * 4 and all(v.isfinite().all() for v in tensors.values())


def test_a_killed_run_ends_with_the_same_file(video_config, tmp_path):
    config = video_config("lora")
    lora.run(config)
    whole, config.run = exported(config), str(tmp_path / "killed")
    with killed_at_a_checkpoint():
        lora.run(config)
    lora.run(config)
    killed = exported(config)
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    assert [one.name for one in Path(config.run).glob("checkpoint-*")] == ["checkpoint-4"]


def test_two_processes_learn_what_one_does(
    video_config, studio, own_footage, windows, tmp_path, root
):
    """Each has half of the batch; what differs is how sums are rounded."""
    config = video_config("lora", "num_steps=2")
    lora.run(config)
    told = toy(
        "lora", studio, own_footage, windows, tmp_path, "num_steps=2", f"run={tmp_path / 'two'}"
    )
    train_together(root, "lora", *told)
    alone = exported(config)
    together = exported(load_config("lora", told))
    # The first step of AdamW is as long as the rate whatever the gradient: only signs count.
    apart = [(alone[name] - together[name]).abs().max() for name in alone]
    assert max(apart) < 0.1 * config.lr


def test_tiers_that_move_a_picture_have_styles():
    with pytest.raises(InputError, match="stage style"):
        lora.run(load_config("lora", ["tier=nano"]))
