"""Uploads and folders of jobs."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra serve")

from skyreels_avatar.apps.jobs.intake import import_file
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.records import RequestError, without_folders
from skyreels_avatar.apps.jobs.storage import make_data_folder, read_secret
from skyreels_avatar.errors import InputError
from tests.apps.sending import picture_bytes, trust_files


@pytest.fixture
def upload(storage, tmp_path, monkeypatch):
    trust_files(monkeypatch)
    source = tmp_path / "me.png"
    source.write_bytes(picture_bytes())
    return import_file(storage, Limits(), "anna", source)


def test_an_upload_is_kept_and_belongs_to_its_user(storage, upload):
    assert storage.upload("anna", upload.id) == upload and upload.name == "me.png"
    assert storage.upload_path(upload).read_bytes() == picture_bytes()
    assert storage.used_bytes("anna") == upload.num_bytes and storage.used_bytes("ben") == 0
    with pytest.raises(RequestError, match="no such upload"):
        storage.upload("ben", upload.id)


def test_a_job_keeps_its_copy_when_the_upload_goes_and_is_not_touched_by_others(storage, upload):
    names = storage.copy_inputs("job_1", {upload.id: upload})
    copy = storage.job_folder("job_1") / names[upload.id]
    before = copy.stat()
    storage.copy_inputs("job_2", {upload.id: upload})
    storage.remove_upload(upload)
    assert copy.read_bytes() == picture_bytes()
    # A run refuses files whose state has changed: a hard link would have changed st_ctime.
    assert copy.stat().st_ctime_ns == before.st_ctime_ns
    storage.remove_job("job_1")
    assert not copy.exists()


def test_an_address_is_used_once(storage, upload):
    incoming = storage.incoming / "again"
    incoming.write_bytes(b"other")
    with pytest.raises(RequestError, match="already"):
        storage.add(upload, incoming)
    assert storage.upload_path(upload).read_bytes() == picture_bytes()


def test_uploads_expire(storage, tmp_path, monkeypatch):
    trust_files(monkeypatch)
    source = tmp_path / "me.png"
    source.write_bytes(picture_bytes())
    old = import_file(storage, Limits(upload_keep_s=-1), "anna", source)
    kept = import_file(storage, Limits(), "anna", source)
    assert old.expires_at < time.time() and storage.remove_expired() == 1
    assert [path.stem for path in (storage.root / "uploads").iterdir()] == [kept.id]


def test_what_is_no_file_or_too_large_is_refused(storage, tmp_path):
    with pytest.raises(InputError, match="not found"):
        import_file(storage, Limits(), "anna", tmp_path / "missing.png")
    big = tmp_path / "big.png"
    big.write_bytes(bytes(2000))
    with pytest.raises(RequestError, match="larger"):
        import_file(storage, Limits(upload_mb=0.001), "anna", big)
    assert list(storage.incoming.iterdir()) == []


def test_the_key_is_made_once_and_private(tmp_path):
    make_data_folder(tmp_path / "d")
    key = read_secret(tmp_path / "d")
    assert len(key) == 32 and read_secret(tmp_path / "d") == key
    assert (tmp_path / "d" / "secret.key").stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="data folder"):
        make_data_folder(tmp_path / "file" / "d")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/data/jobs/x/me.png: no face", "me.png: no face"),
        ("see https://example.com/a/b for more", "see https://example.com/a/b for more"),
        (
            "install: /opt/v/bin/pip install -e '/srv/app[voice]'",
            "install: pip install -e 'app[voice]'",
        ),
        ("25 and/or 30", "25 and/or 30"),
    ],
)
def test_messages_hold_no_folders(text, shown):
    assert without_folders(text) == shown
