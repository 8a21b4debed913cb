"""AvatarPipeline as pipelines of diffusers are used, on tiny public files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("transformers", reason="the studio extra is not installed")
pytest.importorskip("accelerate", reason="the studio extra is not installed")

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.folders import MODELS_VARIABLE
from tests.samples import write_portrait, write_voice
from tests.test_studio import write_studio

HOW = {"prompt": "a person smiles", "size": "96x80", "num_inference_steps": 2}
EXACT = ("time_embedder", "norm1", "norm2", "norm3", "norm_audio", "scale_shift_table")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("pretrained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(folder / "models"))
        write_studio(folder)
        yield folder


@pytest.fixture(scope="module")
def asked(folder: Path) -> dict:
    return {"image": write_portrait(folder), "audio": write_voice(folder, 0.4), **HOW}


@pytest.fixture(scope="module")
def plain(folder: Path, asked: dict) -> np.ndarray:
    return sa.AvatarPipeline.from_pretrained(folder)(**asked).frames


def test_frames_of_a_folder(plain, folder, asked) -> None:
    assert plain.shape == (10, 80, 96, 3) and plain.dtype == np.uint8
    output = sa.AvatarPipeline.from_pretrained(folder)(**asked)
    assert (output.frames == plain).all() and output.fps == 25
    assert abs(output.audio.duration_s - 0.4) < 0.01
    with pytest.raises(InputError, match="knows no colour"):
        sa.AvatarPipeline.from_pretrained(folder)(**asked, colour="red")


def test_bfloat16_leaves_norms_and_the_embedding_of_time_in_float32(folder, asked, plain) -> None:
    pipe = sa.AvatarPipeline.from_pretrained(folder, torch_dtype=torch.bfloat16)
    parts = pipe.components
    for name, values in parts.transformer.state_dict().items():
        exact = any(part in name for part in EXACT)
        assert values.dtype == (torch.float32 if exact else torch.bfloat16), name
    assert {p.dtype for p in parts.vae.parameters()} == {torch.float32}
    moved = sa.AvatarPipeline.from_pretrained(folder).to("cpu", torch.bfloat16)
    assert moved.dtype == torch.bfloat16 and moved.device.type == "cpu"
    frames = [one(**asked).frames for one in (pipe, moved)]
    assert (frames[0] == frames[1]).all() and (frames[0] != plain).any()


def test_a_callback_sees_every_step_and_may_change_the_latents(folder, asked, plain) -> None:
    pipe, seen = sa.AvatarPipeline.from_pretrained(folder), []

    def look(pipeline, step, timestep, values):
        assert pipeline is pipe
        seen.append((step, round(timestep), tuple(values["latents"].shape)))
        return {}

    assert (pipe(**asked, callback_on_step_end=look).frames == plain).all()
    assert seen == [(0, 1000, (1, 16, 5, 10, 12)), (1, 11, (1, 16, 5, 10, 12))]
    grey = pipe(
        **asked, callback_on_step_end=lambda p, s, t, v: {"latents": torch.zeros_like(v["latents"])}
    ).frames
    assert (grey != plain).any() and (pipe(**asked).frames == plain).all()


def test_offloading_makes_the_same_frames(folder, asked, plain) -> None:
    pipe = sa.AvatarPipeline.from_pretrained(folder).enable_model_cpu_offload("cpu")
    assert pipe.components.policy.stream_blocks
    pipe.set_attention_backend("native")
    assert (pipe(**asked).frames == plain).all()


def test_loras_and_single_files(folder, asked, plain, tmp_path) -> None:
    pytest.importorskip("peft", reason="the studio extra is not installed")
    pipe = sa.AvatarPipeline.from_pretrained(folder)
    width = pipe.components.transformer.blocks[0].attn1.to_q.weight.shape[0]
    lora = {f"transformer.blocks.0.attn1.to_q.lora_{part}.weight": torch.randn(shape)
            for part, shape in (("A", (2, width)), ("B", (width, 2)))}  # fmt: skip
    save_file(lora, tmp_path / "lora.safetensors")
    assert pipe.load_lora_weights(tmp_path, "lora.safetensors") == 1
    assert (pipe(**asked).frames != plain).any()
    with pytest.raises(InputError, match="of the hub, give weight_name too"):
        pipe.load_lora_weights("nowhere")

    (weights,) = (path for path in (folder / "avatar").iterdir() if path.suffix != ".json")
    tier = folder / "studio.yaml"
    single = sa.AvatarPipeline.from_single_file(weights, tier=tier)
    assert (single(**asked).frames == plain).all()
