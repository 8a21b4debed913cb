"""The denoising loop equals that of the published pipeline on fixed weights, guided and not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from skyreels_avatar.loading.checkpoints.load import place_module
from skyreels_avatar.models.speech_encoder import ProjectedSound
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import Sampling, denoise
from tests.parity.talking_case import Case

STEPS, SHIFT = 4, 11.0
# Of the RMS, by the scales of text and audio; guidance multiplies what rounding does.
BFLOAT16_BOUNDS = {(1.0, 1.0): 0.008, (1.0, 2.0): 0.014, (3.0, 1.0): 0.02, (5.0, 4.0): 0.06}


@pytest.fixture(scope="module")
def case(golden_dir: Path) -> Case:
    folder = golden_dir / "skyreels_v3_a2v"
    names = "case2_config.json", "case2_weights.safetensors", "case6_guidance_loop.safetensors"
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in {folder}")
    config, weights, values = (folder / name for name in names)
    return Case(json.loads(config.read_text()), load_file(weights), load_file(values))


def make_conditions(case: Case) -> Conditions:
    values, length = case.values, case.config["text_len"]
    num_latent_frames = values["noise"].shape[1]
    sound = ProjectedSound(values["in.audio_raw"], case.make_projector())

    def text(name: str) -> torch.Tensor:
        tokens = values[name]
        return torch.nn.functional.pad(tokens, (0, 0, 0, length - len(tokens)))[None]

    return Conditions(
        prompt_embeds=text("in.text_prompt"),
        negative_embeds=text("in.text_negative"),
        audio_embeds=sound.tokens(0, num_latent_frames),
        no_audio_embeds=sound.no_audio(num_latent_frames),
        known_latents=values["y"][:, 4:],
        known_mask=values["y"][:, :4],
        image_embeds=values["in.clip_fea"],
    )


def sample(
    case: Case, scales: tuple[float, float], dtype: torch.dtype, batch: bool, monkeypatch
) -> torch.Tensor:
    """Return the latents (1, C, T, h, w) that our loop makes of the case's noise."""
    sampling = Sampling(STEPS, *scales, SHIFT, sigma_smallest=0.001, batch_guidance=batch,
                        injection="none")  # fmt: skip
    transformer = place_module(case.make_transformer(), "cpu", dtype)
    conditions = make_conditions(case).to(torch.device("cpu"), dtype)
    noise = case.values["noise"][None]
    monkeypatch.setattr(torch, "randn", lambda shape, **_: noise.view(shape))
    with torch.no_grad():
        return denoise(transformer, None, conditions, sampling, torch.Generator())


def loops(case: Case) -> dict[tuple[float, float], torch.Tensor]:
    """Return the final latents by the scales of text and audio."""
    found = {}
    for key, latents in case.values.items():
        if match := re.fullmatch(r"text(\d+)_audio(\d+)\.latents", key):
            found[float(match[1]), float(match[2])] = latents[-1]
    assert len(found) == 4
    return found


@pytest.mark.parametrize("batch", [True, False], ids=["batch", "in turn"])
def test_latents_of_the_guidance_loop(case: Case, batch: bool, monkeypatch) -> None:
    """As the case asks: 1e-4, and 2e-4 where text and audio are guided.

    It failed with zero tokens for "no audio" (28 to 34 % RMS), and with the picture's latent
    noised and put over the first one.
    """
    for scales, expected in loops(case).items():
        with monkeypatch.context() as patch:
            made = sample(case, scales, torch.float32, batch, patch)
        bound = 1e-4 if 1.0 in scales else 2e-4
        assert (made[0] - expected).abs().max() <= bound, scales


def test_weights_in_bfloat16_leave_latents_and_time_in_float32(case: Case, monkeypatch) -> None:
    """With a time of 956 for 956.58 and latents in bfloat16 the error was 11.9 % of the RMS."""
    for scales, expected in loops(case).items():
        with monkeypatch.context() as patch:
            made = sample(case, scales, torch.bfloat16, False, patch)
        assert made.dtype == torch.float32
        error = (made[0] - expected).square().mean().sqrt() / expected.square().mean().sqrt()
        assert error < BFLOAT16_BOUNDS[scales], scales
