"""The sampler keeps what is known, guides as it says, and repeats itself."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from skyreels_avatar.flow import make_sigmas
from skyreels_avatar.models.acceleration import cache_first_block
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import Sampling, _Guidance, denoise
from skyreels_avatar.pipeline.noise import segment_generator
from skyreels_avatar.spaces.known import known_mask


def make_conditions(num_known: int = 2, num_latents: int = 5) -> Conditions:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    mask = known_mask(num_latents, num_known, 1, 4)
    return Conditions(
        prompt_embeds=normal(1, 6, 16),
        negative_embeds=normal(1, 6, 16),
        audio_embeds=normal(1, num_latents, 12, 16),
        no_audio_embeds=normal(1, num_latents, 12, 16),
        known_latents=normal(1, 32, num_latents, 1, 4) * mask[:, :1],
        known_mask=mask,
        control_latents=normal(1, 36, num_latents, 1, 4),
    )


def sample(transformer, controlnet, conditions, seed=0, **how) -> torch.Tensor:
    sampling = Sampling(**{"num_inference_steps": 3, **how})
    with torch.no_grad():
        return denoise(transformer, controlnet, conditions, sampling, segment_generator(seed, 0))


def test_known_latents_come_back_exactly(transformer, controlnet):
    conditions = make_conditions(num_known=2)
    latents = sample(transformer, controlnet, conditions)
    assert torch.equal(latents[:, :, :2], conditions.known_latents[:, :, :2])
    assert latents.shape == (1, 32, 5, 1, 4) and torch.isfinite(latents).all()


def test_the_same_seed_gives_the_same_latents_and_another_seed_others(transformer, controlnet):
    conditions = make_conditions()
    first, again, other = (sample(transformer, controlnet, conditions, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_every_segment_has_its_own_noise():
    noises = [torch.randn(4, generator=segment_generator(5, index)) for index in range(3)]
    assert not torch.equal(noises[0], noises[1]) and not torch.equal(noises[1], noises[2])
    assert torch.equal(noises[2], torch.randn(4, generator=segment_generator(5, 2)))
    segment_generator(2**63 - 1, 10_000)


@pytest.mark.parametrize(("text", "audio"), [(1.0, 1.0), (2.5, 1.0), (1.0, 3.0), (2.5, 3.0)])
def test_guidance_equals_its_formula_with_one_pass_per_variant(transformer, text, audio):
    conditions = make_conditions()
    sampling = Sampling(1, guidance_scale=text, audio_guidance_scale=audio)
    noisy, sigma = torch.randn(1, 32, 5, 1, 4), torch.tensor(0.7)

    def ask(some: Conditions) -> torch.Tensor:
        return _Guidance(some, Sampling(1)).velocity(transformer, None, noisy, sigma, sigma)

    with torch.no_grad():
        full, no_text = ask(conditions), ask(conditions.without_text())
        if text == 1.0:
            off = ask(conditions.without_audio())
            expected = off + audio * (full - off)
        else:
            off = ask(conditions.without_text().without_audio())
            expected = off + audio * (no_text - off) + text * (full - no_text)
        guidance = _Guidance(conditions, sampling)
        guided = guidance.velocity(transformer, None, noisy, sigma, sigma)
    assert len(guidance.variants) == 1 + (text != 1.0) + (audio != 1.0)
    # Batched and single passes round differently.
    torch.testing.assert_close(guided, expected, atol=1e-4, rtol=1e-4)


def test_every_condition_is_heeded(transformer, controlnet):
    conditions = make_conditions()
    base = sample(transformer, controlnet, conditions)
    for without in (
        conditions.without_text(),
        conditions.without_audio(),
        replace(conditions, control_latents=None),
    ):
        assert not torch.allclose(sample(transformer, controlnet, without), base, atol=1e-6)


def test_each_step_is_reported(transformer):
    steps = []
    with torch.no_grad():
        conditions, sampling = make_conditions(), Sampling(4)
        denoise(
            transformer, None, conditions, sampling, segment_generator(0, 0),
            lambda step, time, latents: steps.append(step),
        )  # fmt: skip
    assert steps == [0, 1, 2, 3]


def test_the_lead_of_the_camera_has_a_strength_and_an_extent(transformer, controlnet):
    conditions = make_conditions()
    whole = sample(transformer, controlnet, conditions, num_inference_steps=4)
    none = sample(transformer, None, conditions, num_inference_steps=4)

    def led(**how) -> torch.Tensor:
        return sample(transformer, controlnet, conditions, num_inference_steps=4, **how)

    assert torch.equal(led(control_scale=0.0), none)
    assert torch.equal(led(control_scale=1.0, control_start=0.0, control_end=1.0), whole)
    others = [led(control_scale=0.5), led(control_end=0.5), led(control_start=0.5)]
    for index, one in enumerate([whole, none, *others]):
        for other in [whole, none, *others][:index]:
            assert not torch.allclose(one, other, atol=1e-6)


def test_each_step_is_led_as_the_plain_sampler_would(transformer, controlnet):
    """Against the ControlNet and the transformer asked by hand: steps 1 and 2 of four."""
    conditions, sampling = make_conditions(), Sampling(4, control_scale=0.7, control_start=0.25,
                                                       control_end=0.75)  # fmt: skip
    sigmas, noise = make_sigmas(4), torch.randn(1, 32, 5, 1, 4, generator=segment_generator(0, 0))
    latents, known, mask = noise, conditions.known_latents, conditions.known_mask
    with torch.no_grad():
        for index in range(4):
            hidden = torch.cat([latents, mask, known], 1)
            time = 1000 * sigmas[index][None]
            residuals = None
            if index in (1, 2):
                residuals = controlnet(hidden, conditions.control_latents, time)
                residuals = [0.7 * residual for residual in residuals]
            given = conditions.prompt_embeds, conditions.audio_embeds
            velocity = transformer(hidden, time, *given, control_residuals=residuals)
            latents = latents + (sigmas[index + 1] - sigmas[index]) * velocity
            noised = (1 - sigmas[index + 1]) * known + sigmas[index + 1] * noise
            latents = torch.where(mask[:, :1] > 0, noised, latents)
        made = denoise(transformer, controlnet, conditions, sampling, segment_generator(0, 0))
    torch.testing.assert_close(made, latents, atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def distilled():
    """A network that is told how it is sampled, and heeds it."""
    model = AvatarTransformer3DModel(
        patch_size=(1, 1, 1), num_attention_heads=1, attention_head_dim=16, in_channels=68,
        out_channels=32, text_dim=16, audio_dim=16, freq_dim=16, ffn_dim=32, num_layers=1,
        distilled=True,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for values in model.parameters():
            values += 0.1 * torch.randn(values.shape, generator=generator)
    return model.eval()


def test_a_distilled_network_is_asked_once_a_step_and_told_how(distilled, monkeypatch):
    told = []
    ask = distilled.forward

    def listen(**inputs):
        told.append((len(inputs["hidden_states"]), inputs["sampling"].tolist()))
        return ask(**inputs)

    monkeypatch.setattr(distilled, "forward", listen)
    how = dict(num_inference_steps=2, guidance_scale=2.0, audio_guidance_scale=1.5, one_pass=True)
    sample(distilled, None, make_conditions(), **how)
    assert told == [(1, [[2.0, 1.5, 0.5]]), (1, [[2.0, 1.5, 0.5]])]


def test_a_distilled_network_heeds_each_scale(distilled):
    plain = sample(distilled, None, make_conditions(), one_pass=True)
    for scale in ("guidance_scale", "audio_guidance_scale"):
        other = sample(distilled, None, make_conditions(), one_pass=True, **{scale: 2.0})
        assert not torch.allclose(plain, other, atol=1e-4)


@pytest.mark.parametrize("injection", ["none", "noised", "clean"])
def test_what_known_frames_are_shown_as_is_a_value(transformer, injection, monkeypatch):
    """The picture's latent was always noised and put over the first one."""
    conditions, shown = make_conditions(num_known=1), []
    ask = transformer.forward

    def listen(**inputs):
        shown.append(inputs["hidden_states"][0, :32, :1].clone())
        return ask(**inputs)

    monkeypatch.setattr(transformer, "forward", listen)
    latents = sample(transformer, None, conditions, injection=injection)
    known = conditions.known_latents[0, :, :1]
    noise = torch.randn(1, 32, 5, 1, 4, generator=segment_generator(0, 0))[0, :, :1]
    sigmas = make_sigmas(3)
    for sigma, seen in zip(sigmas, shown):
        noised = (1 - sigma) * known + sigma * noise
        assert torch.equal(seen, known) == (injection == "clean")
        if sigma < 1:
            assert torch.allclose(seen, noised, atol=1e-6) == (injection == "noised")
    assert torch.equal(latents[0, :, :1], known) == (injection != "none")


