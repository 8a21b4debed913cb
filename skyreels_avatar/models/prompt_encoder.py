"""Tokens of a prompt, from the encoder of umT5-XXL (arXiv 2304.09151) as Wan2.1 uses it."""

from __future__ import annotations

import html

import torch
import torch.nn as nn
from transformers import PreTrainedTokenizerBase, UMT5Config, UMT5EncoderModel

MAX_TOKENS = 512


def umt5_xxl() -> UMT5Config:
    """Return the sizes of the encoder that Wan2.1 publishes."""
    return UMT5Config(
        vocab_size=256_384, d_model=4096, d_kv=64, d_ff=10_240, num_layers=24, num_heads=64
    )


class PromptEncoder(nn.Module):
    """Encode sentences; rows beyond a sentence are zero, and the transformer attends to them.

    Args:
        config: of the published checkpoint.
        tokenizer: of the published checkpoint; None = only `encode` can be used.
    """

    def __init__(self, config: UMT5Config, tokenizer: PreTrainedTokenizerBase | None = None):
        super().__init__()
        self.model = UMT5EncoderModel(config)
        self.tokenizer = tokenizer

    @torch.no_grad()
    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (B, L, D), zero where the mask (B, L) of the token ids (B, L) is 0."""
        place = self.model.get_input_embeddings().weight.device
        ids, mask = ids.to(place).long(), mask.to(place).long()
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden * mask[..., None].to(hidden)

    def forward(self, prompts: list[str]) -> torch.Tensor:
        """Return (B, 512, D); what goes beyond 512 tokens is left out."""
        words = self.tokenizer(
            [" ".join(html.unescape(html.unescape(prompt)).split()) for prompt in prompts],
            padding="max_length",
            max_length=MAX_TOKENS,
            truncation=True,
            return_tensors="pt",
        )
        return self.encode(words.input_ids, words.attention_mask)
