"""A signed video, and videos that are signed as those of a request."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.provenance.manifest import make_signer


@pytest.fixture(scope="session")
def inputs(tmp_path_factory, root):
    """A portrait and half a second of its voice."""
    folder = tmp_path_factory.mktemp("inputs")
    examples = root / "assets" / "examples"
    portrait, voice = folder / "ann.png", folder / "bob.wav"
    portrait.write_bytes((examples / "portrait.png").read_bytes())
    voice.write_bytes((examples / "speech.wav").read_bytes())
    return portrait, voice


@pytest.fixture(scope="session")
def signed(inputs, tmp_path_factory):
    """A signed video of these."""
    pytest.importorskip("c2pa", reason="the extra provenance is not installed")
    path = tmp_path_factory.mktemp("signed") / "a.mp4"
    sa.generate(*inputs, audio_end=0.5, size="96x96", seed=7, output=path)
    return path


def written(path, request=None, script=None, **options):
    """Write a black video that is signed as one of the request."""
    sign = request and make_signer(request, path, script)
    with VideoWriter(path, 64, 64, 25, finish=sign, **options) as writer:
        writer.write(np.zeros((2, 64, 64, 3), np.uint8))
    return path
