"""Several talkers: every token of the video listens from the position of the person it shows."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.models.layers import attention_to_masks
from skyreels_avatar.models.person_attention import (
    BACKGROUND,
    DISTANCE,
    REACH,
    rotary_table,
    token_positions,
    voice_positions,
)
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

GRID = (3, 4)  # tokens of a latent frame
FRAMES = 5


@pytest.fixture(scope="module")
def model() -> AvatarTransformer3DModel:
    torch.manual_seed(0)
    model = AvatarTransformer3DModel(
        patch_size=(1, 1, 1), num_attention_heads=2, attention_head_dim=12, in_channels=6,
        out_channels=4, text_dim=8, audio_dim=8, freq_dim=16, ffn_dim=24, num_layers=2,
    )  # fmt: skip
    with torch.no_grad():
        for values in model.parameters():
            values += 0.2 * torch.randn(values.shape)
    return model.eval()


def masks_of(num_persons: int) -> torch.Tensor:
    """Return (P + 1, 3, 4): persons side by side, the last column is background."""
    masks = torch.zeros(num_persons + 1, *GRID)
    for person in range(num_persons):
        masks[person, :, person] = 1
    masks[-1, :, num_persons:] = 1
    return masks


def inputs_of(num_persons: int, num_tokens: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return {
        "hidden_states": normal(1, 6, FRAMES, *GRID),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": normal(1, 4, 8),
        "audio_embeds": normal(1, FRAMES, num_persons * num_tokens, 8),
    }


def test_attention_to_masks_is_the_softmax_averaged_over_heads_and_area() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(1, 60, 2, 8, generator=generator) for _ in range(2))
    masks = masks_of(2).flatten(1)
    first = key[:, : masks.shape[1]]
    weights = torch.einsum("blnd,bsnd->bnls", query, first).div(8**0.5).softmax(-1)
    for number, mask in enumerate(masks):
        expected = (weights * mask).sum(-1).mean(1) / mask.sum()
        made = attention_to_masks(query, first, masks)[:, number]
        torch.testing.assert_close(made, expected, atol=1e-6, rtol=1e-5)


def test_tokens_take_the_positions_of_whom_they_attend_to_most() -> None:
    attention = torch.tensor([[[0.9, 0.1, 0.5, 0.0], [0.1, 0.8, 0.2, 0.0], [0.0, 0.0, 0.1, 0.7]]])
    positions = token_positions(attention)[0]
    assert positions[0] == pytest.approx(REACH)  # the most of person 1
    assert positions[1] == pytest.approx(DISTANCE + REACH)
    assert 0 < positions[2] < REACH
    assert positions[3] == BACKGROUND


def test_voices_lie_in_the_middle_of_their_persons() -> None:
    assert voice_positions(3, 2).tolist() == [2.0, 2.0, 22.0, 22.0, 42.0, 42.0]


def test_the_table_turns_neighbouring_pairs() -> None:
    cosine, sine = rotary_table(torch.tensor([0.0, 2.0]), 4)
    assert cosine.shape == (2, 1, 2)
    assert cosine[0].tolist() == [[1.0, 1.0]] and sine[0].tolist() == [[0.0, 0.0]]
    torch.testing.assert_close(sine[1, 0], torch.tensor([2.0, 2.0 / 100]).sin())


@pytest.mark.parametrize("num_persons", [2, 3])
@torch.no_grad()
def test_any_number_of_persons_and_latent_frames(model, num_persons: int) -> None:
    inputs = inputs_of(num_persons)
    velocity = model(**inputs, person_masks=masks_of(num_persons))
    assert velocity.shape == (1, 4, FRAMES, *GRID) and torch.isfinite(velocity).all()
    together = model(**inputs)  # as if one person had all the voices
    assert not torch.allclose(velocity, together, atol=1e-3)


@torch.no_grad()
def test_who_says_what_matters(model) -> None:
    inputs, masks = inputs_of(2), masks_of(2)
    velocity = model(**inputs, person_masks=masks)
    voices = inputs["audio_embeds"].unflatten(2, (2, 2)).flip(2).flatten(2, 3)
    swapped = model(**{**inputs, "audio_embeds": voices}, person_masks=masks)
    assert not torch.allclose(velocity, swapped, atol=1e-3)
