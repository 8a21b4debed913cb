"""Faces are found in a picture and followed through footage, once for the same footage."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import skyreels_avatar as sa
from skyreels_avatar.errors import FaceError, InputError
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.pipeline import open as opening
from skyreels_avatar.pipeline.open import open_shot
from skyreels_avatar.pipeline.read import read_files
from tests.media.videos import write_video
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A portrait, a voice, a tier, and a video of the portrait."""
    folder = tmp_path_factory.mktemp("kit")
    portrait, voice = write_portrait(folder), write_voice(folder, 0.4)
    pixels = np.asarray(Image.open(portrait).convert("RGB"))[:240, :300]
    video = write_video(folder / "a.mp4", np.stack([pixels] * 10))
    return portrait, voice, write_tier(folder), video


def _opened(shot: sa.Shot, tier: str, on_frame=lambda: None, **options):
    request = sa.GenerationRequest(shot, "o.mp4", tier, **options)
    return open_shot(request, read_files(request), load_components(tier), on_frame)


def test_a_picture_is_framed_round_its_face(kit):
    portrait, voice, tier, _ = kit
    opened = _opened(sa.Shot(image=portrait, audio=voice), tier, size="96x96")
    picture, (face,) = opened.framing.picture, opened.framing.faces
    assert (picture.height, picture.width) == (96, 96) and opened.framing.fine.height == 192
    x, y, width, height = face.box
    assert 0 < x + width / 2 < 96 and 0 < y + height / 2 < 96
    assert opened.plan.num_frames == 10 and opened.references == ()


def test_the_same_footage_is_followed_once(kit, monkeypatch):
    """Dubbing gives the same footage another voice; the user sees no frames counted again."""
    _, voice, tier, video = kit
    looked = []
    shot = sa.Shot(video=video, audio=voice)
    opened = [_opened(shot, tier, lambda: looked.append(1)) for _ in range(2)]
    assert len(looked) == 10
    assert np.array_equal(*(one.framing.picture.pixels for one in opened))
    _opened(sa.Shot(video=video, audio=voice, face="0"), tier, lambda: looked.append(1))
    assert len(looked) == 20, "another way to name the face"


def test_following_can_be_stopped_and_nothing_is_kept_of_it(kit):
    _, voice, tier, video = kit
    opening._follow_face.cache_clear()

    def stop():
        raise KeyboardInterrupt

    shot = sa.Shot(video=video, audio=voice)
    with pytest.raises(KeyboardInterrupt):
        _opened(shot, tier, stop)
    assert opening._follow_face.cache_info().currsize == 0
    assert len(_opened(shot, tier).references) == 1


def test_what_cannot_be_made_is_refused_before_heavy_work(kit, picture_file):
    portrait, voice, tier, _ = kit
    with pytest.raises(FaceError):
        _opened(sa.Shot(image=picture_file, audio=voice), tier)
    with pytest.raises(InputError, match="face"):
        _opened(sa.Shot(image=portrait, audio=voice, face="7"), tier)
