"""The reference video can be asked for in any order, and the face is followed through it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.camera import CameraMove, ReferenceVideo, build_scene, plan_path
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.geometry import FaceFrame
from skyreels_avatar.rig.picture_edge import WIDE
from skyreels_avatar.rig.reference_clip import detail_place
from skyreels_avatar.rig.renderer import rest_motion
from tests.faces.drawing import draw_person

HEIGHT, WIDTH = 128, 144
BOX = (48.0, 24.0, 48.0, 60.0)


def make_reference(move: CameraMove, num_frames: int = 12) -> tuple[PictureReference, torch.Tensor]:
    pixels, points, person = draw_person(HEIGHT, WIDTH, BOX)
    image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    mask = torch.from_numpy(person.astype(np.float32))
    scene = build_scene(image, 3.0 - 2.0 * mask, mask, BOX)
    path = plan_path(move, scene, num_frames, 25.0)
    landmarks = torch.from_numpy(np.asarray(points, np.float32))
    return PictureReference(ReferenceVideo(scene, path), landmarks, scene.image), landmarks


def test_a_static_shot_is_the_picture_and_its_landmarks():
    reference, landmarks = make_reference(CameraMove("static"))
    pixels, _, _ = draw_person(HEIGHT, WIDTH, BOX)
    assert (reference.frames(0, 12) == pixels).all()
    torch.testing.assert_close(
        reference.landmarks(0, 2), landmarks.expand(2, -1, -1), atol=1e-3, rtol=0
    )
    assert reference.seen_share(0, 12).min() == 1


def test_any_order_of_asking_gives_the_frames_of_the_video():
    move = CameraMove("push_in", 0.8)
    reference, _ = make_reference(move)
    first = reference.frames(0, 5)
    rest = reference.frames(3, 12)
    frames, _ = reference.video.frames(0, 12)
    expected = (frames * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert (first == expected[:5]).all() and (rest == expected[3:]).all()
    assert len(reference.seen_share(0, 12)) == 12


def test_a_push_in_enlarges_the_face_with_its_depth():
    reference, landmarks = make_reference(CameraMove("push_in", 1.0))
    last = reference.landmarks(11, 12)[0]
    zoom = (last[10, :2] - last[152, :2]).norm() / (landmarks[10] - landmarks[152])[:2].norm()
    assert zoom > 1.2
    depth_zoom = (last[:, 2].max() - last[:, 2].min()) / (
        landmarks[:, 2].max() - landmarks[:, 2].min()
    )
    assert float(depth_zoom) == pytest.approx(float(zoom), rel=0.05)


@pytest.mark.parametrize("move", ["static", "push_in"])
def test_the_finer_picture_shows_the_same_place_as_the_frames(move):
    """The grid of positions, read at a pixel of the face, points at what the frame shows there."""
    reference, landmarks = make_reference(CameraMove(move, 0.7))
    scene = reference.video.scene
    # A texture of coordinates: what is looked up is the place itself.
    rows, columns = torch.meshgrid(
        torch.linspace(-1, 1, 2 * HEIGHT), torch.linspace(-1, 1, 2 * WIDTH), indexing="ij"
    )
    reference = PictureReference(reference.video, landmarks, torch.stack([columns, rows, rows]))
    detail = reference.detail(8, 9, (10, 5, WIDTH, HEIGHT))
    nose = reference.landmarks(8, 9)[0, 1, :2] - torch.tensor([10.0, 5.0])
    place = detail_place(detail, nose[None, :, None, None])[0, :, 0, 0]
    size = torch.tensor(scene.depth.shape[::-1])
    margin = (detail.texture.shape[3] // 2 - size[0]) // 2
    found = place / 2 - margin
    assert found.tolist() == pytest.approx(landmarks[1, :2].tolist(), abs=0.25)


def test_a_shot_begins_with_shut_lips_whatever_the_picture_shows():
    """A mouth that was open in the photo stayed open for most of a second before the speech."""
    reference, _ = make_reference(CameraMove("static"))
    reference._points[[13, 14], 1] += torch.tensor([-4.0, 6.0])
    reference._points[[82, 312, 87, 317], 1] += torch.tensor([-4.0, -4.0, 6.0, 6.0])
    assert rest_motion(reference._points[None])[0, MOTION_INDEX["lip_gap"]] > 0.05
    assert (reference.first_motion() == 0).all()


def test_a_face_at_rest_is_shared_by_frames_that_hardly_differ():
    """Fields of the face were made anew for each four frames of a stream whose camera moves."""
    reference, _ = make_reference(CameraMove("push_in", 0.6), 150)
    shared = reference.rest_points(64, 68)
    assert torch.equal(shared, reference.rest_points(76, 80))
    assert not torch.equal(shared, reference.rest_points(80, 84))
    own = FaceFrame.of(reference.landmarks(64, 80)).points
    assert (own - shared).abs().max() < 0.004
    last = FaceFrame.of(reference.landmarks(149, 150)).points
    assert torch.equal(reference.rest_points(146, 150), last)
    still, _ = make_reference(CameraMove("static"))
    points = FaceFrame.of(still.landmarks(0, 1)).points
    assert torch.equal(still.rest_points(8, 12), points)


def test_only_edges_that_cut_the_person_hold_the_head():
    reference, _ = make_reference(CameraMove())
    left, top, right, bottom = reference.edges(0, 1)[0, :, 3].tolist()
    assert max(left, top, right) < 1.5 and bottom == pytest.approx(WIDE)
