"""Names of the parts that Wan2.1 publishes beside its transformer: umT5, CLIP and the video VAE.

What they are renamed to are the names of transformers' and diffusers' classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from skyreels_avatar.loading.checkpoints.keymap import Row, convert

_LAYER = "encoder.block.{i}.layer"
PROMPT_ENCODER: tuple[Row, ...] = (
    ("token_embedding.weight", "shared.weight"),
    ("norm.weight", "encoder.final_layer_norm.weight"),
    ("blocks.{i}.norm1.weight", f"{_LAYER}.0.layer_norm.weight"),
    *(
        (f"blocks.{{i}}.attn.{name}.weight", f"{_LAYER}.0.SelfAttention.{name}.weight")
        for name in "qkvo"
    ),
    (
        "blocks.{i}.pos_embedding.embedding.weight",
        f"{_LAYER}.0.SelfAttention.relative_attention_bias.weight",
    ),
    ("blocks.{i}.norm2.weight", f"{_LAYER}.1.layer_norm.weight"),
    ("blocks.{i}.ffn.gate.0.weight", f"{_LAYER}.1.DenseReluDense.wi_0.weight"),
    ("blocks.{i}.ffn.fc1.weight", f"{_LAYER}.1.DenseReluDense.wi_1.weight"),
    ("blocks.{i}.ffn.fc2.weight", f"{_LAYER}.1.DenseReluDense.wo.weight"),
)

_BLOCK = "encoder.layers.{i}"
IMAGE_ENCODER: tuple[Row, ...] = (
    ("visual.cls_embedding", "embeddings.class_embedding"),
    ("visual.pos_embedding", "embeddings.position_embedding.weight"),
    ("visual.patch_embedding.weight", "embeddings.patch_embedding.weight"),
    ("visual.pre_norm.{p}", "pre_layrnorm.{p}"),  # misspelt there
    ("visual.post_norm.{p}", "post_layernorm.{p}"),
    ("visual.transformer.{i}.norm1.{p}", f"{_BLOCK}.layer_norm1.{{p}}"),
    ("visual.transformer.{i}.norm2.{p}", f"{_BLOCK}.layer_norm2.{{p}}"),
    (
        "visual.transformer.{i}.attn.to_qkv.{p}",
        tuple(f"{_BLOCK}.self_attn.{name}_proj.{{p}}" for name in "qkv"),
    ),
    ("visual.transformer.{i}.attn.proj.{p}", f"{_BLOCK}.self_attn.out_proj.{{p}}"),
    ("visual.transformer.{i}.mlp.0.{p}", f"{_BLOCK}.mlp.fc1.{{p}}"),
    ("visual.transformer.{i}.mlp.2.{p}", f"{_BLOCK}.mlp.fc2.{{p}}"),
    ("visual.head", None),
)
_TEXT_TOWER = ("textual.", "log_scale")


def convert_prompt_encoder(tensors: Mapping[str, torch.Tensor], source: str) -> dict:
    """Return the tensors of umT5's encoder under the names of transformers' UMT5EncoderModel."""
    converted = convert(tensors, PROMPT_ENCODER, source)
    if "shared.weight" in converted:  # one table under two names
        converted["encoder.embed_tokens.weight"] = converted["shared.weight"]
    return converted


def convert_image_encoder(tensors: Mapping[str, torch.Tensor], source: str) -> dict:
    """Return the vision tower of the published CLIP under transformers' CLIPVisionModel names."""
    visual = {key: value for key, value in tensors.items() if not key.startswith(_TEXT_TOWER)}
    converted = convert(visual, IMAGE_ENCODER, source)
    name = "embeddings.class_embedding"
    if name in converted:
        converted[name] = converted[name].reshape(-1)
    name = "embeddings.position_embedding.weight"
    if name in converted:
        converted[name] = converted[name].squeeze(0)
    return converted


def convert_vae(tensors: Mapping[str, torch.Tensor], source: str) -> dict:
    """Return the tensors of the video VAE under the names of diffusers' AutoencoderKLWan."""
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    return convert_wan_vae_to_diffusers(dict(tensors))


def convert_speech_encoder(tensors: Mapping[str, torch.Tensor], source: str) -> dict:
    """Return wav2vec 2.0 under the names of this version of transformers.

    Older files hold the weight norm of the positional convolution as `weight_g` and `weight_v`,
    and the heads that it was trained with.
    """
    renamed = {}
    for key, value in tensors.items():
        key = key.removeprefix("wav2vec2.")
        if key.startswith(("quantizer.", "project_", "lm_head.")):
            continue
        key = key.replace("pos_conv_embed.conv.weight_g", f"{_WEIGHT}.original0")
        renamed[key.replace("pos_conv_embed.conv.weight_v", f"{_WEIGHT}.original1")] = value
    return renamed


_WEIGHT = "pos_conv_embed.conv.parametrizations.weight"
