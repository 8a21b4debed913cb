"""The encoder of Whisper (large-v3: Apache-2.0) as the audio encoder of a talking avatar."""

from __future__ import annotations

import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.longcat import load_projector
from skyreels_avatar.loading.checkpoints.public import (
    PartFiles,
    PublicFormat,
    Tensors,
    TensorShapes,
    load_public,
)


def convert_encoder(tensors: Tensors, source: str) -> dict[str, torch.Tensor]:
    """Return the encoder's tensors under the names of transformers' WhisperEncoder."""
    prefix = "encoder."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _build_encoder(shapes: TensorShapes) -> torch.nn.Module:
    """Build the encoder of Whisper."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    if not shapes.config:
        raise CheckpointError("Whisper needs the config.json that it is published with")
    return WhisperEncoder(WhisperConfig(**shapes.config))


WHISPER_FORMAT = PublicFormat(
    "Whisper",
    ("encoder.conv1.weight", "encoder.embed_positions.weight"),
    _build_encoder,
    convert_encoder,
)


def load_audio_encoder(files: PartFiles) -> torch.nn.Module:
    """Return Whisper's encoder with the projector that the tier's transformer was trained with."""
    from skyreels_avatar.models.speech_encoder import SpeechTokens
    from skyreels_avatar.models.whisper_features import WhisperFeatures

    encoder = WhisperFeatures(load_public(files, WHISPER_FORMAT), files.tier.fps)
    return SpeechTokens(encoder, load_projector(files)).eval()
