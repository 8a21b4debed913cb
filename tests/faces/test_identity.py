"""Pictures of one person are near each other, those of two are not."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.identity import (
    OTHER,
    SAME,
    Person,
    describe_distance,
    embed_face,
    face_chip,
    is_recognizable,
)
from skyreels_avatar.faces.template import synthetic_landmarks
from tests.faces.characters import character

NAMES = ("portrait", "portrait_man")


def degraded(pixels: np.ndarray, kind: str) -> np.ndarray:
    """Return a picture of the same person as it may be in another file."""
    if kind == "small":  # a face 50 pixels high
        return cv2.resize(pixels, (124, 124), interpolation=cv2.INTER_AREA)
    if kind == "re-encoded":
        return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], 1)
    if kind == "mirrored":
        return np.ascontiguousarray(pixels[:, ::-1])
    if kind == "dark":
        return (255 * (pixels / 255.0) ** 1.8).astype(np.uint8)
    turn = cv2.getRotationMatrix2D((192, 192), 25, 0.9)
    return cv2.warpAffine(pixels, turn, (384, 384), borderMode=cv2.BORDER_REFLECT)


@pytest.fixture(scope="module")
def embeddings(analyzer) -> dict[str, np.ndarray]:
    found = {}
    for name in NAMES:
        pixels = character(name, 384)
        found[name] = embed_face(pixels, analyzer.find(pixels)[0].landmarks)
    return found


@pytest.mark.parametrize("kind", ["small", "re-encoded", "mirrored", "dark", "turned"])
@pytest.mark.parametrize("name", NAMES)
def test_a_character_is_known_in_another_picture_and_not_taken_for_the_other(
    analyzer, embeddings, name, kind
):
    pixels = degraded(character(name, 384), kind)
    embedding = embed_face(pixels, analyzer.find(pixels)[0].landmarks)
    (other,) = set(NAMES) - {name}
    assert np.linalg.norm(embedding - embeddings[name]) < 0.35
    assert np.linalg.norm(embedding - embeddings[other]) > SAME


def test_a_chip_is_upright_with_the_eyes_where_the_network_expects_them():
    """An arrow of dots at eyes and nose lands on dlib's places, however it lies in the picture."""
    landmarks = synthetic_landmarks((60.0, 40.0, 200.0, 240.0))
    turn = cv2.getRotationMatrix2D((160, 160), 33, 0.8)
    landmarks[:, :2] = landmarks[:, :2] @ turn[:, :2].T + turn[:, 2]
    pixels = np.zeros((320, 320, 3), np.uint8)
    for index, color in ((33, (255, 0, 0)), (263, (0, 255, 0)), (2, (0, 0, 255))):
        cv2.circle(pixels, np.round(landmarks[index, :2] - 0.5).astype(int).tolist(), 4, color, -1)
    chip = face_chip(pixels, landmarks).astype(np.float64)
    assert chip.shape == (150, 150, 3)
    y, x = np.mgrid[:150, :150] + 0.5
    for channel, wanted in ((0, (37.1, 46.4)), (1, (111, 46.4)), (2, (74, 87.8))):
        weight = chip[..., channel] / chip[..., channel].sum()
        middle = np.array([(x * weight).sum(), (y * weight).sum()])
        assert np.linalg.norm(middle - wanted) < 6, channel  # the average face is another shape


def test_a_person_is_near_what_is_nearest_of_them_and_unknown_at_first(rng):
    person, looks = Person(), rng.standard_normal((3, 128))
    assert not person and person.distance(looks[0]) == np.inf
    for look in looks:
        person.learn(look)
    assert person and person.distance(looks[1]) == 0
    twin = person.copy()
    twin.learn(looks[0] + 1)
    assert twin.distance(looks[0] + 1) == 0 < person.distance(looks[0] + 1)


def test_profiles_are_not_recognized():
    landmarks = synthetic_landmarks((60.0, 40.0, 100.0, 120.0)).astype(np.float64)
    assert is_recognizable(landmarks)
    angle = np.deg2rad(65)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    assert not is_recognizable((landmarks - landmarks.mean(0)) @ turn.T)


def test_words_say_what_distances_mean():
    assert describe_distance(0.2) == describe_distance(SAME) == "the same person"
    assert describe_distance(0.5) == "similar, but not surely the same"
    assert describe_distance(OTHER) == "another person"


def test_real_talkers_are_told_apart(analyzer, shared):
    """Five videos of different people, two frames each: every pair is on its side."""
    import skyreels_avatar as sa

    found = {}
    for path in sorted((shared / "inputs" / "video").glob("v0[1-5]*.mp4")):
        reader = sa.VideoReader(path)
        frames = [reader.read(index, index + 1)[0] for index in (0, 40)]
        found[path.name] = [embed_face(one, analyzer.find(one)[0].landmarks) for one in frames]
    assert len(found) == 5
    for (name, first), (other, second) in itertools.combinations_with_replacement(found.items(), 2):
        pairs = itertools.product(first, second)
        distances = [float(np.linalg.norm(one - two)) for one, two in pairs]
        assert (max(distances) < SAME) if name == other else (min(distances) > OTHER), (name, other)
