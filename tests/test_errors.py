"""Messages that name a command name one that works from where one is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from skyreels_avatar import errors


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path) -> Path:
    """An environment that is not activated, in a folder that one is in."""
    binaries = tmp_path / "my folder" / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "pip").touch()
    monkeypatch.setattr(sys, "executable", str(binaries / "python"))
    monkeypatch.setattr(sys, "prefix", str(binaries.parent))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.chdir(tmp_path / "my folder")
    return binaries.parent


def test_a_checkout_that_one_is_in(monkeypatch, environment):
    checkout = environment.parent
    (checkout / "pyproject.toml").touch()
    monkeypatch.setattr(errors, "_CHECKOUT", checkout)
    assert errors.install_command("voice") == ".venv/bin/pip install -e '.[voice]'"
    message = str(errors.MissingExtraError("espeakng-loader", "voice"))
    assert message.endswith("install it with: .venv/bin/pip install -e '.[voice]'")


def test_a_checkout_elsewhere_and_an_activated_environment(monkeypatch, environment, tmp_path):
    (environment.parent / "pyproject.toml").touch()
    monkeypatch.setattr(errors, "_CHECKOUT", environment.parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))
    assert errors.install_command("gate") == f"pip install -e '{environment.parent}[gate]'"


def test_a_wheel_is_not_on_any_index_so_the_packages_are_named(monkeypatch, tmp_path):
    needs = [
        "torch>=2.6",
        "espeakng-loader>=0.2.4; extra == 'voice'",
        'peft>=0.15; extra == "studio"',
        'transformers>=4.51; extra == "studio"',
    ]
    monkeypatch.setattr(errors, "_CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setattr(errors.metadata, "requires", lambda name: needs)
    assert errors.install_command("voice") == ".venv/bin/pip install 'espeakng-loader>=0.2.4'"
    assert errors.install_command("studio").endswith("install 'peft>=0.15' 'transformers>=4.51'")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert errors.install_command("voice").startswith(f"'{tmp_path}/my folder/.venv/bin/pip' ")


def test_an_environment_without_pip(environment):
    (environment / "bin" / "pip").unlink()
    assert errors.pip_command() == [sys.executable, "-m", "pip"]


def test_no_message_installs_the_package_by_name():
    """It is on no public index, where another project may one day have its name."""
    package = Path(errors.__file__).parent
    for file in package.rglob("*.py"):
        assert "install 'skyreels-avatar" not in file.read_text(encoding="utf-8"), file
