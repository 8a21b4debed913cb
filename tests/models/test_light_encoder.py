"""The shipped reader of light, on sentences that are in no table; and how lights go in time."""

from __future__ import annotations

import itertools

import pytest
import torch

from skyreels_avatar.folders import asset_path
from skyreels_avatar.loading.checkpoints.load import load_module
from skyreels_avatar.models.light_encoder import Light, LightEncoder, ShotLight

# What a sentence must do to the numbers: signs at the end, "begin." at the beginning.
LIGHTS = {
    "a woman smiles in warm evening light": {"warmth": 1},
    "black and white film": {"saturation": -1},
    "cold blue moonlight": {"warmth": -1, "exposure": -1},
    "dramatic light from the left": {"side": -1, "contrast": 1},
    "candlelight flickers": {"flicker": 1, "warmth": 1},
    "the light slowly turns red": {"warmth": 1, "tint": 1, "begin.warmth": 0, "begin.tint": 0},
    "it gets dark": {"exposure": -1, "begin.exposure": 0},
    "neon pink": {"tint": 1},
    "overexposed bright daylight": {"exposure": 1},
    "sepia": {"saturation": -1, "warmth": 1},
    "a man talks, hard light from the right": {"side": 1},
    "she speaks angrily, lit from below like in a horror movie": {"above": -1},
    "green light fills the room while the man laughs": {"tint": -1},
    "she sings and the scene fades to black and white": {"saturation": -1, "begin.saturation": 0},
    "a man in a suit speaks, backlit by the sun": {"back": 1},
    "vivid saturated colors, a happy presenter": {"saturation": 1},
    "un homme parle dans une lumi\u00e8re rouge": {"warmth": 1, "tint": 1},
    "una mujer habla en blanco y negro": {"saturation": -1},
}
NOTHING = (
    "", "...", "a woman in a red dress speaks", "a man with dark hair", "she beams",
    "a black man with a white shirt", "her face lights up", "a woman smiles and speaks",
    "he looks angry", "nodding", "a cool guy with sunglasses", "she smiles warmly at the viewer",
    "a woman with light brown hair and green eyes talks", "he blushes and turns red",
    "a man in a black and white striped shirt sings", "a light-hearted conversation",
    "the presenter shows a red bottle", "he sings about the moon and the stars",
    "she looks to the left, then to the right", "a yellow raincoat, a happy child",
    "without any dramatic lighting", "not in black and white",
    "eine Frau im roten Kleid spricht", "une femme en robe bleue parle",
)  # fmt: skip
CHANGED = Light(exposure=-1.0, side=0.5)


@pytest.fixture(scope="module")
def encoder() -> LightEncoder:
    return load_module(LightEncoder, asset_path("nano/light.safetensors"))


@pytest.mark.parametrize("prompt", LIGHTS)
def test_lights_are_read_from_sentences(encoder, prompt):
    light = encoder.light_of(prompt)
    assert light is not None
    for name, sign in LIGHTS[prompt].items():
        end = light.begin if name.startswith("begin.") else light.end
        value = getattr(end, name.removeprefix("begin."))
        assert abs(value) < 0.25 if sign == 0 else sign * value > 0.1, (name, value)


@pytest.mark.parametrize("prompt", NOTHING)
def test_what_says_nothing_of_light_changes_nothing(encoder, prompt):
    assert encoder.light_of(prompt) is None


def test_a_light_without_words_of_change_stays(encoder):
    for prompt in ("a woman smiles in warm evening light", "sepia", "cold blue moonlight"):
        assert not encoder.light_of(prompt).changes


def test_black_and_white_has_no_tint(encoder):
    for prompt in ("black and white film", "a man talks, black and white", "monochrome"):
        begin = encoder.light_of(prompt).begin
        assert (begin.saturation, begin.warmth, begin.tint) == (-1.0, 0.0, 0.0)


def test_the_rest_of_a_prompt_says_how_to_move(encoder):
    """Words such as "from the left" had turned the head, and "warm light" had made people smile."""
    assert encoder.without_light("a man speaks, dramatic light from the left") == "a man speaks"
    left = encoder.without_light("a woman smiles in warm evening light").split()
    assert "smiles" in left and not {"warm", "evening", "light"} & set(left)
    assert encoder.without_light("black and white film") == "a person is talking"
    assert "looks to the left" in encoder.without_light("she looks to the left, cold moonlight")


def test_reading_is_the_same_on_any_number_of_threads(encoder):
    before, prompts = torch.get_num_threads(), list(LIGHTS)
    try:
        torch.set_num_threads(1)
        one = [encoder.light_of(prompt) for prompt in prompts]
        torch.set_num_threads(2)
        assert [encoder.light_of(prompt) for prompt in prompts] == one
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("prompt", ["light " * 300, "\u5149", "a " * 40 + "in red light"])
def test_any_prompt_can_be_read(encoder, prompt):
    encoder.light_of(prompt)
    assert encoder.without_light(prompt)


def test_a_change_goes_from_one_end_to_the_other_without_a_jump():
    for sudden in (0.0, 0.5, 1.0):
        light = ShotLight(Light(), CHANGED, sudden)
        assert light.at(0.0) == Light() and light.at(1.0) == CHANGED
        values = [light.at(index / 200).exposure for index in range(201)]
        steps = [first - second for first, second in itertools.pairwise(values)]
        assert min(steps) >= 0 and max(steps) < 0.12
    assert ShotLight(CHANGED, CHANGED).at(0.3) is not None
    assert not ShotLight(CHANGED, CHANGED).changes


def test_what_is_said_to_come_suddenly_does():
    light = ShotLight(Light(), CHANGED, 1.0)
    assert light.at(0.44) == Light() and light.at(0.56) == CHANGED
