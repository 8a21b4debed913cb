"""A video says that it was generated, by what and of what, and whether it was changed since."""

from __future__ import annotations

import hashlib
import logging
import sys

import av
import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar import __version__, cli
from skyreels_avatar.errors import MissingExtraError
from skyreels_avatar.media.pieces import join_pieces
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.provenance.manifest import MADE_BY, build_manifest, file_tags
from skyreels_avatar.provenance.signing_key import SELF_SIGNED
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.speaker import Speaker
from tests.provenance.conftest import written


@pytest.mark.parametrize("joined", [False, True])
def test_the_tags_survive_the_muxer(tmp_path, joined):
    """FFmpeg's muxer wrote itself into the `encoder` tag."""
    path = tmp_path / "a.mp4"
    tags = file_tags(GenerationRequest(Shot(image="p.png", audio="a.wav"), path))
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


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_video_says_who_made_it_of_what(signed, inputs):
    found = sa.verify(signed)
    assert found.ok and found.state == "intact" and found.problems == ()
    assert found.signer == SELF_SIGNED and not found.trusted
    assert found.generator == f"SkyReels Avatar {__version__}"
    assert (found.tier, found.seed) == ("nano", 7)
    assert found.actions == ("c2pa.created",)
    assert found.source_types == ("trainedAlgorithmicMedia",)
    portrait, voice = ({"role": role, "sha256": sha256(path)} for role, path in
                       zip(("portrait", "voice"), inputs))  # fmt: skip
    assert found.inputs == (portrait, voice)
    content = signed.read_bytes()
    assert b"ann" not in content[:20_000] and str(inputs[0].parent).encode() not in content
    assert list(signed.parent.iterdir()) == [signed]


def test_the_same_run_gives_the_same_bytes(signed, inputs, tmp_path):
    """C2PA's random salts and names made every file another one; with pieces as in one go, too."""
    for name, work in (("b.mp4", None), ("c.mp4", tmp_path / "work")):
        path = tmp_path / name
        sa.generate(*inputs, audio_end=0.5, size="96x96", seed=7, output=path, work=work)
        assert sa.verify(path).ok
        if work is None:
            assert path.read_bytes() == signed.read_bytes()
    for piece in (tmp_path / "work").rglob("*.mp4"):
        assert sa.verify(piece).state == "unsigned"


def test_an_edited_video_is_one_of_another(signed, inputs, tmp_path):
    request = GenerationRequest(Shot(video=signed, audio=inputs[1]), tmp_path / "b.mp4")
    first = sa.verify(written(tmp_path / "b.mp4", request))
    assert first.ok and first.actions == ("c2pa.opened", "c2pa.edited")
    assert first.source_types == ("compositeWithTrainedAlgorithmicMedia",)
    assert first.inputs[0] == {"role": "video", "sha256": sha256(signed)}
    content = first.path.read_bytes()
    assert written(tmp_path / "b.mp4", request).read_bytes() == content


def test_a_film_lists_each_file_once(inputs, tmp_path):
    portrait, voice = inputs
    shot = Shot(image=portrait, speakers=(Speaker("a", "0", voice), Speaker("b", "1")))
    film = Script((shot, Shot(image=portrait, audio=voice, vocals=portrait)))
    made = build_manifest(GenerationRequest(shot, tmp_path / "f.mp4"), film)
    data = made["assertions"][1]["data"]
    assert [one["role"] for one in data["inputs"]] == ["portrait", "voice", "vocals"]
    assert made["assertions"][0]["data"]["actions"][0]["action"] == "c2pa.created"


def test_without_the_package_videos_are_unsigned_and_verify_names_the_extra(
    inputs, tmp_path, monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    path = tmp_path / "a.mp4"
    with caplog.at_level(logging.WARNING):
        request = GenerationRequest(Shot(inputs[0], audio=inputs[1]), path)
        written(path, request)
    assert path.is_file() and b"c2pa" not in path.read_bytes() and not caplog.records
    with pytest.raises(MissingExtraError, match="provenance"):
        sa.verify(path)
    assert cli.run(["verify", str(path)]) == 1
