"""The whole pass with public weights: tiny networks of the real classes in the public formats."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("transformers", reason="the studio extra is not installed")
pytest.importorskip("accelerate", reason="the studio extra is not installed")

from diffusers import AutoencoderKLWan
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.folders import MODELS_VARIABLE
from skyreels_avatar.loading import components
from skyreels_avatar.loading.checkpoints.keymap import to_public
from skyreels_avatar.loading.checkpoints.skyreels_v3 import AUDIO_PROJECTOR, TRANSFORMER
from skyreels_avatar.loading.checkpoints.uni3c import CONTROLNET
from skyreels_avatar.loading.checkpoints.wan import IMAGE_ENCODER, PROMPT_ENCODER
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.loading.memory import POLICIES
from skyreels_avatar.loading.parts import model_bytes
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.audio_projector import AudioProjector
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from tests.loading.checkpoints.public_files import write_pickled
from tests.processes import run_together
from tests.samples import write_pair, write_portrait, write_voice

DIM, TEXT_DIM, IMAGE_DIM, AUDIO_DIM = 24, 16, 16, 8
WORDS = {"<pad>": 0, "</s>": 1, "<unk>": 2, "a": 3, "person": 4, "smiles": 5}


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    """Where the tokens of prompts go, and nothing in the user's own cache."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tier whose parts are public files."""
    return write_studio(tmp_path_factory.mktemp("studio"))


def write_studio(folder: Path, vae_dim: int = 8) -> Path:
    """Write tiny public files of all parts and the yaml of a tier of them, and return its path."""
    torch.manual_seed(0)
    write_transformer(folder / "avatar")
    write_controlnet(folder / "uni3c")
    AutoencoderKLWan(base_dim=vae_dim, num_res_blocks=1).save_pretrained(folder / "vae")
    write_text_encoder(folder / "umt5", folder / "tokenizer")
    write_image_encoder(folder / "clip")
    write_speech_encoder(folder / "wav2vec2")
    path = folder / "studio.yaml"
    path.write_text(
        """
weights:
  transformer: [avatar]
  controlnet: uni3c
  vae: vae
  audio_encoder: wav2vec2
  text_encoder: umt5
  tokenizer: tokenizer
  image_encoder: clip
window: 17
overlap: 5
num_inference_steps: 2
shift: 11
sigma_smallest: 0.001
buckets: 480p
"""
    )
    return path


def write_transformer(folder: Path) -> None:
    transformer = AvatarTransformer3DModel(
        num_attention_heads=2, attention_head_dim=DIM // 2, text_dim=TEXT_DIM, audio_dim=AUDIO_DIM,
        ffn_dim=32, num_layers=2, image_dim=IMAGE_DIM, added_kv_proj_dim=DIM,
    )  # fmt: skip
    # It starts with a velocity of zero, which would leave pure noise.
    torch.nn.init.normal_(transformer.proj_out.weight, std=0.1)
    projector = AudioProjector(2, AUDIO_DIM, 8, AUDIO_DIM, num_tokens=4)
    tensors = to_public(transformer.state_dict(), TRANSFORMER)
    tensors |= to_public(projector.state_dict(), AUDIO_PROJECTOR)
    write_pickled(folder, tensors, num_heads=2, audio_blocks=2)


def write_controlnet(folder: Path) -> None:
    controlnet = CameraControlNet(
        embed_dim=DIM, dim=12, num_attention_heads=1, ffn_dim=16, num_layers=1,
        time_embed_dim=DIM, ray_channels=7, ray_dim=8,
    )  # fmt: skip
    for projection in controlnet.proj_out:
        torch.nn.init.normal_(projection.weight, std=0.2)
    write_pickled(folder, to_public(controlnet.state_dict(), CONTROLNET), num_heads=1)


