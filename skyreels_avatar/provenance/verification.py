"""Verify the content credentials of a video."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.errors import InputError, MediaError, MissingExtraError
from skyreels_avatar.media.files import existing_file, open_container
from skyreels_avatar.media.video_reader import VideoReader
from skyreels_avatar.provenance.manifest import ASSERTION
from skyreels_avatar.provenance.watermark import Watermark, find_watermark

_MANIFEST_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # C2PA's box in an MP4 file
_SEARCHED = 2**20  # bytes; the box stands near the beginning
_UNTRUSTED = "signingCredential.untrusted"
_MOST_PARTS, _LEAST_FRAMES, _FRAMES_OF_PART = 8, 60, 32  # of a video, to look for a watermark
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VerificationResult:
    """The content credentials of a video, and whether they are valid.

    Attributes:
        path: the video.
        state: "intact": as it was signed; "tampered": changed since then, or the manifest is
            damaged; "unsigned": there is no manifest, or it was removed.
        signer: the name in the certificate.
        trusted: whether the certificate was issued by one of the trusted authorities.
        generator: the program that made it, with its version.
        actions: what was done, in C2PA's words, such as "c2pa.created".
        source_types: IPTC's terms for what it shows, such as "trainedAlgorithmicMedia".
        inputs: what it was made of, each with "role" and "sha256"; of our videos alone.
        tier, seed: how it was made; of our videos alone.
        problems: what does not fit, in C2PA's codes.
        watermark: what the pixels carry where the manifest does not hold any more: None = nothing,
            or not looked for.
    """

    path: Path
    state: str
    signer: str | None = None
    trusted: bool = False
    generator: str | None = None
    actions: tuple[str, ...] = ()
    source_types: tuple[str, ...] = ()
    inputs: tuple[dict[str, str], ...] = ()
    tier: str | None = None
    seed: int | None = None
    problems: tuple[str, ...] = ()
    watermark: Watermark | None = None

    @property
    def ok(self) -> bool:
        """Whether the video is signed and as it was then."""
        return self.state == "intact"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {**asdict(self), "path": str(self.path)}


def verify(video: str | Path, *, trust: str | Path | None = None) -> VerificationResult:
    """Return who made a video from what, and whether it is unchanged; nothing is fetched.

    In a video that is not intact the pixels are searched for our watermark, which takes seconds.

    Anybody with a certificate can sign anything: the name is verified only where `trusted`.

    Args:
        video: an MP4 file, of this program or of another one that writes C2PA manifests.
        trust: a PEM file with the certificates of the authorities that are trusted; None = nobody.

    Raises:
        InputError: the video or the certificates cannot be read.
        MissingExtraError: c2pa-python is not installed.
    """
    if find_spec("c2pa") is None:
        raise MissingExtraError("c2pa-python", "provenance")
    import c2pa

    path = existing_file(video, "video")
    settings: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    if trust is not None:
        settings["trust"] = {"user_anchors": _anchors(trust)}
    context = c2pa.Context(c2pa.Settings.from_dict(settings))
    try:
        with path.open("rb") as file, c2pa.Reader("video/mp4", file, context=context) as reader:
            store = json.loads(reader.json())
    except (OSError, c2pa.C2paError) as error:
        with path.open("rb") as file:
            is_signed = _MANIFEST_BOX in file.read(_SEARCHED)
        if is_signed:
            result = VerificationResult(path, "tampered", problems=(str(error),))
        else:
            open_container(path, "video").close()
            result = VerificationResult(path, "unsigned")
    else:
        result = _result(path, store)
    return result if result.ok else replace(result, watermark=watermark_of(path))


def watermark_of(video: Path) -> Watermark | None:
    """Return the watermark that the pixels of a video carry, or None."""
    try:
        reader = VideoReader(video)
        num_parts = min(_MOST_PARTS, max(1, reader.num_frames // _LEAST_FRAMES))
        edges = np.linspace(0, reader.num_frames, num_parts + 1).astype(int)
        return find_watermark(_spread(reader, *edge) for edge in pairwise(edges.tolist()))
    except MediaError as error:
        logger.warning("%s: its pixels cannot be searched: %s", video.name, error)
        return None


def _spread(reader: VideoReader, start: int, stop: int) -> Iterator[np.ndarray]:
    """Yield some frames of a range, evenly spread."""
    count = min(stop - start, _FRAMES_OF_PART)
    for index in np.linspace(start, stop - 1, count).round().astype(int).tolist():
        yield reader.read(index, index + 1)[0]


def _anchors(path: str | Path) -> str:
    from cryptography.x509 import load_pem_x509_certificates

    path = existing_file(path, "certificate")
    try:
        content = path.read_bytes()
        load_pem_x509_certificates(content)
        return content.decode()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} holds no certificates that can be read; give a PEM file"
        ) from error


def _result(path: Path, store: dict[str, Any]) -> VerificationResult:
    """Return the content of a manifest store; all but the state is untrusted text."""
    manifest = store["manifests"][store["active_manifest"]]
    problems = [one["code"] for one in store.get("validation_status") or ()]
    signature = manifest.get("signature_info") or {}
    programs = manifest.get("claim_generator_info") or [{}]
    assertions = [one for one in manifest["assertions"] if isinstance(one.get("data"), dict)]
    actions = [
        action
        for one in assertions
        if one["label"].startswith("c2pa.actions")
        for action in one["data"].get("actions", ())
    ]
    made_of = next((one["data"] for one in assertions if one["label"] == ASSERTION), {})
    source_types = [_line(action.get("digitalSourceType")) for action in actions]
    seed = made_of.get("seed")
    return VerificationResult(
        path=path,
        state="intact" if store["validation_state"] in ("Valid", "Trusted") else "tampered",
        signer=_line(signature.get("issuer")) or None,
        trusted=store["validation_state"] == "Trusted",
        generator=_line(f"{programs[0].get('name', '')} {programs[0].get('version', '')}") or None,
        actions=tuple(_line(action.get("action")) for action in actions),
        source_types=tuple(one.rsplit("/", 1)[-1] for one in source_types if one),
        inputs=tuple(_inputs(made_of.get("inputs"))),
        tier=_line(made_of.get("tier")) or None,
        seed=seed if isinstance(seed, int) else None,
        problems=tuple(code for code in problems if code != _UNTRUSTED),
    )


def _inputs(value: Any) -> Iterator[dict[str, str]]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict) and {"role", "sha256"} <= one.keys():
            yield {name: _line(one[name]) for name in ("role", "sha256")}


def _line(text: Any) -> str:
    """Return text on one line: a name with line breaks could pass for a line of the report."""
    return " ".join(text.split()) if isinstance(text, str) else ""
