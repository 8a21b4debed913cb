"""Attention and prompts as they cost at the published sizes, on tensors without memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from skyreels_avatar.models import transformer as transformer_module
from train.video.counters import AttentionCount


@contextmanager
def fused_attention(num_words: int | None = None) -> Iterator[AttentionCount]:
    """Let attention keep no scores, as kernels do, and prompts be of unknown content.

    Args:
        num_words: tokens of a prompt that differ, the first of them; None = all.
    """
    with (
        AttentionCount() as count,
        mock.patch.object(
            transformer_module, "merge_repeated", lambda all_: (all_[:, :num_words], None)
        ),
    ):
        yield count
