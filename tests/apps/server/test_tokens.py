"""Tokens and signatures."""

from __future__ import annotations

import os
import time

import pytest

from skyreels_avatar.apps.server.tokens import Signer, TokenFile, add_token
from skyreels_avatar.errors import InputError


def test_a_token_names_its_user_and_stands_nowhere(tmp_path):
    path = tmp_path / "tokens.txt"
    tokens = {name: add_token(path, name) for name in ("anna", "ben")}
    file = TokenFile(path)
    assert {name: file.user_of(token) for name, token in tokens.items()} == {
        "anna": "anna",
        "ben": "ben",
    }
    assert file.user_of("sa_wrong") is None and file.user_of("") is None
    assert not any(token in path.read_text() for token in tokens.values())
    assert path.stat().st_mode & 0o077 == 0


def test_a_line_that_is_removed_locks_its_user_out_at_once(tmp_path):
    path = tmp_path / "tokens.txt"
    token = add_token(path, "anna")
    file = TokenFile(path)
    path.write_text("# nobody\n")
    os.utime(path, ns=(1, 1))
    assert file.user_of(token) is None and not file.has_user("anna")
    path.unlink()
    assert file.user_of(token) is None


def test_wrong_files_and_names_are_said(tmp_path):
    path = tmp_path / "tokens.txt"
    with pytest.raises(InputError, match="cannot read the tokens"):
        TokenFile(path)
    path.write_text("anna secret\n")
    with pytest.raises(InputError, match="line 1"):
        TokenFile(path)
    for name in ("", "a b", "../x", "-a", "a|b"):
        with pytest.raises(InputError, match="name"):
            add_token(path, name)


def test_a_signature_holds_for_its_purpose_text_and_time():
    signer, later = Signer(b"key"), int(time.time()) + 60
    signature = signer.sign("file", "job_1/video.mp4", later)
    assert signer.is_valid("file", "job_1/video.mp4", later, signature)
    for purpose, text, expires, given in [
        ("session", "job_1/video.mp4", later, signature),
        ("file", "job_2/video.mp4", later, signature),
        ("file", "job_1/video.mp4", later + 1, signature),
        ("file", "job_1/video.mp4", later, signature[:-1]),
        ("file", "job_1/video.mp4", later, ""),
        ("file", "job_1/video.mp4", later, "\u00fc"),
    ]:
        assert not signer.is_valid(purpose, text, expires, given)
    assert not Signer(b"other").is_valid("file", "job_1/video.mp4", later, signature)
    past = int(time.time()) - 1
    assert not signer.is_valid("file", "x", past, signer.sign("file", "x", past))
