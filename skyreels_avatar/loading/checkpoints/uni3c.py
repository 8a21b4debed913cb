"""Names of the public Uni3C ControlNet, as released and as repacked without its outer prefix.

As trained: it reads the time embedding of the transformer it was trained beside; its own
`time_embedder` is filled with that transformer's (`TIME_EMBEDDER`).
"""

from __future__ import annotations

import torch

from skyreels_avatar.loading.checkpoints.keymap import Row
from skyreels_avatar.loading.checkpoints.public import (
    PartFiles,
    PublicFormat,
    TensorShapes,
    by_table,
    load_public,
)

_BLOCK = (
    *((f"{name}.linear.{{p}}", f"{name}.linear.{{p}}") for name in ("norm1", "norm2")),
    *((f"{name}.norm.{{p}}", f"{name}.norm.{{p}}") for name in ("norm1", "norm2")),
    *(
        (f"self_attn.to_{name}.{{p}}", f"attn1.to_{name}.{{p}}")
        for name in ("q", "k", "v", "out.0")
    ),
    ("self_attn.norm_q.weight", "attn1.norm_q.weight"),
    ("self_attn.norm_k.weight", "attn1.norm_k.weight"),
    ("ffn.0.{p}", "ffn.net.0.proj.{p}"),
    ("ffn.2.{p}", "ffn.net.2.{p}"),
)
CONTROLNET: tuple[Row, ...] = (
    ("controlnet_patch_embedding.{p}", "patch_embedding.{p}"),
    ("controlnet_mask_embedding.mask_proj.0.{p}", "ray_embedding.conv_in.{p}"),
    ("controlnet_mask_embedding.mask_proj.1.{p}", "ray_embedding.norm.{p}"),
    ("controlnet_mask_embedding.mask_zero_proj.{p}", "ray_embedding.conv_out.{p}"),
    *(
        row
        for prefix in ("", "controlnet.")
        for row in (
            (f"{prefix}proj_in.{{p}}", "proj_in.{p}"),
            (f"{prefix}proj_out.{{i}}.{{p}}", "proj_out.{i}.{p}"),
            *(
                (f"{prefix}controlnet_blocks.{{i}}.{theirs}", f"blocks.{{i}}.{ours}")
                for theirs, ours in _BLOCK
            ),
        )
    ),
)
TIME_EMBEDDER: tuple[Row, ...] = tuple(
    (f"condition_embedder.time_embedder.{name}.{{p}}", f"time_embedder.{name}.{{p}}")
    for name in ("linear_1", "linear_2")
)


def _build_controlnet(shapes: TensorShapes) -> torch.nn.Module:
    """Build the camera ControlNet of a Uni3C file."""
    from skyreels_avatar.models.camera_controlnet import CameraControlNet

    prefix = "controlnet." if "controlnet.proj_out.0.weight" in shapes else ""
    out_dim, dim = shapes(f"{prefix}proj_out.0.weight")
    time_embed_dim = shapes(f"{prefix}controlnet_blocks.0.norm1.linear.weight")[1]
    patch = shapes("controlnet_patch_embedding.weight")
    rays = shapes("controlnet_mask_embedding.mask_proj.0.weight")
    latent = int(shapes.config.get("latent_channels", 16))
    return CameraControlNet(
        patch_size=patch[2:],
        hidden_channels=patch[1] - latent,
        control_channels=latent,
        embed_dim=patch[0],
        dim=dim,
        num_attention_heads=int(shapes.config.get("num_heads", max(1, dim // 64))),
        ffn_dim=shapes(f"{prefix}controlnet_blocks.0.ffn.0.weight")[0],
        num_layers=shapes.count(f"{prefix}controlnet_blocks."),
        time_embed_dim=time_embed_dim,
        freq_dim=int(shapes.config.get("freq_dim", 256)),
        ray_channels=rays[1],
        ray_dim=rays[0],
        out_dim=out_dim,
        project_in=f"{prefix}proj_in.weight" in shapes,
    )


CONTROLNET_FORMAT = PublicFormat(
    "Uni3C", ("controlnet_patch_embedding.weight",), _build_controlnet, by_table(CONTROLNET)
)


def load_controlnet(files: PartFiles) -> torch.nn.Module:
    """Return the ControlNet with the time embedding of the tier's transformer."""
    embedder = files.loaded["transformer"].condition_embedder.time_embedder
    times = {f"time_embedder.{key}": value.cpu() for key, value in embedder.state_dict().items()}
    return load_public(files, CONTROLNET_FORMAT, times)
