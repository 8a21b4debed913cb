"""Configurations, weights and downloads are found in a checkout as in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.folders import MODELS_VARIABLE, asset_path, config_path, models_folder


def test_configs_and_assets_are_found_in_a_wheel(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "site-packages" / "skyreels_avatar"
    (package / "_configs").mkdir(parents=True)
    (package / "_assets").mkdir()
    (package.parent / "configs").mkdir()  # of another package
    monkeypatch.setattr("skyreels_avatar.folders._PACKAGE", package)
    assert config_path("nano.yaml") == package / "_configs" / "nano.yaml"
    assert asset_path("nano/a") == package / "_assets" / "nano" / "a"


def test_the_folder_of_downloads_may_be_chosen(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    assert models_folder() == tmp_path
    monkeypatch.delenv(MODELS_VARIABLE)
    assert models_folder().parts[-2:] == ("skyreels-avatar", "models")
