"""Names of the public SkyReels-V3 A2V transformer (also MultiTalk's and InfiniteTalk's).

Base: Wan2.1 image-to-video. Their one file fills two networks here, the transformer and the
projector of the audio: each table leaves out what is the other's.
"""

from __future__ import annotations

import torch

from skyreels_avatar.loading.checkpoints.keymap import Row
from skyreels_avatar.loading.checkpoints.public import PublicFormat, TensorShapes, by_table

_EMBEDDERS: tuple[Row, ...] = (
    ("patch_embedding.{p}", "patch_embedding.{p}"),
    ("text_embedding.0.{p}", "condition_embedder.text_embedder.linear_1.{p}"),
    ("text_embedding.2.{p}", "condition_embedder.text_embedder.linear_2.{p}"),
    ("time_embedding.0.{p}", "condition_embedder.time_embedder.linear_1.{p}"),
    ("time_embedding.2.{p}", "condition_embedder.time_embedder.linear_2.{p}"),
    ("time_projection.1.{p}", "condition_embedder.time_proj.{p}"),
    ("img_emb.proj.0.{p}", "condition_embedder.image_embedder.norm1.{p}"),
    ("img_emb.proj.1.{p}", "condition_embedder.image_embedder.ff.net.0.proj.{p}"),
    ("img_emb.proj.3.{p}", "condition_embedder.image_embedder.ff.net.2.{p}"),
    ("img_emb.proj.4.{p}", "condition_embedder.image_embedder.norm2.{p}"),
    # Of students that `python -m train distill` makes: what they are told of the sampler.
    ("sampling_embedding.0.{p}", "condition_embedder.sampling_embedder.linear_1.{p}"),
    ("sampling_embedding.2.{p}", "condition_embedder.sampling_embedder.linear_2.{p}"),
    ("head.modulation", "scale_shift_table"),
    ("head.head.{p}", "proj_out.{p}"),
)
_BLOCK: tuple[Row, ...] = (
    ("modulation", "scale_shift_table"),
    *(
        row
        for theirs, ours in (("self_attn", "attn1"), ("cross_attn", "attn2"))
        for row in (
            *((f"{theirs}.{name}.{{p}}", f"{ours}.to_{name}.{{p}}") for name in "qkv"),
            (f"{theirs}.o.{{p}}", f"{ours}.to_out.0.{{p}}"),
            (f"{theirs}.norm_q.weight", f"{ours}.norm_q.weight"),
            (f"{theirs}.norm_k.weight", f"{ours}.norm_k.weight"),
        )
    ),
    ("cross_attn.k_img.{p}", "attn2.add_k_proj.{p}"),
    ("cross_attn.v_img.{p}", "attn2.add_v_proj.{p}"),
    ("cross_attn.norm_k_img.weight", "attn2.norm_added_k.weight"),
    ("norm3.{p}", "norm2.{p}"),  # their norm1 and norm2 have no weights
    ("ffn.0.{p}", "ffn.net.0.proj.{p}"),
    ("ffn.2.{p}", "ffn.net.2.{p}"),
    ("norm_x.{p}", "norm_audio.{p}"),
    ("audio_cross_attn.q_linear.{p}", "audio_attn.to_q.{p}"),
    ("audio_cross_attn.kv_linear.{p}", ("audio_attn.to_k.{p}", "audio_attn.to_v.{p}")),
    ("audio_cross_attn.proj.{p}", "audio_attn.to_out.0.{p}"),
)


def _in_block(ours: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(ours, str):
        return f"blocks.{{i}}.{ours}"
    return tuple(f"blocks.{{i}}.{name}" for name in ours)


PROJECTOR: tuple[Row, ...] = (
    ("audio_proj.proj1.{p}", "proj_first.{p}"),
    ("audio_proj.proj1_vf.{p}", "proj_later.{p}"),
    ("audio_proj.proj2.{p}", "proj_hidden.{p}"),
    ("audio_proj.proj3.{p}", "proj_out.{p}"),
    ("audio_proj.norm.{p}", "norm.{p}"),
)
_TRANSFORMER: tuple[Row, ...] = (
    *_EMBEDDERS,
    *((f"blocks.{{i}}.{theirs}", _in_block(ours)) for theirs, ours in _BLOCK),
)


def _left_out(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple((theirs, None) for theirs, _ in rows)


TRANSFORMER: tuple[Row, ...] = (*_TRANSFORMER, *_left_out(PROJECTOR))
AUDIO_PROJECTOR: tuple[Row, ...] = (*PROJECTOR, *_left_out(_TRANSFORMER))


def _build_transformer(shapes: TensorShapes) -> torch.nn.Module:
    """Build the talking-avatar transformer that a file of original Wan names is for."""
    from skyreels_avatar.models.transformer import AvatarTransformer3DModel

    dim, in_channels, *patch = shapes("patch_embedding.weight")
    heads = int(shapes.config.get("num_heads", max(1, dim // 128)))
    has_image = "img_emb.proj.1.weight" in shapes
    return AvatarTransformer3DModel(
        patch_size=tuple(patch),
        num_attention_heads=heads,
        attention_head_dim=dim // heads,
        in_channels=in_channels,
        out_channels=shapes("head.head.weight")[0] // (patch[0] * patch[1] * patch[2]),
        text_dim=shapes("text_embedding.0.weight")[1],
        audio_dim=shapes("blocks.0.audio_cross_attn.kv_linear.weight")[1],
        freq_dim=shapes("time_embedding.0.weight")[1],
        ffn_dim=shapes("blocks.0.ffn.0.weight")[0],
        num_layers=shapes.count("blocks."),
        eps=float(shapes.config.get("eps", 1e-6)),
        image_dim=shapes("img_emb.proj.1.weight")[1] if has_image else None,
        added_kv_proj_dim=dim if has_image else None,
        distilled="sampling_embedding.0.weight" in shapes,
    )


def _build_projector(shapes: TensorShapes) -> torch.nn.Module:
    """Build the projector of the audio."""
    from skyreels_avatar.models.audio_projector import REACH, AudioProjector

    hidden_dim, row = shapes("audio_proj.proj1.weight")
    row //= 2 * REACH + 1
    out_dim = shapes("blocks.0.audio_cross_attn.kv_linear.weight")[1]
    num_layers = int(shapes.config.get("audio_blocks", row // 768 or 1))
    return AudioProjector(
        num_layers=num_layers,
        num_channels=row // num_layers,
        hidden_dim=hidden_dim,
        out_dim=out_dim,
        num_tokens=shapes("audio_proj.proj3.weight")[0] // out_dim,
        output_norm="audio_proj.norm.weight" in shapes,
    )


_MARK = "blocks.0.audio_cross_attn.q_linear.weight"
TRANSFORMER_FORMAT = PublicFormat(
    "SkyReels-V3 A2V / InfiniteTalk over Wan2.1",
    ("patch_embedding.weight", _MARK),
    _build_transformer,
    by_table(TRANSFORMER),
    "InfiniteTalk is published as audio weights alone: give Wan2.1's files before it",
)
PROJECTOR_FORMAT = PublicFormat(
    "SkyReels-V3 A2V / InfiniteTalk",
    ("audio_proj.proj1.weight", _MARK),
    _build_projector,
    by_table(AUDIO_PROJECTOR),
)
