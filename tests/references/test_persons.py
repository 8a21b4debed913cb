"""Several persons in a picture: who is where while the camera moves, and who speaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import skyreels_avatar as sa
from skyreels_avatar.camera import CameraMove, ReferenceVideo, build_scene, plan_path
from skyreels_avatar.errors import FaceError, InputError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.select import find_faces
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.references.framing import frame as frame_picture
from skyreels_avatar.references.persons import PersonMasks, person_mattes
from skyreels_avatar.references.picture import PictureReference
from tests.samples import write_pair, write_voice

BOXES = "100,40,90,110", "410,40,90,110"


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> np.ndarray:
    return np.asarray(Image.open(write_pair(tmp_path_factory.mktemp("pair"))))


@pytest.fixture(scope="module")
def faces(pair) -> tuple[Face, ...]:
    return find_faces(pair, BOXES, FaceAnalyzer())


@pytest.fixture(scope="module")
def mattes(pair, faces) -> np.ndarray:
    return person_mattes(pair, faces)


def masks_of(pair, faces, mattes, move: CameraMove) -> PersonMasks:
    picture = torch.from_numpy(pair).permute(2, 0, 1).float() / 255
    depth = torch.full(pair.shape[:2], 3.0)
    mask = torch.from_numpy(mattes.max(0))
    scene = build_scene(picture, depth, mask, faces[0].box)
    video = ReferenceVideo(scene, plan_path(move, scene, 25, 25.0))
    reference = PictureReference(video, torch.from_numpy(faces[0].landmarks))
    return PersonMasks(mattes, faces, reference)


def test_mattes_hold_one_person_each(mattes):
    assert mattes.shape == (2, 240, 600)
    assert mattes[0, :, :300].sum() > 0.95 * mattes[0].sum() > 1000
    assert mattes[1, :, 300:].sum() > 0.95 * mattes[1].sum() > 1000
    assert not (mattes[0] * mattes[1]).any()


@pytest.mark.parametrize("move", [CameraMove("static"), CameraMove("pan_left", 1.0)])
def test_every_token_belongs_to_one(pair, faces, mattes, move):
    masks = masks_of(pair, faces, mattes, move)
    for frame in (0, 24):
        found = masks.at(frame)
        assert found.shape == (3, 15, 37) and found.sum(0).eq(1).all()
        assert found[:2].sum((1, 2)).min() > 20 and found[2].sum() > 50


def test_masks_follow_the_camera(pair, faces, mattes):
    masks = masks_of(pair, faces, mattes, CameraMove("pan_left", 1.0))
    columns = torch.arange(37.0)
    middles = [(masks.at(i)[0] * columns).sum() / masks.at(i)[0].sum() for i in (0, 24)]
    moved = (middles[1] - middles[0]) * 16
    face = masks._reference.landmarks(0, 25)[[0, 24], :, 0].mean(1)
    assert abs(moved) > 8 and abs(moved - (face[1] - face[0])) < 16


def test_the_same_face_twice_is_refused(pair):
    with pytest.raises(FaceError, match="mean the same face"):
        find_faces(pair, [BOXES[0], "102,42,90,110"], FaceAnalyzer())


def test_each_person_of_a_picture_speaks_with_its_own_voice(tmp_path):
    pair, voice = write_pair(tmp_path), write_voice(tmp_path, 0.8)
    still = sa.AudioTrack(np.zeros(12_800, np.float32), 16_000).save(tmp_path / "still.wav")

    def made(left, right):
        speakers = [sa.Speaker("a", BOXES[0], left), sa.Speaker("b", BOXES[1], right)]
        path = sa.generate(pair, speakers=speakers, output=tmp_path / "x.mp4").path
        return np.stack(list(sa.VideoReader(path))).astype(int)

    base, swapped = made(voice, still), made(still, voice)
    half = base.shape[2] // 2
    for side in (slice(0, half), slice(half, None)):
        assert np.abs(base[5:, :, side] - swapped[5:, :, side]).max() > 40
    video = sa.VideoReader(tmp_path / "x.mp4")
    assert video.num_frames == 20 and video.audio().samples.any()


def test_all_speakers_stay_in_the_picture(pair, faces):
    framing = frame_picture(Portrait(pair), 160, 400, faces)
    left, right = framing.faces
    assert framing.picture.pixels.shape == (160, 400, 3)
    assert 0 < left.box[0] < 200 < right.box[0] < right.box[0] + right.box[2] < 400
    with pytest.raises(InputError, match="do not fit into 128x240; give a size of the picture's"):
        frame_picture(Portrait(pair), 240, 128, faces)