def test_guidance_in_turn_equals_guidance_in_a_batch(transformer, controlnet):
    conditions = make_conditions()
    how = dict(guidance_scale=2.5, audio_guidance_scale=3.0)
    batch = sample(transformer, controlnet, conditions, **how)
    sizes = []
    hook = transformer.register_forward_hook(lambda *_: sizes.append(_[2].shape[0]))
    in_turn = sample(transformer, controlnet, conditions, batch_guidance=False, **how)
    hook.remove()
    assert sizes == [1] * 9
    torch.testing.assert_close(in_turn, batch, atol=1e-4, rtol=1e-4)


def test_features_of_variants_that_are_asked_for_in_turn_are_kept_apart(transformer):
    conditions = make_conditions()
    how = dict(guidance_scale=2.5, audio_guidance_scale=3.0, batch_guidance=False)
    plain = sample(transformer, None, conditions, **how)
    cached = copy.deepcopy(transformer)
    cache_first_block(cached, 1e-9)
    torch.testing.assert_close(sample(cached, None, conditions, **how), plain)


def test_latents_stay_in_float32_whatever_the_weights_are():
    conditions = make_conditions().to(torch.device("cpu"), torch.bfloat16)
    assert conditions.prompt_embeds.dtype == conditions.audio_embeds.dtype == torch.bfloat16
    for latents in (conditions.known_latents, conditions.known_mask, conditions.control_latents):
        assert latents.dtype == torch.float32


def test_holes_and_rays_reach_the_controlnet(transformer):
    """No part of the pipeline passed them."""
    controlnet = CameraControlNet(
        (1, 1, 1), 36, 36, 16, 16, 1, 32, num_layers=1, time_embed_dim=16, freq_dim=16,
        ray_channels=7, ray_dim=8,
    )  # fmt: skip
    with torch.no_grad():
        for values in controlnet.parameters():
            values += 0.1 * torch.randn(values.shape, generator=torch.Generator().manual_seed(4))
    rays = torch.randn(1, 7, 17, 16, 64)
    conditions = replace(make_conditions(), control_rays=rays)
    other = replace(conditions, control_rays=rays.flip(-1))
    made = [sample(transformer, controlnet, one) for one in (conditions, other)]
    assert not torch.allclose(*made, atol=1e-6)
