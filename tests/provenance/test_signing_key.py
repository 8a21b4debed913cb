"""The key that videos are signed with: switched off, made once, or the user's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.provenance.manifest import make_signer
from skyreels_avatar.provenance.signing_key import load_signing_key
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot
from tests.certificates import write_certificates
from tests.provenance.conftest import written


def test_signing_can_be_switched_off(signed, inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("SKYREELS_AVATAR_SIGN", "0")
    assert load_signing_key() is None
    request = GenerationRequest(Shot(*inputs[:1], audio=inputs[1]), tmp_path / "a.mp4")
    assert make_signer(request, tmp_path / "a.mp4") is None
    monkeypatch.setenv("SKYREELS_AVATAR_SIGN", "no")
    with pytest.raises(InputError, match=r"is 0 .* or 1, got 'no'"):
        load_signing_key()


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
