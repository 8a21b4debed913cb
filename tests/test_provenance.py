"""A video says that it was generated, and by what, after the muxer has written it."""

from __future__ import annotations

import av
import numpy as np
import pytest

from skyreels_avatar import __version__
from skyreels_avatar.media.pieces import join_pieces
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.provenance import MADE_BY, metadata_of
from skyreels_avatar.script import GenerationRequest, Shot


@pytest.mark.parametrize("joined", [False, True])
def test_the_tags_survive_the_muxer(tmp_path, joined):
    """FFmpeg's muxer wrote itself into the `encoder` tag."""
    path = tmp_path / "a.mp4"
    tags = metadata_of(GenerationRequest(Shot(image="p.png", audio="a.wav"), path))
    with VideoWriter(path, 64, 64, 25, metadata=tags) as writer:
        writer.write(np.zeros((2, 64, 64, 3), np.uint8))
    if joined:
        join_pieces([path], tmp_path / "b.mp4", None, tags)
        path = tmp_path / "b.mp4"
    with av.open(str(path)) as container:
        found = container.metadata
    assert found["encoder"] == f"{MADE_BY} {__version__}"
    assert found["comment"] == f"{MADE_BY} (tier nano, seed 0)"
    assert found["description"] == "digitalSourceType: compositeWithTrainedAlgorithmicMedia"
