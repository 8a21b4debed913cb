"""Examine a machine: does it have what generation needs?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from skyreels_avatar.errors import AvatarError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, whether it is usable, and a detail or what is wrong."""

    name: str
    ok: bool
    detail: str


def examine(tier: str) -> list[Finding]:
    """Look at everything that generation with a tier needs; never raises."""
    checks: dict[str, Callable[[], str]] = {
        "Python": _python,
        "torch": _torch,
        "video": _video,
        "faces": _faces,
        "networks": lambda: _networks(tier),
    }
    findings = []
    for name, check in checks.items():
        try:
            findings.append(Finding(name, True, check()))
        except Exception as error:
            # Whatever is broken on this machine is the finding, not a fault of the check.
            findings.append(Finding(name, False, f"{error}" or type(error).__name__))
    return findings


def _python() -> str:
    if not (3, 10) <= sys.version_info[:2] <= (3, 12):
        raise AvatarError(f"Python 3.10 to 3.12 is needed, this is {sys.version.split()[0]}")
    return sys.version.split()[0]


def _torch() -> str:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    bf16 = "fast" if torch.cpu._is_avx512_bf16_supported() else "slow"
    return f"{torch.__version__} on {device}, {torch.get_num_threads()} threads, bf16 is {bf16}"


def _video() -> str:
    import av

    if absent := {"libx264", "aac"} - av.codecs_available:
        raise AvatarError(f"this build of PyAV has no {', '.join(sorted(absent))}")
    return f"PyAV {av.__version__} with libx264 and aac"


def _faces() -> str:
    try:
        from mediapipe.python.solutions import face_mesh
    except ImportError as error:
        raise AvatarError(f"mediapipe 0.10.21 is needed, with its models: {error}") from error
    with face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True):
        return f"mediapipe {version('mediapipe')} with its face mesh"


def _networks(tier: str) -> str:
    from skyreels_avatar.generate import load_components

    parts = load_components(tier)
    count = sum(parameter.numel() for parameter in parts.transformer.parameters())
    return (
        f"tier {parts.tier.name}, transformer of {count / 1e6:.1f} million parameters on "
        f"{parts.device}, {parts.policy}"
    )
