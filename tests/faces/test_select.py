"""Whose face is meant, and what the user hears when it cannot be said."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest

from skyreels_avatar.errors import FaceError
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.select import choose_face, describe_faces, parse_box
from skyreels_avatar.faces.template import synthetic_landmarks
from tests.faces.characters import character

PICTURE = np.zeros((300, 400, 3), np.uint8)


def _face(box, visibility=1.0) -> Face:
    return Face(box, synthetic_landmarks(box), 0.9, visibility)


LARGE, SMALL = _face((200.0, 40.0, 100.0, 120.0)), _face((20.0, 50.0, 60.0, 70.0))


class NoAnalyzer:
    """Stands where no second look may happen."""


def choose(faces, selector, picture=PICTURE, analyzer=None):
    return choose_face(faces, selector, picture, analyzer or NoAnalyzer())


def test_auto_takes_the_largest_face():
    assert choose([LARGE, SMALL], "auto") is LARGE


def test_auto_prefers_a_face_that_looks_at_the_camera_over_a_somewhat_larger_profile():
    profile = _face((200.0, 40.0, 80.0, 100.0), visibility=0.0)
    assert choose([profile, SMALL], "auto") is SMALL


def test_a_number_counts_from_the_largest():
    assert choose([LARGE, SMALL], "1") is SMALL


def test_a_box_takes_the_face_it_was_drawn_round():
    assert choose([LARGE, SMALL], "10,40,80,90") is SMALL


def test_a_box_on_an_unrecognized_face_places_one_and_says_so(analyzer, empty_picture, caplog):
    with caplog.at_level(logging.WARNING):
        face = choose([], "100,60,80,100", empty_picture, analyzer)
    assert face.confidence == 0 and "100,60,80,100" in caplog.text


def test_a_face_turned_away_is_taken_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        choose([_face((10.0, 10.0, 80.0, 90.0), visibility=0.1)], "auto")
    assert "turned away" in caplog.text and "10,10,80,90" in caplog.text


def test_without_a_face_the_message_names_the_way_out():
    with pytest.raises(FaceError, match=r"400 x 300 pixels.*face x,y,width,height"):
        choose([], "auto")


def test_a_number_too_high_lists_what_there_is():
    with pytest.raises(FaceError, match=r"no face 5 .*2 faces: 0 at 200,40,100,120; 1 at 20,50"):
        choose([LARGE, SMALL], "5")


@pytest.mark.parametrize("text", ["left", "1,2,3", "a,b,c,d", "-1", "", "1.5"])
def test_an_unreadable_selector_lists_the_forms(text):
    with pytest.raises(FaceError, match=r"cannot read the face selector.*'auto'"):
        choose([LARGE], text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0,0,10,50", "at least 16 x 16"),
        ("0,0,-50,50", "at least 16 x 16"),
        ("350,0,100,50", "beyond the picture of 400 x 300"),
        ("-5,0,100,50", "beyond the picture"),
        ("nan,0,100,50", "finite"),
    ],
)
def test_an_impossible_box_is_refused_with_the_reason(text, reason):
    with pytest.raises(FaceError, match=reason):
        parse_box(text, PICTURE)


def test_boxes_may_hold_spaces_and_fractions():
    assert parse_box("1.5, 2, 30, 40", PICTURE) == (1.5, 2.0, 30.0, 40.0)


def test_a_photo_means_the_person_and_nobody_who_is_not_there(analyzer, tmp_path):
    """The cosine of blurred pixels took one of four wrong people for the right one."""
    ann, ben = character("portrait"), character("portrait_man")
    for name in ("portrait", "portrait_man"):
        pixels = character(name, 400)[..., ::-1]
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.ascontiguousarray(pixels))
    both = np.concatenate([ben, ann], 1)
    faces = analyzer.find(both)
    face = choose_face(faces, str(tmp_path / "portrait.png"), both, analyzer)
    assert face.box[0] > 256
    face = choose_face(faces, str(tmp_path / "portrait_man.png"), both, analyzer)
    assert face.box[0] < 256
    with pytest.raises(FaceError, match=r"nobody in the picture.*0 at 8\d,\d+,\d+,\d+: similar"):
        choose_face(analyzer.find(ben), str(tmp_path / "portrait.png"), ben, analyzer)


def test_faces_are_described_with_numbers_and_boxes():
    assert describe_faces([]) == "no faces"
    assert describe_faces([SMALL]) == "1 face: 0 at 20,50,60,70"
