"""A film that is made within seconds: tiny networks, a drawn person, a tone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import skyreels_avatar as sa
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


@dataclass(frozen=True)
class Kit:
    """Where the files of a film are."""

    portrait: Path
    voice: Path
    tier: str

    def script(self, num_shots: int = 5, fade_s: float = 0.0, **third) -> sa.Script:
        """Return a film of shots of 0.4 s; `third` are changes of shot 3."""
        shots = [
            sa.Shot(
                image=self.portrait,
                camera="push_in:50" if number % 2 else "static",
                end_s=0.4 * number,
                fade_s=fade_s if number > 1 else 0.0,
                **{"prompt": f"shot {number}", **(third if number == 3 else {})},
            )
            for number in range(1, num_shots + 1)
        ]
        return sa.Script(tuple(shots), self.voice, height=64, width=64)


@pytest.fixture(scope="package")
def kit(tmp_path_factory) -> Kit:
    """A portrait of 300x240, four seconds of voice, a tier."""
    folder = tmp_path_factory.mktemp("film")
    return Kit(write_portrait(folder), write_voice(folder, 4.0), write_tier(folder))
