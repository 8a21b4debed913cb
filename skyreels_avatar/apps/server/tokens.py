"""The file of users and the hashes of their tokens, and signed values for addresses and cookies.

The file has a line for each user, `name sha256:HASH`; lines that begin with # are comments. A token
has 256 random bits, so that a plain hash of it tells nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import time
from pathlib import Path

from skyreels_avatar.documents import read_text
from skyreels_avatar.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}")
_LINE = re.compile(rf"({_NAME.pattern})\s+sha256:([0-9a-f]{{64}})")
_PREFIX = "sa_"
LOCAL_USER = "local"


class TokenFile:
    """Users and their tokens; the file is read again when it has changed.

    Raises:
        InputError: the file cannot be read, or a line is wrong.
    """

    def __init__(self, path: Path):
        self._path = path
        self._changed: tuple[int, int] | None = None
        self._users: dict[str, str] = {}
        self._read()

    def user_of(self, token: str) -> str | None:
        """Return whose token it is."""
        self._read()
        return self._users.get(_hash(token))

    def has_user(self, name: str) -> bool:
        """Tell whether a user has a token."""
        self._read()
        return name in self._users.values()

    def _read(self) -> None:
        try:
            found = self._path.stat()
        except OSError as error:
            self._users = {}  # the file was removed: nobody may enter
            if self._changed is None:
                raise InputError(f"cannot read the tokens {self._path}: {error}") from error
            return
        if self._changed != (found.st_mtime_ns, found.st_size):
            self._users = _parse(read_text(self._path, "token file"), self._path)
            self._changed = found.st_mtime_ns, found.st_size


def _parse(text: str, path: Path) -> dict[str, str]:
    users = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise InputError(
                f"{path}, line {number}: a line is a name and sha256:HASH; `skyreels-avatar token` "
                "adds one"
            )
        users[found[2]] = found[1]
    return users


def add_token(path: Path, name: str) -> str:
    """Make a token for a user, add its hash to the file, and return it.

    Raises:
        InputError: the name cannot be used, or the file not be written.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"a user's name has letters, digits and . _ @ -, at most 100, got {name[:120]!r}"
        )
    token = _PREFIX + secrets.token_urlsafe(32)
    try:
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with path.open("r+", encoding="utf-8") as file:
            text = file.read()
            begin = "" if not text or text.endswith("\n") else "\n"
            file.write(f"{begin}{name} sha256:{_hash(token)}\n")
    except OSError as error:
        raise InputError(f"cannot write the tokens {path}: {error}") from error
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Signer:
    """Signs short texts with the server's key, each for one purpose and until a time."""

    def __init__(self, key: bytes):
        self._key = key

    def sign(self, purpose: str, text: str, expires: int) -> str:
        """Return the signature of a text that is valid until `expires`, in seconds since 1970."""
        message = f"{purpose}\n{text}\n{expires}".encode()
        digest = hmac.new(self._key, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def is_valid(self, purpose: str, text: str, expires: int, signature: str) -> bool:
        """Tell whether a signature is ours and its time has not passed."""
        own = self.sign(purpose, text, expires)
        return hmac.compare_digest(own.encode(), signature.encode()) and time.time() < expires

    def secret_for(self, purpose: str, text: str) -> bytes:
        """Return 32 bytes that only this server can make."""
        return hmac.new(self._key, f"{purpose}\n{text}".encode(), hashlib.sha256).digest()
