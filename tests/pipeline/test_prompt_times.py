"""Words of time are heard, and only those."""

import pytest

from skyreels_avatar.pipeline.prompt_times import END_SHARE, prompt_times

END = 1 - END_SHARE


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("at first he is sad, then he smiles", [(0, "he is sad"), (0.5, "he smiles")]),
        ("He looks angry at first. Then he smiles", [(0, "He looks angry"), (0.5, "he smiles")]),
        ("he looks down and then up", [(0, "he looks down"), (0.5, "he looks up")]),
        ("she is talking and smiles at the end", [(0, "she is talking"), (END, "smiles")]),
        ("she laughs at the end", [(0, ""), (END, "she laughs")]),
        ("she is sad, and in the end she smiles", [(0, "she is sad"), (END, "she smiles")]),
        (
            "a woman talks, then nods, finally she smiles",
            [(0, "a woman talks"), (END / 2, "nods"), (END, "she smiles")],
        ),
    ],
)
def test_parts_begin_when_the_prompt_says(prompt, parts):
    assert prompt_times(prompt) == tuple((pytest.approx(share), text) for share, text in parts)


@pytest.mark.parametrize(
    "prompt", ["", "a happy man talks", "he speaks of the first man", "a woman, authentic"]
)
def test_other_prompts_are_one_part(prompt):
    assert prompt_times(prompt) == ((0.0, prompt),)


def test_what_follows_nothing_is_all_there_is():
    assert prompt_times("at first she smiles") == ((0.0, "at first she smiles"),)
