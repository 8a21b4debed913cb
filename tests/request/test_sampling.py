"""Steps, guidance and seeds outside their ranges are refused by name."""

from __future__ import annotations

import math

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.request.sampling import SamplingParams


@pytest.mark.parametrize(
    "values",
    [
        {"num_inference_steps": 0},
        {"num_inference_steps": 2.5},
        {"num_inference_steps": True},
        {"guidance_scale": -1.0},
        {"guidance_scale": math.inf},
        {"audio_guidance_scale": math.nan},
        {"seed": -1},
        {"seed": 2**63},
    ],
)
def test_impossible_sampling_is_refused(values):
    with pytest.raises(InputError, match=next(iter(values)).removeprefix("num_inference_")):
        SamplingParams(**values)
