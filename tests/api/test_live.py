"""The public verbs of streams take pictures, avatars and their files."""

from __future__ import annotations

import pytest

import skyreels_avatar as sa
from tests.samples import write_portrait
from tests.tiny import write_tier


@pytest.fixture(scope="module")
def tier(tmp_path_factory) -> str:
    return write_tier(tmp_path_factory.mktemp("tier"))


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    return write_portrait(tmp_path_factory.mktemp("portrait"))


def test_a_picture_an_avatar_and_its_file_give_the_same_first_frames(tier, portrait, tmp_path):
    avatar = sa.prepare_avatar(portrait, size="96x80", tier=tier)
    path = avatar.save(tmp_path / "me.avatar")
    sources = {"picture": portrait, "avatar": avatar, "file": path, "name": str(path)}
    found = {}
    for name, source in sources.items():
        size = "96x80" if name == "picture" else None
        with sa.open_stream(source, size=size, tier=tier) as stream:
            found[name] = [stream.read().image.tobytes() for _ in range(3)]
    assert len({tuple(frames) for frames in found.values()}) == 1
    assert sa.load_avatar(path).size == "96x80"


def test_sizes_and_tiers_that_do_not_fit_are_refused(tier, portrait, tmp_path):
    avatar = sa.prepare_avatar(portrait, size="96x80", tier=tier)
    with pytest.raises(sa.InputError, match="prepared for 96x80"):
        sa.open_stream(avatar, size="512x512", tier=tier)
    with pytest.raises(sa.InputError):
        sa.open_stream(portrait, fps=0, tier=tier)
