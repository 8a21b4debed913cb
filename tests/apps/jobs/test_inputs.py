"""Forms of jobs: what is left out, what is refused, and in which words."""

from __future__ import annotations

import pytest

from skyreels_avatar.apps.jobs.inputs import INPUTS, checked_input
from skyreels_avatar.apps.jobs.records import KINDS, RequestError

FILE = "file_" + "0" * 32


def test_every_kind_has_a_form():
    assert set(INPUTS) == set(KINDS)


def test_what_is_not_given_is_left_out_or_a_default():
    found = checked_input("generate", {"image": FILE, "text": "hi"})
    assert found["camera"] == "static" and found["seed"] == 0 and "audio" not in found


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("generate", {"text": "hi"}, "image: Field required"),
        ("generate", {"image": FILE}, "not both"),
        ("generate", {"image": FILE, "text": "hi", "audio": FILE}, "not both"),
        ("generate", {"image": "me.png", "text": "hi"}, "image"),
        ("generate", {"image": FILE, "text": "hi", "fps": float("nan")}, "fps"),
        ("generate", {"image": FILE, "text": "hi", "face": {"x": 2, "y": 0}}, "face"),
        ("retalk", {"video": FILE, "text": "hi", "keep": "all"}, "keep"),
        ("retalk", {"video": FILE, "text": "hi", "camera": "static"}, "camera"),
        ("film", {}, "script"),
        ("speak", {"text": ""}, "text"),
        ("speak", {"text": "x" * 5001}, "text"),
    ],
)
def test_what_is_wrong_is_named_with_the_fields_there_are(kind, values, said):
    with pytest.raises(RequestError) as refused:
        checked_input(kind, values)
    assert said in refused.value.message and refused.value.status == 422
    assert "fields are" in refused.value.fix
