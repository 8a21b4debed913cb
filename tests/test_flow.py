"""Laws of the flow-matching convention."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skyreels_avatar import flow


@given(steps=st.integers(1, 60), shift=st.floats(0.1, 20))
@settings(max_examples=50, deadline=None)
def test_sigmas_fall_from_exactly_one_to_exactly_zero(steps: int, shift: float) -> None:
    sigmas = flow.make_sigmas(steps, shift)
    assert sigmas.shape == (steps + 1,) and sigmas.dtype == torch.float32
    assert sigmas[0] == 1 and sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


def test_shift_of_the_published_schedule() -> None:
    """Four steps with shift 11, as published for the 19B network (times 1000)."""
    first = torch.linspace(1000, 1, 4, dtype=torch.float64) / 1000
    expected = 1000 * 11 * first / (1 + 10 * first)
    torch.testing.assert_close(
        expected,
        torch.tensor([1000, 956.58, 846.54, 10.89], dtype=torch.float64),
        atol=0.01,
        rtol=0,
    )
    shifted = 1000 * flow.make_sigmas(3, 11.0)
    torch.testing.assert_close(shifted, torch.tensor([1000, 956.52, 846.15, 0]), atol=0.01, rtol=0)


def test_no_shift_is_evenly_spaced() -> None:
    torch.testing.assert_close(flow.make_sigmas(4), torch.tensor([1, 0.75, 0.5, 0.25, 0]))


@pytest.mark.parametrize("arguments", [(0, 1.0), (-3, 1.0), (4, 0.0), (4, -1.0)])
def test_impossible_schedules_are_refused(arguments: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        flow.make_sigmas(*arguments)


@given(steps=st.integers(1, 8), shift=st.floats(0.2, 12))
@settings(max_examples=30, deadline=None)
def test_steps_along_the_true_velocity_lead_from_noise_to_clean(steps: int, shift: float) -> None:
    generator = torch.Generator().manual_seed(steps)
    clean, noise = torch.randn(2, 2, 3, 5, 1, 4, generator=generator)
    sigmas = flow.make_sigmas(steps, shift)
    noisy = flow.add_noise(clean, noise, sigmas[0])
    assert torch.equal(noisy, noise)
    for sigma, sigma_next in pairwise(sigmas):
        torch.testing.assert_close(noisy, flow.add_noise(clean, noise, sigma))
        noisy = flow.step(noisy, flow.velocity(clean, noise), sigma, sigma_next)
    torch.testing.assert_close(noisy, clean)


def test_clean_is_recovered_from_the_velocity_at_any_sigma_of_a_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 2, 5, 1, 4, generator=generator)
    sigma = torch.tensor([0.1, 0.5, 1.0])
    noisy = flow.add_noise(clean, noise, sigma)
    velocity = flow.velocity(clean, noise)
    torch.testing.assert_close(flow.clean_from_velocity(noisy, velocity, sigma), clean)


@pytest.mark.parametrize("shift", [1.0, 7.0, 12.0])
def test_an_even_tail_leaves_what_is_above_it(shift: float) -> None:
    sigmas = flow.make_sigmas(20, shift, 0.001)
    made = flow.with_even_tail(sigmas, 10)
    above = sigmas[sigmas > 0.5]
    assert torch.equal(made[: len(above)], above) and made[len(above)] == 0.5
    assert made[-1] == 0 and (made.diff() < 0).all()
    torch.testing.assert_close(made[-11:].diff(), torch.full((10,), -0.05))
