"""Which policy is taken for how much memory."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.memory import (
    GB,
    POLICIES,
    MemoryPolicy,
    ModelBytes,
    memory_policy,
    on_host,
    parse_memory,
    pass_bytes,
    peak_bytes,
)
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot

# SkyReels-V3 A2V, umT5 and CLIP in 16 bits; Uni3C, the VAE and wav2vec 2.0 beside it.
STUDIO = ModelBytes(transformer=38 * GB, num_blocks=40, beside=3 * GB, encoders=14 * GB)
SMALL, LARGE = 480 * 832, 720 * 1280


@pytest.mark.parametrize(
    ("gigabytes", "pixels", "expected"),
    [
        (141, LARGE, MemoryPolicy()),
        (80, SMALL, MemoryPolicy()),
        (68, SMALL, MemoryPolicy(encoders_on_host=True)),
        (48, SMALL, MemoryPolicy(encoders_on_host=True, stream_blocks=True)),
        (24, SMALL, MemoryPolicy(encoders_on_host=True, stream_blocks=True)),
        (24, LARGE, MemoryPolicy(True, tile_vae=True, stream_blocks=True)),
        (14, SMALL, MemoryPolicy(True, tile_vae=True, stream_blocks=True)),
        (12, SMALL, MemoryPolicy(True, True, True, True)),
    ],
)
def test_cards_of_today(gigabytes, pixels, expected):
    assert memory_policy(gigabytes * GB, STUDIO, pixels) == expected


def test_guidance_takes_the_more_memory_the_more_is_asked_for_together():
    """Only one pass without guidance was planned."""
    plain, in_turn, batch = (
        replace(STUDIO, num_variants=variants, batch=batch)
        for variants, batch in ((1, 1), (3, 1), (3, 3))
    )
    taken = [pass_bytes(model, SMALL) for model in (plain, in_turn, batch)]
    assert taken[0] < taken[1] < taken[2] and taken[2] > 2 * taken[0]
    policies = [memory_policy(80 * GB, model, LARGE) for model in (plain, in_turn, batch)]
    places = [POLICIES.index(policy) for policy in policies]
    assert places == sorted(places) and places[-1] > places[0]
    small = replace(batch, draws_pixels=False)
    assert pass_bytes(small, LARGE) == 0


def test_more_memory_never_costs_more():
    places = [POLICIES.index(memory_policy(g * GB, STUDIO, LARGE)) for g in range(20, 200, 3)]
    assert places == sorted(places, reverse=True) and places[0] > 0 == places[-1]


@pytest.mark.parametrize("gigabytes", range(12, 150, 7))
def test_what_is_taken_fits(gigabytes):
    policy = memory_policy(gigabytes * GB, STUDIO, SMALL, 64 * GB)
    assert peak_bytes(policy, STUDIO, SMALL) < gigabytes * GB
    assert on_host(policy, STUDIO) < 64 * GB


def test_a_small_host_has_weights_in_8_bits_on_the_device():
    """They are read in 16 bits there, which has to fit for a moment."""
    narrow = memory_policy(48 * GB, STUDIO, SMALL, 32 * GB)
    assert narrow.weights_in_8_bits and not narrow.stream_blocks
    assert not memory_policy(48 * GB, STUDIO, SMALL, 64 * GB).weights_in_8_bits
    with pytest.raises(InputError, match="on the host"):
        memory_policy(40 * GB, STUDIO, SMALL, 32 * GB)


def test_too_little_is_said_with_what_is_needed():
    with pytest.raises(InputError, match=r"needs 1\d\.\d GB on the device .* free are 6\.0"):
        memory_policy(6 * GB, STUDIO, LARGE)


def test_words_for_memory():
    assert parse_memory("auto") is None and parse_memory(" Full ") == math.inf
    assert parse_memory("24gb") == 24 * GB == parse_memory("24 G")
    for text in ("lots", "0gb", "-3gb", "24", ""):
        with pytest.raises(InputError, match="auto, full, or gigabytes like 24gb"):
            parse_memory(text)
    with pytest.raises(InputError, match="like 24gb"):
        GenerationRequest(Shot(image="p.png", audio="a.wav"), "o.mp4", memory="big")


def test_every_policy_says_what_it_does():
    assert len({str(policy) for policy in POLICIES}) == len(POLICIES)
    assert str(POLICIES[0]) == "all there"
