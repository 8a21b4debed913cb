"""A tier whose networks are tiny but do something, for tests of the whole pass."""

from __future__ import annotations

from pathlib import Path

import torch

from skyreels_avatar.loading.checkpoints.load import save_module
from skyreels_avatar.models.audio_encoder import AudioEncoder
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.text_encoder import TextEncoder
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from skyreels_avatar.rig.face_rig import FaceRig

DIM = 16


def _tiny_parts() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    parts = {
        "vae": FaceRig(8),
        "transformer": AvatarTransformer3DModel(
            (1, 1, 1), 1, DIM, 68, 32, DIM, DIM, ffn_dim=32, num_layers=2, num_width_positions=4
        ),
        "controlnet": CameraControlNet(
            (1, 1, 1), 36, 36, DIM, DIM, 1, 32, num_layers=2, time_embed_dim=DIM
        ),
        "audio_encoder": AudioEncoder(DIM, DIM, 1),
        "text_encoder": TextEncoder(DIM, 4, 64, 1, 1),
    }
    # The transformer starts with a velocity of zero, which would leave pure noise.
    torch.nn.init.normal_(parts["transformer"].proj_out.weight, std=0.1)
    return parts


def write_tier(folder: Path) -> str:
    """Write weights and yaml of a tier with windows of 33 frames, and return the yaml's path."""
    lines = ["weights:"]
    for name, module in _tiny_parts().items():
        save_module(module, folder / f"{name}.safetensors")
        lines.append(f"  {name}: {name}.safetensors")
    lines.append("  light: nano/light.safetensors")
    lines += ["window: 33", "overlap: 9", "num_inference_steps: 2"]
    path = folder / "tiny.yaml"
    path.write_text("\n".join(lines))
    return str(path)
