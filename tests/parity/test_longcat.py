"""A second family: AvatarPipeline makes the latents of LongCat-Video-Avatar's published pipeline.

The cases are in `longcat/`, how they were made is in `make_longcat.md`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.loading.checkpoints.longcat import PROJECTOR_FORMAT
from skyreels_avatar.loading.checkpoints.public import PartFiles, load_public
from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.parts import format_of
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.speech_encoder import ProjectedSound
from skyreels_avatar.pipeline.windows import LatentsInMemory
from skyreels_avatar.progress import Reporter
from skyreels_avatar.spaces import video_space
from tests.parity.test_pipeline import PROMPT, drawing, encode, error_of, open_still

CASES = Path(__file__).parent / "longcat"
# What shapes do not tell, as the published config.json does, and how the case goes on.
CONFIG = {"num_heads": 2, "audio_block": 5, "reference_position": 3, "reference_reach": 1}
VAE = {"base_dim": 4, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
SCALES = ((1.0, 1.0), (3.0, 2.0))
NUM_TOKENS = 8


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """The files of the case, laid out as they are published."""
    folder = tmp_path_factory.mktemp("longcat")
    for part, name, config in (
        ("transformer", "base_model", CONFIG),
        ("vae", "vae", VAE),
    ):
        (folder / name).mkdir()
        tensors = {k: v.float() for k, v in load_file(CASES / f"{part}.safetensors").items()}
        save_file(tensors, folder / name / "diffusion_pytorch_model.safetensors")
        (folder / name / "config.json").write_text(json.dumps(config))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"shift": 7.0}))
    return folder


class Golden:
    """The networks of the case, and its inputs as an open shot."""

    def __init__(self, files: Path, dtype: torch.dtype = torch.float32):
        values = self.values = load_file(CASES / "values.safetensors")
        tier = load_tier("longcat")
        weights = {"vae": files / "vae", "image_encoder": files / "vae"}
        weights |= {"transformer": files / "base_model"}
        parts = {}
        for part, place in weights.items():
            row = format_of(part, str(place))
            of = dtype if part == "transformer" else torch.float32
            parts[part] = row.load(PartFiles(str(place), tier, "cpu", of, parts))
        self.projector = load_public(PartFiles(str(files / "base_model")), PROJECTOR_FORMAT)
        texts = {
            PROMPT: values["in.text_prompt"],
            tier.negative_prompt: values["in.text_negative"],
        }

        def embed(prompts: list[str]) -> torch.Tensor:
            rows = [texts[prompt] for prompt in prompts]
            pad = torch.nn.functional.pad
            return torch.stack([pad(row, (0, 0, 0, NUM_TOKENS - len(row))) for row in rows])

        self.components = Components(
            replace(tier, window=21, overlap=5, num_inference_steps=4),
            controlnet=None,
            audio_encoder=self,
            text_encoder=embed,
            device=torch.device("cpu"),
            dtype=dtype,
            **parts,
        )

    sample_rate, loudness = 16_000, "broadcast"

    def encode_sound(self, sound) -> ProjectedSound:
        """Hear the case's features in any sound."""
        return ProjectedSound(self.values["in.audio"], self.projector)

    def open(self):
        values = self.values
        return open_still(self.components, values["in.image"].numpy(), len(values["in.audio"]))


def run(golden: Golden, scales: tuple[float, float], monkeypatch) -> list[torch.Tensor]:
    """Return the latents of both clips.

    The published pipeline hands over frames of 8 bits, whose colours it leaves as they are.
    """
    key = "text{:.0f}_audio{:.0f}".format(*scales)
    given = golden.values[f"{key}.given1"].permute(0, 3, 1, 2).float() / 127.5 - 1
    handed = []

    def hand_over(frames: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        handed.append((frames.clamp(-1, 1) - given).abs().max() * 127.5)
        return given

    monkeypatch.setattr(video_space, "match_colour", hand_over)
    pipeline, encoded = encode(golden, scales)
    segments, cache = encoded.plan.segments, LatentsInMemory()
    assert [one.num_known_frames for one in segments] == [0, 5]
    with drawing(*(golden.values[f"{key}.noise{i}"][None] for i in (0, 1))):
        pipeline.sample_latents(encoded, cache, Reporter(), segments)
    bound = 1.01 if golden.components.dtype == torch.float32 else 60  # they cut where we do not
    assert len(handed) == 1 and handed[0] <= bound
    return [cache.latents(segment) for segment in segments]


@pytest.mark.parametrize("scales", SCALES)
@torch.no_grad()
def test_latents_of_two_clips(files, scales, monkeypatch) -> None:
    """The picture's clip and one that goes on from it, with its own schedule and the picture."""
    golden = Golden(files)
    for number, made in enumerate(run(golden, scales, monkeypatch)):
        expected = golden.values["text{:.0f}_audio{:.0f}.latents{}".format(*scales, number)]
        assert (made[0] - expected).abs().max() <= 1e-4  # 2e-5 was found


@pytest.mark.parametrize("scales", SCALES)
@torch.no_grad()
def test_latents_with_weights_in_bfloat16(files, scales, monkeypatch) -> None:
    golden = Golden(files, torch.bfloat16)
    for number, made in enumerate(run(golden, scales, monkeypatch)):
        expected = golden.values["text{:.0f}_audio{:.0f}.latents{}".format(*scales, number)]
        assert made.dtype == torch.float32 and error_of(made[0], expected) < 0.06


@torch.no_grad()
def test_a_pass_over_two_persons(files) -> None:
    golden = Golden(files)
    values, clip = golden.values, golden.values["two.x"]
    sounds = [ProjectedSound(one, golden.projector).tokens(0, 6) for one in values["two.audio"]]
    mask = torch.zeros(4, *clip.shape[1:])
    mask[:, 0] = 1
    made = golden.components.transformer(
        torch.cat([clip, mask, clip])[None],
        torch.tensor([620.0]),
        golden.components.text_encoder([PROMPT]),
        torch.cat(sounds, dim=2),
        person_masks=values["two.masks"],
    )
    # Known frames are held; their velocity leads to where they are.
    assert made[0, :, 0].abs().max() == 0
    assert (made[0, :, 1:] + values["two.out"][:, 1:]).abs().max() <= 2e-5


def test_what_the_checkpoint_says_is_used(files) -> None:
    """The schedule, the factors of the latents and the sizes come from the files."""
    transformer = Golden(files).components.transformer
    assert transformer.config.shift == 7.0 and load_tier("longcat").shift is None
    assert transformer.config.reference_position == 3 and len(transformer.blocks) == 2
    other = format_of("transformer", str(files / "base_model"))
    assert other.network == "LongCatTransformer3DModel"
    assert np.prod(transformer.patch_embedding.weight.shape[2:]) == 4
