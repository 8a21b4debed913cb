"""Encode prompts without a vocabulary file: hashed words and their trigrams.

A word is the mean of the embeddings of itself and of its character trigrams, so inflected and
misspelt words land near each other. The hash is CRC-32: equal on every machine and in every run.
"""

from __future__ import annotations

import re
import unicodedata
import zlib

import torch
import torch.nn as nn
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

# A word, or one letter of a script that is written without spaces.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+(?:'[^\W_]+)?")


def split_words(prompt: str) -> list[str]:
    """Return the words of a prompt, lower case; punctuation is dropped."""
    return _WORD.findall(unicodedata.normalize("NFKC", prompt).lower())


def hash_word(word: str, num_buckets: int) -> list[int]:
    """Return the buckets (0 .. num_buckets - 1) of a word and of its character trigrams."""
    marked = f"<{word}>"
    parts = [f"w:{word}"] + [marked[i : i + 3] for i in range(len(marked) - 2)]
    return [zlib.crc32(part.encode("utf-8")) % num_buckets for part in parts]


class TextEncoder(ModelMixin, ConfigMixin):
    """Encode prompts as a fixed number of tokens; trained together with the transformer.

    Prompts with fewer words end in padding tokens, which are attended to like any other; in longer
    ones neighbouring words share a token, so nothing is cut off. An empty prompt is a token of its
    own: "no text".

    Args:
        dim: width of the tokens.
        num_tokens: L, tokens per prompt.
        num_buckets: size of the hash table.
        num_layers: transformer layers over the tokens.
        num_heads: heads of each.
        style_dim: numbers that say what kind of talker performs, 0 = the median one; None = none.
    """

    @register_to_config
    def __init__(
        self,
        dim: int = 128,
        num_tokens: int = 24,
        num_buckets: int = 4096,
        num_layers: int = 2,
        num_heads: int = 4,
        style_dim: int | None = None,
    ):
        super().__init__()
        # Two rows behind the hash buckets: padding, and the empty prompt.
        self.word_embedding = nn.EmbeddingBag(num_buckets + 2, dim, mode="mean")
        self.position_embedding = nn.Parameter(torch.randn(num_tokens, dim) * 0.1)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, num_heads, 4 * dim, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )
            for _ in range(num_layers)
        )  # fmt: skip
        self.norm_out = nn.LayerNorm(dim)
        self.style_embedding = None
        if style_dim is not None:
            self.style_embedding = nn.Linear(style_dim, dim, bias=False)
            nn.init.zeros_(self.style_embedding.weight)

    @property
    def token_dim(self) -> int:
        """Width of a text token."""
        return self.config.dim

    @property
    def takes_style(self) -> bool:
        """Whether `forward` takes the style of the talker."""
        return self.style_embedding is not None

    def forward(self, prompts: list[str], style: torch.Tensor | None = None) -> torch.Tensor:
        """Return (B, L, D), one row of tokens per prompt.

        Args:
            style: (B, style_dim) or (1, style_dim), in about unit variance; None = zeros. Added
                to every token, also of an empty prompt, so that guidance does not strengthen it.
        """
        bags = [bag for prompt in prompts for bag in self.tokenize(prompt)]
        device = self.position_embedding.device
        features = torch.tensor([bucket for bag in bags for bucket in bag], device=device)
        lengths = torch.tensor([len(bag) for bag in bags], device=device)
        words = self.word_embedding(features, lengths.cumsum(0) - lengths)
        hidden_states = words.view(len(prompts), -1, words.shape[-1]) + self.position_embedding
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        hidden_states = self.norm_out(hidden_states)
        if style is not None and self.style_embedding is not None:
            hidden_states = hidden_states + self.style_embedding(style)[:, None]
        return hidden_states

    def tokenize(self, prompt: str) -> list[list[int]]:
        """Return the rows of the embedding table that each of the L tokens averages."""
        num_tokens, num_buckets = self.config.num_tokens, self.config.num_buckets
        padding, empty = num_buckets, num_buckets + 1
        words = split_words(prompt)
        if not words:
            return [[empty]] + [[padding]] * (num_tokens - 1)
        bags: list[list[int]] = [[] for _ in range(num_tokens)]
        for index, word in enumerate(words):
            slot = index if len(words) <= num_tokens else index * num_tokens // len(words)
            bags[slot].extend(hash_word(word, num_buckets))
        return [bag or [padding] for bag in bags]
