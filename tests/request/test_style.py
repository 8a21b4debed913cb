"""A style is a kind of talker or a person's own file."""

from __future__ import annotations

import pytest

from skyreels_avatar.request.style import STYLES, names_style_file


@pytest.mark.parametrize("style", ["me.safetensors", "people/ME.SafeTensors"])
def test_files_are_told_by_their_ending(style: str) -> None:
    assert names_style_file(style)


@pytest.mark.parametrize("style", [*STYLES, "me.json", "safetensors", None, 3])
def test_kinds_of_talkers_and_anything_else_are_no_files(style: object) -> None:
    assert not names_style_file(style)
