"""A video says that it was generated, by what and of what, and whether it was changed since."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys

import av
import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar import __version__, cli
from skyreels_avatar.errors import InputError, MediaError, MissingExtraError
from skyreels_avatar.media.pieces import join_pieces
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.provenance.manifest import MADE_BY, build_manifest, file_tags, make_signer
from skyreels_avatar.provenance.signing_key import SELF_SIGNED, load_signing_key
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.speaker import Speaker
from tests.certificates import write_certificates


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


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, root):
    """A portrait and half a second of its voice."""
    folder = tmp_path_factory.mktemp("inputs")
    examples = root / "assets" / "examples"
    portrait, voice = folder / "ann.png", folder / "bob.wav"
    portrait.write_bytes((examples / "portrait.png").read_bytes())
    voice.write_bytes((examples / "speech.wav").read_bytes())
    return portrait, voice


@pytest.fixture(scope="module")
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


def test_signing_can_be_switched_off(signed, inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("SKYREELS_AVATAR_SIGN", "0")
    assert load_signing_key() is None
    request = GenerationRequest(Shot(*inputs[:1], audio=inputs[1]), tmp_path / "a.mp4")
    assert make_signer(request, tmp_path / "a.mp4") is None
    monkeypatch.setenv("SKYREELS_AVATAR_SIGN", "no")
    with pytest.raises(InputError, match=r"is 0 .* or 1, got 'no'"):
        load_signing_key()


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


def test_the_machines_key_is_made_once_and_for_its_user_alone(tmp_path, monkeypatch):
    pytest.importorskip("c2pa", reason="the extra provenance is not installed")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    code = (
        "from skyreels_avatar.provenance.signing_key import *;"
        "print(load_signing_key().certificates)"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    first, second = (run.communicate()[0] for run in runs)
    assert first == second and b"CERTIFICATE" in first
    (path,) = (tmp_path / "skyreels-avatar").iterdir()
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0


def test_no_place_for_the_key_leaves_the_video_unsigned_with_a_warning(
    inputs, tmp_path, monkeypatch, caplog
):
    pytest.importorskip("c2pa", reason="the extra provenance is not installed")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    path = tmp_path / "a.mp4"
    written(path, GenerationRequest(Shot(inputs[0], audio=inputs[1]), path))
    assert "videos are not signed" in caplog.text
    assert sa.verify(path).state == "unsigned"


@pytest.mark.parametrize("kind", ["ec256", "ec384", "rsa", "ed25519"])
def test_the_users_own_certificate_signs_and_can_be_trusted(kind, inputs, tmp_path, monkeypatch):
    pytest.importorskip("c2pa", reason="the extra provenance is not installed")
    certificate, key, authority = write_certificates(tmp_path, kind, "Studio Ann")
    monkeypatch.setenv("SKYREELS_AVATAR_SIGN_CERT", str(certificate))
    monkeypatch.setenv("SKYREELS_AVATAR_SIGN_KEY", str(key))
    path = tmp_path / "a.mp4"
    written(path, GenerationRequest(Shot(inputs[0], audio=inputs[1]), path))
    found = sa.verify(path)
    assert found.ok and found.signer == "Studio Ann" and not found.trusted
    assert sa.verify(path, trust=authority).trusted
    with pytest.raises(InputError, match="no certificates"):
        sa.verify(path, trust=key)


def test_a_certificate_that_cannot_sign_is_refused_before_any_work(tmp_path, monkeypatch):
    pytest.importorskip("c2pa", reason="the extra provenance is not installed")
    certificate, key, authority = write_certificates(tmp_path, "ec256", "Studio Ann")
    monkeypatch.setenv("SKYREELS_AVATAR_SIGN_CERT", str(certificate))
    with pytest.raises(InputError, match="belong together"):
        load_signing_key()
    for wrong in (authority, tmp_path / "absent.pem"):  # the key of another certificate, no key
        monkeypatch.setenv("SKYREELS_AVATAR_SIGN_CERT", str(wrong))
        monkeypatch.setenv("SKYREELS_AVATAR_SIGN_KEY", str(key))
        with pytest.raises(InputError, match="cannot sign with"):
            load_signing_key()


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
