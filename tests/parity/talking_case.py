"""A golden case of the talking-avatar network, and our networks filled with its weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from skyreels_avatar.loading.checkpoints.keymap import convert
from skyreels_avatar.loading.checkpoints.load import fill_module
from skyreels_avatar.loading.checkpoints.skyreels_v3 import AUDIO_PROJECTOR, TRANSFORMER
from skyreels_avatar.models.audio_projector import AudioProjector
from skyreels_avatar.models.transformer import AvatarTransformer3DModel


@dataclass
class Case:
    """One set of files: config, weights, inputs and outputs."""

    config: dict
    weights: dict[str, torch.Tensor]
    values: dict[str, torch.Tensor]

    def make_transformer(self) -> AvatarTransformer3DModel:
        config = self.config
        model = AvatarTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=config["num_heads"],
            attention_head_dim=config["dim"] // config["num_heads"],
            in_channels=config["in_dim"],
            out_channels=config["out_dim"],
            text_dim=config["text_dim"],
            audio_dim=config["output_dim"],
            freq_dim=config["freq_dim"],
            ffn_dim=config["ffn_dim"],
            num_layers=config["num_layers"],
            eps=config["eps"],
            image_dim=config["image_dim"],
            added_kv_proj_dim=config["dim"],
        )
        fill_module(model, convert(self.weights, TRANSFORMER, "case"), "case")
        return model.eval()

    def make_projector(self) -> AudioProjector:
        config = self.config
        model = AudioProjector(
            num_layers=config["audio_blocks"],
            num_channels=config["audio_channels"],
            hidden_dim=config["intermediate_dim"],
            out_dim=config["output_dim"],
            num_tokens=config["context_tokens"],
            output_norm=config["norm_output_audio"],
        )
        fill_module(model, convert(self.weights, AUDIO_PROJECTOR, "case"), "case")
        return model.eval()

    def inputs(self) -> dict[str, torch.Tensor]:
        """Return what the transformer gets, the audio tokens made by our own projector."""
        values, context = self.values, self.values["in.context"]
        padding = (0, 0, 0, self.config["text_len"] - context.shape[0])
        num_latent_frames = values["in.x"].shape[1]
        return {
            "hidden_states": torch.cat((values["in.x"][None], values["in.y"]), dim=1),
            "timestep": values["in.t"],
            "encoder_hidden_states": torch.nn.functional.pad(context, padding)[None],
            "audio_embeds": self.make_projector().tokens(
                values["in.audio_raw"], 0, num_latent_frames
            ),
            "encoder_hidden_states_image": values["in.clip_fea"],
        }
