"""Tiers from folders and from the hub, as diffusers' `from_pretrained` finds pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from skyreels_avatar.errors import AvatarError, InputError, MissingExtraError
from skyreels_avatar.loading.tiers import Tier, WeightFiles, load_tier, tier_names

# Of a repository nothing else is fetched.
_WANTED = ("*.yaml", "*.json", "*.safetensors", "*.pth", "*.bin", "*.model", "*.txt")
# How diffusers calls the folders of parts that have other names here.
_FOLDERS = {"audio_encoder": ("audio_encoder", "wav2vec2"), "controlnet": ("controlnet", "uni3c")}


def find_tier(
    source: str | Path, base: str | Path | None = None, weights: Mapping[str, Any] | None = None
) -> tuple[Tier, str]:
    """Return a tier and the name or path under which its settings are found again.

    Args:
        source: the name of a tier; its yaml file; a folder that holds one, or that holds the
            weights of parts in folders called as the parts (`transformer`, `vae`, ...); or such a
            repository of the hub, "owner/name".
        base: the tier that says what a folder without a yaml file does not.
        weights: files of parts in place of the tier's.

    Raises:
        InputError: nothing of the kind is there, or a folder has no settings and no base.
    """
    found, name = _found(source, base)
    if unknown := sorted(set(weights or ()) - {one.name for one in fields(WeightFiles)}):
        known = ", ".join(one.name for one in fields(WeightFiles))
        raise InputError(f"parts are {known}; got weights of {', '.join(unknown)}")
    if weights:
        given = {part: _absolute(files) for part, files in weights.items()}
        found = replace(found, weights=replace(found.weights, **given))
    return found, name


def _found(source: str | Path, base: str | Path | None) -> tuple[Tier, str]:
    text = str(source)
    if text in tier_names() or Path(text).suffix in (".yaml", ".yml"):
        return load_tier(source), text
    folder = Path(text).expanduser()
    if not folder.is_dir():
        folder = _fetched(text)
    yamls = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if len(yamls) == 1:
        return load_tier(yamls[0]), str(yamls[0])
    if yamls:
        listed = ", ".join(path.name for path in yamls)
        raise InputError(f"{folder} holds several tiers: {listed}; give the path of one")
    parts = {}
    for part in (one.name for one in fields(WeightFiles)):
        for name in _FOLDERS.get(part, (part,)):
            if (folder / name).is_dir():
                parts[part] = str((folder / name).absolute())
    if not parts:
        raise InputError(
            f"{folder} is not a pipeline: it has neither a tier's yaml file nor folders of parts"
        )
    if base is None:
        raise InputError(
            f"{folder} holds weights and no tier's yaml file; say with tier= whose settings "
            f"count: {', '.join(tier_names())}"
        )
    tier = load_tier(base)
    return replace(tier, weights=replace(tier.weights, **parts)), str(base)


def fetch_file(repository: str, name: str) -> Path:
    """Return a file of a repository of the hub, downloaded if it is not here.

    Raises:
        AvatarError: it cannot be fetched.
        MissingExtraError: huggingface_hub is not installed.
    """
    return Path(_hub("hf_hub_download", repository, repo_id=repository, filename=name))


def _fetched(text: str) -> Path:
    if text.count("/") != 1 or text.startswith((".", "/", "~")):
        raise InputError(
            f"no pipeline at {text}; give a folder, a tier ({', '.join(tier_names())}) or a "
            "repository of the hub as owner/name"
        )
    return Path(_hub("snapshot_download", text, repo_id=text, allow_patterns=list(_WANTED)))


def _hub(call: str, repository: str, **asked: Any) -> str:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "studio") from error
    try:
        return getattr(huggingface_hub, call)(**asked)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AvatarError(f"{repository} could not be fetched: {reason}") from error


def _absolute(files: Any) -> Any:
    if isinstance(files, (list, tuple)):
        return [_absolute(one) for one in files]
    return str(Path(files).expanduser().absolute()) if files else files
