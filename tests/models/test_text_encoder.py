"""Prompts become the same tokens on every machine, whatever their length."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.models.text_encoder import TextEncoder, hash_word, split_words

HASH_OF_SMILE = [258, 566, 781, 3324, 2241, 2335]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(dim=16, num_tokens=6, num_buckets=64, num_heads=2).eval()


def test_words_are_lower_case_without_punctuation() -> None:
    assert split_words("A woman SMILES, then -- doesn't speak!") == [
        "a", "woman", "smiles", "then", "doesn't", "speak",
    ]  # fmt: skip


def test_scripts_without_spaces_are_split_into_letters() -> None:
    assert split_words("\u5973\u4eba smiles") == ["\u5973", "\u4eba", "smiles"]
    assert split_words("\u0444\u0440\u0430\u0437\u0430 na\u00efve") == [
        "\u0444\u0440\u0430\u0437\u0430",
        "na\u00efve",
    ]


def test_hash_is_the_same_in_every_run_and_on_every_machine() -> None:
    """Fixed numbers: trained embeddings would be noise if this changed."""
    assert hash_word("smile", 4096) == HASH_OF_SMILE


def test_related_words_share_most_of_their_parts() -> None:
    smile, smiles, angry = (set(hash_word(w, 4096)) for w in ("smile", "smiles", "angry"))
    assert len(smile & smiles) >= 4
    assert len(smile & angry) == 0


@pytest.mark.parametrize("prompt", ["", " ", "...", "a", "one two three four five six", "w " * 500])
def test_any_prompt_gives_the_same_number_of_tokens(encoder: TextEncoder, prompt: str) -> None:
    tokens = encoder([prompt])
    assert tokens.shape == (1, 6, 16)
    assert torch.isfinite(tokens).all()


def test_empty_prompt_has_a_token_of_its_own(encoder: TextEncoder) -> None:
    empty, blank, other = encoder(["", " ?! ", "a"])
    assert torch.equal(empty, blank)
    assert not torch.allclose(empty, other)


def test_every_word_of_a_long_prompt_counts(encoder: TextEncoder) -> None:
    words = [f"word{index}" for index in range(20)]
    plain = encoder([" ".join(words)])
    for index in (0, 7, 19):
        changed = [*words]
        changed[index] = "smile"
        assert not torch.allclose(encoder([" ".join(changed)]), plain, atol=1e-5)


def test_order_of_words_counts(encoder: TextEncoder) -> None:
    first, second = encoder(["looks left then right", "looks right then left"])
    assert not torch.allclose(first, second, atol=1e-5)


def test_prompts_of_a_batch_do_not_see_each_other(encoder: TextEncoder) -> None:
    prompts = ["a woman smiles", "", "he nods"]
    together = encoder(prompts)
    for index, prompt in enumerate(prompts):
        torch.testing.assert_close(encoder([prompt])[0], together[index], atol=1e-6, rtol=1e-5)


def test_style_starts_at_nothing_and_reaches_every_token_once_learnt() -> None:
    encoder = TextEncoder(dim=16, num_tokens=6, num_buckets=64, num_layers=1, style_dim=5)
    style = torch.ones(3, 5)
    plain = encoder(["a", "", "he nods"])
    assert torch.equal(encoder(["a", "", "he nods"], style), plain)
    torch.nn.init.normal_(encoder.style_embedding.weight)
    moved = encoder(["a", "", "he nods"], style) - plain
    assert moved.abs().sum(-1).min() > 0
    torch.testing.assert_close(moved[0, 0], moved[1, 5], atol=1e-5, rtol=1e-4)
    assert encoder([""], style).shape == (3, 6, 16)


def test_a_network_without_styles_takes_no_notice_of_them(encoder: TextEncoder) -> None:
    assert torch.equal(encoder(["a"], torch.ones(1, 5)), encoder(["a"]))
