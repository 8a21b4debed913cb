"""Who performs: styles differ, people of one style differ, and the same inputs are the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import build_components, load_components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.text_encoder import TextEncoder
from skyreels_avatar.pipeline.talker_style import (
    FACTORS,
    STYLE_FACTORS,
    gains,
    person_numbers,
    style_numbers,
)
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.style import STYLES
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier
from train.acting import away_share, blink_starts, column, spread
from train.data.person import at_rest
from train.rollout import roll_out


def drawn(style: str = "natural", expressiveness: float = 100.0) -> np.ndarray:
    return torch.cat([style_numbers(style, expressiveness, 0, key) for key in range(400)]).numpy()


def noisy_voice(pieces: int) -> AudioTrack:
    """Return noise that is loud in most of its pieces of 0.2 s."""
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(size=pieces) > 0.3, 3200)
    return AudioTrack((0.1 * loud * rng.normal(size=len(loud))).astype(np.float32), 16000)


def test_the_styles_are_those_that_can_be_asked_for():
    assert set(STYLE_FACTORS) == set(STYLES)
    assert all(len(factors) == len(FACTORS) for factors in STYLE_FACTORS.values())


def test_nobody_is_everybody():
    numbers = drawn()
    assert (numbers.std(0) > 0.25).all() and (np.abs(numbers) <= 2.2).all()
    assert abs(np.corrcoef(numbers[:, 1], numbers[:, 2])[0, 1]) > 0.2  # lively all over
    again = style_numbers("natural", 100, 0, 7)
    assert torch.equal(again, style_numbers("natural", 100, 0, 7))
    assert not torch.equal(again, style_numbers("natural", 100, 1, 7))


def test_calm_people_move_less_than_lively_ones():
    calm, natural, lively = (drawn(style).mean(0) for style in ("calm", "natural", "lively"))
    assert (calm < natural).all() and (natural < lively).all()


@pytest.mark.parametrize("index", range(3))
def test_more_expressiveness_is_more_movement(index):
    means = [drawn(expressiveness=percent).mean(0)[index] for percent in (0, 50, 100, 150, 200)]
    assert (np.diff(means) > 0).all()


def test_lips_brows_and_yaw_gain_what_networks_cannot_be_told():
    assert gains(0) == gains(100) == (1.0, 1.0, 1.0)
    assert all(1 < at_150 < at_200 for at_150, at_200 in zip(gains(150), gains(200)))
    lips, brows, _ = gains(150)
    assert lips < 1.1 < brows


def test_blinks_are_no_expression():
    assert np.allclose(drawn(expressiveness=200)[:, 4], drawn()[:, 4])


def test_people_who_blink_often_are_seen_to():
    """The number of blinks told the networks nothing: lively people blinked like calm ones."""
    parts = load_components("nano")
    voice = noisy_voice(60)
    counts = []
    for blinks in (-2.0, 2.0):
        style = torch.tensor([[0.0, 0.0, 0.0, 0.0, blinks]])
        takes = [roll_out(parts, voice, key=key, style=style, blinks=blinks) for key in range(2)]
        counts.append(sum(len(blink_starts(take.motion)) for take in takes))
    assert counts[1] > 2 * counts[0]


def test_people_who_look_away_often_are_seen_to():
    """The number of gazes told the networks nothing: 2.4, 2.5 and 2.8 % of the time at -2, 0, 2."""
    parts = load_components("nano")
    voice = noisy_voice(60)
    shares = []
    for gaze in (-2.0, 2.0):
        style = torch.tensor([[0.0, 0.0, 0.0, gaze, 0.0]])
        takes = [roll_out(parts, voice, key=key, style=style) for key in range(4)]
        shares.append(np.mean([away_share(at_rest(take.motion)) for take in takes]))
    assert shares[1] > 1.5 * shares[0]


def test_the_noise_of_smiles_says_how_much_a_person_smiles_and_leaves_the_lips():
    """What a style learnt of smiles got lost: 0.36 of a person, 0.11 by default, 0.08 of theirs."""
    parts = load_components("nano")
    voice = noisy_voice(30)
    plain, smiling = (roll_out(parts, voice, smile=smile).motion for smile in (0.0, 0.25))
    assert column(smiling, "smile").mean() > column(plain, "smile").mean() + 0.05
    assert spread(column(smiling, "lip_gap")) == pytest.approx(
        spread(column(plain, "lip_gap")), rel=0.1
    )


def test_a_person_is_the_same_in_every_shot_and_may_be_more_or_less_expressive():
    numbers = (0.5, -1.0, 0.2, 0.0, 1.0)
    assert person_numbers(numbers, 100)[0].tolist() == pytest.approx(numbers)
    less, more = person_numbers(numbers, 50)[0], person_numbers(numbers, 150)[0]
    assert (less[:3] < more[:3]).all() and less[4] == more[4]


def test_text_tokens_carry_the_style():
    encoder = TextEncoder(16, 4, 64, 1, 1, style_dim=5)
    torch.nn.init.normal_(encoder.style_embedding.weight)
    assert encoder.takes_style and not TextEncoder(16, 4, 64, 1, 1).takes_style
    calm, lively = (encoder(["a man"], style_numbers(s, 100, 0, 0)) for s in ("calm", "lively"))
    assert not torch.allclose(calm, lively)


def test_the_default_tier_is_trained_with_styles():
    assert build_components(load_tier("nano")).text_encoder.takes_style


def test_a_tier_without_styles_says_so(tmp_path, caplog):
    tier = write_tier(tmp_path)
    inputs = write_portrait(tmp_path), write_voice(tmp_path, 0.5)
    sa.generate(*inputs, tier=tier, output=tmp_path / "o.mp4", style="lively")
    assert "knows no styles" in caplog.text


@pytest.mark.parametrize("asked", [{"style": "wild"}, {"expressiveness": 300}])
def test_other_styles_are_refused(asked):
    with pytest.raises(InputError, match=r"calm|200"):
        Shot("a.png", audio="a.wav", **asked)
