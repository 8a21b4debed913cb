"""Tokens of sentences from a tiny encoder of umT5's class."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("transformers", reason="the studio extra is not installed")

import transformers

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.models.prompt_encoder import MAX_TOKENS, PromptEncoder, load_tokenizer


class Tokenizer:
    """A number for each letter, padded with 0; remembers what it was given."""

    def __call__(self, texts, max_length, **_):
        self.texts = texts
        ids = [[ord(c) % 20 + 1 for c in text][:max_length] for text in texts]
        rows = torch.tensor([row + [0] * (max_length - len(row)) for row in ids])
        return SimpleNamespace(input_ids=rows, attention_mask=(rows > 0).long())


@pytest.fixture
def encoder() -> PromptEncoder:
    torch.manual_seed(0)
    config = transformers.UMT5Config(
        vocab_size=24, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2
    )
    return PromptEncoder(transformers.UMT5EncoderModel(config).eval(), Tokenizer())


def test_rows_beyond_a_sentence_are_zero_and_do_not_change_it(encoder):
    tokens = encoder(["a woman smiles", "he"])
    assert tokens.shape == (2, MAX_TOKENS, 8) and encoder.token_dim == 8
    assert tokens[0, 13].abs().sum() > 0 and tokens[0, 14:].abs().sum() == 0
    ids = torch.tensor([[1, 2, 3]])
    short = encoder.encode(ids, torch.ones_like(ids))
    padded = encoder.encode(torch.tensor([[1, 2, 3, 9, 9]]), torch.tensor([[1, 1, 1, 0, 0]]))
    torch.testing.assert_close(padded[:, :3], short)


def test_spaces_are_joined_and_entities_read(encoder):
    encoder(["a  man &amp;amp;\n a dog "])
    assert encoder.tokenizer.texts == ["a man & a dog"]


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"weights\.tokenizer"):
        load_tokenizer("")
    with pytest.raises(CheckpointError, match=f"no tokenizer in {tmp_path}"):
        load_tokenizer(str(tmp_path))
