"""A disk cache of prompt tokens, so that a text encoder of 11 GB need not be loaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file


class CachedPrompts:
    """A text encoder that is loaded only for prompts it has not seen.

    Args:
        load: returns the encoder, a function of a list of prompts.
        token_dim: width of its tokens.
        identity: of its weights; other weights have other entries.
        folder: where the tokens are kept; missing folders are made.
        keep: the encoder in memory, for more prompts; else it is dropped after those of a call.
    """

    def __init__(
        self,
        load: Callable[[], Callable[[list[str]], torch.Tensor]],
        token_dim: int,
        identity: str,
        folder: Path,
        keep: bool = True,
    ):
        self._load, self.token_dim = load, token_dim
        self._identity, self._folder, self._keep = identity, folder, keep
        self._encoder: Callable[[list[str]], torch.Tensor] | None = None

    def __call__(self, prompts: list[str]) -> torch.Tensor:
        """Return the tokens (B, L, D) of prompts."""
        try:
            return torch.cat([self._tokens(prompt) for prompt in prompts])
        finally:
            if not self._keep:
                self._encoder = None

    def _tokens(self, prompt: str) -> torch.Tensor:
        name = hashlib.sha256(f"{self._identity}\0{prompt}".encode()).hexdigest()
        path = self._folder / f"{name}.safetensors"
        try:
            return load_file(path)["tokens"]
        except (OSError, SafetensorError, KeyError):  # not there, or not whole
            pass
        if self._encoder is None:
            self._encoder = self._load()
        tokens = self._encoder([prompt]).cpu().contiguous()
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        save_file({"tokens": tokens}, partial)
        os.replace(partial, path)
        return tokens
