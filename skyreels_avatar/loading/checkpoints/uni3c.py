"""Names of the public Uni3C ControlNet, as released and as repacked without its outer prefix.

As trained: it reads the time embedding of the transformer it was trained beside; its own
`time_embedder` is filled with that transformer's (`TIME_EMBEDDER`).
"""

from __future__ import annotations

from skyreels_avatar.loading.checkpoints.keymap import Row

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
