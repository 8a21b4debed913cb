import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.load import load_module, save_module
from skyreels_avatar.models.text_encoder import TextEncoder
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from train.loop import Run, rate_at, with_weights
from train.stages import camera, pretrain


def weights_of(run: Run) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.weights])


def test_a_run_logs_saves_validates_and_exports(tiny_config):
    pretrain.run(tiny_config)
    folder = Path(tiny_config.run)
    assert json.loads((folder / "validation.jsonl").read_text().splitlines()[-1])["step"] == 3
    net = load_module(AvatarTransformer3DModel, folder / "export" / "transformer.safetensors")
    assert net.config.num_layers == 2
    assert not list(folder.glob("*.part"))
    with safe_open(folder / "export" / "transformer.safetensors", framework="pt") as file:
        assert file.get_tensor("blocks.0.attn1.to_q.weight").dtype == torch.int8


@pytest.mark.parametrize(("num_steps", "steps"), [(4, [2, 4]), (3, [2, 3])])
def test_the_end_is_validated_once(tiny_config, num_steps, steps):
    """The last validation ran twice where the plan ended on a step of validation."""
    tiny_config.num_steps, tiny_config.validate_every = num_steps, 2
    seen = []
    run = Run(tiny_config)
    run.train(
        lambda parts, step: {"loss": run.weights[0].square().sum()},
        lambda parts: seen.append(run.step) or {},
    )
    assert seen == steps


def test_resuming_gives_the_same_weights(tiny_config, tmp_path):
    tiny_config.final_lr = 1.0  # the rate must not depend on where the run was meant to end
    results = []
    for name, pieces in (("whole", (3,)), ("cut", (2, 3))):
        tiny_config.run = str(tmp_path / name)
        for num_steps in pieces:
            tiny_config.num_steps = num_steps
            pretrain.run(tiny_config)
        state = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        results.append(torch.cat([t.flatten() for t in state["networks"]["transformer"].values()]))
    assert torch.equal(*results)


def test_the_camera_stage_touches_only_the_controlnet(tiny_config, tmp_path):
    pretrain.run(tiny_config)
    tiny_config.start_from = str(Path(tiny_config.run) / "export")
    tiny_config.run, tiny_config.train = str(tmp_path / "camera"), ["controlnet"]
    tiny_config.data.camera_share = 1.0
    camera.run(tiny_config)
    exported = sorted(path.name for path in (tmp_path / "camera" / "export").iterdir())
    assert exported == ["controlnet.safetensors"]


def test_camera_and_distill_validate_on_voices_that_they_never_hear(tiny_config, corpus, tmp_path):
    """Their fixed windows were drawn from the training tracks."""
    folder = tmp_path / "marked"
    shutil.copytree(corpus, folder)
    held = np.load(folder / "held-out-000.npz")
    np.savez(folder / "held-out-000.npz", **{**held, "mel": held["mel"] + np.float16(50)})
    tiny_config.data.cache = str(folder)
    windows = camera.held_out_windows(tiny_config)
    windows["distill"] = pretrain.held_out_sampler(tiny_config).batch(8, np.random.default_rng(0))
    for kind, batch in windows.items():
        loudest = batch.mel[:, 130:170].amax((1, 2))  # inside of the windows
        silent_on_purpose = loudest < -1.5
        assert ((loudest > 40) | silent_on_purpose).all() and (loudest > 40).any(), kind


def test_a_checkpoint_of_other_networks_is_refused(tiny_config):
    run = Run(tiny_config)
    run.save()
    tiny_config.train = ["controlnet"]
    with pytest.raises(InputError, match="another run"):
        Run(tiny_config)


def test_an_unknown_network_is_refused(tiny_config):
    tiny_config.train = ["vocoder"]
    with pytest.raises(InputError, match="transformer"):
        Run(tiny_config)


def test_a_step_without_finite_gradient_changes_no_weight(tiny_config):
    run = Run(tiny_config)
    before = weights_of(run)
    run.take_step(lambda parts, step: {"loss": run.weights[0].sum() * float("nan")})
    assert torch.equal(before, weights_of(run)) and run.step == 1


def test_the_rate_rises_then_falls_to_its_end(tiny_config):
    tiny_config.num_steps, tiny_config.warmup_steps, tiny_config.final_lr = 100, 10, 0.1
    rates = [rate_at(step, tiny_config) for step in range(101)]
    assert rates[9] == pytest.approx(1) and rates[100] == pytest.approx(0.1)
    assert max(rates) <= 1 and rates[10:] == sorted(rates[10:], reverse=True)


def test_weights_take_a_network_s_place_whatever_its_sizes(tiny_parts, tmp_path):
    save_module(TextEncoder(8, 6, 32, 1, 2), tmp_path / "text_encoder.safetensors")
    parts = with_weights(tiny_parts, tmp_path)
    assert parts.text_encoder(["a"]).shape == (1, 6, 8)
    assert parts.transformer is tiny_parts.transformer
