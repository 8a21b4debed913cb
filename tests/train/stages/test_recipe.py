"""A recipe runs its stages in order with the caller's data, and ends by publishing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import train.stages
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.load import save_module
from skyreels_avatar.loading.components import build_components
from skyreels_avatar.loading.tiers import load_tier
from tests.train.data.test_spoken import Engine
from train import person_distance
from train.config import load_config
from train.data import spoken
from train.stages import STAGES, publish, recipe
from train.stages.publish import GATES, Goal
from train.stages.recipe import RECIPES

LEARNING = ("pretrain", "camera", "distill", "motion_rl")
FOLDERS = [f"data.{name}={name}" for name in ("grid", "kokoro", "portraits", "talkers")]


def test_every_file_that_is_published_has_a_recipe_of_known_stages():
    assert set(RECIPES) == set(GATES)
    for name, steps in RECIPES.items():
        assert all(step.stage in STAGES for step in steps) and steps[-1].stage == "publish", name


@pytest.mark.parametrize("name", RECIPES)
def test_stages_run_in_order_and_files_reach_those_that_go_on(name, tmp_path, monkeypatch):
    seen = []

    def stage_function(stage):
        def run(config):
            seen.append(stage)
            assert config.run == str(tmp_path / stage) and config.seed == 7
            assert config.data.grid == "grid"
            if stage == "motion_rl":  # goes on from what was distilled, and needs all of these
                assert {p.stem for p in Path(config.start_from).glob("*.safetensors")} == {
                    "transformer", "audio_encoder", "text_encoder", "controlnet"
                }  # fmt: skip
                rewarded = Path(config.start_from) / "transformer.safetensors"
                assert rewarded.read_text() == "distill"
            if stage in ("distill", "eyes", "publish"):
                assert list(Path(config.start_from).glob("*.safetensors")), stage
            if stage == "publish":
                assert (Path(config.start_from) / f"{name}.safetensors").is_file()
            for part in WRITES.get(stage, ()):
                (tmp_path / stage / "export").mkdir(parents=True, exist_ok=True)
                (tmp_path / stage / "export" / f"{part}.safetensors").write_text(stage)

        return run

    monkeypatch.setattr(train.stages, "stage_function", stage_function)
    recipe.run(load_config("recipe", [f"recipe={name}", f"run={tmp_path}", "seed=7", *FOLDERS]))
    assert seen == [step.stage for step in RECIPES[name]]
    if name == "transformer":
        folder = tmp_path / "pretrain" / "export"
        made = {path.stem: path.read_text() for path in folder.iterdir()}
        assert made == {
            "transformer": "motion_rl", "audio_encoder": "pretrain", "text_encoder": "pretrain",
            "controlnet": "camera",
        }  # fmt: skip


WRITES = {
    "pretrain": ("transformer", "audio_encoder", "text_encoder"),
    "camera": ("controlnet",),
    "distill": ("transformer",),
    "motion_rl": ("transformer",),
    "vae": ("vae",),
    "eyes": ("vae",),
    "light": ("light",),
    "occluder": ("occluder",),
    "sync": ("sync",),
}


@pytest.mark.parametrize(
    ("told", "words"),
    [(["recipe=face"], "must be one of transformer"), (["recipe=vae"], r"data\.portraits=FOLDER")],
)
def test_what_is_missing_is_told_before_anything_runs(told, words):
    with pytest.raises(InputError, match=words):
        recipe.run(load_config("recipe", told))


def test_the_recipe_of_motion_runs_from_voices_to_published_weights(
    tiny_config, tmp_path, monkeypatch
):
    """A real run at toy size, of every stage: what one leaves is what the next one needs.

    The weights are random, so that how good they must be is left out; test_publish.py has that.
    """
    pytest.importorskip("espeakng_loader")
    real = recipe.load_config

    def toy(stage, told):
        config = real(stage, [*told, f"tier={tiny_config.tier}"])
        data = replace(
            config.data, num_frames=17, real_share=0.0, natural_share=0.5, num_banks=1,
            synthetic_shards=1, natural_shards=1, tracks_per_shard=2,
        )  # fmt: skip
        config.distill.long_steps = [2]
        return replace(
            config, num_steps=2, batch_size=2, warmup_steps=1, save_every=2, validate_every=2,
            data=data,
        )  # fmt: skip

    steps = [replace(step, needs=()) for step in RECIPES["transformer"]]
    assert [step.stage for step in steps] == ["voices", "corpus", *LEARNING, "publish"]
    monkeypatch.setattr(recipe, "load_config", toy)
    monkeypatch.setitem(RECIPES, "transformer", steps)
    monkeypatch.setattr(spoken, "Kokoro", lambda folder: Engine())
    (tmp_path / "ships").mkdir()
    tier = load_tier(tiny_config.tier)
    for name in ("transformer", "audio_encoder", "text_encoder", "controlnet"):
        save_module(getattr(build_components(tier), name), tmp_path / f"ships/{name}.safetensors")
    monkeypatch.setattr(publish, "load_components", lambda told: build_components(load_tier(told)))
    monkeypatch.setattr(publish, "NUM_SPEECHES", 1)
    monkeypatch.setattr(publish, "SPEECH_S", 3.0)
    monkeypatch.setattr(publish, "_utterances", lambda: person_distance.spoken()[:1])
    monkeypatch.setattr(publish, "_speeches", publish._speeches.__wrapped__)
    anything = {name: Goal(-np.inf, np.inf, np.inf) for name in publish.MOTION_GOALS}
    monkeypatch.setattr(publish, "MOTION_GOALS", anything)
    told = [
        "recipe=transformer", f"run={tmp_path}/runs", f"data.cache={tmp_path}/corpus",
        f"data.kokoro={tmp_path}", f"publish_to={tmp_path}/ships",
    ]  # fmt: skip
    for _ in range(2):  # started again, it finds everything done and ends with the same file
        recipe.run(load_config("recipe", told))
        made = load_file(tmp_path / "ships" / "transformer.safetensors")
        rewarded = load_file(tmp_path / "runs" / "motion_rl" / "export" / "transformer.safetensors")
        assert made.keys() == rewarded.keys()
        assert all(torch.equal(made[name], rewarded[name]) for name in made)
    assert {path.name for path in (tmp_path / "corpus").glob("*.npz")} >= {
        "spoken-000.npz", "spoken-held-000.npz", "synthetic-000.npz", "natural-000.npz",
        "held-out-000.npz", "held-natural-000.npz",
    }  # fmt: skip
    measured = json.loads((tmp_path / "runs" / "publish" / "publish.json").read_text())
    assert set(publish.MOTION_GOALS) < set(measured)
