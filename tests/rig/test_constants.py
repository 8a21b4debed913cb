"""The constants of the rig's look have units and sources, and what is fitted can be written."""

from __future__ import annotations

import dataclasses
import json

import pytest

from skyreels_avatar.rig.constants import (
    CONSTANTS,
    CONSTANTS_FILE,
    load_constants,
    store_fitted,
)


def test_every_constant_has_a_unit_a_source_and_words_and_is_used():
    document = json.loads(CONSTANTS_FILE.read_text(encoding="utf-8"))
    used = {
        (group.name, field.name)
        for group in dataclasses.fields(CONSTANTS)
        for field in dataclasses.fields(getattr(CONSTANTS, group.name))
    }
    stored = {(g, name) for g, items in document["constants"].items() for name in items}
    assert stored == used
    for group, name in stored:
        entry = document["constants"][group][name]
        assert entry["unit"] and entry["about"] and entry["source"] in document["sources"]


def test_fitted_constants_are_written_and_the_rest_of_the_file_stays(tmp_path):
    path = tmp_path / "constants.json"
    path.write_bytes(CONSTANTS_FILE.read_bytes())
    store_fitted({}, path)
    assert path.read_bytes() == CONSTANTS_FILE.read_bytes()
    store_fitted({"shading": {"arch": 0.5}}, path)
    assert load_constants(path).shading == dataclasses.replace(CONSTANTS.shading, arch=0.5)
    assert load_constants(path).teeth == CONSTANTS.teeth
    with pytest.raises(ValueError, match=r"lips\.arch is not a fitted constant"):
        store_fitted({"lips": {"arch": 0.5}}, path)
