"""One pass split over two processes gives the numbers of one process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

from skyreels_avatar.models.transformer import whole_frames

CODE = """
import torch, torch.distributed as dist
torch.set_num_threads(1)
torch.accelerator.device_count = lambda: 1  # diffusers divides by it, also where it is 0
dist.init_process_group("gloo")
from diffusers import ContextParallelConfig
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
torch.manual_seed(0)
model = AvatarTransformer3DModel(
    num_attention_heads=2, attention_head_dim=12, text_dim=16, audio_dim=8, freq_dim=32,
    ffn_dim=32, num_layers=2, image_dim=8, added_kv_proj_dim=24,
).eval()
for values in model.parameters():
    torch.nn.init.normal_(values, std=0.2)
frames = 5  # of 8 tokens: each process gets two frames and a half
hidden_states = torch.randn(1, 36, frames, 4, 8)
inputs = dict(
    timestep=torch.tensor([500.0]),
    encoder_hidden_states=torch.randn(1, 6, 16),
    audio_embeds=torch.randn(1, frames, 4, 8),
    encoder_hidden_states_image=torch.randn(1, 5, 8),
    control_residuals=[torch.randn(1, 8 * frames, 24)],
)
with torch.no_grad():
    alone = model(hidden_states, **inputs)
    model.enable_parallelism(config=ContextParallelConfig(ulysses_degree=2))
    together = model(hidden_states, **inputs)
print("difference", float((alone - together).abs().max()), "of", float(alone.std()))
dist.destroy_process_group()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_give_the_numbers_of_one(root: Path) -> None:
    world = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2",
        "PYTHONPATH": str(root),
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CODE],
            env={**os.environ, **world, "RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        _, difference, _, spread = out.split()
        assert float(spread) > 0.1 and float(difference) < 1e-5


def test_a_part_of_the_tokens_is_filled_up_to_whole_frames() -> None:
    tokens, audio = torch.randn(2, 11, 3), torch.randn(2, 6, 4, 5)
    padded, voices, before = whole_frames(tokens, audio, start=13, tokens_per_frame=8)
    assert padded.shape == (2, 16, 3) and before == 5  # tokens 13 to 23 lie in frames 1 and 2
    torch.testing.assert_close(padded[:, 5:], tokens)
    torch.testing.assert_close(voices, audio[:, 1:3])
