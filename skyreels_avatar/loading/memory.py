"""Fit the networks of a tier into the memory of a device: pure arithmetic.

What costs least comes first: all resident; encoders of text and picture on the host; the VAE in
tiles; blocks of the transformer streamed from the host; its weights kept in 8 bits.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from skyreels_avatar.errors import InputError

GB = 10**9
_SHARE = 0.92  # of what is free; the rest is the allocator's and other programs'
_STREAMED_BLOCKS = 3  # one at work, one on its way, one not yet given back
# Of one window of 81 frames, per megapixel of a frame. A pass, with the ControlNet beside it, and
# decoding are counted on meta tensors (tests/loading/test_memory_count.py), tiles were once: what
# a tile takes, and the frames they become.
_PASS_BYTES, _CONTROL_BYTES, _DECODE_BYTES = 10.6 * GB, 2.2 * GB, 21 * GB
_TILE_BYTES, _TILED_BYTES = 1.1 * GB, 3.4 * GB
_KEPT_BYTES = 1.25 * GB  # keys and values of text and audio, over the steps, of each variant
_VOICE_BYTES = 0.55 * GB  # of them, those of each further person's voice


@dataclass(frozen=True)
class Work:
    """What networks are loaded for, which decides how much memory has to be left.

    Attributes:
        num_pixels: of a frame of the videos.
        num_variants: of the conditions, which guidance compares.
        num_persons: who speak.
    """

    num_pixels: int = 480 * 832
    num_variants: int = 1
    num_persons: int = 1


@dataclass(frozen=True)
class MemoryPolicy:
    """The measures that make a tier fit.

    Attributes:
        encoders_on_host: text and picture are encoded on the host, and the text encoder is dropped
            after use.
        tile_vae: the VAE works on tiles, which are blended; pictures differ a little.
        stream_blocks: the transformer stays in the host's memory and comes block by block.
        weights_in_8_bits: its weights are kept in 8 bits and widened for every product; frames
            differ a little.
    """

    encoders_on_host: bool = False
    tile_vae: bool = False
    stream_blocks: bool = False
    weights_in_8_bits: bool = False

    def __str__(self) -> str:
        words = {
            "encoders_on_host": "encoders on the host",
            "tile_vae": "VAE in tiles",
            "stream_blocks": "blocks streamed from the host",
            "weights_in_8_bits": "weights in 8 bits",
        }
        return ", ".join(text for name, text in words.items() if getattr(self, name)) or "all there"


POLICIES = (
    MemoryPolicy(),
    MemoryPolicy(encoders_on_host=True),
    MemoryPolicy(encoders_on_host=True, tile_vae=True),
    MemoryPolicy(encoders_on_host=True, stream_blocks=True),
    MemoryPolicy(encoders_on_host=True, tile_vae=True, stream_blocks=True),
    MemoryPolicy(encoders_on_host=True, tile_vae=True, weights_in_8_bits=True),
    MemoryPolicy(True, True, True, True),
)


@dataclass(frozen=True)
class ModelBytes:
    """What the networks of a tier take, in bytes, at the precision they run in.

    Attributes:
        transformer: all of it.
        num_blocks: that it consists of.
        beside: what is always on the device: ControlNet, VAE, the encoder of speech.
        encoders: of text and picture.
        draws_pixels: what a pass and decoding take grows with the size of a frame; else it is
            little beside the weights.
        num_variants: of the conditions, which guidance compares: 1 to 3.
        num_persons: who speak, all of them heard in a variant.
        batch: of them that are asked for together.
        in_8_bits: the transformer's weights are kept so, whatever the policy.
    """

    transformer: int
    num_blocks: int = 1
    beside: int = 0
    encoders: int = 0
    draws_pixels: bool = True
    num_variants: int = 1
    num_persons: int = 1
    batch: int = 1
    in_8_bits: bool = False


def memory_policy(
    free_bytes: float, model: ModelBytes, num_pixels: int, host_bytes: float = math.inf
) -> MemoryPolicy:
    """Return the first of `POLICIES` that fits.

    Args:
        free_bytes: of the device.
        num_pixels: of a frame of the video.
        host_bytes: that are free in the host's memory.

    Raises:
        InputError: none fits.
    """
    for policy in POLICIES:
        device, host = peak_bytes(policy, model, num_pixels), on_host(policy, model)
        if device <= _SHARE * free_bytes and host <= _SHARE * host_bytes:
            return policy
    raise InputError(
        f"the tier needs {device / _SHARE / GB:.1f} GB on the device and "
        f"{host / _SHARE / GB:.1f} GB on the host at this size, "
        f"free are {free_bytes / GB:.1f} and {host_bytes / GB:.1f} GB; give a smaller "
        "size, or memory full to try all the same",
        parameter="memory",
    )


def peak_bytes(policy: MemoryPolicy, model: ModelBytes, num_pixels: int) -> float:
    """Estimate the peak memory of a policy on the device."""
    narrow = policy.weights_in_8_bits or model.in_8_bits
    weights = model.transformer / (2 if narrow else 1)
    if policy.stream_blocks:
        weights *= min(1.0, _STREAMED_BLOCKS / model.num_blocks)
    beside = model.beside + (0 if policy.encoders_on_host else model.encoders)
    megapixels = num_pixels / 1e6 if model.draws_pixels else 0.0
    decoding = _DECODE_BYTES * megapixels
    if policy.tile_vae:
        decoding = min(decoding, _TILE_BYTES + _TILED_BYTES * megapixels)
    running = weights + beside + max(pass_bytes(model, num_pixels), decoding)
    # They are read in 16 bits and made narrower where they are.
    return running if policy.stream_blocks else max(running, model.transformer + beside)


def pass_bytes(model: ModelBytes, num_pixels: int) -> float:
    """Return about what a pass of the transformer takes beside the weights, under the ControlNet.

    Of 40 blocks, 5120 wide, over a window of 81 frames.
    """
    if not model.draws_pixels:
        return 0.0
    growing = (_PASS_BYTES * model.batch + _CONTROL_BYTES) * num_pixels / 1e6
    kept = _KEPT_BYTES + _VOICE_BYTES * (model.num_persons - 1)
    return growing + kept * model.num_variants


def on_host(policy: MemoryPolicy, model: ModelBytes) -> float:
    """Estimate the memory of a policy on the host while it loads and encodes."""
    streamed = model.transformer if policy.stream_blocks else 0
    return streamed + (model.encoders if policy.encoders_on_host else 0)


def parse_memory(text: str) -> float | None:
    """Return the bytes of "24gb"; infinity for "full", None for "auto".

    Raises:
        InputError: text of another form.
    """
    wanted = text.strip().lower()
    if wanted in ("auto", "full"):
        return None if wanted == "auto" else math.inf
    if (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*gb?", wanted)) and float(match[1]) > 0:
        return float(match[1]) * GB
    raise InputError(f"memory is auto, full, or gigabytes like 24gb, got {text!r}")
