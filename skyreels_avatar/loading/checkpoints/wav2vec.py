"""wav2vec 2.0 as the audio encoder of a talking-avatar transformer."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.longcat import load_projector
from skyreels_avatar.loading.checkpoints.public import (
    PartFiles,
    PublicFormat,
    TensorShapes,
    load_public,
)

_WEIGHT = "pos_conv_embed.conv.parametrizations.weight"


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


def _build_speech_encoder(shapes: TensorShapes) -> torch.nn.Module:
    """Build wav2vec 2.0."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    if not shapes.config:
        raise CheckpointError("wav2vec 2.0 needs the config.json that it is published with")
    return Wav2Vec2Model(Wav2Vec2Config(**shapes.config))


SPEECH_ENCODER_FORMAT = PublicFormat(
    "wav2vec 2.0",
    ("feature_projection.projection.weight",),
    _build_speech_encoder,
    convert_speech_encoder,
)


def load_audio_encoder(files: PartFiles) -> torch.nn.Module:
    """Return wav2vec 2.0 with the projector that the tier's transformer was trained with."""
    from skyreels_avatar.models.speech_encoder import SpeechEncoder, SpeechTokens

    # Whether the signal is brought to unit variance first is said by the checkpoint.
    published = files.file.config("preprocessor_config.json")
    normalize = bool(published.get("do_normalize", True))
    encoder = SpeechEncoder(load_public(files, SPEECH_ENCODER_FORMAT), files.tier.fps, normalize)
    return SpeechTokens(encoder, load_projector(files)).eval()
