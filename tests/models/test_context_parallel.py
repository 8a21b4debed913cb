"""One pass split over two processes gives the numbers of one process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.models.context_parallel import check_shares, join, whole_frames
from tests.processes import run_together

CODE = """
import torch, torch.distributed as dist
torch.set_num_threads(1)
from skyreels_avatar.models.context_parallel import agreed, join, num_parts, split_tokens
rank, device = join(0, torch.device("cpu"))
assert agreed(3 + rank, device) == 4
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
torch.manual_seed(0)
model = AvatarTransformer3DModel(
    num_attention_heads=2, attention_head_dim=12, text_dim=16, audio_dim=8, freq_dim=32,
    ffn_dim=32, num_layers=2, image_dim=8, added_kv_proj_dim=24,
).eval()
for values in model.parameters():
    torch.nn.init.normal_(values, std=0.2)
frames = 5  # of 8 tokens: each process gets two frames and a half
def inputs(batch):
    return dict(
        hidden_states=torch.randn(batch, 36, frames, 4, 8),
        timestep=torch.full((batch,), 500.0),
        encoder_hidden_states=torch.randn(batch, 6, 16),
        audio_embeds=torch.randn(batch, frames, 4, 8),
        encoder_hidden_states_image=torch.randn(batch, 5, 8),
        control_residuals=[torch.randn(batch, 8 * frames, 24)],
    )
masks = torch.zeros(3, 2, 4)  # two persons, and what is between them
masks[0, :, :1] = masks[1, :, 3:] = masks[2, :, 1:3] = 1
two_persons = inputs(2) | dict(person_masks=masks)
asked = [inputs(1), inputs(3), two_persons]
with torch.no_grad():
    alone = [model(**one) for one in asked]
    split_tokens(model, device)
    for one, expected in zip(asked, alone):
        together = model(**one)
        assert num_parts(model) == 2
        print("difference", float((expected - together).abs().max()), "of", float(expected.std()))
dist.destroy_process_group()
"""


def test_two_processes_give_the_numbers_of_one(root: Path) -> None:
    """Of one clip, of three variants of it at once, as guidance asks, and of two persons.

    Persons are told apart by what all tokens attend to in the first latent frame, of which the
    first process alone has the keys, and by extremes over all tokens.
    """
    for printed in run_together(CODE, root):
        for line in printed.splitlines():
            _, difference, _, spread = line.split()
            assert float(spread) > 0.1 and float(difference) < 1e-5


def test_a_part_of_the_tokens_is_filled_up_to_whole_frames() -> None:
    tokens, audio = torch.randn(2, 11, 3), torch.randn(2, 6, 4, 5)
    padded, voices, before = whole_frames(tokens, audio, start=13, tokens_per_frame=8)
    assert padded.shape == (2, 16, 3) and before == 5  # tokens 13 to 23 lie in frames 1 and 2
    torch.testing.assert_close(padded[:, 5:], tokens)
    torch.testing.assert_close(voices, audio[:, 1:3])


def test_what_cannot_be_shared_equally_is_refused() -> None:
    shared = SimpleNamespace(context_parallel_config=SimpleNamespace(ulysses_degree=4))
    model = SimpleNamespace(_parallel_config=shared)
    check_shares(model, 480, 832, 16)
    with pytest.raises(InputError, match="4 processes cannot share equally"):
        check_shares(model, 80, 96, 16)
    check_shares(SimpleNamespace(), 80, 96, 16)


def test_processes_have_to_be_there(monkeypatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join(0, torch.device("cpu")) == (0, torch.device("cpu")) == join(1, torch.device("cpu"))
    with pytest.raises(InputError, match="torchrun --nproc-per-node 3"):
        join(3, torch.device("cpu"))
