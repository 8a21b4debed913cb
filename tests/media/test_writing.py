"""A voice refuses the letters of languages that it does not read."""

from __future__ import annotations

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.writing import check_script


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        ("Hello", "ru"),  # Latin letters are read by every voice
        ("\u041f\u0440\u0438\u0432\u0435\u0442", "ru+f3"),
        ("\u4f60\u597d", "zh"),
        ("\u4f60\u597d", "cmn"),
        ("\u3053\u3093", "ja"),
        ("The letter \u03c0 is Greek", "en-us"),  # one foreign letter of many
        ("\u13a0\u13a1", "en-us"),  # of a script that nobody claims
    ],
)
def test_what_can_be_read_passes(text, voice):
    check_script(text, voice)


@pytest.mark.parametrize(
    ("text", "voice", "message"),
    [
        ("\u041f\u0440\u0438\u0432\u0435\u0442", "en-us", "Cyrillic letters.*ru or uk"),
        ("\u4f60\u597d", "en", "Chinese letters.*cmn or yue"),
        ("\u6771\u4eac", "ja", "kana only"),
        ("\u03b1\u03b2 ab", "de", "Greek"),  # half of the letters
    ],
)
def test_what_would_be_spelled_letter_by_letter_is_refused(text, voice, message):
    with pytest.raises(InputError, match=message):
        check_script(text, voice)