def write_text_encoder(folder: Path, tokenizer_folder: Path) -> None:
    sizes = {"vocab_size": len(WORDS), "d_model": TEXT_DIM, "d_kv": 8, "d_ff": 16}
    model = UMT5EncoderModel(UMT5Config(**sizes, num_layers=1, num_heads=2))
    write_pickled(folder, to_public(model.state_dict(), PROMPT_ENCODER))
    words = Tokenizer(WordLevel(WORDS, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(tokenizer_folder)


def write_image_encoder(folder: Path) -> None:
    sizes = {"hidden_size": IMAGE_DIM, "intermediate_size": 32, "num_hidden_layers": 2}
    config = CLIPVisionConfig(**sizes, num_attention_heads=2, image_size=28, patch_size=14)
    tensors = CLIPVisionModel(config).state_dict()
    tensors = {key.removeprefix("vision_model."): value for key, value in tensors.items()}
    public = to_public(tensors, IMAGE_ENCODER)
    public["visual.cls_embedding"] = public["visual.cls_embedding"].view(1, 1, -1)
    public["visual.pos_embedding"] = public["visual.pos_embedding"][None]
    write_pickled(folder, public, vision_heads=2)


def write_speech_encoder(folder: Path) -> None:
    config = Wav2Vec2Config(
        hidden_size=AUDIO_DIM, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        conv_dim=[8] * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    Wav2Vec2Model(config).save_pretrained(folder)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn person of 300x240."""
    return write_portrait(tmp_path_factory.mktemp("portrait"))


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.6 s of a tone that swells four times a second: three windows."""
    return write_voice(tmp_path_factory.mktemp("voice"), 1.6)


def frames_of(path: Path) -> np.ndarray:
    return np.stack(list(sa.VideoReader(path)))


def make(tier: Path, portrait: Path, voice: Path, output: Path, **how):
    how = {"prompt": "a person smiles", "camera": "push_in:60", "size": "96x80", **how}
    return sa.generate(portrait, voice, output=output, tier=str(tier), **how)


@pytest.fixture(scope="module")
def plain(tier, portrait, voice, tmp_path_factory) -> Path:
    """What the tier makes when nothing else is said."""
    return make(tier, portrait, voice, tmp_path_factory.mktemp("plain") / "plain.mp4").path


def test_public_weights_make_a_video_of_several_windows(tier, portrait, voice, plain, tmp_path):
    video = sa.VideoReader(plain)
    assert (video.num_frames, video.height, video.width) == (40, 80, 96)
    assert abs(video.audio().duration_s - 1.6) < 0.04
    again = make(tier, portrait, voice, tmp_path / "again.mp4")
    assert again.path.read_bytes() == plain.read_bytes()


def test_prompts_are_encoded_once_for_all_runs(tier, portrait, voice, tmp_path, cache):
    prompt = "a person a person"
    first = make(tier, portrait, voice, tmp_path / "first.mp4", prompt=prompt)
    kept = {path.name for path in (cache / "prompts").iterdir()}
    assert len(kept) >= 2 and not any(name.endswith(".part") for name in kept)
    again = variant(tier, "again", "")  # loads everything anew
    second = make(again, portrait, voice, tmp_path / "second.mp4", prompt=prompt)
    assert {path.name for path in (cache / "prompts").iterdir()} == kept
    assert (frames_of(first.path) == frames_of(second.path)).all()


def test_camera_prompt_voice_and_guidance_reach_every_window(
    tier, portrait, voice, plain, tmp_path
):
    base = frames_of(plain)
    silence = tmp_path / "silence.wav"
    sa.AudioTrack(np.zeros(int(1.6 * 16_000), np.float32), 16_000).save(silence)
    changes = {
        "camera": {"camera": "static"},
        "prompt": {"prompt": "a a a a"},
        "guidance": {"guidance_scale": 3.0, "audio_guidance_scale": 3.0},
    }
    for name, how in changes.items():
        other = frames_of(make(tier, portrait, voice, tmp_path / f"{name}.mp4", **how).path)
        for window in (slice(2, 17), slice(17, 29), slice(29, 40)):
            assert (base[window] != other[window]).any(), name
    other = frames_of(make(tier, portrait, silence, tmp_path / "silent.mp4").path)
    assert (base[29:] != other[29:]).any()


def test_each_of_two_persons_has_a_voice(tier, portrait, voice, tmp_path):
    """Three windows; the two differ in whose the only voice is, and in what is asked for alone."""
    pair = write_pair(tmp_path)

    def speaking(name: str, *sounds: Path | None) -> np.ndarray:
        speakers = [sa.Speaker(f"{i}", face, sound) for i, (face, sound) in
                    enumerate(zip(("100,40,90,110", "410,40,90,110"), sounds))]  # fmt: skip
        how = {"speakers": speakers, "size": "160x64"}
        result = make(tier, pair, None, tmp_path / f"{name}.mp4", **how)
        assert sa.VideoReader(result.path).audio().samples.std() > 0.01
        return frames_of(result.path)

    left, right = speaking("left", voice, None), speaking("right", None, voice)
    assert left.shape == right.shape == (40, 64, 160, 3)
    for window in (slice(1, 17), slice(17, 29), slice(29, 40)):
        assert (left[window] != right[window]).any()


@contextmanager
def keeping() -> Iterator[list[np.ndarray]]:
    """Collect the frames that are written, before H.264 makes more of a difference of one."""
    kept: list[np.ndarray] = []

    class Keeping(sa.VideoWriter):
        def write(self, frames_uint8: np.ndarray) -> None:
            kept.append(frames_uint8.copy())
            super().write(frames_uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("skyreels_avatar.workers.shot"), "VideoWriter", Keeping)
        yield kept


TOGETHER = """
import sys
import numpy as np
import torch
torch.set_num_threads(1)
from tests.test_studio import keeping, make_alone_and_in_company
with keeping() as kept:
    make_alone_and_in_company(*sys.argv[1:])
if kept:  # in the process that writes
    np.save(sys.argv[-1] + ".npy", np.concatenate([one.reshape(-1) for one in kept]))
"""


def make_alone_and_in_company(
    tier: str, portrait: str, voice: str, pair: str, word: str, output: str
) -> None:
    """Make a guided shot of one person, and one of a single window of two, of whom one speaks."""
    how = {"guidance_scale": 2.0, "audio_guidance_scale": 2.0, "prompt": "a person smiles"}
    how |= {"output": output, "tier": tier}
    sa.generate(portrait, voice, camera="push_in:60", size="96x80", **how)
    speakers = [sa.Speaker("a", "100,40,90,110", word), sa.Speaker("b", "410,40,90,110")]
    sa.generate(pair, speakers=speakers, size="160x64", **how)


def test_two_processes_make_the_frames_of_one(tier, portrait, voice, tmp_path, root):
    """With guidance; tokens of half the frames each. What differs is how sums are rounded."""
    word = write_voice(tmp_path, 0.4)  # here, not in the processes: each would replace the others'
    files = [str(path) for path in (portrait, voice, write_pair(tmp_path), word)]
    with keeping() as kept:
        make_alone_and_in_company(str(tier), *files, str(tmp_path / "alone.mp4"))
    shared = variant(tier, "shared", "context_parallel: 0\n")
    output = tmp_path / "together.mp4"
    run_together(TOGETHER, root, 2, str(shared), *files, str(output))
    assert sa.VideoReader(output).num_frames == 10
    alone = np.concatenate([one.reshape(-1) for one in kept]).astype(int)
    together = np.load(f"{output}.npy").astype(int)
    assert alone.shape == together.shape == (3 * (40 * 80 * 96 + 10 * 64 * 160),)
    assert np.abs(alone - together).max() <= 1


def variant(tier: Path, name: str, lines: str) -> Path:
    """Write the tier with other settings beside it."""
    path = tier.with_name(f"{name}.yaml")
    path.write_text(tier.read_text() + lines)
    return path


def test_offloading_changes_nothing_but_where_blocks_are(tier, portrait, voice, plain, tmp_path):
    streaming = variant(tier, "streaming", "offload: blocks\n")
    streamed = make(streaming, portrait, voice, tmp_path / "streamed.mp4")
    assert (frames_of(plain) == frames_of(streamed.path)).all()


def test_saving_all_the_memory_there_is_to_save(
    tier, portrait, voice, plain, cache, tmp_path, monkeypatch
):
    """As on the smallest GPU: tiles, streamed blocks in 8 bits, a text encoder that is dropped.

    Random weights in 8 bits move the frames by 3.5 levels in the mean, another seed by 21.
    """
    shutil.rmtree(cache / "prompts")  # so that the text encoder has work
    policy = POLICIES[-1]
    monkeypatch.setattr(components, "_policy_for", lambda *_: policy)
    frugal = variant(tier, "frugal", "")
    result = make(frugal, portrait, voice, tmp_path / "frugal.mp4")
    parts = load_components(str(frugal))
    assert parts.policy == policy and parts.vae.use_tiling
    assert parts.transformer.blocks[1].ffn.net[2].weight.dtype == torch.float8_e4m3fn
    assert parts.transformer.patch_embedding.weight.dtype == torch.float32
    assert any((cache / "prompts").iterdir()) and parts.text_encoder._encoder is None
    frames = [frames_of(path).astype(float) for path in (result.path, plain)]
    assert 0 < np.abs(frames[0] - frames[1]).mean() < 7


def test_the_sizes_of_networks_are_read_from_their_files(tier):
    sizes, parts = model_bytes(load_tier(tier).weights), load_components(str(tier))
    count = sum(values.numel() for values in parts.transformer.state_dict().values())
    projector = sum(v.numel() for v in parts.audio_encoder.projector.state_dict().values())
    assert sizes.transformer == 2 * (count + projector)  # they are in one file
    assert sizes.num_blocks == 2 and sizes.encoders > 0
    beside = sum(v.numel() for v in parts.vae.state_dict().values())
    assert sizes.beside > 4 * beside


def test_memory_of_a_gpu_means_nothing_without_one(tier, caplog):
    """What is said about a GPU is heard, and not acted upon."""
    assert load_components(str(tier), memory="12gb") is load_components(str(tier))
    said = "memory 12gb is that of a GPU; tier studio is on cpu and loaded as it is"
    assert said in caplog.messages


def test_what_makes_it_faster_is_chosen_by_the_tier(tier):
    lines = "attention_backend: native\ncompile: true\nfirst_block_cache: 0.1\n"
    transformer = load_components(variant(tier, "faster", lines)).transformer
    assert transformer.is_cache_enabled and transformer.blocks[0]._compiled_call_impl is not None
    assert transformer.blocks[0].attn1.processor._attention_backend == "native"
    with pytest.raises(InputError, match="unknown attention_backend 'fast'"):
        load_components(variant(tier, "unknown", "attention_backend: fast\n"))


def test_a_lora_of_the_tier_is_heeded(tier, portrait, voice, plain, tmp_path):
    stem = "transformer.blocks.0.attn1.to_v"
    lora = {
        f"{stem}.lora_A.weight": torch.randn(2, DIM),
        f"{stem}.lora_B.weight": torch.randn(DIM, 2),
    }
    save_file(lora, tier.with_name("style.safetensors"))
    styled = variant(tier, "styled", "loras: {style.safetensors: 1.0}\n")
    with_lora = frames_of(make(styled, portrait, voice, tmp_path / "styled.mp4").path)
    assert (frames_of(plain) != with_lora).any()


def test_the_checkpoint_says_whether_the_sound_is_normalised(tier, tmp_path):
    assert load_components(tier).audio_encoder.encoder.normalize
    said = tier.with_name("wav2vec2") / "preprocessor_config.json"
    said.write_text('{"do_normalize": false}')
    try:
        plain = load_components(variant(tier, "plain", ""))
        assert not plain.audio_encoder.encoder.normalize
    finally:
        said.unlink()


def test_another_frame_rate_keeps_the_length(tier, portrait, voice, tmp_path):
    result = make(tier, portrait, voice, tmp_path / "fast.mp4", fps=30.0)
    assert result.num_frames == 48 == sa.VideoReader(result.path).num_frames


def test_sizes_are_those_of_the_buckets(tier, portrait, voice, tmp_path):
    with pytest.raises(InputError, match="multiples of 16 pixels, got 100x80"):
        make(tier, portrait, voice, tmp_path / "odd.mp4", size="100x80")
    plan = sa.GenerationRequest(
        sa.Shot(image=portrait, audio=voice, prompt=""), tmp_path / "x.mp4", str(tier)
    )
    from skyreels_avatar.pipeline.estimate import estimate

    shot = estimate(plan)
    assert (shot.height, shot.width) == (576, 704)
    assert "H200" in shot.machine and shot.memory_mb > 20_000
