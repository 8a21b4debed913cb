"""Public weights: a list with licences, and downloads from the Hugging Face hub."""

from __future__ import annotations

import fnmatch
import hashlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skyreels_avatar.errors import (
    AvatarError,
    Cancelled,
    CheckpointError,
    InputError,
    MissingExtraError,
)
from skyreels_avatar.folders import models_folder
from skyreels_avatar.loading.tiers import Tier

_CHUNK = 16 * 2**20
_CHECKED = ".checked"  # beside a file whose hash was found right


@dataclass(frozen=True)
class PublicModel:
    """Weights that others publish.

    Attributes:
        name: how `models pull` calls it.
        repo: of the hub.
        files: patterns of the files that are needed.
        size_gb: about, of those files.
        licence: that the weights are published under.
        fills: what it is for.
    """

    name: str
    repo: str
    files: tuple[str, ...]
    size_gb: float
    licence: str
    fills: str


MODELS = (
    PublicModel(
        # The repository holds T5, CLIP and the VAE too, which are fetched under names of their own.
        "skyreels-v3-a2v", "Skywork/SkyReels-V3-A2V-19B", ("*.safetensors*", "config.json"), 37.8,
        "Skywork Community License", "talking-avatar transformer",
    ),
    PublicModel(
        "wan2.1-i2v-480p", "Wan-AI/Wan2.1-I2V-14B-480P",
        ("diffusion_pytorch_model*", "config.json"), 32.8, "Apache-2.0", "base of InfiniteTalk",
    ),
    PublicModel(
        "wan2.1-i2v-720p", "Wan-AI/Wan2.1-I2V-14B-720P",
        ("diffusion_pytorch_model*", "config.json"), 32.8, "Apache-2.0", "base, larger pictures",
    ),
    PublicModel(
        "infinitetalk", "MeiGen-AI/InfiniteTalk", ("single/*", "multi/*"), 10.0, "Apache-2.0",
        "audio weights over wan2.1-i2v",
    ),
    PublicModel(
        "longcat-avatar", "meituan-longcat/LongCat-Video-Avatar-1.5",
        ("base_model/*.safetensors*", "base_model/config.json", "scheduler/scheduler_config.json"),
        31.7, "MIT", "another transformer, with Whisper's ears",
    ),
    PublicModel(
        "whisper-large-v3", "openai/whisper-large-v3", ("config.json", "model.safetensors"), 3.1,
        "Apache-2.0", "speech encoder of longcat-avatar",
    ),
    PublicModel(
        "wan2.1-vae", "Wan-AI/Wan2.1-I2V-14B-480P", ("Wan2.1_VAE.pth",), 0.5, "Apache-2.0",
        "video VAE",
    ),
    PublicModel(
        "umt5-xxl", "Wan-AI/Wan2.1-I2V-14B-480P",
        ("models_t5_umt5-xxl-enc-bf16.pth", "google/umt5-xxl/*"), 11.4, "Apache-2.0",
        "text encoder",
    ),
    PublicModel(
        "clip-vit-h", "Wan-AI/Wan2.1-I2V-14B-480P",
        ("models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth",), 4.8, "MIT", "image encoder",
    ),
    PublicModel(
        "wav2vec2", "TencentGameMate/chinese-wav2vec2-base",
        ("config.json", "preprocessor_config.json", "pytorch_model.bin"), 0.4, "MIT",
        "speech encoder",
    ),
    PublicModel(
        "uni3c", "ewrfcas/Uni3C", ("controlnet.pth",), 2.0, "Apache-2.0", "camera ControlNet",
    ),
    PublicModel(
        "depth-anything-v2-small", "depth-anything/Depth-Anything-V2-Small-hf",
        ("config.json", "preprocessor_config.json", "model.safetensors"), 0.1, "Apache-2.0",
        "depth of the picture",
    ),
    PublicModel(
        "depth-anything-v2-metric", "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
        ("config.json", "preprocessor_config.json", "model.safetensors"), 0.1, "Apache-2.0",
        "depth in metres, indoors, in its place",
    ),
    PublicModel(
        "kokoro", "onnx-community/Kokoro-82M-v1.0-ONNX",
        ("onnx/model_quantized.onnx", "voices/*.bin"), 0.1, "Apache-2.0",
        "natural voices of six languages",
    ),
    PublicModel(
        "hibari-voices", "maureesewilliams/hibari", ("voices/*.onnx",), 0.04, "Apache-2.0",
        "more English voices",
    ),
    PublicModel(
        # A copy of the file that joonson/syncnet_python names, which lies on no hub itself.
        "syncnet", "ByteDance/LatentSync-1.5", ("auxiliary/syncnet_v2.model",), 0.05, "MIT",
        "LSE-C and LSE-D in evaluate",
    ),
)  # fmt: skip


