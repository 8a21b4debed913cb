"""Known frames, the picture before them, and what does not attend to it; numbers: tests/parity."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.models.longcat_transformer import FrameOrder, LongCatTransformer3DModel

T, SIDE = 6, 4


@pytest.fixture(scope="module")
def model() -> LongCatTransformer3DModel:
    torch.manual_seed(0)
    model = LongCatTransformer3DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, text_dim=8, audio_dim=8,
        freq_dim=16, temb_dim=8, ffn_dim=16, num_layers=2, reference_position=3,
        reference_reach=1,
    )  # fmt: skip
    with torch.no_grad():
        for values in model.parameters():
            values += 0.2 * torch.randn(values.shape)
    return model.eval()


def inputs(num_known: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    noisy, known = normal(1, 4, T, SIDE, SIDE), normal(1, 4, T, SIDE, SIDE)
    mask = torch.zeros(1, 4, T, SIDE, SIDE)
    mask[:, :, :num_known] = 1
    text = torch.cat([normal(1, 5, 8), torch.zeros(1, 9, 8)], dim=1)
    return {
        "hidden_states": torch.cat([noisy, mask, known * mask], dim=1),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": text,
        "audio_embeds": normal(1, T, 3, 8),
        "encoder_hidden_states_image": normal(1, SIDE * SIDE, 4),
    }


def moved(model, changed: dict, given: dict) -> torch.Tensor:
    """Return how far the velocity of each latent frame moves (T,)."""
    with torch.no_grad():
        return (model(**{**given, **changed}) - model(**given)).abs().amax((0, 1, 3, 4))


def test_known_frames_get_the_velocity_that_leads_to_them(model) -> None:
    given = inputs(2)
    velocity = model(**given)
    noisy, known = given["hidden_states"][:, :4], given["hidden_states"][:, -4:]
    expected = (noisy - known)[:, :, :2] / 0.5
    torch.testing.assert_close(velocity[:, :, :2], expected)
    # One step from here to no noise ends there.
    torch.testing.assert_close(noisy[:, :, :2] - 0.5 * velocity[:, :, :2], known[:, :, :2])


@pytest.mark.parametrize("known", [(0,), (0, 1), (0, 1, 5)])
def test_known_frames_at_either_end_are_seen_by_all_others(model, known) -> None:
    given = inputs(0)
    for place in known:
        given["hidden_states"][:, 4:8, place] = 1
    hidden = given["hidden_states"].clone()
    hidden[:, -4:, known[-1]] += 1
    change = moved(model, {"hidden_states": hidden}, given)
    drawn = [place for place in range(T) if place not in known]
    assert (change[drawn] > 1e-3).all()
    noisy = given["hidden_states"].clone()
    noisy[:, :4, known[-1]] += 1  # what stands there is not read
    assert (moved(model, {"hidden_states": noisy}, given)[drawn] == 0).all()


def test_the_picture_is_shown_to_clips_that_go_on(model) -> None:
    for count, is_shown in ((1, False), (2, True)):
        given = inputs(count)
        other = {"encoder_hidden_states_image": given["encoder_hidden_states_image"] + 1}
        change = moved(model, other, given)
        assert (change[count:] > 1e-4).all() == is_shown and (change[:count] == 0).all()


def test_frames_near_the_picture_do_not_attend_to_it() -> None:
    order = FrameOrder((0, 1), (2, 3, 4, 5), reference=3, reach=1)
    assert order.positions == [3, 0, 1, 2, 3, 4, 5] and order.num_given == 3
    spans = [((a.start, a.stop), (k.start, k.stop)) for a, k in order.spans(1)]
    assert spans == [
        ((0, 1), (0, 1)),  # the picture
        ((1, 3), (1, 3)),  # what is known
        ((3, 6), (1, 7)),  # 2, 3 and 4 lie near it
        ((6, 7), (0, 7)),
    ]
    # Where not all frames so near are drawn, none is kept from it.
    order = FrameOrder((0, 1, 2), (3, 4, 5), reference=3, reach=1)
    assert len(order.spans(2)) == 3


def test_padding_of_the_text_counts_as_nothing_was_said_there(model) -> None:
    """Rows beyond the text are zero after they are embedded, and are attended to."""
    given = inputs(1)
    fewer = {"encoder_hidden_states": given["encoder_hidden_states"][:, :8]}
    assert (moved(model, fewer, given)[1:] > 1e-4).all()
    with torch.no_grad():
        plain, merged = model(**given), model(**given, cache=ConditionCache())
    torch.testing.assert_close(merged, plain, atol=2e-5, rtol=0)


def test_voices_reach_the_frames_they_belong_to(model) -> None:
    given = inputs(2)
    voices = given["audio_embeds"].clone()
    voices[:, 1] += 1  # of a frame that is known
    assert (moved(model, {"audio_embeds": voices}, given) == 0).all()
    voices[:, 4] += 1
    assert (moved(model, {"audio_embeds": voices}, given)[2:] > 1e-4).all()
