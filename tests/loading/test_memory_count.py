"""What a pass of the real transformer keeps, counted on tensors without memory, is planned."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.loading.checkpoints.load import kept_in_float32
from skyreels_avatar.loading.memory import _DECODE_BYTES, ModelBytes, pass_bytes
from skyreels_avatar.models import longcat_transformer as longcat
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from tests.memory_counter import fused_attention
from train.video.counters import MemoryCounter

NUM_FRAMES, NUM_BLOCKS = 81, 40
SIZES = {"480p": (480, 832), "720p": (720, 1280)}


def network(make, **sizes) -> torch.nn.Module:
    """Return a network in bfloat16 without memory."""
    with torch.device("meta"):
        module = make(**sizes)
    exact = kept_in_float32(module)
    for name, values in module.named_parameters():
        values.data = values.data.to(torch.float32 if name in exact else torch.bfloat16)
    return module.to("meta").eval().requires_grad_(False)


def counted(
    num_blocks: int, size: tuple[int, int], num_variants: int, batch: int, num_persons: int = 1
) -> int:
    """Return the peak of a step: passes over all variants, under the ControlNet."""
    image = {"image_dim": 1280, "added_kv_proj_dim": 5120}
    model = network(AvatarTransformer3DModel, num_layers=num_blocks, **image)
    controlnet = network(CameraControlNet, ray_channels=7)
    num_latents, height, width = 1 + (NUM_FRAMES - 1) // 4, size[0] // 8, size[1] // 8
    like = {"device": "meta", "dtype": torch.bfloat16}
    counter = MemoryCounter([model, controlnet])
    with torch.no_grad(), fused_attention(), counter:
        control = torch.empty(1, 16, num_latents, height, width, device="meta")
        rays = torch.empty(1, 7, NUM_FRAMES, *size, **like)
        persons = None
        if num_persons > 1:
            persons = torch.empty(num_persons + 1, height // 2, width // 2, device="meta")
        caches = [ConditionCache() for _ in range(num_variants // batch)]
        for cache in caches:
            latents = torch.empty(batch, 36, num_latents, height, width, device="meta")
            time = torch.empty(1, device="meta")
            residuals = controlnet(latents[:1], control, time, 1.0, rays)
            model(
                latents,
                time.expand(batch),
                torch.empty(batch, 512, 4096, **like),
                torch.empty(batch, num_latents, 32 * num_persons, 768, **like),
                torch.empty(batch, 257, 1280, **like),
                residuals,
                person_masks=persons,
                cache=cache,
            )
    return counter.peak


@pytest.mark.parametrize(
    ("size", "num_variants", "batch", "num_persons"),
    [("480p", 1, 1, 1), ("480p", 3, 3, 1), ("480p", 3, 1, 1), ("480p", 1, 1, 2), ("720p", 1, 1, 1)],
)
def test_a_pass_takes_what_is_planned(size, num_variants, batch, num_persons) -> None:
    """Within 10 %. Residuals of the ControlNet made 11.6 GB where 4.8 were planned, at 480p.

    The peak grows by the same for every block; two and four of them tell it for forty. Retalk
    makes passes like these, key frames shorter ones.
    """
    few, more = (counted(n, SIZES[size], num_variants, batch, num_persons) for n in (2, 4))
    found = few + (NUM_BLOCKS - 2) * (more - few) / 2
    how = {"num_variants": num_variants, "num_persons": num_persons, "batch": batch}
    model = ModelBytes(transformer=0, **how)
    planned = pass_bytes(model, SIZES[size][0] * SIZES[size][1])
    assert found == pytest.approx(planned, rel=0.1), f"{found / 1e9:.2f} {planned / 1e9:.2f} GB"


def decoded(num_latents: int, height: int, width: int) -> int:
    """Return the peak of decoding so many latent frames in float32."""
    autoencoder = pytest.importorskip("diffusers.models.autoencoders.autoencoder_kl_wan")
    with torch.device("meta"):
        vae = autoencoder.AutoencoderKLWan().eval().requires_grad_(False)
    counter = MemoryCounter([vae])
    with torch.no_grad(), fused_attention(), counter:
        vae.decode(torch.empty(1, 16, num_latents, height // 8, width // 8, device="meta"))
    return counter.peak


def test_decoding_takes_what_is_planned() -> None:
    """Within 10 %, at 480p; the peak grows by the same for every latent frame after the first."""
    few, more = (decoded(count, *SIZES["480p"]) for count in (3, 5))
    found = few + (1 + (NUM_FRAMES - 1) // 4 - 3) * (more - few) / 2
    planned = _DECODE_BYTES * SIZES["480p"][0] * SIZES["480p"][1] / 1e6
    assert found == pytest.approx(planned, rel=0.1), f"{found / 1e9:.2f} {planned / 1e9:.2f} GB"


def test_a_pass_of_another_family_takes_what_is_planned(monkeypatch) -> None:
    """Within 10 %, of LongCat's 93 frames: four latent frames are known, the picture before them.

    It has 48 blocks, 4096 wide, and no ControlNet beside it.
    """
    order = longcat.FrameOrder(tuple(range(4)), tuple(range(4, 24)), 10, 3)
    monkeypatch.setattr(longcat.LongCatTransformer3DModel, "_order", lambda *_: order)
    monkeypatch.setattr(longcat, "merge_repeated", lambda text: (text, None))
    height, width = SIZES["480p"][0] // 8, SIZES["480p"][1] // 8
    like, peaks = {"device": "meta", "dtype": torch.bfloat16}, []
    for num_blocks in (2, 4):
        model = network(longcat.LongCatTransformer3DModel, num_layers=num_blocks)
        with torch.no_grad(), fused_attention(), MemoryCounter([model]) as counter:
            model(
                torch.empty(1, 36, 24, height, width, device="meta"),
                torch.empty(1, device="meta"),
                torch.empty(1, 512, 4096, **like),
                torch.empty(1, 24, 32, 768, **like),
                torch.empty(1, height * width, 16, device="meta"),
                cache=ConditionCache(),
            )
        peaks.append(counter.peak)
    found = peaks[0] + 46 * (peaks[1] - peaks[0]) / 2
    planned = pass_bytes(ModelBytes(transformer=0), SIZES["480p"][0] * SIZES["480p"][1])
    assert found == pytest.approx(planned, rel=0.1), f"{found / 1e9:.2f} {planned / 1e9:.2f} GB"
