"""Audio, picture, text and video encoders equal the published ones on fixed weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("transformers", reason="the studio extra is not installed")

from diffusers import AutoencoderKLWan
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    UMT5Config,
    UMT5EncoderModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

from skyreels_avatar.loading.checkpoints import wan, wav2vec
from skyreels_avatar.loading.checkpoints.keymap import convert
from skyreels_avatar.loading.checkpoints.load import fill_module
from skyreels_avatar.loading.checkpoints.skyreels_v3 import AUDIO_PROJECTOR
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.loudness import normalize_loudness
from skyreels_avatar.models.audio_projector import AudioProjector, first_rows, later_rows
from skyreels_avatar.models.image_encoder import ImageEncoder
from skyreels_avatar.models.prompt_encoder import PromptEncoder
from skyreels_avatar.models.speech_encoder import SpeechEncoder

Case = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def folder(golden_dir: Path) -> Path:
    return golden_dir / "skyreels_v3_a2v"


def under(case: Case, prefix: str) -> Case:
    """Return the tensors whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in case.items() if k.startswith(prefix)}


def files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        pytest.skip(f"no case {pattern} in {folder}")
    return found


def filled_projector(weights: Case, features: torch.Tensor, out: torch.Tensor) -> AudioProjector:
    projector = AudioProjector(
        num_layers=features.shape[-2],
        num_channels=features.shape[-1],
        hidden_dim=weights["proj1.weight"].shape[0],
        out_dim=out.shape[-1],
        num_tokens=out.shape[-2],
        output_norm="norm.weight" in weights,
    )
    theirs = {f"audio_proj.{key}": value for key, value in weights.items()}
    fill_module(projector, convert(theirs, AUDIO_PROJECTOR, "case"), "case")
    return projector.eval()


@torch.no_grad()
def test_audio_tokens_alone(folder: Path) -> None:
    """Bound 5e-6, as the golden case asks."""
    for path in files(folder, "case3*.safetensors"):
        case = load_file(path)
        for name in sorted({key.split(".")[0] for key in case}):
            part = under(case, f"{name}.")
            projector = filled_projector(under(part, "sd."), part["in.first"], part["out"])
            made = projector(part["in.first"], part["in.latter"])
            torch.testing.assert_close(made, part["out"], atol=5e-6, rtol=0)


@torch.no_grad()
def test_audio_tokens_of_a_whole_track(folder: Path) -> None:
    for path in files(folder, "case1*_weights.safetensors"):
        weights = under(load_file(path), "audio_proj.")
        case = load_file(str(path).replace("_weights", "_io"))
        raw, out = case["in.audio_raw"], case["mid.audio_proj_out"]
        projector = filled_projector(weights, raw, out)
        made = projector.tokens(raw, 0, out.shape[1])
        torch.testing.assert_close(made, out, atol=5e-6, rtol=0)


def test_rows_that_a_clip_hears(folder: Path) -> None:
    for path in files(folder, "case4*.safetensors"):
        case = load_file(path)
        first, later = first_rows(0), later_rows(0, case["example.latter"].shape[1] + 1)
        last = len(case["example.raw"]) - 1
        for rows, name in ((first, "first"), (later, "latter")):
            made = case["example.raw"][rows.clamp(0, last)][None]
            torch.testing.assert_close(made, case[f"example.{name}"], atol=0, rtol=0)


@pytest.mark.parametrize("normalize", [True, False])
def test_speech_features(folder: Path, normalize: bool) -> None:
    """Bound 2e-5: an independent implementation is 4e-6 away."""
    for path in files(folder, "case9*.safetensors"):
        case = load_file(path)
        config = json.loads(Path(str(path).replace(".safetensors", "_config.json")).read_text())
        encoder = SpeechEncoder(Wav2Vec2Model(Wav2Vec2Config(**config)), normalize=normalize).eval()
        tensors = wav2vec.convert_speech_encoder(under(case, "sd."), path.name)
        fill_module(encoder.model, tensors, path.name)
        wave = case["mid.wave_loudness_normalised"]
        expected = case["out.embedding" if normalize else "out.embedding_do_normalize_false"]
        torch.testing.assert_close(encoder(wave.numpy()), expected, atol=2e-5, rtol=0)
        if normalize:
            silence = encoder(torch.zeros(len(wave)).numpy())
            torch.testing.assert_close(silence, case["out.embedding_of_silence"], atol=2e-5, rtol=0)
        rows = [encoder.num_rows(count) for count in case["frames.samples"].tolist()]
        assert rows == case["frames.video_frames"].tolist()


