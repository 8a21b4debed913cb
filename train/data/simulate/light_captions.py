"""Prompts that say something of light and colour, and prompts that only sound like it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from skyreels_avatar.models.light_encoder import HIGHEST, LIGHT_NUMBERS, LOWEST, Light, ShotLight
from skyreels_avatar.models.text_encoder import split_words
from train.data.simulate.captions import caption
from train.data.simulate.performance import draw_direction
from train.data.simulate.speech import sentences

_NEUTRAL = Light()
_BEGINS, _ENDS = "{", "}"
# The scenery of performances that names a light is said here with its numbers.
_LIGHT_OF_SCENERY = ("lighting", "black and white")
_COLORS_OF_NEON = 10  # the first adjectives after the warm ones that are colours
_LOOKS: dict[str, dict[str, Any]] = {
    "warm": {"warmth": 0.45},
    "cold": {"warmth": -0.45},
    "dark": {"exposure": -1.5},
    "bright": {"exposure": 0.7},
    "moon": {
        "warmth": -0.6,
        "exposure": -1.5,
        "saturation": -0.35,
        "contrast": 0.2,
        "spot": 0.3,
    },
    "candle": {"warmth": 0.7, "exposure": -0.7, "flicker": 0.45, "spot": 0.6, "above": -0.3},
    "sunset": {"warmth": 0.65, "exposure": -0.1},
    "red": {"warmth": 0.9, "tint": 0.9, "spot": 0.25, "contrast": 0.15},
    "blue": {"warmth": -0.95, "tint": 0.1, "spot": 0.25, "contrast": 0.15},
    "green": {"warmth": -0.1, "tint": -1.0, "spot": 0.25, "contrast": 0.15},
    "purple": {"warmth": -0.45, "tint": 0.8, "spot": 0.25, "contrast": 0.15},
    "neon": {"warmth": -0.1, "tint": 0.85, "exposure": -0.3, "contrast": 0.3, "spot": 0.35},
    "mono": {"saturation": -1.0},
    "sepia": {"saturation": -1.0, "warmth": 0.4},
    "left": {"side": -1.0},
    "right": {"side": 1.0},
    "back": {"back": 0.75},
    "gets_dark": {"to": {"exposure": -1.8}},
    "gets_bright": {"to": {"exposure": 0.9}},
    "turns_red": {"to": {"warmth": 0.9, "tint": 0.9, "spot": 0.25, "contrast": 0.15}},
}


@dataclass(frozen=True)
class Said:
    """A prompt and what it asks for.

    Attributes:
        text: the prompt.
        light: None = nothing of light.
        of_light: of each word, as `split_words` parts them, whether it is about light.
    """

    text: str
    light: ShotLight | None
    of_light: tuple[bool, ...] = ()

    @property
    def numbers(self) -> np.ndarray:
        """(22,) as the network gives them: mentioned, sudden, begin, end."""
        light = self.light or ShotLight(_NEUTRAL, _NEUTRAL)
        values = [float(self.light is not None), light.sudden]
        values += [getattr(light.begin, name) for name in LIGHT_NUMBERS]
        values += [getattr(light.end, name) for name in LIGHT_NUMBERS]
        return np.array(values, np.float32)


@functools.lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, Any], dict[str, Any]]:
    folder = Path(__file__).parent
    return tuple(
        OmegaConf.to_container(OmegaConf.load(folder / name))
        for name in ("light.yaml", "light_languages.yaml")
    )


@functools.lru_cache(maxsize=1)
def _words_of_light() -> set[str]:
    table = _tables()[0]
    entries = [*table["sources"], *table["grades"], *table["sides"], *table["directions"]]
    phrases = [*table["nouns"], *(words for entry in entries for words in entry["say"])]
    return {word for phrase in phrases for word in phrase.split()}


def light_caption(rng: np.random.Generator) -> Said:
    """Draw a prompt: six in ten say something of light."""
    kind = rng.choice(
        ["steady", "change", "language", "nothing", "negated", "other"],
        p=[0.32, 0.19, 0.14, 0.2, 0.04, 0.11],
    )
    draw = {
        "steady": _steady, "change": _change, "language": _in_language, "nothing": _nothing,
        "negated": _negated, "other": _other_words,
    }[kind]  # fmt: skip
    said = draw(rng)
    words = _roughened(_unmarked(said.text), rng)
    text = " ".join(word for word, _ in words)
    if rng.random() < 0.3:
        text = f"{text[:1].upper()}{text[1:]}."
    of_light = tuple(flag for word, flag in words for _ in split_words(word))
    return replace(said, text=text, of_light=of_light)


def _marked(words: str) -> str:
    """Return words of light between marks, which the finished prompt does not have."""
    return f"{_BEGINS}{words}{_ENDS}"


def _unmarked(text: str) -> list[tuple[str, bool]]:
    """Return the words of a text without marks, and which are of light."""
    words, inside = [], False
    for word in text.replace(_BEGINS, f" {_BEGINS} ").replace(_ENDS, f" {_ENDS} ").split():
        if word in (_BEGINS, _ENDS):
            inside = word == _BEGINS
        else:
            words.append((word, inside))
    return words


def _steady(rng: np.random.Generator) -> Said:
    words, light = _look(rng)
    if rng.random() < 0.2:
        more, second = _look(rng)
        words, light = f"{words}{_pick(rng, (', ', ' and ', ', '))}{more}", _sum(light, second)
    return Said(_sentence(words, rng), ShotLight(light, light))


def _change(rng: np.random.Generator) -> Said:
    table = _tables()[0]
    if rng.random() < 0.4:
        entry = _pick(rng, table["changes"])
        words = _pick(rng, entry["say"])
        begin, end = _light(entry.get("from", {})), _light(entry.get("to", {}))
        sudden = entry.get("sudden", 0.0)
    else:
        words, begin, end = _turn(rng)
        sudden = 0.0
    draw = rng.random()
    if draw < 0.25:
        words, sudden = _with_adverb(words, _pick(rng, table["slowly"]), rng), 0.0
    elif draw < 0.45:
        words, sudden = _with_adverb(words, _pick(rng, table["suddenly"]), rng), 1.0
    if rng.random() < 0.1:  # in another light all along
        more, second = _look(rng)
        words, begin, end = f"{more}, {words}", _sum(second, begin), _sum(second, end)
    return Said(_sentence(words, rng, alone=True), ShotLight(begin, end, sudden))


def _turn(rng: np.random.Generator) -> tuple[str, Light, Light]:
    """Return "the light turns red" or "from warm to cold light", and both ends."""
    table = _tables()[0]
    name, light = _adjective(rng)
    if rng.random() < 0.3:
        grade = _pick(rng, table["grades"])
        name, light = _pick(rng, grade["say"]), _light(grade)
    if rng.random() < 0.2:  # a whole light, of which the colour changes
        first, before = _look(rng)
        color, after = _adjective(rng, slice(0, 13))
        after = replace(before, warmth=after.warmth, tint=after.tint)
        return f"{first} {_pick(rng, table['turns'])} {color}", before, after
    subject, noun = _pick(rng, table["subjects"]), _pick(rng, table["nouns"])
    turns = _pick(rng, table["turns"])
    if rng.random() < 0.3:
        first, before = _adjective(rng)
        words = _pick(rng, (
            f"{subject} {turns} from {first} to {name}",
            f"{subject} changes from {first} to {name}",
            f"{subject} goes from {first} {noun} to {name} {noun}",
            f"{noun} changes from {first} to {name}",
            f"from {first} to {name} {noun}",
            f"first {first} {noun}, then {name} {noun}",
            f"{first} {noun} becomes {name}",
        ))  # fmt: skip
        return words, before, light
    if subject == "it":  # "it gets cold" is the weather
        name = f"{name} {noun}" if rng.random() < 0.5 else name
        subject = "the light" if noun not in name else "it"
    words = _pick(rng, (f"{subject} {turns} {name}", f"{subject} {turns} {name}",
                        f"fades to {name} {noun}", f"at the end {name} {noun}"))  # fmt: skip
    return words, _NEUTRAL, light


def _look(rng: np.random.Generator) -> tuple[str, Light]:
    """Return words for a light or a grade."""
    table = _tables()[0]
    kind = rng.choice(["light", "source", "grade", "side", "neon", "is"],
                      p=[0.36, 0.26, 0.15, 0.1, 0.04, 0.09])  # fmt: skip
    if kind == "grade":
        entry = _pick(rng, table["grades"])
        return _pick(rng, entry["say"]), _light(entry)
    if kind == "neon":
        color, light = _adjective(rng, slice(3, 3 + _COLORS_OF_NEON - 1))
        neon = Light(exposure=-0.3, contrast=0.3, spot=0.35)
        form = _pick(rng, ("neon {}", "neon {} light", "{} neon", "{} neon lights", "{} neon glow"))
        return form.format(color), _sum(neon, light)
    if kind == "side":
        entry = _pick(rng, table["sides"])
        return _pick(rng, entry["say"]), _light(entry)
    if kind == "is":
        words, light = _adjective(rng)
        noun = _pick(rng, table["nouns"])
        return f"the {noun} is {words}", light
    if kind == "source":
        entry = _pick(rng, table["sources"])
        words, light = _pick(rng, entry["say"]), _light(entry)
        if rng.random() < 0.3 and not words.startswith(("at ", "in ", "by ", "a ", "the ", "as ")):
            adjective, more = _adjective(rng)
            words, light = f"{adjective} {words}", _sum(light, more)
    else:
        words, light = _adjective(rng)
        if rng.random() < 0.25:
            second, more = _adjective(rng)
            words, light = f"{words}{_pick(rng, (' ', ', ', ' and '))}{second}", _sum(light, more)
        words = f"{words} {_pick(rng, table['nouns'])}"
    if rng.random() < 0.25 and light.side == light.above == light.back == 0:
        direction = _pick(rng, table["directions"])
        words = f"{words} {_pick(rng, direction['say'])}"
        light = _sum(light, _light(direction))
    return words, light


def _adjective(rng: np.random.Generator, which: slice = slice(None)) -> tuple[str, Light]:
    table = _tables()[0]
    entry = _pick(rng, table["adjectives"][which])
    words, light = _pick(rng, entry["say"]), _light(entry)
    draw = rng.random()
    if draw < 0.08 and " " not in words:
        return f"{_pick(rng, table['weak'])} {words}", _scaled(light, 0.5)
    if draw < 0.2 and " " not in words:
        return f"{_pick(rng, table['strong'])} {words}", _scaled(light, 1.4)
    return words, light


def _in_language(rng: np.random.Generator) -> Said:
    language = _pick(rng, list(_tables()[1].values()))
    person = _pick(rng, language["people"]) if rng.random() < 0.8 else ""
    nothing = _pick(rng, language["nothing"]) if rng.random() < 0.4 else ""
    if rng.random() < 0.4:
        others = [_pick(rng, language["nothing"]) for _ in range(rng.integers(3))]
        return Said(_joined([person, nothing, *others], rng), None)
    look = _pick(rng, list(_LOOKS))
    words, numbers = _pick(rng, language[look]), _LOOKS[look]
    begin, end = _NEUTRAL, _light(numbers.get("to", {}))
    if "to" not in numbers:
        begin = end = _light(numbers)
    parts = [person, nothing, _marked(words)]
    if rng.random() < 0.3:
        parts = parts[::-1]
    return Said(_joined(parts, rng), ShotLight(begin, end))


def _nothing(rng: np.random.Generator) -> Said:
    """Return words that have nothing to do with light, though many sound like it."""
    parts = [_person(rng)]
    for _ in range(rng.integers(1, 4)):
        parts.append(_distractor(rng))
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return Said(_joined(parts, rng), None)


def _negated(rng: np.random.Generator) -> Said:
    """Return "no bright light": it is not asked for, and neither is its opposite."""
    words, _ = _look(rng)
    words = f"{_pick(rng, _tables()[0]['negations'])} {words}"
    if rng.random() < 0.3:
        more, light = _look(rng)
        words, more = _marked(words), _marked(more)
        parts = [words, more] if rng.random() < 0.5 else [more, words]
        return Said(_joined([_person(rng), *parts], rng), ShotLight(light, light))
    return Said(_joined([_person(rng), words], rng), None)


def _other_words(rng: np.random.Generator) -> Said:
    """Return sentences about anything, so that unknown words mean nothing."""
    languages = sentences()
    words = _pick(
        rng, languages["en"] if rng.random() < 0.6 else languages[_pick(rng, list(languages))]
    )
    if rng.random() < 0.5:
        words = list(rng.permutation(words))[: rng.integers(1, len(words) + 1)]
    spoken = " ".join(words)
    lead = _pick(rng, ("", "says", "talks about", "she says:", "he sings", _person(rng)))
    return Said(f"{lead} {spoken}".strip(), None)


def _sentence(words: str, rng: np.random.Generator, alone: bool = False) -> str:
    """Put words for a light into a prompt, beside a performance and words that must not matter."""
    draw = rng.random()
    if draw < 0.2:
        return _marked(words)
    parts = [_person(rng)]
    if rng.random() < 0.35:
        parts.append(_distractor(rng))
    if draw < 0.6 and not alone:
        joint = _pick(rng, _tables()[0]["joints"])
        return _joined([f"{parts[0]} {_marked(f'{joint} {words}')}", *parts[1:]], rng)
    words = _marked(words)
    if alone and rng.random() < 0.4:
        return f"{parts[0]} {_pick(rng, ('and', 'while', 'as', ', then'))} {words}"
    parts.insert(int(rng.integers(len(parts) + 1)), words)
    return _joined(parts, rng)


def _person(rng: np.random.Generator) -> str:
    if rng.random() < 0.12:
        return _pick(rng, _tables()[0]["people"]) + _pick(rng, (" speaks", " smiles", "", " sings"))
    text = _LIGHT_OF_SCENERY[0]
    while any(word in text for word in _LIGHT_OF_SCENERY):
        text = caption(draw_direction(rng), rng)
    return text.rstrip(".")


def _distractor(rng: np.random.Generator) -> str:
    table = _tables()[0]
    if rng.random() < 0.5:
        return _pick(rng, table["idioms"])
    color, thing = _pick(rng, table["colors"]), _pick(rng, table["things"])
    if rng.random() < 0.35:  # any other thing: what is named counts, not its colour
        thing = _pick(rng, _pick(rng, sentences()["en"]))
        if thing in _words_of_light():
            thing = "thing"
        article = _pick(rng, ("a", "the", "his", "her"))
        color = color if rng.random() < 0.6 else _adjective(rng)[0]
        return f"{_pick(rng, (article, '', 'with ' + article))} {color} {thing}".strip()
    words = f"{_pick(rng, table['carried'])} {color} {thing}"
    if rng.random() < 0.3:
        words += f" and {_pick(rng, table['colors'])} {_pick(rng, table['things'])}"
    return words


def _joined(parts: list[str], rng: np.random.Generator) -> str:
    return _pick(rng, (", ", ", ", " ", ". ", " and ")).join(part for part in parts if part)


def _with_adverb(words: str, adverb: str, rng: np.random.Generator) -> str:
    return f"{adverb} {words}" if rng.random() < 0.5 else f"{words} {adverb}"


def _roughened(words: list[tuple[str, bool]], rng: np.random.Generator) -> list[tuple[str, bool]]:
    """Return words with the slips of people who type, and sometimes with one nobody knows."""
    words = list(words)
    if rng.random() < 0.1 and words:
        at = int(rng.integers(len(words)))
        letters = list(words[at][0])
        if len(letters) > 4:
            place = int(rng.integers(1, len(letters) - 1))
            letters[place], letters[place - 1] = letters[place - 1], letters[place]
            words[at] = "".join(letters), words[at][1]
    if rng.random() < 0.15:
        letters = "abcdefghijklmnopqrstuvwxyz"
        unknown = "".join(letters[i] for i in rng.integers(0, 26, rng.integers(3, 10)))
        words.insert(int(rng.integers(len(words) + 1)), (unknown, False))
    return words


def _light(entry: dict[str, Any]) -> Light:
    return Light(**{name: value for name, value in entry.items() if name in LIGHT_NUMBERS})


def _sum(first: Light, second: Light) -> Light:
    """Return two lights at once, within the bounds; of two the same, no more than the stronger."""
    values = {}
    for name in LIGHT_NUMBERS:
        one, other = getattr(first, name), getattr(second, name)
        both = max(one, other, key=abs) if one * other > 0 else one + other
        values[name] = min(max(both, getattr(LOWEST, name)), getattr(HIGHEST, name))
    return Light(**values)


def _scaled(light: Light, scale: float) -> Light:
    values = {name: scale * getattr(light, name) for name in LIGHT_NUMBERS}
    return _sum(Light(**values), _NEUTRAL)


def _pick(rng: np.random.Generator, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]
