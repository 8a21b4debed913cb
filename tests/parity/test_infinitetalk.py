"""AvatarPipeline makes the latents of InfiniteTalk's published loop, clip after clip.

The cases are in `infinitetalk/`, how they were made is in `make_infinitetalk.md`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.loading.checkpoints.public import PartFiles, load_public
from skyreels_avatar.loading.checkpoints.skyreels_v3 import PROJECTOR_FORMAT
from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.parts import format_of
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.acceleration import cache_by_time
from skyreels_avatar.models.speech_encoder import ProjectedSound
from skyreels_avatar.pipeline.windows import LatentsInMemory
from skyreels_avatar.progress import Reporter
from skyreels_avatar.spaces import video_space
from tests.parity.test_longcat import VAE
from tests.parity.test_pipeline import PROMPT, drawing, encode, error_of, open_still

CASES = Path(__file__).parent
NUM_TOKENS = 8
GUIDED = (5.0, 4.0)
RUNS = {  # scales, settings of the tier, TeaCache's threshold
    "text1_audio2": ((1.0, 2.0), {}, 0.0),
    "text5_audio4": (GUIDED, {}, 0.0),
    "text5_audio4_apg": (GUIDED, {"projected_guidance": 12.0}, 0.0),
    "text5_audio4_tea": (GUIDED, {"num_inference_steps": 8}, 1e9),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Wan2.1's files, and InfiniteTalk's that are laid over them, as they are published."""
    folder = tmp_path_factory.mktemp("infinitetalk")
    published = load_file(CASES / "infinitetalk" / "transformer.safetensors")
    ears = {k for k in published if "audio" in k or "norm_x" in k}
    for name, keys in (("wan", published.keys() - ears), ("audio", ears)):
        (folder / name).mkdir()
        tensors = {key: published[key].float() for key in keys}
        save_file(tensors, folder / name / "diffusion_pytorch_model.safetensors")
    (folder / "wan" / "config.json").write_text(json.dumps({"num_heads": 2, "audio_blocks": 2}))
    (folder / "vae").mkdir()
    vae = {k: v.float() for k, v in load_file(CASES / "longcat" / "vae.safetensors").items()}
    save_file(vae, folder / "vae" / "diffusion_pytorch_model.safetensors")
    (folder / "vae" / "config.json").write_text(json.dumps(VAE))
    return folder


class Golden:
    """The networks of the case, and its inputs as an open shot."""

    sample_rate, loudness = 16_000, "broadcast"

    def __init__(self, files: Path, settings: dict, tea: float, dtype=torch.float32):
        values = self.values = load_file(CASES / "infinitetalk" / "values.safetensors")
        tier = load_tier("infinitetalk")
        weights = {"vae": str(files / "vae")}
        weights["transformer"] = [str(files / "wan"), str(files / "audio")]
        parts = {}
        for part, places in weights.items():
            of = dtype if part == "transformer" else torch.float32
            parts[part] = format_of(part, places).load(PartFiles(places, tier, "cpu", of, parts))
        if tea:
            cache_by_time(parts["transformer"], tea)
        self.projector = load_public(PartFiles(weights["transformer"]), PROJECTOR_FORMAT)
        prompts = {PROMPT: "in.text_prompt", tier.negative_prompt: "in.text_negative"}

        def embed(asked: list[str]) -> torch.Tensor:
            rows = [values[prompts[prompt]] for prompt in asked]
            pad = torch.nn.functional.pad
            return torch.stack([pad(row, (0, 0, 0, NUM_TOKENS - len(row))) for row in rows])

        self.components = Components(
            replace(tier, **{"window": 21, "overlap": 5, "num_inference_steps": 4, **settings}),
            controlnet=None,
            audio_encoder=self,
            text_encoder=embed,
            image_encoder=lambda _: values["in.clip"],
            device=torch.device("cpu"),
            dtype=dtype,
            **parts,
        )

    def encode_sound(self, sound) -> ProjectedSound:
        """Hear the case's features in any sound."""
        return ProjectedSound(self.values["in.audio"], self.projector)

    def open(self):
        values = self.values
        return open_still(self.components, values["in.image"].numpy(), len(values["in.audio"]))


def run(golden: Golden, scales: tuple[float, float], monkeypatch) -> list[torch.Tensor]:
    """Return the latents of both clips; colours stay as they are, as published by default."""
    monkeypatch.setattr(video_space, "match_colour", lambda frames, _: frames)
    pipeline, encoded = encode(golden, scales)
    segments, cache = encoded.plan.segments, LatentsInMemory()
    assert [(one.role, one.num_known_frames) for one in segments] == [("stream", 0), ("stream", 5)]
    with drawing(*(golden.values[f"noise{i}"][None] for i in (0, 1))):
        pipeline.sample_latents(encoded, cache, Reporter(), segments)
    return [cache.latents(segment) for segment in segments]


@pytest.mark.parametrize("name", RUNS)
@torch.no_grad()
def test_latents_of_two_clips(files, name: str, monkeypatch) -> None:
    scales, settings, tea = RUNS[name]
    golden = Golden(files, settings, tea)
    for number, made in enumerate(run(golden, scales, monkeypatch)):
        expected = golden.values[f"{name}.latents{number}"]
        assert (made[0] - expected).abs().max() <= 1e-4, number  # 5e-5 was found
    if tea:  # three of eight steps, of three variants
        assert golden.components.transformer.tea_cache.num_skipped == 9


@torch.no_grad()
def test_latents_with_weights_in_bfloat16(files, monkeypatch) -> None:
    scales, settings, tea = RUNS["text1_audio2"]
    golden = Golden(files, settings, tea, torch.bfloat16)
    for number, made in enumerate(run(golden, scales, monkeypatch)):
        assert error_of(made[0], golden.values[f"text1_audio2.latents{number}"]) < 0.05, number
