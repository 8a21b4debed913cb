"""A second family through the same door: LongCat-Video-Avatar's tiny files make whole videos."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("transformers", reason="the studio extra is not installed")
pytest.importorskip("accelerate", reason="the studio extra is not installed")

from diffusers import AutoencoderKLWan
from transformers import WhisperConfig, WhisperModel

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.folders import MODELS_VARIABLE
from skyreels_avatar.loading import components as loading
from skyreels_avatar.loading.checkpoints.keymap import to_public
from skyreels_avatar.loading.checkpoints.longcat import AUDIO_PROJECTOR, TRANSFORMER
from skyreels_avatar.loading.components import load_components, unload_components
from skyreels_avatar.loading.memory import POLICIES
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.audio_projector import AudioProjector
from skyreels_avatar.models.longcat_transformer import LongCatTransformer3DModel
from tests.samples import write_pair, write_portrait, write_voice
from tests.test_studio import TEXT_DIM, keeping, write_text_encoder

NUM_FRAMES = 22  # two windows of 13 that share 5, and a third


def write_tier(folder: Path) -> Path:
    """Write tiny files in the published layout and the yaml of a tier of them."""
    torch.manual_seed(0)
    transformer = LongCatTransformer3DModel(
        num_attention_heads=2, attention_head_dim=8, text_dim=TEXT_DIM, audio_dim=8, freq_dim=16,
        temb_dim=8, ffn_dim=16, num_layers=2,
    )  # fmt: skip
    projector = AudioProjector(5, 8, 8, 8, num_tokens=4)
    tensors = to_public(transformer.state_dict(), TRANSFORMER)
    tensors |= to_public(projector.state_dict(), AUDIO_PROJECTOR)
    configs = {
        "base_model": {"num_heads": 2, "audio_block": 5, "text_tokens_zero_pad": True},
        "scheduler": {"shift": 7.0},
    }
    for name, config in configs.items():
        (folder / name).mkdir()
        kind = "config" if name == "base_model" else "scheduler_config"
        (folder / name / f"{kind}.json").write_text(json.dumps(config))
    tensors = {key: value.contiguous() for key, value in tensors.items()}
    save_file(tensors, folder / "base_model" / "diffusion_pytorch_model.safetensors")
    AutoencoderKLWan(base_dim=4, num_res_blocks=1).save_pretrained(folder / "vae")
    sizes = {"d_model": 8, "num_mel_bins": 16, "encoder_layers": 4, "decoder_layers": 1}
    sizes |= {f"{part}_attention_heads": 2 for part in ("encoder", "decoder")}
    WhisperModel(WhisperConfig(**sizes, encoder_ffn_dim=8, decoder_ffn_dim=8)).save_pretrained(
        folder / "whisper"
    )
    write_text_encoder(folder / "umt5", folder / "tokenizer")
    path = folder / "family.yaml"
    path.write_text(
        "weights: {transformer: base_model, vae: vae, image_encoder: vae, audio_encoder: whisper,\n"
        "          text_encoder: umt5, tokenizer: tokenizer}\n"
        "scheme: continuation\nwindow: 13\noverlap: 5\nnum_inference_steps: 2\n"
        "inject_picture: clean\ninject_carried: clean\nsigma_smallest: 0.001\ntail_steps: 2\n"
        "buckets: 480p\nbatch_guidance: false\n"
    )
    return path


@pytest.fixture(scope="module")
def tier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(folder / "models"))
        yield write_tier(folder)
    unload_components()


def make(tier: Path, policy: int = 0, **how) -> np.ndarray:
    """Return the frames of a shot, in bfloat16 under a memory policy."""
    with pytest.MonkeyPatch.context() as patch, keeping() as kept:
        patch.setattr(loading, "_policy_for", lambda *_: POLICIES[policy])
        patch.setattr(loading, "default_dtype", lambda _: torch.bfloat16)
        loading.unload_components()
        how = {"prompt": "a person smiles", "size": "64x64", "tier": str(tier), **how}
        sa.generate(output=tier.parent / "out.mp4", **how)
        transformer = load_components(str(tier)).transformer
        assert type(transformer) is LongCatTransformer3DModel
    return np.concatenate(kept)


def test_tiny_files_make_a_video_under_any_policy(tier: Path) -> None:
    image = write_portrait(tier.parent)
    how = {"image": image, "audio": write_voice(tier.parent, NUM_FRAMES / 25)}
    plain = make(tier, **how)
    assert plain.shape == (NUM_FRAMES, 64, 64, 3)
    assert (make(tier, 4, **how) == plain).all()  # streamed from the host
    narrow = np.abs(make(tier, 6, **how).astype(float) - plain)  # in 8 bits as well
    assert 0 < narrow.mean() < 12
    silence = tier.parent / "silence.wav"
    sa.AudioTrack(np.zeros(int(16_000 * NUM_FRAMES / 25), np.float32), 16_000).save(silence)
    guided = make(tier, **how, guidance_scale=3.0, audio_guidance_scale=2.0)
    for other in (make(tier, image=image, audio=silence), guided):
        assert (other[2:13] != plain[2:13]).any() and (other[13:] != plain[13:]).any()


def test_two_persons_are_told_apart(tier: Path) -> None:
    pair, voice = write_pair(tier.parent), write_voice(tier.parent, 0.4)

    def speaking(*sounds: Path | None) -> np.ndarray:
        faces = "100,40,90,110", "410,40,90,110"
        speakers = [sa.Speaker(f"{i}", faces[i], sound) for i, sound in enumerate(sounds)]
        return make(tier, image=pair, speakers=speakers, size="160x64")

    assert (speaking(voice, None) != speaking(None, voice)).any()


def test_a_camera_that_moves_is_refused(tier: Path) -> None:
    how = {"image": write_portrait(tier.parent), "audio": write_voice(tier.parent, 0.4)}
    with pytest.raises(InputError, match="no ControlNet to lead along a camera's path"):
        make(tier, camera="push_in:60", **how)


def test_a_family_is_a_table_row_and_values_of_a_tier(tier: Path) -> None:
    """The tier's own file says nothing that the files of its parts say."""
    pipe = sa.AvatarPipeline.from_pretrained(str(tier), torch_dtype=torch.bfloat16)
    pipe.set_attention_backend("native")
    assert pipe.components.controlnet is None
    own, shipped = load_tier(tier), load_tier("longcat")
    assert shipped.shift is None and own.shift is None
    assert load_components(str(tier)).transformer.config.shift == 7.0
    given = {
        field.name for field in fields(shipped.weights) if getattr(shipped.weights, field.name)
    }
    assert "controlnet" not in given and "image_encoder" in given
    assert shipped.scheme == "continuation" and (shipped.window, shipped.overlap) == (93, 13)
