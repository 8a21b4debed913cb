"""Laws of the camera ControlNet, on a tiny network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from skyreels_avatar.models.camera_controlnet import CameraControlNet

TINY = {
    "patch_size": (1, 1, 1),
    "hidden_channels": 6,
    "control_channels": 5,
    "embed_dim": 24,
    "dim": 12,
    "num_attention_heads": 1,
    "ffn_dim": 16,
    "num_layers": 3,
    "time_embed_dim": 8,
    "freq_dim": 16,
    "num_width_positions": 4,
}


@pytest.fixture
def inputs() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    hidden_states = torch.randn(2, 10, 3, 1, 4, generator=generator)
    control_latents = torch.randn(2, 5, 3, 1, 4, generator=generator)
    return hidden_states, control_latents, torch.tensor([10.0, 800.0])


def _trained() -> CameraControlNet:
    torch.manual_seed(0)
    model = CameraControlNet(**TINY)
    for proj_out in model.proj_out:
        torch.nn.init.normal_(proj_out.weight)
    return model.eval()


def last(residuals: Iterator[torch.Tensor]) -> torch.Tensor:
    return list(residuals)[-1]


def test_fresh_controlnet_leaves_the_transformer_alone(inputs) -> None:
    residuals = list(CameraControlNet(**TINY)(*inputs))
    assert [tuple(residual.shape) for residual in residuals] == [(2, 12, 24)] * 3
    assert all(torch.count_nonzero(residual) == 0 for residual in residuals)


def test_residuals_scale_with_the_strength_of_control(inputs) -> None:
    model = _trained()
    for full, half, none in zip(model(*inputs), model(*inputs, 0.5), model(*inputs, 0.0)):
        torch.testing.assert_close(half, full / 2)
        assert torch.count_nonzero(none) == 0


def test_residuals_depend_on_control_noise_and_time_but_not_on_other_channels(inputs) -> None:
    model = _trained()
    hidden_states, control_latents, timestep = inputs
    plain = last(model(*inputs))
    assert not torch.allclose(last(model(hidden_states, control_latents + 1, timestep)), plain)
    assert not torch.allclose(last(model(hidden_states, control_latents, timestep + 50)), plain)
    changed = hidden_states.clone()
    changed[:, 6:] += 1
    assert torch.equal(last(model(changed, control_latents, timestep)), plain)
    changed[:, :6] += 1
    assert not torch.allclose(last(model(changed, control_latents, timestep)), plain)


def test_every_parameter_gets_a_gradient(inputs) -> None:
    model = _trained().train()
    sum(residual.square().sum() for residual in model(*inputs)).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    # A bias of keys shifts all scores of a query equally; softmax cancels it.
    assert [name for name in silent if not name.endswith("to_k.bias")] == []


def test_a_residual_is_computed_when_it_is_asked_for(inputs) -> None:
    """All of them together took 6.7 GB at 480p."""
    model, run = _trained(), []
    for block in model.blocks:
        block.register_forward_hook(lambda *_: run.append(1))
    residuals = model(*inputs)
    assert len(run) == 0
    next(residuals)
    assert len(run) == 1


def test_residuals_are_as_wide_as_the_transformer_whatever_the_patch_embedding_is(inputs) -> None:
    """`proj_out` was as wide as the patch embedding, which other models of the layout are not."""
    model = CameraControlNet(**{**TINY, "out_dim": 40})
    assert [residual.shape[-1] for residual in model(*inputs)] == [40] * 3
