"""Voices are found by tags, and near ones are named where there is none."""

from __future__ import annotations

import pytest

from skyreels_avatar.media.voice import Voice, near_voices

VOICES = (
    Voice("en-us", ("en-us", "en"), "English (America)"),
    Voice("af_heart", ("en-us", "en"), "English (America)", installed=False),
    Voice("de", ("de",), "German"),
    Voice("fr-fr", ("fr-fr", "fr"), "French (France)"),
)


def test_a_tag_means_its_regions_and_no_longer_word():
    assert VOICES[0].speaks("en") and VOICES[0].speaks("en-us")
    assert not VOICES[0].speaks("e") and not VOICES[2].speaks("de-at")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("German", "did you mean de?"),
        ("english", "did you mean en-us or af_heart?"),  # what is installed comes first
        ("fr_ca", "did you mean fr-fr?"),
        ("franch", "did you mean fr-fr?"),
    ],
)
def test_near_names_are_those_of_languages_tags_and_slips(name, hint):
    assert hint in near_voices(name, VOICES)


def test_where_nothing_is_near_only_the_list_is_named():
    hint = near_voices("klingon", VOICES)
    assert "did you mean" not in hint and "voices` or" in hint
