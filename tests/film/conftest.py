"""A film that is made within seconds: tiny networks, a drawn person, a tone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import skyreels_avatar as sa
from skyreels_avatar.loading.components import load_components
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


@pytest.fixture
def film(kit, tmp_path, monkeypatch):
    """A script of three shots in a file; loading weights fails."""

    def forbidden(*_, **__):
        raise AssertionError("a plan must not load weights")

    load_components.__globals__["_load"].cache_clear()
    monkeypatch.setitem(load_components.__globals__, "_load", forbidden)
    path = tmp_path / "film.yaml"
    path.write_text(yaml.safe_dump(kit.script(num_shots=3, fade_s=0.2).to_dict()))
    return path
