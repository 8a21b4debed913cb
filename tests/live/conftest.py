"""A tiny tier, a drawn person as an avatar, and a voice, for tests of streams."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.live.avatar import Avatar
from skyreels_avatar.live.prepare import prepare
from skyreels_avatar.loading.components import Components, load_components
from tests.samples import write_portrait
from tests.tiny import write_tier


@pytest.fixture(scope="session")
def tier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a tier whose networks are tiny."""
    return write_tier(tmp_path_factory.mktemp("tier"))


@pytest.fixture(scope="session")
def parts(tier: str) -> Components:
    """Its networks."""
    return load_components(tier)


@pytest.fixture(scope="session")
def avatar(parts: Components, tmp_path_factory: pytest.TempPathFactory) -> Avatar:
    """A drawn person at 128x96."""
    portrait = write_portrait(tmp_path_factory.mktemp("portrait"))
    return prepare(portrait, "128x96", "auto", parts)


@pytest.fixture(scope="session")
def voice() -> np.ndarray:
    """Two seconds at 16 kHz of a tone that swells four times a second."""
    time_s = np.arange(32_000) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * 200 * time_s) * np.sin(2 * np.pi * 2 * time_s) ** 2
    return tone.astype(np.float32)
