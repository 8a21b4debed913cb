"""Parse light and color from a prompt: none, or a look that may change over the shot.

Left and right are the viewer's. Values are relative to the picture: zeros change
nothing.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields

import torch
import torch.nn as nn
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

from skyreels_avatar.models.text_encoder import TextEncoder, split_words

# Coarser than rounding differences between threads and machines.
_GRID = 1 / 32
# Smaller values are noise of the network, and would change pictures nobody asked to change.
_DEAD = 0.1
_SURE = 0.5
# The prompt that remains when all words are about light.
TALKING = "a person is talking"


@dataclass(frozen=True)
class Light:
    """The light on a person at one moment.

    Attributes:
        exposure: in stops, about -2 to 2.
        warmth: -1 is blue, 0.4 a lamp, 1 orange.
        tint: -1 is green, 1 magenta; red, pink, cyan lie between the two axes.
        saturation: -1 is black and white, 1 vivid.
        contrast: -1 to 1.
        side: -1 all light comes from the left, 1 from the right.
        above: -1 all light comes from below, 1 from above.
        back: 0 to 1, light from behind: a bright rim round a dark person.
        spot: 0 to 1, how far the surroundings of the person fall dark.
        flicker: 0 to 1.
    """

    exposure: float = 0.0
    warmth: float = 0.0
    tint: float = 0.0
    saturation: float = 0.0
    contrast: float = 0.0
    side: float = 0.0
    above: float = 0.0
    back: float = 0.0
    spot: float = 0.0
    flicker: float = 0.0


LIGHT_NUMBERS = tuple(field.name for field in fields(Light))
LOWEST = Light(-2.5, -1.2, -1.2, -1.0, -1.0, -1.0, -1.0, 0.0, 0.0, 0.0)
HIGHEST = Light(2.0, 1.2, 1.2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
_NUM_OUTPUTS = 2 + 2 * len(LIGHT_NUMBERS)  # mentioned, sudden, begin, end


@dataclass(frozen=True)
class ShotLight:
    """The light of a shot.

    Attributes:
        begin, end: of the first and the last frame.
        sudden: 0 = it changes over the whole shot, 1 = in a moment in the middle.
    """

    begin: Light
    end: Light
    sudden: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether the light changes over the shot."""
        return self.begin != self.end

    def at(self, share: float) -> Light:
        """Return the light after a share of the shot, 0 for its first frame, 1 for its last."""
        if not self.changes:
            return self.begin
        half = 0.5 * (1 - 0.92 * self.sudden)
        done = min(max((share - 0.5) / (2 * half) + 0.5, 0.0), 1.0)
        done = done * done * (3 - 2 * done)
        pairs = zip(astuple(self.begin), astuple(self.end))
        return Light(*((1 - done) * first + done * last for first, last in pairs))


class LightEncoder(ModelMixin, ConfigMixin):
    """Encode a prompt as the light and color it asks for.

    Args:
        dim, num_tokens, num_buckets, num_layers, num_heads: of the `TextEncoder` inside.
    """

    @register_to_config
    def __init__(
        self,
        dim: int = 56,
        num_tokens: int = 32,
        num_buckets: int = 4096,
        num_layers: int = 2,
        num_heads: int = 4,
    ):
        super().__init__()
        self.text_encoder = TextEncoder(dim, num_tokens, num_buckets, num_layers, num_heads)
        self.pool = nn.Linear(dim, 4)
        self.proj_out = nn.Linear(4 * dim, _NUM_OUTPUTS)
        self.proj_words = nn.Linear(dim, 1)

    def forward(self, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the light that prompts ask for, and which of their words do.

        Returns:
            (B, 22): logit of "light is mentioned", sudden, then `begin` and `end`; and (B, L)
            logits of "these words are about light", see `slots`.
        """
        tokens = self.text_encoder(prompts)
        weights = self.pool(tokens).softmax(1)
        said = self.proj_out(torch.einsum("bln,bld->bnd", weights, tokens).flatten(1))
        return said, self.proj_words(tokens)[..., 0]

    def slots(self, num_words: int) -> list[int]:
        """Return which of the L tokens each word of a prompt is in."""
        num_tokens = self.config.num_tokens
        if num_words <= num_tokens:
            return list(range(num_words))
        return [index * num_tokens // num_words for index in range(num_words)]

    @torch.no_grad()
    def light_of(self, prompt: str) -> ShotLight | None:
        """Return the light that a prompt asks for; None where it does not mention light."""
        said = self([prompt])[0][0].tolist()
        if 1 / (1 + math.exp(-said[0])) < _SURE:
            return None
        numbers = len(LIGHT_NUMBERS)
        begin, end = _rounded(said[2 : 2 + numbers]), _rounded(said[2 + numbers :])
        # Small differences are noise: no change.
        end = [b if abs(e - b) < 2 * _DEAD else e for b, e in zip(begin, end)]
        light = ShotLight(Light(*begin), Light(*end), round(min(max(said[1], 0.0), 1.0) * 4) / 4)
        nothing = Light()
        return None if light.begin == light.end == nothing else light

    @torch.no_grad()
    def without_light(self, prompt: str) -> str:
        """Return a prompt without its words about light, which must not change the motion."""
        pieces = prompt.split()
        counts = [len(split_words(piece)) for piece in pieces]
        slots = iter(self.slots(sum(counts)))
        logits = self([prompt])[1][0].tolist()
        of_light = []
        for count in counts:
            found = [logits[next(slots)] for _ in range(count)]
            of_light.append(bool(found) and sum(found) / count > 0)
        # A word between two words about light is about light.
        between = zip([False, *of_light], of_light, [*of_light[1:], False])
        of_light = [own or (before and after) for before, own, after in between]
        kept = [piece for piece, dropped in zip(pieces, of_light) if not dropped]
        if not any(split_words(piece) for piece in kept):
            return TALKING
        return " ".join(kept).strip(" ,;")


def _rounded(values: list[float]) -> list[float]:
    """Return numbers within their bounds, on a coarse grid, small ones 0."""
    rounded = []
    for value, low, high in zip(values, astuple(LOWEST), astuple(HIGHEST)):
        value = 0.0 if abs(value) < _DEAD else min(max(value, low), high)
        rounded.append(round(value / _GRID) * _GRID)
    # Nearly black and white is black and white.
    saturation = LIGHT_NUMBERS.index("saturation")
    if rounded[saturation] < -0.8:
        rounded[saturation] = -1.0
    return rounded
