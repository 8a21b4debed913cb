"""Finding and following faces."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.region import overlap
from skyreels_avatar.media.image import Portrait
from tests.faces.drawing import draw_person

STABLE = [33, 133, 362, 263, 168, 1, 61, 291, 152, 10]


def _error(found: np.ndarray, drawn: np.ndarray, height: float) -> float:
    """Mean distance of stable points / face height."""
    return float(np.linalg.norm(found[STABLE, :2] - drawn[STABLE, :2], axis=1).mean() / height)


def test_a_drawn_face_is_found_with_points_within_three_percent(analyzer, person):
    picture, drawn, _ = person
    (face,) = analyzer.find(picture)
    assert face.landmarks.shape == (478, 3) and face.landmarks.dtype == np.float32
    assert _error(face.landmarks, drawn, face.box[3]) < 0.03
    assert face.confidence > 0.65 and face.visibility > 0.9


def test_finding_twice_gives_the_same_numbers_whatever_was_seen_between(person):
    picture, _, _ = person
    analyzer = FaceAnalyzer()
    first = analyzer.find(picture)[0]
    analyzer.track([picture[:, ::-1]] * 2)
    assert (analyzer.find(picture)[0].landmarks == first.landmarks).all()


def test_faces_come_largest_first_and_at_most_as_many_as_asked(person):
    picture, _, _ = person
    small, drawn, _ = draw_person(480, 512, (60, 120, 70, 86))
    both = np.concatenate([small, picture], 1)
    faces = FaceAnalyzer().find(both)
    assert len(faces) == 2 and faces[0].box[2] > faces[1].box[2]
    assert _error(faces[1].landmarks, drawn, faces[1].box[3]) < 0.04
    assert len(FaceAnalyzer(max_faces=1).find(both)) == 1


def test_a_small_face_in_a_wide_picture_is_found(analyzer):
    wide, drawn, _ = draw_person(480, 960, (700, 60, 44, 54))
    (face,) = analyzer.find(wide)
    assert _error(face.landmarks, drawn, face.box[3]) < 0.05


@pytest.mark.parametrize("quarter_turns", [1, 3])
def test_a_turned_picture_still_gives_its_face(analyzer, person, quarter_turns):
    picture, _, _ = person
    turned = np.ascontiguousarray(np.rot90(picture, quarter_turns))
    (face,) = analyzer.find(turned)
    eyes = face.landmarks[263, :2] - face.landmarks[33, :2]
    angle = np.rad2deg(np.arctan2(eyes[1], eyes[0]))
    expected = {1: -90, 3: 90}[quarter_turns]
    assert abs((angle - expected + 180) % 360 - 180) < 5


@pytest.mark.parametrize("name", ["portrait.png", "portrait_man.png"])
@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_portraits_upside_down_and_on_their_side_are_no_upright_faces(
    analyzer, root, name, quarter_turns
):
    """Brows upside down were taken for a mouth, which opened on the forehead."""
    upright = Portrait.load(root / "assets" / "examples" / name).pixels
    (expected,) = analyzer.find(upright)
    (face,) = analyzer.find(np.rot90(upright, quarter_turns).copy())
    points, (height, width) = expected.landmarks.copy(), upright.shape[:2]
    for _ in range(quarter_turns):
        points[:, :2] = np.stack([points[:, 1], width - points[:, 0]], 1)
        height, width = width, height
    assert _error(face.landmarks, points, expected.box[3]) < 0.03


def test_a_picture_without_a_face_gives_none(analyzer, empty_picture):
    assert analyzer.find(empty_picture) == []


def test_in_a_box_without_a_face_the_average_face_is_placed(analyzer, empty_picture):
    box = (100.0, 60.0, 80.0, 120.0)
    face = analyzer.find_in_box(empty_picture, box)
    assert face.confidence == 0
    assert overlap(face.box, box) > 0.99
    assert face.box[2] == pytest.approx(80, abs=0.1)
    assert face.landmarks[468:473, 0].mean() < face.landmarks[473:, 0].mean()


def test_a_visible_face_in_a_box_is_really_found(analyzer, person):
    picture, drawn, _ = person
    face = analyzer.find_in_box(picture, (170, 80, 160, 190))
    assert face.confidence > 0.65
    assert _error(face.landmarks, drawn, face.box[3]) < 0.03


def test_visibility_falls_when_the_picture_cuts_the_face(analyzer, person):
    picture, drawn, _ = person
    whole = analyzer.find(picture)[0]
    left = int(drawn[168, 0])
    cut_face = analyzer.find_in_box(np.ascontiguousarray(picture[:, left:]), (0, 90, 70, 172))
    assert cut_face.visibility < 0.7 * whole.visibility


def _moving(picture: np.ndarray, shifts: list[float]) -> list[np.ndarray]:
    size = (picture.shape[1], picture.shape[0])
    return [
        cv2.warpAffine(picture, np.float64([[1, 0, x], [0, 1, 0]]), size, borderMode=1)
        for x in shifts
    ]


def test_a_track_follows_the_face_frame_by_frame(analyzer, person):
    picture, drawn, _ = person
    shifts = [3.0 * index for index in range(20)]
    track = analyzer.track(_moving(picture, shifts))
    assert track.landmarks.shape == (20, 478, 3) and track.landmarks.dtype == np.float32
    assert track.found.all() and track.boxes.shape == (20, 4) and track.confidence.min() > 0.8
    for landmarks, shift in zip(track.landmarks, shifts):
        assert _error(landmarks - [shift, 0, 0], drawn, 172) < 0.03


def test_a_track_repeats_its_neighbor_while_the_face_is_away_and_finds_it_again(analyzer, person):
    """The mesh network alone stays sure of a face on plain cloth: the detector must be asked."""
    picture, _, _ = person
    blank = np.full_like(picture, 120)
    frames = [blank] * 2 + [picture] * 5 + [blank] * 14 + _moving(picture, [-120.0] * 4)
    track = analyzer.track(frames)
    assert list(track.found) == [False] * 2 + [True] * 5 + [False] * 14 + [True] * 4
    assert (track.landmarks[0] == track.landmarks[2]).all()
    assert (track.landmarks[10] == track.landmarks[6]).all()
    assert track.confidence[10] == 0
    assert track.boxes[-1, 0] == pytest.approx(track.boxes[3, 0] - 120, abs=3)


@pytest.mark.parametrize("angle_deg, known", [(-90, True), (120, True), (180, True), (180, False)])
def test_a_face_that_comes_back_turned_is_not_taken_for_upright(analyzer, root, angle_deg, known):
    """Only in the first frame of a scene was a mesh upside down turned right."""
    upright = Portrait.load(root / "assets" / "examples" / "portrait.png").pixels
    upright = cv2.resize(upright, (256, 256), interpolation=cv2.INTER_AREA)
    (face,) = analyzer.find(upright)
    turn = cv2.getRotationMatrix2D((128, 128), angle_deg, 1.0)
    turned = cv2.warpAffine(upright, turn, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    blank = [np.full_like(upright, 90)] * 12
    first = [upright] if known else []
    track = analyzer.track([*first, *blank, *[turned] * 14], face if known else None)
    assert track.found[-2:].all()
    expected = face.landmarks.copy()
    expected[:, :2] = expected[:, :2] @ turn[:, :2].T + turn[:, 2]
    assert _error(track.landmarks[-1], expected, face.box[3]) < 0.04


def test_a_track_starts_at_the_given_face(analyzer, person):
    picture, _, _ = person
    small, _, _ = draw_person(480, 512, (60, 120, 70, 86))
    both = np.concatenate([small, picture], 1)
    smaller = analyzer.find(both)[1]
    track = analyzer.track([both] * 3, smaller)
    assert np.abs(track.boxes - np.array(smaller.box)).max() < 3


def test_a_track_of_nothing_is_empty_or_unfound(analyzer, empty_picture):
    assert analyzer.track([]).landmarks.shape == (0, 478, 3)
    track = analyzer.track([empty_picture] * 2)
    assert not track.found.any() and track.landmarks.shape == (2, 478, 3)


def test_the_number_of_crops_is_checked(analyzer, person):
    with pytest.raises(InputError, match="between 1 and 3, got 9"):
        analyzer.track([person[0]], num_crops=9)


def test_loading_the_networks_prints_nothing():
    """TFLite and absl write to the terminal behind Python's back."""
    script = (
        "import numpy as np\n"
        "from skyreels_avatar.faces.analyzer import FaceAnalyzer\n"
        "from skyreels_avatar.faces.matte import person_mask\n"
        "picture = np.zeros((96, 96, 3), np.uint8)\n"
        "FaceAnalyzer().find_in_box(picture, (10, 10, 60, 60)); person_mask(picture, None)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
