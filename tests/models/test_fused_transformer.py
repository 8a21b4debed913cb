"""The transformer in fewer operations computes what its plain twin does."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.models.fused_transformer import FusedTransformer, fused
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

SMALL = {
    "patch_size": (1, 1, 1), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 10,
    "out_channels": 4, "text_dim": 6, "audio_dim": 7, "freq_dim": 16, "ffn_dim": 20,
    "num_layers": 2, "num_audio_positions": 3, "num_width_positions": 4, "distilled": True,
}  # fmt: skip


def _network(**changes) -> AvatarTransformer3DModel:
    torch.manual_seed(0)
    network = AvatarTransformer3DModel(**{**SMALL, **changes})
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network.eval()


def _window(seed: int, frames: int = 5) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "hidden_states": randn(1, 10, frames, 1, 4), "timestep": torch.tensor([650.0]),
        "encoder_hidden_states": randn(1, 5, 6), "audio_embeds": randn(1, frames, 3, 7),
        "sampling": torch.tensor([[2.0, 1.4, 0.3]]),
    }  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("audio_qk_norm", [False, True])
def test_windows_steps_prompts_and_grids_may_change(audio_qk_norm):
    """Bound: float32 rounding of another order of sums."""
    plain = _network(audio_qk_norm=audio_qk_norm)
    quick = fused(plain)
    assert isinstance(quick, FusedTransformer)
    for seed, frames in ((1, 5), (2, 5), (1, 5), (3, 9)):
        window, caches = _window(seed, frames), (ConditionCache(), ConditionCache())
        for sigma in (900.0, 300.0):
            window["timestep"] = torch.tensor([sigma])
            window["hidden_states"] = window["hidden_states"] * 0.9
            expected, found = (f(cache=c, **window) for f, c in zip((plain, quick), caches))
            assert torch.allclose(found, expected, atol=2e-5 * float(expected.abs().max()))


@torch.no_grad()
def test_the_residuals_of_the_camera_are_added_after_their_blocks():
    plain, window = _network(), _window(4)
    residuals = [torch.randn(1, 20, 24) for _ in range(2)]
    expected = plain(control_residuals=residuals, **window)
    found = fused(plain)(control_residuals=iter(residuals), **window)
    assert torch.allclose(found, expected, atol=2e-5 * float(expected.abs().max()))
    assert not torch.allclose(found, plain(**window), atol=1e-2)


def test_what_it_cannot_compute_is_left_to_the_network():
    for network in (
        _network(distilled=False),
        _network(patch_size=(1, 2, 2), num_width_positions=None),
        _network().bfloat16(),
    ):
        assert fused(network) is network
