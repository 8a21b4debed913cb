"""Where configurations, weights and downloads lie, in a checkout as in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

MODELS_VARIABLE = "SKYREELS_AVATAR_MODELS"
_PACKAGE = Path(__file__).resolve().parent


def models_folder() -> Path:
    """Return where public weights are kept: $SKYREELS_AVATAR_MODELS, or in the user's cache."""
    given = os.environ.get(MODELS_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "skyreels-avatar" / "models"


def config_path(name: str) -> Path:
    """Return where a file of `configs/` lies, in a checkout as in an installed wheel."""
    return _first_folder(_PACKAGE / "_configs", _PACKAGE.parent / "configs") / name


def asset_path(name: str) -> Path:
    """Return where a file of `assets/` lies, in a checkout as in an installed wheel."""
    return _first_folder(_PACKAGE / "_assets", _PACKAGE.parent / "assets") / name


def _first_folder(*folders: Path) -> Path:
    return next((folder for folder in folders if folder.is_dir()), folders[-1])
