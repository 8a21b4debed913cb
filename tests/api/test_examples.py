"""The files that come with the package are where it says."""

from __future__ import annotations

import pytest

import skyreels_avatar as sa
from skyreels_avatar.api.examples import EXAMPLES


def test_every_example_is_there_and_in_the_wheel(root):
    project = (root / "pyproject.toml").read_text()
    for name in EXAMPLES:
        assert sa.example_path(name).is_file()
        assert f'"skyreels_avatar/_assets/examples/{name}"' in project


def test_an_unknown_example_is_refused_with_those_that_exist():
    with pytest.raises(sa.InputError, match=r"'me.png'; the examples are portrait.png, "):
        sa.example_path("me.png")
