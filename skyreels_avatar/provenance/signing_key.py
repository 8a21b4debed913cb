"""The key that signs videos: the user's own, or one generated once per machine."""

from __future__ import annotations

import datetime
import io
import logging
import os
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skyreels_avatar.errors import InputError, MissingExtraError

SWITCH = "SKYREELS_AVATAR_SIGN"
CERTIFICATE, KEY = "SKYREELS_AVATAR_SIGN_CERT", "SKYREELS_AVATAR_SIGN_KEY"
SELF_SIGNED = "SkyReels Avatar self-signed (untrusted)"
_PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg"><g></g></svg>'
_CREATED = {
    "action": "c2pa.created",
    "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation",
}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SigningKey:
    """A certificate and its private key.

    Attributes:
        certificates: PEM, the signer's own first.
        private_key: of the `cryptography` package.
        algorithm: C2PA's name of how it signs, such as "es256".
    """

    certificates: bytes
    private_key: Any
    algorithm: str

    def pem(self) -> bytes:
        """Return the private key as unencrypted PKCS #8."""
        from cryptography.hazmat.primitives import serialization as form

        return self.private_key.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
        )


def load_signing_key() -> SigningKey | None:
    """Return the key to sign with, or None where signing is off or the extra is not installed.

    $SKYREELS_AVATAR_SIGN=0 switches it off. $SKYREELS_AVATAR_SIGN_CERT and
    $SKYREELS_AVATAR_SIGN_KEY name PEM files; without them a key is made once, in the user's data.

    Raises:
        InputError: the user's certificate or key cannot be used.
        MissingExtraError: they are given, and the extra is not installed.
    """
    switch = os.environ.get(SWITCH, "1")
    if switch not in ("0", "1"):
        raise InputError(f"{SWITCH} is 0 (videos are not signed) or 1, got {switch!r}")
    if switch == "0":
        return None
    given = [os.environ.get(name, "") for name in (CERTIFICATE, KEY)]
    if any(given):
        if not all(given):
            raise InputError(f"{CERTIFICATE} and {KEY} belong together; give both or none")
        return _users_key(*(Path(path).expanduser() for path in given))
    if find_spec("c2pa") is None:
        return None
    try:
        return _own_key()
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        logger.warning("videos are not signed, there is no key: %s", error)
        return None


def _users_key(certificate: Path, key: Path) -> SigningKey:
    if find_spec("c2pa") is None:
        raise MissingExtraError("c2pa-python", "provenance")
    import c2pa

    try:
        found = _parsed(certificate.read_bytes(), key.read_bytes())
        # A certificate that C2PA does not allow would fail only when the video is done.
        info = c2pa.C2paSignerInfo(found.algorithm.encode(), found.certificates, found.pem(), None)
        actions = {"label": "c2pa.actions", "data": {"actions": [_CREATED]}}
        builder = c2pa.Builder({"assertions": [actions]})
        builder.sign(c2pa.Signer.from_info(info), "image/svg+xml", io.BytesIO(_PICTURE))
    except (OSError, ValueError, TypeError, c2pa.C2paError) as error:
        raise InputError(
            f"cannot sign with {certificate} and {key}: {error}; give a PEM chain, the signer's "
            "certificate first, and its unencrypted PEM key"
        ) from error
    return found


def _parsed(certificates: bytes, key: bytes) -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private_key = load_pem_private_key(key, password=None)
    curves = {256: "es256", 384: "es384", 521: "es512"}
    if isinstance(private_key, Ed25519PrivateKey):
        algorithm = "ed25519"
    elif isinstance(private_key, RSAPrivateKey):
        algorithm = "ps256"
    elif isinstance(private_key, EllipticCurvePrivateKey) and private_key.key_size in curves:
        algorithm = curves[private_key.key_size]
    else:
        raise ValueError("the key is neither Ed25519 nor RSA nor of the curves P-256, P-384, P-521")
    return SigningKey(certificates, private_key, algorithm)


def _own_key() -> SigningKey:
    """Return the key of this machine, generated at the first use."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    path = Path(data) / "skyreels-avatar" / "signing.pem"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent)  # nobody else may read it
        with os.fdopen(number, "wb") as file:
            file.write(_made_key())
        try:
            os.link(name, path)  # of two processes, the first gives its key to both
        except FileExistsError:
            pass
        finally:
            os.unlink(name)
    content = path.read_bytes()
    return _parsed(content[: content.index(b"-----BEGIN PRIVATE")], content)


def _made_key() -> bytes:
    """Return PEM: a certificate, the authority that issued it, and the certificate's key.

    The authority's key is discarded, so that it can issue nothing else.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    # Signatures carry no trusted time: an expired certificate would break all that it signed.
    years = [datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc) for year in (2020, 2100)]
    names = {
        role: x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, SELF_SIGNED),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{SELF_SIGNED} {role}"),
            ]
        )
        for role in ("authority", "signer")
    }
    keys = {role: Ed25519PrivateKey.generate() for role in names}
    issuer = keys["authority"].public_key()
    pem = b""
    for role in ("signer", "authority"):
        is_authority = role == "authority"
        usages = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        usage = x509.KeyUsage(
            digital_signature=not is_authority,
            key_cert_sign=is_authority,
            crl_sign=is_authority,
            **usages,
        )
        certificate = (
            x509.CertificateBuilder(names["authority"], names[role], keys[role].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(years[0])
            .not_valid_after(years[1])
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(keys[role].public_key()), False
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False)
        )
        if not is_authority:
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            certificate = certificate.add_extension(purposes, False)
        signed = certificate.sign(keys["authority"], None)
        pem += signed.public_bytes(form.Encoding.PEM)
    return pem + SigningKey(b"", keys["signer"], "").pem()