def is_here(model: PublicModel) -> bool:
    """Return whether all files of a model have been downloaded and verified."""
    folder = models_folder() / model.name
    checked = [path.name.removesuffix(_CHECKED) for path in folder.rglob(f"*{_CHECKED}")]
    return bool(checked) and all(
        any(fnmatch.fnmatch(name, pattern.rpartition("/")[2]) for name in checked)
        for pattern in model.files
    )


class MissingModelsError(CheckpointError):
    """Report published models that a tier still needs, and the command that fetches them.

    Attributes:
        reason: what is missing.
        command: what fetches it.
    """

    def __init__(self, tier: Tier, models: Sequence[PublicModel]):
        count, gb = len(models), sum(model.size_gb for model in models)
        noun = "1 published model" if count == 1 else f"{count} published models"
        self.reason = f"tier {tier.name} has no weights of {noun}, {gb:.1f} GB"
        names = (model.name for model in models)
        self.command = shlex.join(["skyreels-avatar", "models", "pull", *names])
        super().__init__(f"{self.reason}; fetch with: {self.command}")


def check_models(tier: Tier) -> None:
    """Check that every published model of a tier is there.

    Raises:
        MissingModelsError: it names all that are not.
    """
    absent = [path for path in tier.weights.paths() if not path.exists()]
    folders = {model: models_folder() / model.name for model in MODELS}
    needed = [find_model(name) for name in tier.needs]
    missing = [
        model
        for model, folder in folders.items()
        if any(path.is_relative_to(folder) for path in absent)
        or (model in needed and not folder.is_dir())
    ]
    if missing:
        raise MissingModelsError(tier, missing)


def find_model(name: str) -> PublicModel:
    """Return the model of a name.

    Raises:
        InputError: there is none; the message lists all.
    """
    for model in MODELS:
        if model.name == name:
            return model
    raise InputError(f"models are {', '.join(m.name for m in MODELS)}, got {name!r}")


def pull(model: PublicModel, on_progress: Callable[[str, float], object] = lambda *_: None) -> Path:
    """Download a model, resuming an earlier download, verify it, and return its folder.

    Args:
        on_progress: called with what is being done and the share that is done, 0..1; may return
            False to stop.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        AvatarError: the hub cannot be reached, or a file is not what the hub says it is.
    """
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "studio") from error

    folder = models_folder() / model.name
    try:
        listing = HfApi().model_info(model.repo, files_metadata=True)
        wanted = [f for f in listing.siblings if _matches(f.rfilename, model.files)]
        if not wanted:
            raise AvatarError(f"{model.repo} has none of {', '.join(model.files)} any more")
        total = sum(file.size or 0 for file in wanted) or 1
        done = 0
        for file in wanted:
            _tell(on_progress, f"fetching {file.rfilename}", done / total)
            path = folder / file.rfilename
            if not _marker(path).is_file() or not path.is_file():
                hf_hub_download(model.repo, file.rfilename, local_dir=folder, revision=listing.sha)
                _check(path, file, lambda share: _tell(on_progress, "checking", share))
            done += file.size or 0
    except AvatarError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AvatarError(
            f"{model.name} could not be fetched from {model.repo}: {reason}. What was fetched is "
            f"kept: run the command again to go on, or put the files into {folder} by hand"
        ) from error
    _tell(on_progress, "done", 1.0)
    return folder


def _check(path: Path, file, on_share: Callable[[float], None]) -> None:
    """Verify a file by the size and hash of the hub; a wrong one is removed."""
    expected = getattr(file.lfs, "sha256", None) if file.lfs else None
    wrong = file.size is not None and path.stat().st_size != file.size
    if not wrong and expected:
        wrong = _sha256(path, on_share) != expected
    if wrong:
        path.unlink()
        raise AvatarError(f"{path.name} is not the file that the hub describes; it was removed")
    _marker(path).write_text(expected or "")


def _sha256(path: Path, on_share: Callable[[float], None]) -> str:
    digest, size, done = hashlib.sha256(), path.stat().st_size or 1, 0
    for chunk in _chunks(path):
        digest.update(chunk)
        done += len(chunk)
        on_share(done / size)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _marker(path: Path) -> Path:
    return path.with_name(path.name + _CHECKED)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _tell(on_progress: Callable[[str, float], object], what: str, share: float) -> None:
    if on_progress(what, share) is False:
        raise Cancelled("stopped while fetching; run the command again to go on")
