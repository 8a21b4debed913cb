"""Prompts that were encoded before need no encoder."""

from __future__ import annotations

from pathlib import Path

import torch

from skyreels_avatar.loading.prompt_cache import CachedPrompts


class Encoders:
    """Counts how often an encoder is loaded and asked."""

    def __init__(self):
        self.loaded, self.asked = 0, []

    def load(self):
        self.loaded += 1

        def encode(prompts: list[str]) -> torch.Tensor:
            self.asked += prompts
            return torch.tensor([[[float(len(prompt))] * 3] * 2 for prompt in prompts])

        return encode


def make(encoders: Encoders, folder: Path, identity: str = "a") -> CachedPrompts:
    return CachedPrompts(encoders.load, 3, identity, folder)


def test_an_encoder_is_loaded_for_new_prompts_alone(tmp_path: Path) -> None:
    encoders = Encoders()
    first = make(encoders, tmp_path)(["hello", ""])
    assert first[:, 0, 0].tolist() == [5.0, 0.0] and encoders.loaded == 1
    again = make(encoders, tmp_path)(["", "hello"])
    torch.testing.assert_close(again, first.flip(0))
    assert encoders.loaded == 1
    make(encoders, tmp_path)(["hello", "new"])
    assert encoders.loaded == 2 and encoders.asked == ["hello", "", "new"]


def test_other_weights_have_other_entries(tmp_path: Path) -> None:
    encoders = Encoders()
    make(encoders, tmp_path, "a")(["x"])
    make(encoders, tmp_path, "b")(["x"])
    assert encoders.asked == ["x", "x"]


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    encoders = Encoders()
    make(encoders, tmp_path)(["x"])
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(b"cut")
    assert make(encoders, tmp_path)(["x"]).shape == (1, 2, 3)
    assert encoders.asked == ["x", "x"]
