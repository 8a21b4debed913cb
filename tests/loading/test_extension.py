"""A latent space, a family of checkpoints, an audio encoder and a sink of the user's own.

Each is a class of this file and one row of a table; the package stays as it is. Latent frames stand
for two frames each, which no network of the package knows.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from safetensors.torch import save_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading import parts
from skyreels_avatar.loading.checkpoints.load import save_module
from skyreels_avatar.loading.checkpoints.public import PublicFormat, TensorShapes
from skyreels_avatar.loading.components import build_components, load_components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.text_encoder import TextEncoder
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from skyreels_avatar.pipeline.open import open_shot
from skyreels_avatar.pipeline.read import read_files
from skyreels_avatar.pipeline.run import AvatarPipeline
from skyreels_avatar.progress import Reporter
from skyreels_avatar.spaces import table
from skyreels_avatar.spaces.known import Known
from tests.samples import write_portrait, write_voice

DIM, FACTOR = 16, 2
TOY = {"patch_size": (1, 1, 1), "num_attention_heads": 1, "attention_head_dim": DIM,
       "in_channels": 3 * FACTOR, "out_channels": FACTOR, "text_dim": DIM, "audio_dim": DIM,
       "ffn_dim": 32, "num_layers": 2}  # fmt: skip


class Brightness(ModelMixin, ConfigMixin):
    """A "VAE" whose latents are by how much each frame is brighter than the reference."""

    @register_to_config
    def __init__(self, levels: float = 20.0):
        super().__init__()
        self.register_buffer("scale", torch.tensor(levels))

    def pack(self, offsets: torch.Tensor) -> torch.Tensor:
        """Return latents (1, FACTOR, T, 1, 1) of offsets (F,), F = 1 + FACTOR k."""
        phases = torch.cat([offsets[:1].expand(FACTOR - 1), offsets]) / self.scale
        return phases.unflatten(0, (-1, FACTOR)).T[None, :, :, None, None]

    def unpack(self, latents: torch.Tensor) -> torch.Tensor:
        """Return offsets (F,): the inverse of `pack`."""
        return self.scale * latents[0, :, :, 0, 0].T.flatten()[FACTOR - 1 :]


class BrightnessSpace:
    """The latent space of `Brightness`."""

    roles = frozenset({"window"})
    moves_reference = takes_footage = separates_persons = False

    def __init__(self, vae, plan, reference):
        self.vae, self.plan, self.reference = vae, plan, reference

    @classmethod
    def open(cls, vae, plan, references, seed):
        return cls(vae, plan, references[0])

    def known(self, segment, needed):
        given = torch.zeros(1)
        if needed:
            given = self.vae.unpack(needed[0][1])[-segment.num_known_frames :]
        offsets = torch.zeros(segment.num_frames)
        offsets[: len(given)] = given
        known = self.vae.pack(offsets)
        mask = torch.zeros_like(known)
        mask[:, :, : 1 + (len(given) - 1) // FACTOR] = 1
        return Known(known * mask, mask)

    def control(self, segment):
        return self.vae.pack(torch.zeros(segment.num_frames))

    def finish(self, latents, segment):
        return latents

    def frames(self, latents, segment):
        offsets = self.vae.unpack(latents)
        for frame in range(*self.plan.video_range(segment)):
            offset = float(offsets[round(self.plan.position(frame)) - segment.first_frame])
            seen = self.reference.frames(frame, frame + 1).astype(np.float32)
            yield (seen + offset).round().clip(0, 255).astype(np.uint8)


def build_toy(shapes: TensorShapes) -> torch.nn.Module:
    assert shapes("toy.patch_embedding.weight")[0] == DIM
    return AvatarTransformer3DModel(**shapes.config)


TOY_FORMAT = PublicFormat(
    "toy",
    ("toy.patch_embedding.weight", "toy.proj_out.weight"),
    build_toy,
    lambda tensors, source: {key.removeprefix("toy."): value for key, value in tensors.items()},
)


class Envelope(ModelMixin, ConfigMixin):
    """An audio encoder that hears a whole sound: how loud it is in each frame."""

    sample_rate, loudness, token_dim = 8000, "broadcast", DIM

    @register_to_config
    def __init__(self, gain: float = 10.0):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(gain))

    def encode_sound(self, sound) -> EnvelopeTokens:
        samples = torch.from_numpy(sound.read(0, sound.num_samples))
        frames = samples[: len(samples) // 320 * 320].unflatten(0, (-1, 320))
        return EnvelopeTokens(self.factor * frames.square().mean(1).sqrt())


class EnvelopeTokens:
    """The loudness (F,) of a sound as tokens."""

    def __init__(self, levels: torch.Tensor):
        self.levels = levels

    def tokens(self, first_frame: int, num_latent_frames: int) -> torch.Tensor:
        at = first_frame + FACTOR * torch.arange(num_latent_frames)
        levels = self.levels[at.clamp_max(len(self.levels) - 1)]
        return levels[None, :, None, None].expand(1, -1, 1, DIM)


class Frames:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.kept: list[np.ndarray] = []

    @property
    def num_frames(self) -> int:
        return sum(len(pixels) for pixels in self.kept)

    def write(self, frames_uint8: np.ndarray) -> None:
        self.kept.append(frames_uint8.copy())


@pytest.fixture
def rows(monkeypatch):
    """One row for each."""
    added = [
        parts.ours("vae", Brightness, time_factor=FACTOR),
        parts.public("transformer", "AvatarTransformer3DModel", TOY_FORMAT, precision="asked"),
        parts.ours("audio_encoder", Envelope),
    ]
    monkeypatch.setattr(parts, "FORMATS", [*parts.FORMATS, *added])
    monkeypatch.setitem(table.SPACES, "Brightness", BrightnessSpace)


@pytest.fixture
def tier(tmp_path: Path, rows) -> Path:
    """A tier of the toys, with windows of eleven frames."""
    torch.manual_seed(0)
    transformer = AvatarTransformer3DModel(**TOY)
    torch.nn.init.normal_(transformer.proj_out.weight, std=0.3)  # at first its velocity is zero
    (tmp_path / "avatar").mkdir()
    tensors = {f"toy.{key}": value for key, value in transformer.state_dict().items()}
    save_file(tensors, tmp_path / "avatar" / "toy.safetensors")
    (tmp_path / "avatar" / "config.json").write_text(json.dumps(TOY))
    modules = {
        "vae": Brightness(),
        "controlnet": CameraControlNet(
            (1, 1, 1), 2 * FACTOR, FACTOR, DIM, DIM, 1, 32, num_layers=2, time_embed_dim=DIM
        ),
        "audio_encoder": Envelope(),
        "text_encoder": TextEncoder(DIM, 4, 64, 1, 1),
    }
    for name, module in modules.items():
        save_module(module, tmp_path / f"{name}.safetensors")
    files = "".join(f"  {name}: {name}.safetensors\n" for name in modules)
    path = tmp_path / "toy.yaml"
    path.write_text(
        f"weights:\n  transformer: avatar\n{files}window: 11\noverlap: 3\nnum_inference_steps: 2\n"
    )
    return path


def make(tier: Path, voice: Path, **how) -> tuple[np.ndarray, np.ndarray, object]:
    """Return the frames of a shot, those of its reference video, and its plan."""
    shot = sa.Shot(image=write_portrait(tier.parent), audio=voice, camera="push_in:60", **how)
    request = sa.GenerationRequest(shot, tier.parent / "a.mp4", str(tier), "64x64", 25.0)
    components = load_components(str(tier))
    opened = open_shot(request, read_files(request), components)
    sink = Frames()
    reference = AvatarPipeline(components)(request, opened, sink, Reporter())
    return np.concatenate(sink.kept), reference.frames(0, opened.plan.num_frames), opened.plan


def test_a_shot_is_made_by_what_the_package_does_not_know(tier: Path) -> None:
    voice = write_voice(tier.parent, 1.0)
    frames, seen, plan = make(tier, voice)
    assert plan.time_factor == FACTOR and len(plan.segments) == 3
    assert frames.shape == (25, 64, 64, 3)
    change = np.median(frames.astype(int) - seen, axis=(1, 2, 3))
    assert change[0] == 0 and len(set(change[1:])) > 5  # the first frame is the picture
    again, _, _ = make(tier, voice)
    assert (again == frames).all()
    sa.AudioTrack(np.zeros(16_000, np.float32), 16_000).save(voice)
    silent, _, _ = make(tier, voice)
    assert (silent != frames).any()


def test_existing_video_is_refused_where_a_space_draws_anew(tier: Path) -> None:
    shot = sa.Shot(image=write_portrait(tier.parent), audio=write_voice(tier.parent, 1.0))
    request = sa.GenerationRequest(
        shot, tier.parent / "a.mp4", str(tier), "64x64", 25.0, windows="keyframes"
    )
    with pytest.raises(InputError, match="makes overlapping windows only"):
        open_shot(request, read_files(request), load_components(str(tier)))


def test_another_class_of_a_part_is_trained_when_sizes_name_it(rows) -> None:
    tier = load_tier("nano")
    tier.sizes["audio_encoder"] = {"network": "Envelope", "gain": 3.0}
    tier.sizes["transformer"]["audio_dim"] = DIM
    assert float(build_components(tier).audio_encoder.factor) == 3.0
    tier.sizes["audio_encoder"] = {"network": "Whistle"}
    with pytest.raises(InputError, match="one of Envelope, AudioEncoder, got 'Whistle'"):
        build_components(tier)
