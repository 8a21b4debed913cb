"""AvatarPipeline itself makes the latents and the frames of the published pipeline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.faces.face import Face
from skyreels_avatar.loading.checkpoints import wan
from skyreels_avatar.loading.checkpoints.load import place_module
from skyreels_avatar.loading.checkpoints.public import PartFiles, load_public
from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.speech_encoder import ProjectedSound
from skyreels_avatar.pipeline.open import OpenShot
from skyreels_avatar.pipeline.run import AvatarPipeline
from skyreels_avatar.pipeline.shot_sound import ShotSound
from skyreels_avatar.pipeline.windows import LatentsInMemory, WindowSampler
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.planning.storyboard import with_scheme
from skyreels_avatar.progress import Reporter
from skyreels_avatar.references.framing import Framing
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot
from tests.parity.talking_case import Case

PROMPT = "the prompt of the case"
CONFIG, WEIGHTS = "case2_config.json", "case2_weights.safetensors"
VAE = "case7_vae_weights.safetensors"
GUIDED, LONG = "case6*.safetensors", "case14*.safetensors"  # others of the same layout as well
# Of the RMS, by the scales of text and audio; guidance multiplies what rounding does.
BFLOAT16_BOUNDS = {(1.0, 1.0): 0.02, (1.0, 2.0): 0.03, (3.0, 1.0): 0.04, (5.0, 4.0): 0.12}


class GoldenSound:
    """Hears the case's features in any sound."""

    sample_rate, loudness = 16_000, "broadcast"

    def __init__(self, case: Case):
        self._sound = ProjectedSound(case.values["in.audio_raw"], case.make_projector())

    def encode_sound(self, sound) -> ProjectedSound:
        return self._sound


class StillPicture:
    """A reference video of one picture."""

    is_still, frame_light, has_own_motion = True, None, False

    def __init__(self, pixels: np.ndarray):
        self._pixels = pixels

    def frames(self, start: int, stop: int) -> np.ndarray:
        return np.repeat(self._pixels[None], stop - start, 0)


class Golden:
    """The case's networks as the components of the studio tier, and its inputs as an open shot."""

    def __init__(self, values: Path, dtype: torch.dtype = torch.float32):
        config, weights, vae = (values.with_name(name) for name in (CONFIG, WEIGHTS, VAE))
        self.case = Case(json.loads(config.read_text()), load_file(weights), load_file(values))
        values, length = self.case.values, self.case.config["text_len"]
        tier = load_tier("studio")
        texts = {PROMPT: values["in.text_prompt"], tier.negative_prompt: values["in.text_negative"]}
        if "in.text_connection" in values:
            texts[tier.connection_prompt] = values["in.text_connection"]

        def encode(prompts: list[str]) -> torch.Tensor:
            rows = [texts[prompt] for prompt in prompts]
            return torch.stack(
                [torch.nn.functional.pad(row, (0, 0, 0, length - len(row))) for row in rows]
            )

        long = "pass0.t" in values
        steps = len(values["pass0.t" if long else "t"]) - 1
        frames = 4 * values["pass0.noise"].shape[1] - 3 if long else values["audio"].shape[1]
        self.components = Components(
            replace(tier, window=frames, num_inference_steps=steps),
            vae=load_public(PartFiles(vae), wan.VAE_FORMAT),
            transformer=place_module(self.case.make_transformer(), "cpu", dtype),
            controlnet=SimpleNamespace(config=SimpleNamespace(ray_channels=7)),
            audio_encoder=GoldenSound(self.case),
            text_encoder=encode,
            device=torch.device("cpu"),
            dtype=dtype,
            image_encoder=self.look,
        )
        self.looks = iter(values["in.clip_fea"].split(1))

    def look(self, picture: torch.Tensor) -> torch.Tensor:
        """Return what the case's image encoder saw in a pass."""
        return next(self.looks)

    def open(self) -> OpenShot:
        values = self.case.values
        return open_still(self.components, values["in.image"].numpy(), len(values["in.audio_raw"]))


