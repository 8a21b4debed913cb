"""Load the networks of a shot: those of its tier and, in parallel, those of faces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from skyreels_avatar.faces.start import start_networks
from skyreels_avatar.loading.components import Components, load_components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.pipeline.denoise import Sampling
from skyreels_avatar.request.generation_request import GenerationRequest


def load_networks(request: GenerationRequest, height: int, width: int) -> Components:
    """Return the networks of a request's tier, and start those of faces meanwhile.

    Args:
        height, width: of the video, for which memory has to be left.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(start_networks)  # what fails there fails again where it is used
        work = {"num_pixels": height * width}
        work["num_variants"] = Sampling.of(request.sampling, load_tier(request.tier)).num_variants
        return load_components(request.tier, memory=request.memory, **work)
