import numpy as np
import pytest
import torch

from skyreels_avatar.flow import add_noise, velocity
from train import objective
from train.config import LossConfig
from train.data.cache import read_shards
from train.data.windows import WindowOptions, WindowSampler


@pytest.fixture
def batch(corpus):
    options = WindowOptions(num_frames=17, camera_share=1.0)
    sampler = WindowSampler(read_shards(corpus, "synthetic"), read_shards(corpus, "real"), options)
    return sampler.batch(3, np.random.default_rng(0))


def generator():
    return torch.Generator().manual_seed(0)


def test_every_part_of_the_loss_reaches_every_network(tiny_parts, batch):
    torch.nn.init.normal_(tiny_parts.transformer.proj_out.weight, std=0.1)  # starts at zero
    head = objective.make_text_head(16)
    torch.nn.init.normal_(head.weight, std=0.1)  # so does the head
    losses = objective.loss_parts(tiny_parts, batch, LossConfig(), generator(), text_head=head)
    assert set(losses) == {"loss", "flow", "mouth", "speed", "smooth", "viseme", "text"}
    assert all(torch.isfinite(value) and value > 0 for value in losses.values())
    losses["loss"].backward()
    for part in ("transformer", "audio_encoder", "text_encoder"):
        grads = [p.grad for p in getattr(tiny_parts, part).parameters() if p.grad is not None]
        assert sum(float(grad.abs().sum()) for grad in grads) > 0, part


def test_the_true_velocity_leaves_no_loss_on_motion(tiny_parts, batch, monkeypatch):
    truth = {}

    def remember(clean, noise, sigma):
        truth["velocity"] = velocity(clean, noise)
        return add_noise(clean, noise, sigma)

    monkeypatch.setattr(objective, "add_noise", remember)
    monkeypatch.setattr(objective, "predict", lambda *_: truth["velocity"])
    losses = objective.loss_parts(tiny_parts, batch, LossConfig(), generator())
    for name in ("flow", "mouth", "speed", "smooth"):
        assert losses[name] < 1e-3, name  # smooth divides rounding by a small scale


def test_an_untrained_controlnet_changes_nothing(tiny_parts, batch):
    plain, controlled = (
        objective.loss_parts(tiny_parts, batch, LossConfig(), generator(), use_control=use)
        for use in (False, True)
    )
    assert controlled["loss"].item() == pytest.approx(plain["loss"].item(), abs=1e-6)


def on_another_device(parts):
    """Return networks on the device "meta", where a tensor left on the CPU is an error."""
    for name in ("vae", "transformer", "controlnet", "audio_encoder", "text_encoder"):
        getattr(parts, name).to("meta")
    return parts


def test_a_loss_stays_on_the_device_of_the_networks(tiny_parts, batch):
    """Motion stayed on the CPU in `prepare`, so that device=cuda failed."""
    head = objective.make_text_head(16).to("meta")
    parts = on_another_device(tiny_parts)
    losses = objective.loss_parts(
        parts, batch, LossConfig(), generator(), use_control=True, text_head=head
    )
    assert {name: value.device.type for name, value in losses.items()} == dict.fromkeys(
        losses, "meta"
    )


def test_known_frames_do_not_count(tiny_parts, batch, monkeypatch):
    def wrong_where_known(parts, prepared, noisy, sigma):
        return truth["velocity"] + 100 * prepared.mask[:, :1]

    truth = {}

    def remember(clean, noise, sigma):
        truth["velocity"] = velocity(clean, noise)
        return add_noise(clean, noise, sigma)

    monkeypatch.setattr(objective, "add_noise", remember)
    monkeypatch.setattr(objective, "predict", wrong_where_known)
    losses = objective.loss_parts(tiny_parts, batch, LossConfig(), generator())
    assert losses["flow"] < 1e-6 and losses["mouth"] < 1e-3
