"""What makes a transformer faster, enabled by name: attention backends and caches of features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.models.context_parallel import num_parts
from skyreels_avatar.models.tea_cache import TeaCache


def attention_backends() -> list[str]:
    """Return the names that `set_attention` knows."""
    from diffusers.models.attention_dispatch import AttentionBackendName

    return sorted(name.value for name in AttentionBackendName)


def set_attention(module: torch.nn.Module, name: str) -> None:
    """Set the attention backend of a network.

    Raises:
        InputError: there is none of that name, or what it needs is not here.
    """
    if name not in attention_backends():
        raise InputError(
            f"unknown attention_backend {name!r}; known are {', '.join(attention_backends())}"
        )
    from diffusers.models.attention_dispatch import attention_backend

    try:
        with attention_backend("native"):  # set for this network, not for all that come after it
            module.set_attention_backend(name)
    except (RuntimeError, ValueError, ImportError) as error:
        raise InputError(f"attention_backend {name} cannot be used here: {error}") from error


def cache_first_block(transformer: torch.nn.Module, threshold: float) -> None:
    """Skip all blocks but the first in steps in which the first block's residual hardly changes.

    Args:
        threshold: relative change of it up to which the others' sum of the last step is taken.

    Raises:
        InputError: the transformer's tokens are split; each process would decide for itself.
    """
    from diffusers import FirstBlockCacheConfig
    from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry

    if num_parts(transformer) > 1:
        raise InputError("first_block_cache is not for context_parallel; leave one of them out")
    kind = type(transformer.blocks[0])
    TransformerBlockRegistry.register(kind, TransformerBlockMetadata(return_hidden_states_index=0))
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))


def cache_by_time(transformer: torch.nn.Module, threshold: float) -> None:
    """Skip all blocks in steps in which the embedding of time hardly changes, see `TeaCache`.

    Raises:
        InputError: the transformer is of another family, its tokens are split, or it has a cache
            of features already.
    """
    if not hasattr(transformer, "tea_cache"):
        raise InputError("tea_cache was fitted to another transformer than this; leave it out")
    if num_parts(transformer) > 1:
        raise InputError("tea_cache is not for context_parallel; leave one of them out")
    if getattr(transformer, "is_cache_enabled", False):
        raise InputError(
            "tea_cache and first_block_cache exclude each other; leave one of them out"
        )
    transformer.tea_cache = TeaCache(threshold)


def start_window(transformer: torch.nn.Module) -> None:
    """Forget what a cache of features has kept of another window."""
    if getattr(transformer, "tea_cache", None) is not None:
        transformer.tea_cache.start_window()
    if getattr(transformer, "is_cache_enabled", False):
        transformer._reset_stateful_cache()


@contextmanager
def feature_cache(transformer: torch.nn.Module, name: str) -> Iterator[None]:
    """Let a cache of features keep the passes of one name apart from those of others.

    Args:
        name: of a variant of the conditions; its features change little from step to step.
    """
    if getattr(transformer, "tea_cache", None) is not None:
        with transformer.tea_cache.variant(name):
            yield
    elif getattr(transformer, "is_cache_enabled", False):
        with transformer.cache_context(name):
            yield
    else:
        yield
