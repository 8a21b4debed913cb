"""Every memory policy with everything that a shot can be, end to end in bfloat16.

Tiny networks in the public formats; what is compared is what is written, before H.264.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("transformers", reason="the studio extra is not installed")
pytest.importorskip("accelerate", reason="the studio extra is not installed")

import skyreels_avatar as sa
from skyreels_avatar.folders import MODELS_VARIABLE
from skyreels_avatar.loading import components as loading
from skyreels_avatar.loading.components import load_components, unload_components
from skyreels_avatar.loading.memory import POLICIES
from skyreels_avatar.workers.shot import generate_request
from tests.samples import write_pair, write_portrait, write_voice
from tests.test_studio import keeping, variant, write_studio

NUM_FRAMES, SIDE = 14, (96, 112)
SCHEMES = {
    "storyboard": "scheme: storyboard\nnum_dropped: 4\nconnection_prompt: a person\n"
    "inject_picture: none\ninject_carried: renoised\n",
    "streaming": "scheme: streaming\ninject_picture: clean\ninject_carried: clean\n",
}
MODES = ("plain", "guided", "two persons", "camera", "keyframes", "retalk")


class Studio:
    """The tiers and the inputs of all tests of this file."""

    def __init__(self, folder: Path):
        tier = write_studio(folder, vae_dim=4)
        tier.write_text(tier.read_text().replace("window: 17", "window: 13"))
        self.folder = folder
        self.tiers = {name: variant(tier, name, lines) for name, lines in SCHEMES.items()}
        free = tier.read_text().replace("buckets: 480p\n", "")  # footage keeps a size so small
        for name, lines in SCHEMES.items():
            path = tier.with_name(f"{name}_free.yaml")
            path.write_text(free + lines)
            self.tiers[f"{name} free"] = path
        self.portrait, self.pair = write_portrait(folder), write_pair(folder)
        self.voice = write_voice(folder, NUM_FRAMES / 25)
        self.footage = folder / "footage.mp4"
        person = np.asarray(Image.open(self.portrait).resize(SIDE[::-1], Image.LANCZOS))
        frames = [np.roll(person, index // 4, axis=1) for index in range(NUM_FRAMES)]
        with sa.VideoWriter(self.footage, *SIDE, 25.0) as writer:
            writer.write(np.stack(frames))

    def request(self, mode: str, scheme: str) -> sa.GenerationRequest:
        """Return what is asked for in a mode."""
        how = {"prompt": "a person smiles", "image": self.portrait, "audio": self.voice}
        rest = {"size": "64x64"}
        tier = self.tiers[scheme]
        if mode == "two persons":
            faces = "100,40,90,110", "410,40,90,110"
            speakers = [sa.Speaker(f"{i}", f, self.voice) for i, f in enumerate(faces)]
            how |= {"image": self.pair, "audio": None, "speakers": speakers}
            rest = {"size": "160x64"}
        elif mode == "retalk":
            how |= {"image": None, "video": self.footage}
            tier, rest = self.tiers[f"{scheme} free"], {}
        elif mode == "camera":
            how["camera"] = "push_in:60"
        elif mode == "keyframes":
            rest["windows"] = "keyframes"
        if mode in ("guided", "two persons"):
            rest["sampling"] = sa.SamplingParams(guidance_scale=3.0, audio_guidance_scale=2.0)
        return sa.GenerationRequest(sa.Shot(**how), self.folder / "out.mp4", str(tier), **rest)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("studio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(folder / "models"))
        yield Studio(folder)
    made.cache_clear()
    unload_components()


@cache
def made(studio: Studio, mode: str, policy: int, scheme: str = "storyboard") -> np.ndarray:
    """Return the frames (F, H, W, 3) of a shot, in bfloat16 under a policy."""
    request = studio.request(mode, scheme)
    with pytest.MonkeyPatch.context() as patch, keeping() as kept:
        patch.setattr(loading, "_policy_for", lambda *_: POLICIES[policy])
        networks = load_components(request.tier, dtype=torch.bfloat16)
        assert networks.policy == POLICIES[policy] and networks.dtype == torch.bfloat16
        generate_request(request, components=networks)
    return np.concatenate(kept)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", range(len(POLICIES)))
def test_every_policy_makes_everything(studio, policy: int, mode: str) -> None:
    """Where things are changes nothing; weights in 8 bits move frames a little."""
    frames, plain = made(studio, mode, policy), made(studio, mode, 0)
    assert frames.shape == plain.shape and len(frames) == NUM_FRAMES
    if not POLICIES[policy].weights_in_8_bits:
        assert (frames == plain).all()
    else:
        assert 0 < np.abs(frames.astype(float) - plain).mean() < 12


@pytest.mark.parametrize("mode", MODES)
def test_streaming_makes_everything(studio, mode: str) -> None:
    frames = made(studio, mode, 0, "streaming")
    assert len(frames) == NUM_FRAMES
    if mode != "keyframes":  # which both schemes make alike, but for what is held
        assert (frames != made(studio, mode, 0)).any()


@pytest.mark.parametrize("mode", ["guided", "camera", "keyframes"])
def test_modes_differ(studio, mode: str) -> None:
    assert (made(studio, mode, 0) != made(studio, "plain", 0)).any()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_outside_the_face_a_video_stays_as_it_is(studio, scheme: str) -> None:
    source = np.stack(list(sa.VideoReader(studio.footage)))
    frames = made(studio, "retalk", 0, scheme)
    changed = (frames != source).any(-1)
    assert frames.shape == source.shape and changed.any((1, 2)).sum() > NUM_FRAMES // 2
    # What may change of the drawn face, in steps of 16 pixels.
    assert not changed[:, 80:].any()
    assert not changed[:, :, :16].any() and not changed[:, :, 96:].any()
