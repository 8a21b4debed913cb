"""Which frames are marked: pictures that talk, not footage; labels where they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.pipeline.marking import FrameMarks
from skyreels_avatar.provenance.manifest import watermark_number
from skyreels_avatar.provenance.verification import watermark_of
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot

FRAMES = np.full((2, 64, 64, 3), 90, np.uint8)


@pytest.fixture
def portrait(root):
    return root / "assets/examples/portrait.png"


def marks(**shot) -> FrameMarks:
    return FrameMarks(GenerationRequest(Shot(audio="a.wav", **shot), "a.mp4"))


def test_pictures_that_talk_are_marked(portrait):
    assert (marks(image=portrait).apply(FRAMES) != FRAMES).any()
    assert (marks(image=portrait, watermark=False).apply(FRAMES) == FRAMES).all()


def test_footage_stays_as_it_is(tmp_path):
    assert (marks(video=tmp_path / "v.mp4").apply(FRAMES) == FRAMES).all()


def test_a_label_is_drawn_where_it_is_asked_for(portrait):
    labelled = marks(image=portrait, watermark=False, label="AI").apply(FRAMES)
    assert (labelled != FRAMES).any()


def test_the_number_is_of_the_picture_and_the_seed(portrait, root):
    shot = Shot(portrait, audio="a.wav")
    other = Shot(root / "assets/examples/portrait_man.png", audio="a.wav")
    numbers = {watermark_number(shot, 0), watermark_number(shot, 1), watermark_number(other, 0)}
    assert len(numbers) == 3


def test_a_video_whose_manifest_is_gone_is_known_by_its_pixels(portrait, root, tmp_path):
    voice, path = root / "assets/examples/speech.wav", tmp_path / "a.mp4"
    sa.generate(portrait, voice, audio_end=0.6, size="320x320", output=path)
    found = watermark_of(path)
    assert found is not None
    assert found.numbers == (watermark_number(Shot(portrait, audio=voice), 0),)
