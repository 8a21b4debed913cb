"""Certificates for tests, of an authority that is made with them."""

from __future__ import annotations

import datetime
from pathlib import Path

YEARS = [datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc) for year in (2020, 2090)]


def write_certificates(folder: Path, kind: str, name: str) -> tuple[Path, Path, Path]:
    """Write PEM files: a signer's chain, its key, and the authority's certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = {
        "ec256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }[kind]()
    root = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"Authority of {name}")])
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
    pem = []
    for who, public in ((subject, key.public_key()), (issuer, root.public_key())):
        is_root = who is issuer
        usage = x509.KeyUsage(not is_root, *[False] * 4, is_root, is_root, False, False)
        certificate = (
            x509.CertificateBuilder(issuer, who, public, x509.random_serial_number(), *YEARS)
            .add_extension(x509.BasicConstraints(is_root, None), True)
            .add_extension(usage, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False
            )
        )
        if not is_root:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            certificate = certificate.add_extension(purpose, False)
        pem.append(certificate.sign(root, hashes.SHA256()).public_bytes(form.Encoding.PEM))
    paths = [folder / f"{kind}.{what}.pem" for what in ("chain", "key", "authority")]
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    for path, content in zip(paths, (pem[0] + pem[1], private, pem[1])):
        path.write_bytes(content)
    return tuple(paths)
