"""Networks for public checkpoints: their sizes are read from the shapes of the tensors.

What shapes cannot tell, the number of heads, is read from the published `config.json` where there
is one, and is that of the real networks otherwise.
"""

from __future__ import annotations

from typing import Any

import torch

from skyreels_avatar.errors import CheckpointError


class TensorShapes:
    """The shapes of a file's tensors by their public names, and the config beside it."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], config: dict[str, Any]):
        self._shapes, self.config = shapes, config

    def __contains__(self, key: str) -> bool:
        return key in self._shapes

    def __call__(self, key: str) -> tuple[int, ...]:
        if key not in self._shapes:
            raise CheckpointError(f"the file has no tensor {key}")
        return self._shapes[key]

    def count(self, prefix: str) -> int:
        """Return how many numbered blocks there are under a prefix."""
        numbers = {
            key[len(prefix) :].split(".")[0] for key in self._shapes if key.startswith(prefix)
        }
        return len({number for number in numbers if number.isdigit()})


def build(part: str, shapes: dict[str, tuple[int, ...]], config: dict[str, Any]) -> torch.nn.Module:
    """Return our network for a part, of the sizes that a public file has.

    Args:
        part: a name of `checkpoints.public`.
        shapes: of the file's tensors, by their public names.
        config: the published `config.json`, {} where there is none.
    """
    return _BUILDERS[part](TensorShapes(shapes, config))


def _transformer(shapes: TensorShapes) -> torch.nn.Module:
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
    )


def _audio_projector(shapes: TensorShapes) -> torch.nn.Module:
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


def _controlnet(shapes: TensorShapes) -> torch.nn.Module:
    """Build the camera ControlNet of a Uni3C file."""
    from skyreels_avatar.models.camera_controlnet import CameraControlNet

    prefix = "controlnet." if "controlnet.proj_in.weight" in shapes else ""
    dim, embed_dim = shapes(f"{prefix}proj_in.weight")
    time_embed_dim = shapes(f"{prefix}controlnet_blocks.0.norm1.linear.weight")[1]
    patch = shapes("controlnet_patch_embedding.weight")
    rays = shapes("controlnet_mask_embedding.mask_proj.0.weight")
    latent = int(shapes.config.get("latent_channels", 16))
    return CameraControlNet(
        patch_size=patch[2:],
        hidden_channels=patch[1] - latent,
        control_channels=latent,
        embed_dim=embed_dim,
        dim=dim,
        num_attention_heads=int(shapes.config.get("num_heads", max(1, dim // 64))),
        ffn_dim=shapes(f"{prefix}controlnet_blocks.0.ffn.0.weight")[0],
        num_layers=shapes.count(f"{prefix}controlnet_blocks."),
        time_embed_dim=time_embed_dim,
        freq_dim=int(shapes.config.get("freq_dim", 256)),
        ray_channels=rays[1],
        ray_dim=rays[0],
    )


def _vae(shapes: TensorShapes) -> torch.nn.Module:
    """Build the video VAE of Wan2.1."""
    from diffusers import AutoencoderKLWan

    if "quant_conv.weight" in shapes:  # diffusers' layout
        known = {k: v for k, v in shapes.config.items() if not k.startswith("_")}
        return AutoencoderKLWan(**known)
    latent = shapes("conv2.weight")[0]
    return AutoencoderKLWan(base_dim=shapes("encoder.conv1.weight")[0], z_dim=latent)


def _prompt_encoder(shapes: TensorShapes) -> torch.nn.Module:
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


def _image_encoder(shapes: TensorShapes) -> torch.nn.Module:
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


def _speech_encoder(shapes: TensorShapes) -> torch.nn.Module:
    """Build wav2vec 2.0."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    if not shapes.config:
        raise CheckpointError("wav2vec 2.0 needs the config.json that it is published with")
    return Wav2Vec2Model(Wav2Vec2Config(**shapes.config))


_BUILDERS = {
    "transformer": _transformer,
    "audio_projector": _audio_projector,
    "controlnet": _controlnet,
    "vae": _vae,
    "prompt_encoder": _prompt_encoder,
    "image_encoder": _image_encoder,
    "speech_encoder": _speech_encoder,
}
