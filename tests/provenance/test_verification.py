"""Whether a video is as it was signed."""

from __future__ import annotations

import json

import pytest

import skyreels_avatar as sa
from skyreels_avatar import cli
from skyreels_avatar.errors import MediaError
from skyreels_avatar.provenance.signing_key import SELF_SIGNED
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
