"""Whether a video is as it was signed."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar import cli
from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.provenance.signing_key import SELF_SIGNED
from skyreels_avatar.provenance.watermark import mark_frames
from tests.provenance.conftest import written


def test_a_copy_is_intact_and_plays(signed, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(signed.read_bytes())
    assert sa.verify(copy).ok
    assert len(list(sa.VideoReader(copy))) == 13


def test_one_changed_bit_is_found(signed, tmp_path, rng):
    """In the pictures, and in all of the manifest but its padding."""
    content = signed.read_bytes()
    media = content.index(b"mdat") + 4
    claim = content.index(b"c2pa.claim")
    places = [*rng.integers(media, len(content), 8), *rng.integers(claim, claim + 400, 8)]
    for place in (*places, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        path = tmp_path / "changed.mp4"
        path.write_bytes(changed)
        assert sa.verify(path).state == "tampered", place
    path.write_bytes(content[:-100])
    assert sa.verify(path).state == "tampered"
    path.write_bytes(content[:1500])
    assert sa.verify(path).state == "tampered"


def test_what_is_not_signed_is_said_to_be_so(tmp_path):
    pytest.importorskip("c2pa", reason="the extra provenance is not installed")
    assert sa.verify(written(tmp_path / "a.mp4")).state == "unsigned"
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(MediaError, match="cannot be read as a video"):
        sa.verify(text)
    with pytest.raises(MediaError, match="not found"):
        sa.verify(tmp_path / "b.mp4")


def test_verify_prints_and_ends_with_a_code_for_scripts(signed, tmp_path, capsys):
    unsigned = written(tmp_path / "u.mp4")
    assert cli.run(["verify", str(signed)]) == 0
    printed = capsys.readouterr().out
    for wanted in ("intact", SELF_SIGNED, "not trusted", "tier nano, seed 7", "SHA-256"):
        assert wanted in printed
    assert cli.run(["verify", "--json", str(signed), str(unsigned)]) == 1
    states = [one["state"] for one in json.loads(capsys.readouterr().out)]
    assert states == ["intact", "unsigned"]
    assert cli.run(["verify", str(tmp_path / "absent.mp4")]) == 2


def test_pixels_are_searched_where_the_manifest_is_gone(tmp_path, root, capsys):
    """Frames that were encoded again have lost the manifest and kept the watermark."""
    pytest.importorskip("c2pa", reason="the extra provenance is not installed")
    picture = cv2.imread(str(root / "assets/examples/portrait.png"))
    picture = cv2.resize(picture, (384, 384), interpolation=cv2.INTER_AREA)[..., ::-1]
    path = tmp_path / "again.mp4"
    with VideoWriter(path, *picture.shape[:2], 25, crf=23) as writer:
        writer.write(mark_frames(np.stack([picture] * 3), 0xABC))
    result = sa.verify(path)
    assert result.state == "unsigned" and result.watermark.numbers == (0xABC,)
    assert cli.run(["verify", str(path)]) == 1
    assert "number 000abc" in capsys.readouterr().out
    assert json.loads(json.dumps(result.to_dict()))["watermark"]["numbers"] == [0xABC]