def test_speech_is_as_loud_as_the_reference_hears_it(folder: Path) -> None:
    """Bound 1e-6 of full scale; the gated loudness itself is equal to 1e-13 LU."""
    for path in files(folder, "case9*.safetensors"):
        case = load_file(path)
        made = normalize_loudness(AudioTrack(case["in.wave"].numpy(), 16_000)).samples
        expected = case["mid.wave_loudness_normalised"]
        torch.testing.assert_close(torch.from_numpy(made), expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_image_tokens(folder: Path) -> None:
    """Bound 2e-5. No file says how many heads there are: of all numbers one must fit."""
    for path in files(folder, "case10*.safetensors"):
        case = load_file(path)
        weights = under(case, "sd.")
        picture, pixels = case["in.image"][:, :, 0], case["mid.pixels_normalised"]
        size = pixels.shape[-1]
        torch.testing.assert_close(ImageEncoder.prepare(picture, size), pixels, atol=1e-5, rtol=0)
        tensors = wan.convert_image_encoder(weights, path.name)
        width = weights["visual.cls_embedding"].shape[-1]
        errors = {}
        for heads in (number for number in range(1, width + 1) if width % number == 0):
            encoder = ImageEncoder(CLIPVisionModel(vision_config(weights, size, heads))).eval()
            fill_module(encoder.model, tensors, path.name)
            errors[heads] = float((encoder(picture) - case["out"]).abs().max())
        assert min(errors.values()) < 2e-5 < sorted(errors.values())[1], errors


def vision_config(weights: Case, image_size: int, heads: int) -> CLIPVisionConfig:
    layers = {key.split(".")[2] for key in weights if key.startswith("visual.transformer.")}
    return CLIPVisionConfig(
        hidden_size=weights["visual.cls_embedding"].shape[-1],
        intermediate_size=weights["visual.transformer.0.mlp.0.weight"].shape[0],
        num_hidden_layers=len(layers),
        num_attention_heads=heads,
        image_size=image_size,
        patch_size=weights["visual.patch_embedding.weight"].shape[-1],
        hidden_act="gelu",
    )


@torch.no_grad()
def test_prompt_tokens(folder: Path) -> None:
    """Bound 2e-5: an independent implementation is 4e-6 away."""
    for path in files(folder, "case11*.safetensors"):
        case = load_file(path)
        weights = under(case, "sd.")
        vocabulary, width = weights["token_embedding.weight"].shape
        buckets, heads = weights["blocks.0.pos_embedding.embedding.weight"].shape
        config = UMT5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=weights["blocks.0.attn.q.weight"].shape[0] // heads,
            d_ff=weights["blocks.0.ffn.fc1.weight"].shape[0],
            num_layers=len({key.split(".")[1] for key in weights if key.startswith("blocks.")}),
            num_heads=heads,
            relative_attention_num_buckets=buckets,
        )
        encoder = PromptEncoder(UMT5EncoderModel(config)).eval()
        tensors = wan.convert_prompt_encoder(weights, path.name)
        fill_module(encoder.model, tensors, path.name)
        made = encoder.encode(case["in.ids"], case["in.mask"])
        torch.testing.assert_close(made, case["out_masked"], atol=2e-5, rtol=0)


@torch.no_grad()
def test_video_latents_and_pixels(folder: Path) -> None:
    """Bound 2e-5: an independent implementation is 1.5e-6 away."""
    for path in files(folder, "case7*_weights.safetensors"):
        case = load_file(str(path).replace("_weights", "_io"))
        config = json.loads(
            Path(str(path).replace("_weights.safetensors", "_config.json")).read_text()
        )
        vae = AutoencoderKLWan(
            base_dim=config["dim"],
            z_dim=config["z_dim"],
            dim_mult=config["dim_mult"],
            num_res_blocks=config["num_res_blocks"],
            attn_scales=config["attn_scales"],
            temperal_downsample=config["temperal_downsample"],
            latents_mean=case["mean"].tolist(),
            latents_std=case["std"].tolist(),
        ).eval()
        fill_module(vae, wan.convert_vae(load_file(path), path.name), path.name)
        mean, std = (case[name][None, :, None, None, None] for name in ("mean", "std"))
        video, latent = case["in.video"], case["in.latent"]
        made = (vae.encode(video).latent_dist.mode() - mean) / std
        torch.testing.assert_close(made, case["out.latent_normalised"], atol=2e-5, rtol=0)
        alone = (vae.encode(video[:, :, :1]).latent_dist.mode() - mean) / std
        torch.testing.assert_close(
            alone, case["out.latent_normalised_one_frame"], atol=2e-5, rtol=0
        )
        back = vae.decode(latent * std + mean).sample
        torch.testing.assert_close(
            back, case["out.decoded_unclamped"].clamp(-1, 1), atol=2e-5, rtol=0
        )
