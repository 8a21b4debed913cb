"""Tokens of a prompt, from the encoder of umT5-XXL (arXiv 2304.09151) as Wan2.1 uses it."""

from __future__ import annotations

import html

import torch
import torch.nn as nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase, UMT5EncoderModel

from skyreels_avatar.errors import CheckpointError

MAX_TOKENS = 512


def load_tokenizer(folder: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer that a text encoder was published with.

    Raises:
        CheckpointError: there is none in the folder.
    """
    if not folder:
        raise CheckpointError("a public text encoder needs weights.tokenizer, its folder")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"no tokenizer in {folder}: {str(error).splitlines()[0]}") from error


class PromptEncoder(nn.Module):
    """Encode sentences; rows beyond a sentence are zero, and the transformer attends to them.

    Args:
        model: the network, filled.
        tokenizer: of the published checkpoint; None = only `encode` can be used.
    """

    def __init__(self, model: UMT5EncoderModel, tokenizer: PreTrainedTokenizerBase | None = None):
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer

    @property
    def token_dim(self) -> int:
        """Width of a text token."""
        return self.model.config.d_model

    @torch.no_grad()
    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (B, L, D), zero where the mask (B, L) of the token ids (B, L) is 0."""
        place = self.model.get_input_embeddings().weight.device
        ids, mask = ids.to(place).long(), mask.to(place).long()
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden * mask[..., None].to(hidden)

    def forward(self, prompts: list[str]) -> torch.Tensor:
        """Return (B, 512, D); longer prompts are truncated to 512 tokens."""
        words = self.tokenizer(
            [" ".join(html.unescape(html.unescape(prompt)).split()) for prompt in prompts],
            padding="max_length",
            max_length=MAX_TOKENS,
            truncation=True,
            return_tensors="pt",
        )
        return self.encode(words.input_ids, words.attention_mask)