def open_still(components: Components, pixels: np.ndarray, num_frames: int) -> OpenShot:
    """Return a shot of a picture (H, W, 3) that may be smaller than portraits are."""
    tier, encoder = components.tier, components.audio_encoder
    track = AudioTrack(np.zeros(16_000 * num_frames // 25, np.float32), 16_000)
    as_tensor = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    picture = SimpleNamespace(as_tensor=lambda: as_tensor)
    face = Face((20.0, 8.0, 30.0, 30.0), np.zeros((478, 3), np.float32), 1.0, 1.0)
    plan = plan_shot(num_frames / 25, 25.0, tier.fps, tier.window, tier.overlap, 4)
    plan = with_scheme(plan, tier)
    return OpenShot(
        Framing(picture, (face,)),
        ShotSound([track], encoder, separate=False, num_frames=plan.num_heard_frames),
        plan,
        noise_key=0,
        references=(StillPicture(pixels),),
    )


def cases(golden_dir: Path, pattern: str) -> list[Path]:
    folder = golden_dir / "skyreels_v3_a2v"
    if missing := [name for name in (CONFIG, WEIGHTS, VAE) if not (folder / name).is_file()]:
        pytest.skip(f"no {', '.join(missing)} in {folder}")
    return sorted(folder.glob(pattern)) or pytest.skip(f"no {pattern} in {folder}")


@contextmanager
def drawing(*drawn: torch.Tensor) -> Iterator[None]:
    """Draw the noise of a case, in its order, and nothing else of such shapes."""
    left, draw = list(drawn), torch.randn

    def randn(*shape, **how):
        if left and shape[0] == left[0].shape:
            return left.pop(0)
        return draw(*shape, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", randn)
        yield
    assert not left


def encode(golden: Golden, scales: tuple[float, float]):
    """Return the pipeline, an encoded shot and its plan."""
    sampling = SamplingParams(guidance_scale=scales[0], audio_guidance_scale=scales[1])
    shot = Shot(image="p.png", audio="a.wav", prompt=PROMPT, watermark=False)
    request = GenerationRequest(shot, "o.mp4", "studio", sampling=sampling)
    pipeline = AvatarPipeline(golden.components)
    return pipeline, pipeline.encode(request, golden.open(), Reporter())


@torch.no_grad()
def run(golden: Golden, scales: tuple[float, float]):
    """Return the encoded shot, its only window, and the latents that it samples."""
    golden.looks = iter(golden.case.values["in.clip_fea"].split(1))
    pipeline, encoded = encode(golden, scales)
    (segment,), cache = encoded.plan.segments, LatentsInMemory()
    with drawing(golden.case.values["noise"][None]):
        pipeline.sample_latents(encoded, cache, Reporter(), [segment])
    return encoded, segment, cache.latents(segment)


def loops(golden: Golden) -> dict[tuple[float, float], torch.Tensor]:
    """Return the final latents by the scales of text and audio."""
    found = {}
    for key, latents in golden.case.values.items():
        if match := re.fullmatch(r"text(\d+)_audio(\d+)\.latents", key):
            found[float(match[1]), float(match[2])] = latents[-1]
    assert found
    return found


def test_latents(golden_dir: Path) -> None:
    """As the case asks: 1e-4, and 2e-4 where text and audio are guided."""
    for path in cases(golden_dir, GUIDED):
        golden = Golden(path)
        for scales, expected in loops(golden).items():
            _, _, latents = run(golden, scales)
            bound = 1e-4 if 1.0 in scales else 2e-4
            assert (latents[0] - expected).abs().max() <= bound, (path, scales)


def test_latents_with_weights_in_bfloat16(golden_dir: Path) -> None:
    for path in cases(golden_dir, GUIDED):
        golden = Golden(path, torch.bfloat16)
        for scales, expected in loops(golden).items():
            _, _, latents = run(golden, scales)
            assert latents.dtype == torch.float32
            assert error_of(latents[0], expected) < BFLOAT16_BOUNDS.get(scales, 0.12), scales


def error_of(made: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the RMS of the difference as a share of the RMS."""
    return float((made - expected).square().mean().sqrt() / expected.square().mean().sqrt())


@torch.no_grad()
def test_frames(golden_dir: Path) -> None:
    """Colours matched, within one level; the published pipeline cuts where we round."""
    for path in cases(golden_dir, GUIDED):
        golden = Golden(path)
        encoded, segment, latents = run(golden, (5.0, 4.0))
        check_frames(golden, encoded, [(segment, latents)])


def check_frames(golden: Golden, encoded, windows) -> None:
    """Compare the pictures of windows with the case's video, within one level."""
    made = [list(encoded.space.frames(latents, segment)) for segment, latents in windows]
    frames = np.concatenate([chunk for chunks in made for chunk in chunks])
    expected = golden.case.values["video_uint8"].numpy()
    assert frames.shape == expected.shape
    difference = np.abs(frames.astype(int) - expected)
    assert difference.max() <= 1, (difference > 1).mean()


def run_long(golden: Golden):
    """Return the encoded shot and the latents of all passes of a long video."""
    values, cache = golden.case.values, LatentsInMemory()
    _, encoded = encode(golden, (1.0, 1.0))
    sampler = WindowSampler(golden.components, encoded, Reporter(), cache)
    made = []
    for number, segment in enumerate(encoded.plan.segments):
        drawn = [values[f"pass{number}.noise"][None]]
        drawn += [one[None] for one in values.get(f"pass{number}.motion_noise", ())]
        if number == 1:  # the case has tokens of its own for each pass, although of one picture
            encoded.image_embeds = golden.look(None)
        with drawing(*drawn):
            made.append(sampler.latents(segment))
    return encoded, made


@torch.no_grad()
def test_a_long_video(golden_dir: Path) -> None:
    """Storyboard, clips with key frames, motion frames, sound and frames of every pass."""
    for path in cases(golden_dir, LONG):
        golden = Golden(path)
        encoded, made = run_long(golden)
        passes = [key for key in golden.case.values if re.fullmatch(r"pass\d+\.latents", key)]
        assert len(passes) == len(made) > 2
        for number, latents in enumerate(made):
            expected = golden.case.values[f"pass{number}.latents"][-1]
            assert (latents[0] - expected).abs().max() <= 1e-4, (path, number)
        windows = zip(encoded.plan.segments, made)
        check_frames(golden, encoded, [one for one in windows if one[0] in encoded.plan.shown])


@torch.no_grad()
def test_a_long_video_with_weights_in_bfloat16(golden_dir: Path) -> None:
    """Errors grow from pass to pass, since each goes on from pictures of the one before."""
    for path in cases(golden_dir, LONG):
        golden = Golden(path, torch.bfloat16)
        _, made = run_long(golden)
        for number, latents in enumerate(made):
            expected = golden.case.values[f"pass{number}.latents"][-1]
            assert error_of(latents[0], expected) < 0.05, number
