"""What Wan2.1 publishes beside its transformer: umT5, CLIP and the video VAE.

What they are renamed to are the names of transformers' and diffusers' classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from skyreels_avatar.folders import models_folder
from skyreels_avatar.loading.checkpoints.keymap import Row, convert
from skyreels_avatar.loading.checkpoints.public import (
    PartFiles,
    PublicFormat,
    TensorShapes,
    load_public,
)

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


def _build_vae(shapes: TensorShapes) -> torch.nn.Module:
    """Build the video VAE of Wan2.1."""
    from diffusers import AutoencoderKLWan

    if "quant_conv.weight" in shapes:  # diffusers' layout
        known = {k: v for k, v in shapes.config.items() if not k.startswith("_")}
        return AutoencoderKLWan(**known)
    latent = shapes("conv2.weight")[0]
    return AutoencoderKLWan(base_dim=shapes("encoder.conv1.weight")[0], z_dim=latent)


def _build_prompt_encoder(shapes: TensorShapes) -> torch.nn.Module:
    """Build the encoder of umT5."""
    from transformers import UMT5Config, UMT5EncoderModel

    vocabulary, width = shapes("token_embedding.weight")
    buckets, heads = shapes("blocks.0.pos_embedding.embedding.weight")
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=shapes("blocks.0.attn.q.weight")[0] // heads,
            d_ff=shapes("blocks.0.ffn.fc1.weight")[0],
            num_layers=shapes.count("blocks."),
            num_heads=heads,
            relative_attention_num_buckets=buckets,
        )
    )


def _build_image_encoder(shapes: TensorShapes) -> torch.nn.Module:
    """Build the vision tower of CLIP."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    width, _, patch, _ = shapes("visual.patch_embedding.weight")
    side = round((shapes("visual.pos_embedding")[1] - 1) ** 0.5)
    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=shapes("visual.transformer.0.mlp.0.weight")[0],
            num_hidden_layers=shapes.count("visual.transformer."),
            num_attention_heads=int(shapes.config.get("vision_heads", max(1, width // 80))),
            image_size=side * patch,
            patch_size=patch,
            hidden_act="gelu",
        )
    )


VAE_FORMAT = PublicFormat(
    "Wan2.1 VAE", ("decoder.head.0.gamma", "conv2.weight"), _build_vae, convert_vae
)
DIFFUSERS_VAE_FORMAT = PublicFormat(
    "Wan2.1 VAE in diffusers' layout",
    ("decoder.norm_out.gamma", "quant_conv.weight"),
    _build_vae,
    lambda tensors, source: dict(tensors),
)
PROMPT_ENCODER_FORMAT = PublicFormat(
    "umT5 encoder",
    ("token_embedding.weight", "blocks.0.pos_embedding.embedding.weight"),
    _build_prompt_encoder,
    convert_prompt_encoder,
)
IMAGE_ENCODER_FORMAT = PublicFormat(
    "open-clip ViT-H/14", ("visual.cls_embedding",), _build_image_encoder, convert_image_encoder
)


def load_text_encoder(files: PartFiles) -> torch.nn.Module:
    """Return umT5 behind a cache of prompts; it is loaded only for prompts not in the cache."""
    from skyreels_avatar.loading.prompt_cache import CachedPrompts

    def load_encoder() -> torch.nn.Module:
        from skyreels_avatar.models.prompt_encoder import PromptEncoder, load_tokenizer

        tokenizer = load_tokenizer(files.tier.weights.tokenizer)
        return PromptEncoder(load_public(files, PROMPT_ENCODER_FORMAT), tokenizer)

    file = files.file
    width = file.shape(next(key for key in file if key.endswith("token_embedding.weight")))[1]
    precision = str(files.dtype).removeprefix("torch.float32").removeprefix("torch.")
    identity, folder = f"{file.identity()}{precision}", models_folder() / "prompts"
    return CachedPrompts(load_encoder, width, identity, folder, files.keep)


def load_image_encoder(files: PartFiles) -> torch.nn.Module:
    """Return the vision tower of CLIP as an encoder of pictures."""
    from skyreels_avatar.models.image_encoder import ImageEncoder

    return ImageEncoder(load_public(files, IMAGE_ENCODER_FORMAT))


def load_picture_latents(files: PartFiles) -> torch.nn.Module:
    """Return the tier's VAE as an encoder of pictures; it is in memory once."""
    from skyreels_avatar.models.picture_latents import PictureLatents

    return PictureLatents(files.loaded["vae"])
