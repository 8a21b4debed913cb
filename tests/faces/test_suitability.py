"""Pictures that cannot become good videos are known before one is made."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.suitability import OUTER_LIPS, examine_face
from skyreels_avatar.media.image import Portrait
from tests.drawings import draw_face


@pytest.fixture(scope="module")
def analyzer() -> FaceAnalyzer:
    return FaceAnalyzer()


@pytest.fixture(scope="module", params=["portrait.png", "portrait_man.png"])
def portrait(request, root) -> np.ndarray:
    return Portrait.load(root / "assets" / "examples" / request.param).pixels


def codes(pixels: np.ndarray, face: Face) -> list[str]:
    return [finding.code for finding in examine_face(pixels, face)]


def test_a_good_portrait_has_no_findings(portrait, analyzer):
    assert codes(portrait, analyzer.find(portrait)[0]) == []


def test_a_picture_that_ends_above_the_mouth_is_refused(portrait, analyzer):
    """It became a video without lips, without a word."""
    face = analyzer.find(portrait)[0]
    nose_y = int(face.landmarks[2, 1])
    found = examine_face(portrait[:nose_y], face)
    assert [(one.code, one.fatal) for one in found] == [("no-mouth", True)]
    lips_y = int(face.landmarks[14, 1])
    assert codes(portrait[:lips_y], face) == ["cut-mouth"]


def test_generate_refuses_it_with_a_way_out(portrait, analyzer, sound_file, tmp_path):
    from PIL import Image

    face = analyzer.find(portrait)[0]
    cut = portrait[: int(face.landmarks[2, 1] + 4)]
    Image.fromarray(cut).save(tmp_path / "a.png")
    with pytest.raises(sa.InputError, match=r"no mouth is in the picture|no face was found"):
        sa.generate(tmp_path / "a.png", sound_file, output=tmp_path / "o.mp4", size="128x128")
    assert not (tmp_path / "o.mp4").exists()


def test_small_faces_and_wide_open_mouths_are_said(portrait, analyzer):
    face = analyzer.find(portrait)[0]
    small = cv2.resize(portrait, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
    shrunk = Face(face.box, face.landmarks * 0.15, face.confidence, face.visibility)
    assert "small" in codes(small, shrunk)
    opened = face.landmarks.copy()
    height = np.linalg.norm(opened[10, :2] - opened[152, :2])
    opened[[14, 87, 317], 1] += 0.2 * height
    wide = Face(face.box, opened, face.confidence, face.visibility)
    assert "wide-open" in codes(portrait, wide)


@pytest.mark.parametrize(("yaw", "said"), [(0.0, "it is shut before"), (0.9, "cannot be shut")])
def test_what_is_done_about_a_wide_open_mouth_is_true(portrait, analyzer, yaw, said):
    """Of turned heads, whose mouths are not shut, it was said that they were."""
    face = analyzer.find(portrait)[0]
    points = face.landmarks.copy()
    points[[14, 87, 317], 1] += 0.2 * np.linalg.norm(points[10, :2] - points[152, :2])
    middle = points.mean(0)
    x, z = points[:, 0] - middle[0], points[:, 2] - middle[2]
    points[:, 0] = middle[0] + np.cos(yaw) * x - np.sin(yaw) * z
    points[:, 2] = middle[2] + np.sin(yaw) * x + np.cos(yaw) * z
    found = examine_face(portrait, Face(face.box, points, face.confidence, face.visibility))
    assert [said in str(one) for one in found if one.code == "wide-open"] == [True]


def test_faces_that_are_turned_away_are_said(portrait, analyzer):
    """Lips of profiles end ragged against the background; only `doctor` warned, and only late."""
    face = analyzer.find(portrait)[0]
    for visibility, expected in ((0.75, []), (0.6, ["turned"]), (0.1, ["turned"])):
        aside = Face(face.box, face.landmarks, face.confidence, visibility)
        found = examine_face(portrait, aside)
        assert [one.code for one in found] == expected and not any(one.fatal for one in found)


def test_flat_drawings_without_lips_are_said(portrait, analyzer):
    """A drawn mouth of one line has no lips to move: its mouth never opened, without a warning."""
    face = analyzer.find(portrait)[0]
    skin = portrait[int(face.landmarks[50, 1]), int(face.landmarks[50, 0])]
    flat = np.broadcast_to(skin, portrait.shape).copy()
    for side in (33, 263):
        center = tuple(int(v) for v in face.landmarks[side, :2])
        cv2.circle(flat, center, 20, (40, 60, 160), -1)
    ends = [tuple(int(v) for v in face.landmarks[i, :2]) for i in (61, 291)]
    cv2.line(flat, *ends, (120, 50, 50), 2)
    found = examine_face(flat, face)
    assert [one.code for one in found] == ["drawn"] and found[0].fatal  # nothing would speak


def test_mouths_that_a_beard_hides_are_said(portrait, analyzer):
    """A mouth opened in the middle of the hair, without a word."""
    face = analyzer.find(portrait)[0]
    height = float(np.linalg.norm(face.landmarks[10, :2] - face.landmarks[152, :2]))
    hair = np.random.default_rng(0).integers(0, 255, (*portrait.shape[:2], 1)).repeat(3, 2)
    hair = cv2.GaussianBlur(hair.astype(np.uint8), (0, 0), height / 200)
    x, y = np.meshgrid(np.arange(portrait.shape[1]), np.arange(portrait.shape[0]))
    center = (face.landmarks[13, :2] + face.landmarks[14, :2]) / 2
    beard = (np.hypot((x - center[0]) / 1.3, y - center[1]) < 0.24 * height)[..., None]
    assert codes(np.where(beard, hair, portrait), face) == ["hidden-mouth"]
    mouth = np.zeros(portrait.shape[:2], np.uint8)
    cv2.fillPoly(mouth, [face.landmarks[list(OUTER_LIPS), :2].round().astype(np.int32)], 1)
    shown = np.where(beard & (mouth[..., None] == 0), hair, portrait)
    assert "hidden-mouth" not in codes(shown, face)


def test_hair_unlike_the_beard_round_it_hides_a_mouth_unless_a_line_parts_the_lips(
    portrait, analyzer
):
    """A moustache over the lips is rougher and lighter than the beard below."""
    face = analyzer.find(portrait)[0]
    height = float(np.linalg.norm(face.landmarks[10, :2] - face.landmarks[152, :2]))
    rng = np.random.default_rng(1)
    hair = rng.normal(size=portrait.shape[:2])  # strands that hang down
    hair = cv2.GaussianBlur(hair, (0, 0), sigmaX=height / 200, sigmaY=height / 20)
    x, y = np.meshgrid(np.arange(portrait.shape[1]), np.arange(portrait.shape[0]))
    center = (face.landmarks[13, :2] + face.landmarks[14, :2]) / 2
    away = np.hypot((x - center[0]) / 1.3, y - center[1]) / height
    over = cv2.GaussianBlur((away < 0.1).astype(np.float64), (0, 0), height / 50)
    light = 90 + 60 * over + (20 + 40 * over) * hair / hair.std()
    bearded = np.where((away < 0.24)[..., None], light[..., None], portrait)
    assert codes(bearded.clip(0, 255).astype(np.uint8), face) == ["hidden-mouth"]
    line = face.landmarks[[78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308], :2]
    line = [line.round().astype(np.int32)]
    parted = cv2.polylines(bearded.copy(), line, False, (20, 20, 20), max(2, round(height / 60)))
    assert codes(parted.clip(0, 255).astype(np.uint8), face) == []


def test_drawings_whose_mouth_is_found_are_not_warned_of():
    drawing = draw_face()
    face = fit_drawing(drawing.pixels, Face((0, 0, 1, 1), drawing.mesh(), 0.6, 1.0))
    assert face.drawn and codes(drawing.pixels, face) == []


def test_portraits_that_work_are_not_refused(shared, analyzer):
    """The 34 test portraits: none is refused; what is said of them is written here."""
    said = {}
    for path in sorted((shared / "inputs" / "portraits").iterdir()):
        pixels = Portrait.load(path).pixels
        if faces := analyzer.find(pixels):
            found = examine_face(pixels, faces[0])
            assert not any(one.fatal for one in found), path.name
            if found:
                said[path.name[:3]] = [one.code for one in found]
    turned = {name: ["turned"] for name in ("p23", "p24", "p25", "p27", "p34")}
    assert said == turned


def test_a_real_picture_that_ends_above_the_mouth(shared, analyzer):
    pixels = Portrait.load(shared / "cases" / "edge_bottom.jpg").pixels
    assert codes(pixels, analyzer.find(pixels)[0]) == ["no-mouth"]


def test_a_flat_drawing_in_which_the_mesh_is_lost_is_refused():
    """The mouth of a cartoon opened on its cap."""
    drawing, rough = draw_face(), draw_face(grain=6.0)
    points = drawing.mesh()
    lips = points[list(OUTER_LIPS), :2].round().astype(np.int32)
    for one in (drawing, rough):
        cv2.fillPoly(one.pixels, [lips], (190, 40, 50))
    sure, lost = (Face((0, 0, 1, 1), points, confidence, 1.0) for confidence in (0.9, 0.5))
    assert not any(one.fatal for one in examine_face(drawing.pixels, sure))
    assert [one.code for one in examine_face(drawing.pixels, lost) if one.fatal] == ["drawn"]
    assert not any(one.fatal for one in examine_face(rough.pixels, lost))


def test_what_covers_the_lips_is_said(portrait, analyzer):
    """A mask, a scarf or a cup in front of the mouth: a video without moving lips, not a word."""
    face = analyzer.find(portrait)[0]

    def masks(share: float):
        return lambda crops: np.full(crops.shape[:3], share, np.float32)

    assert examine_face(portrait, face, masks(0.1)) == ()
    for share, word in ((0.3, "30% of the lips"), (0.9, "no lips are seen to move")):
        found = examine_face(portrait, face, masks(share))
        assert [(one.code, one.fatal) for one in found] == [("covered-mouth", False)]
        assert word in found[0].message


def test_lips_in_the_dark_are_not_taken_for_a_drawing(portrait, analyzer):
    face = analyzer.find(portrait)[0]
    assert codes((portrait * 0.1).astype(np.uint8), face) == ["dark"]


def test_photos_without_color_do_not_lack_lips(portrait, analyzer):
    """Of lips as light as the skin the red tells: gray photos were said to be drawings."""
    face = analyzer.find(portrait)[0]
    gray = np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
    mouth = np.zeros(gray.shape[:2], np.uint8)
    cv2.fillPoly(mouth, [face.landmarks[list(OUTER_LIPS), :2].round().astype(np.int32)], 1)
    height = float(np.linalg.norm(face.landmarks[10, :2] - face.landmarks[152, :2]))
    grain = np.random.default_rng(0).normal(size=gray.shape[:2])
    grain = cv2.GaussianBlur(grain, (0, 0), height / 160)
    skin = 150 + 6 * grain[..., None] / grain.std()
    width = int(np.ptp(face.landmarks[:, 0]) / 6)
    around = cv2.dilate(mouth, np.ones((width, width), np.uint8))[..., None] > 0
    even = np.where(around, skin, gray)
    assert codes(even.astype(np.uint8), face) == []
    assert "drawn" in codes((even * np.array([1.0, 0.8, 0.65])).astype(np.uint8), face)
