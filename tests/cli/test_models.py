"""`models list` and `models pull`: tables and JSON."""

from __future__ import annotations

import json

import pytest

from skyreels_avatar import cli
from skyreels_avatar.loading import model_hub


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SKYREELS_AVATAR_MODELS", str(tmp_path))
    return tmp_path


def test_the_list_fits_80_columns_and_says_what_is_here(printed_lines, monkeypatch):
    monkeypatch.setattr(model_hub, "is_here", lambda model: model.name == "uni3c")
    lines = printed_lines("models", "list")
    assert max(map(len, lines)) <= 80
    (here,) = (line for line in lines if line.rstrip().endswith("yes"))
    assert here.startswith("uni3c")


def test_the_list_as_json_names_repositories_and_folders(capsys, folder):
    assert cli.run(["models", "list", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in models] == [model.name for model in model_hub.MODELS]
    assert all(one["here"] is False and one["repo"] and one["size_gb"] > 0 for one in models)
    assert models[0]["folder"] == str(folder / models[0]["name"])


def test_what_was_pulled_is_one_list(monkeypatch, capsys, folder):
    monkeypatch.setattr(model_hub, "pull", lambda model, show: folder / model.name)
    assert cli.run(["models", "pull", "uni3c", "clip-vit-h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": name, "folder": str(folder / name)} for name in ("uni3c", "clip-vit-h")
    ]
