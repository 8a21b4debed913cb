"""Laws of the avatar transformer, on a tiny network."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.loading.checkpoints.load import place_module
from skyreels_avatar.models.layers import unpatchify
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

TINY = {
    "patch_size": (1, 1, 1),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 10,
    "out_channels": 4,
    "text_dim": 6,
    "audio_dim": 7,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 2,
    "audio_qk_norm": True,
    "num_audio_positions": 3,
    "num_width_positions": 4,
}


def _tiny(**changes) -> AvatarTransformer3DModel:
    """Return a tiny network in which no tensor is zero, so that every path shows."""
    torch.manual_seed(0)
    model = AvatarTransformer3DModel(**{**TINY, **changes})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def _inputs(batch: int = 2, frames: int = 3, height: int = 1, width: int = 4) -> dict:
    generator = torch.Generator().manual_seed(1)

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "hidden_states": randn(batch, 10, frames, height, width),
        "timestep": torch.linspace(100.5, 900.25, batch),
        "encoder_hidden_states": randn(batch, 5, 6),
        "audio_embeds": randn(batch, frames, 3, 7),
    }


def test_velocity_has_the_grid_of_the_latents() -> None:
    assert _tiny()(**_inputs()).shape == (2, 4, 3, 1, 4)


def test_patches_are_put_back_where_they_were_taken() -> None:
    """A network that copies each patch's first output channel proves the order of unpatchify."""
    tokens = torch.arange(2 * 3 * 16.0).reshape(1, 6, 16)  # T 1, h 2, w 3; 2 x 2 x 4 channels
    velocity = unpatchify(tokens, [1, 2, 3], (1, 2, 2))
    assert velocity.shape == (1, 4, 1, 4, 6)
    row, column, channel = 3, 4, 2
    token = (row // 2) * 3 + column // 2
    inside = ((row % 2) * 2 + column % 2) * 4 + channel
    assert velocity[0, channel, 0, row, column] == tokens[0, token, inside]


def test_fresh_network_predicts_zero_and_learns_from_the_first_step() -> None:
    model = AvatarTransformer3DModel(**TINY)
    velocity = model(**_inputs())
    assert torch.count_nonzero(velocity) == 0
    (velocity - 1).square().mean().backward()
    assert model.proj_out.weight.grad.abs().sum() > 0


def test_every_parameter_gets_a_gradient() -> None:
    model = _tiny(image_dim=8, added_kv_proj_dim=24).train()
    inputs = _inputs() | {"encoder_hidden_states_image": torch.randn(2, 3, 8)}
    model(**inputs).square().sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    # A bias of keys shifts all scores of a query equally; softmax cancels it.
    assert [name for name in silent if not name.endswith("to_k.bias")] == []


@pytest.mark.parametrize("changed_frame", [0, 2])
def test_sound_enters_in_its_own_latent_frame_first(changed_frame: int) -> None:
    """One block without self attention lets sound change no other latent frame."""
    model = _tiny(num_layers=1)
    torch.nn.init.zeros_(model.blocks[0].attn1.to_out[0].weight)
    inputs = _inputs()
    before = model(**inputs)
    inputs["audio_embeds"] = inputs["audio_embeds"].clone()
    inputs["audio_embeds"][:, changed_frame] += 1.0
    changed = (model(**inputs) - before).abs().amax(dim=(0, 1, 3, 4))
    assert changed[changed_frame] > 1e-4
    others = [frame for frame in range(3) if frame != changed_frame]
    assert torch.count_nonzero(changed[others]) == 0


def test_columns_differ_only_with_a_learned_embedding_or_position() -> None:
    """Four latent columns mean different things: swapping two must not just swap the output."""
    model, inputs = _tiny(), _inputs()
    swap = [1, 0, 2, 3]
    plain = model(**inputs)
    inputs["hidden_states"] = inputs["hidden_states"][..., swap]
    assert (model(**inputs)[..., swap] - plain).abs().max() > 1e-3


def test_control_residual_is_added_after_its_block() -> None:
    model, inputs = _tiny(), _inputs()
    plain = model(**inputs)
    zeros = [torch.zeros(2, 12, 24)] * 2
    assert torch.equal(model(**inputs, control_residuals=zeros), plain)
    seen = []
    hook = model.blocks[1].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(**inputs)
    model(**inputs, control_residuals=[torch.ones(2, 12, 24)])
    hook.remove()
    torch.testing.assert_close(seen[1], seen[0] + 1)


def test_batch_entries_do_not_see_each_other() -> None:
    model, inputs = _tiny(), _inputs()
    whole = model(**inputs)
    for index in range(2):
        alone = model(**{name: value[index : index + 1] for name, value in inputs.items()})
        torch.testing.assert_close(alone, whole[index : index + 1], atol=1e-5, rtol=1e-5)


def test_gradient_checkpointing_changes_nothing() -> None:
    model = _tiny().train()
    plain = model(**_inputs())
    model.enable_gradient_checkpointing()
    torch.testing.assert_close(model(**_inputs()), plain)


def test_bfloat16_autocast_stays_near_float32() -> None:
    """Bound: 5 % of the RMS; bfloat16 keeps 8 bits, two layers measured 0.9 %."""
    model, inputs = _tiny(), _inputs()
    exact = model(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(**inputs)
    assert rough.dtype == torch.float32
    assert (rough - exact).square().mean().sqrt() < 0.05 * exact.square().mean().sqrt()


@pytest.mark.parametrize("distilled", [False, True])
def test_bfloat16_weights_stay_near_float32(distilled: bool) -> None:
    """A distilled network added a bfloat16 embedding of its sampling to a float32 one of the time.

    Bound: 5 % of the RMS; two layers measured 0.7 %.
    """
    model, inputs = _tiny(distilled=distilled), _inputs()
    if distilled:
        inputs["sampling"] = torch.tensor([[3.0, 2.0, 0.5], [1.0, 1.0, 0.1]])
    exact = model(**inputs)
    rough = place_module(model, "cpu", torch.bfloat16)(**inputs)
    assert (rough - exact).square().mean().sqrt() < 0.05 * exact.square().mean().sqrt()


def test_parameter_names_are_those_of_diffusers_wan() -> None:
    """Wan LoRAs and loaders find their layers; the audio part is all that is added."""
    wan = pytest.importorskip("diffusers.models.transformers.transformer_wan")
    sizes = {"patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12,
             "in_channels": 36, "out_channels": 16, "text_dim": 6, "freq_dim": 16, "ffn_dim": 32,
             "num_layers": 2, "image_dim": 8, "added_kv_proj_dim": 24}  # fmt: skip
    with torch.device("meta"):
        theirs = wan.WanTransformer3DModel(**sizes).state_dict()
        ours = AvatarTransformer3DModel(**sizes, audio_dim=7).state_dict()
    base = {name: value.shape for name, value in ours.items() if "audio" not in name}
    assert base == {name: value.shape for name, value in theirs.items()}


def test_wan_weights_give_wan_numbers() -> None:
    """Without sound the class is diffusers' Wan; bound: float32 rounding of its sinusoid."""
    wan = pytest.importorskip("diffusers.models.transformers.transformer_wan")
    sizes = {"patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12,
             "in_channels": 6, "out_channels": 4, "text_dim": 6, "freq_dim": 16, "ffn_dim": 32,
             "num_layers": 2}  # fmt: skip
    torch.manual_seed(0)
    theirs = wan.WanTransformer3DModel(**sizes).eval()
    ours = AvatarTransformer3DModel(**sizes, audio_dim=7).eval()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    for block in ours.blocks:
        torch.nn.init.zeros_(block.audio_attn.to_out[0].weight)
    latents, text = torch.randn(1, 6, 2, 4, 6), torch.randn(1, 5, 6)
    timestep = torch.tensor([412.5])
    expected = theirs(latents, timestep, text, return_dict=False)[0]
    actual = ours(latents, timestep, text, torch.randn(1, 2, 3, 7))
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)
