"""Names of the public LongCat-Video-Avatar transformer (MIT), 1.0 and 1.5.

Their one file fills two networks here, the transformer and the projector of the audio. It predicts
clean latents minus noise, the opposite of our velocity: as it is loaded, the output is negated.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.keymap import Row, convert
from skyreels_avatar.loading.checkpoints.public import (
    PartFiles,
    PublicFormat,
    Tensors,
    TensorShapes,
    by_table,
    load_public,
)
from skyreels_avatar.loading.checkpoints.skyreels_v3 import PROJECTOR
from skyreels_avatar.loading.checkpoints.skyreels_v3 import PROJECTOR_FORMAT as MULTITALK_PROJECTOR

_ATTENTION = (
    ("{theirs}.proj.{{p}}", "{ours}.to_out.0.{{p}}"),
    ("{theirs}.q_norm.weight", "{ours}.norm_q.weight"),
    ("{theirs}.k_norm.weight", "{ours}.norm_k.weight"),
)
_CROSS = (
    ("{theirs}.q_linear.{{p}}", "{ours}.to_q.{{p}}"),
    ("{theirs}.kv_linear.{{p}}", ("{ours}.to_k.{{p}}", "{ours}.to_v.{{p}}")),
)
_SELF = (("{theirs}.qkv.{{p}}", tuple(f"{{ours}}.to_{name}.{{{{p}}}}" for name in "qkv")),)


def _named(rows: tuple[Row, ...], theirs: str, ours: str) -> tuple[Row, ...]:
    """Return rows with the names of two modules put in."""

    def put(text: str) -> str:
        return text.format(theirs=theirs, ours=ours)

    return tuple(
        (put(left), put(right) if isinstance(right, str) else tuple(map(put, right)))
        for left, right in rows
    )


_BLOCK: tuple[Row, ...] = (
    ("adaLN_modulation.1.{p}", "modulation.{p}"),
    ("audio_adaLN_modulation.1.{p}", "audio_modulation.{p}"),
    ("pre_crs_attn_norm.{p}", "norm2.{p}"),
    ("pre_video_crs_attn_norm.{p}", "norm_audio.{p}"),
    ("pre_audio_crs_attn_norm.{p}", "norm_voice.{p}"),
    *_named((*_SELF, *_ATTENTION), "attn", "attn1"),
    *_named((*_CROSS, *_ATTENTION), "cross_attn", "attn2"),
    *_named((*_CROSS, *_ATTENTION), "audio_cross_attn", "audio_attn"),
    ("ffn.w1.weight", "ffn.proj_gate.weight"),
    ("ffn.w3.weight", "ffn.proj_in.weight"),
    ("ffn.w2.weight", "ffn.proj_out.weight"),
)
_OUTPUT: tuple[Row, ...] = (("final_layer.linear.{p}", "proj_out.{p}"),)
_REST: tuple[Row, ...] = (
    ("x_embedder.proj.{p}", "patch_embedding.{p}"),
    ("t_embedder.mlp.0.{p}", "time_embedder.linear_1.{p}"),
    ("t_embedder.mlp.2.{p}", "time_embedder.linear_2.{p}"),
    ("y_embedder.y_proj.0.{p}", "text_embedder.linear_1.{p}"),
    ("y_embedder.y_proj.2.{p}", "text_embedder.linear_2.{p}"),
    ("final_layer.adaLN_modulation.1.{p}", "modulation_out.{p}"),
    *(
        (
            f"blocks.{{i}}.{theirs}",
            f"blocks.{{i}}.{ours}"
            if isinstance(ours, str)
            else tuple(f"blocks.{{i}}.{name}" for name in ours),
        )
        for theirs, ours in _BLOCK
    ),
)
TRANSFORMER: tuple[Row, ...] = (
    *_OUTPUT,
    *_REST,
    *((theirs, None) for theirs, _ in PROJECTOR),
)
AUDIO_PROJECTOR: tuple[Row, ...] = (
    *PROJECTOR,
    *((theirs, None) for theirs, _ in (*_OUTPUT, *_REST)),
)


def convert_transformer(tensors: Tensors, source: str) -> dict[str, torch.Tensor]:
    """Return the transformer's tensors under our names, the output with the sign of ours."""
    converted = convert(tensors, TRANSFORMER, source)
    return {k: -v if k.startswith("proj_out.") else v for k, v in converted.items()}


def _build_transformer(shapes: TensorShapes) -> torch.nn.Module:
    """Build the talking-avatar transformer of LongCat-Video."""
    from skyreels_avatar.models.longcat_transformer import LongCatTransformer3DModel

    if not shapes.config.get("text_tokens_zero_pad", True):
        raise CheckpointError("LongCat-Video-Avatar with text_tokens_zero_pad: false is not known")
    dim, in_channels, *patch = shapes("x_embedder.proj.weight")
    heads = int(shapes.config.get("num_heads", max(1, dim // 128)))
    temb_dim, freq_dim = shapes("t_embedder.mlp.0.weight")
    return LongCatTransformer3DModel(
        patch_size=tuple(patch),
        num_attention_heads=heads,
        attention_head_dim=dim // heads,
        in_channels=in_channels,
        text_dim=shapes("y_embedder.y_proj.0.weight")[1],
        audio_dim=shapes("blocks.0.audio_cross_attn.kv_linear.weight")[1],
        freq_dim=freq_dim,
        temb_dim=temb_dim,
        ffn_dim=shapes("blocks.0.ffn.w1.weight")[0],
        num_layers=shapes.count("blocks."),
        audio_norm="blocks.0.pre_audio_crs_attn_norm.weight" in shapes,
        **{key: shapes.config[key] for key in _HOW_TO_GO_ON if key in shapes.config},
    )


_HOW_TO_GO_ON = ("reference_position", "reference_reach")  # else the published pipeline's
_MARK = "blocks.0.audio_adaLN_modulation.1.weight"
TRANSFORMER_FORMAT = PublicFormat(
    "LongCat-Video-Avatar",
    ("x_embedder.proj.weight", _MARK),
    _build_transformer,
    convert_transformer,
)
PROJECTOR_FORMAT = PublicFormat(
    "LongCat-Video-Avatar's audio",
    ("audio_proj.proj1.weight", _MARK),
    MULTITALK_PROJECTOR.build,
    by_table(AUDIO_PROJECTOR),
)


def load_transformer(files: PartFiles) -> torch.nn.Module:
    """Return the transformer with the shift of the schedule that is published beside it."""
    transformer = load_public(files, TRANSFORMER_FORMAT)
    schedule = files.file.config("../scheduler/scheduler_config.json")
    if "shift" in schedule:
        transformer.register_to_config(shift=float(schedule["shift"]))
    return transformer


def load_projector(files: PartFiles) -> torch.nn.Module:
    """Return the projector that a tier's transformer was trained with, of any family."""
    of_transformer = replace(files, weights=files.tier.weights.transformer)
    longcat = PROJECTOR_FORMAT.fits(of_transformer.file)
    return load_public(of_transformer, PROJECTOR_FORMAT if longcat else MULTITALK_PROJECTOR)
