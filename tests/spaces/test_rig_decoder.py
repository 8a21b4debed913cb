"""A thing before a face stays where it is while the face behind it speaks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from skyreels_avatar.camera import CameraMove, ReferenceVideo, build_scene, plan_path
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.spaces.rig_decoder import Decoder
from tests.faces.drawing import draw_person

HEIGHT, WIDTH = 240, 256
BOX = (78.0, 40.0, 100.0, 122.0)
NUM_FRAMES = 9
GREEN = (20, 200, 40)


@pytest.fixture(scope="module")
def person() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A drawn person with a green bar before the mouth's left half; points, person, the bar."""
    pixels, points, person = draw_person(HEIGHT, WIDTH, BOX)
    x, y = points[[61, 291], :2].mean(0).round().astype(int).tolist()
    bar = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.rectangle(bar, (x + 4, y - 14), (x + 24, HEIGHT), 1.0, -1)
    pixels[bar > 0] = GREEN
    return pixels, points.astype(np.float32), person, bar


def decoded(
    person, bar: np.ndarray | None, move: str = "static", detailed: bool = True, shoulders=None
):
    """Return frames (F, H, W, 3) in which the jaw falls and the head turns, and the reference."""
    pixels, points, body, _ = person
    image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    mask = torch.from_numpy(body.astype(np.float32))
    if bar is not None:
        mask = torch.maximum(mask, torch.from_numpy(bar))
    scene = build_scene(image, 3.0 - 2.0 * mask, mask, BOX)
    plan = plan_shot(NUM_FRAMES / 25, 25.0, 25.0, 49, 9)
    path = plan_path(CameraMove(move, 0.6), scene, plan.num_frames, 25.0)
    landmarks = torch.from_numpy(points)
    video = ReferenceVideo(scene, path)
    reference = PictureReference(video, landmarks, scene.image if detailed else None, occluder=bar)
    vae = FaceRig().eval()
    segment = plan.segments[0]
    motion = torch.zeros(1, segment.num_frames, NUM_MOTION)
    steps = torch.linspace(0, 1, segment.num_frames) * (segment.num_frames / NUM_FRAMES)
    for name, most in (("lip_gap", 0.09), ("jaw_drop", 0.07), ("yaw", 0.1)):
        motion[0, :, MOTION_INDEX[name]] = most * steps.clamp(max=1)
    decoder = Decoder(vae, reference, plan, reference.looks(0, torch.device("cpu")), shoulders)
    with torch.no_grad():
        frames = np.concatenate(list(decoder.frames(vae.pack(motion), segment)))
    return frames, reference


@pytest.mark.parametrize("detailed", [True, False])
def test_the_thing_stays_still_and_the_lips_beside_it_move(person, detailed):
    pixels, points, _, bar = person
    frames, _ = decoded(person, bar, detailed=detailed)
    covered = bar > 0
    assert np.abs(frames[:, covered].astype(int) - GREEN).max() <= 1
    # Nothing green is dragged along where the face moves.
    green = frames[..., 1].astype(int) - frames[..., 0] > 60
    assert not green[:, ~cv2.dilate(bar, np.ones((3, 3))).astype(bool)].any()
    x, y = points[[61, 291], :2].mean(0).round().astype(int).tolist()
    beside = frames[-1, y - 5 : y + 25, x - 20 : x + 2].astype(int)
    assert np.abs(beside - pixels[y - 5 : y + 25, x - 20 : x + 2]).mean() > 8


def test_without_a_mask_the_thing_is_dragged_along(person):
    """What the layer is for: the decoder alone takes the bar for a part of the jaw."""
    frames, _ = decoded(person, None)
    covered = cv2.erode(person[3], np.ones((3, 3))) > 0
    assert np.abs(frames[-1][covered].astype(int) - GREEN).max() > 60


def test_a_moving_camera_takes_the_thing_along(person):
    bar = person[3]
    frames, reference = decoded(person, bar, "push_in")
    still = reference.frames(0, NUM_FRAMES)
    box = reference.box(reference.landmarks(0, NUM_FRAMES))
    front = reference.occluder(0, NUM_FRAMES, box)
    left, top, right, bottom = box
    assert front.shape == (NUM_FRAMES, bottom - top, right - left)
    at = np.float32(reference.video.person_map(5))  # the same by the grid itself
    exact = cv2.remap(bar, at - 0.5, None, cv2.INTER_LINEAR)
    for (x, y), share in zip(reference.video.targets.reshape(-1, 2), exact.ravel()):
        if left < x < right - 1 and top < y < bottom - 1:
            corner = int(y - top), int(x - left)  # a grid point lies between four pixels
            around = front[5, corner[0] - 1 : corner[0] + 1, corner[1] - 1 : corner[1] + 1]
            assert around.min() - 0.01 <= share <= around.max() + 0.01
    sure = front > 0.99
    assert sure[-1].sum() > 1.05 * sure[0].sum()  # nearer
    crops = np.s_[:, top:bottom, left:right]
    assert np.abs(frames[crops].astype(int) - still[crops])[sure].max() <= 1


def test_a_face_that_fills_the_frame_of_a_moving_camera_is_drawn_once(person, monkeypatch):
    """And looks as it does drawn over what the camera sees."""
    frames, reference = decoded(person, None, "push_in")
    assert reference.draws_all(reference.box(reference.landmarks(0, NUM_FRAMES)))
    assert not reference.draws_all((0, 16, WIDTH, HEIGHT))
    monkeypatch.setattr(PictureReference, "draws_all", lambda *_: False)
    over, _ = decoded(person, None, "push_in")
    apart = np.abs(frames.astype(int) - over).max(-1)
    assert np.quantile(apart, 0.999) <= 2 and apart.max() < 60, (
        np.quantile(apart, 0.999),
        apart.max(),
    )


def test_raised_shoulders_move_the_torso_and_neither_face_nor_background(person):
    pixels, points, body, _ = person
    plain, reference = decoded(person, None)
    raised, _ = decoded(person, None, shoulders=torch.full((NUM_FRAMES,), 0.06))
    moved = np.abs(raised[-1].astype(int) - plain[-1]).max(-1)
    chin = int(points[152, 1])
    assert reference.moves_torso
    assert moved[: chin - 12].max() == 0  # a cell of the coarse lattice above the neck
    assert moved[chin + 20 :].max() > 40
    far = cv2.dilate(body.astype(np.uint8), np.ones((25, 25))) == 0
    assert far.any() and (raised[:, far] == pixels[far]).all()


def test_without_a_matte_the_torso_rests(person):
    frames, reference = decoded(person, None, detailed=False, shoulders=torch.ones(NUM_FRAMES))
    assert not reference.moves_torso
    plain, _ = decoded(person, None, detailed=False)
    assert (frames == plain).all()


def test_no_mask_asks_for_nothing(person):
    _, reference = decoded(person, None)
    assert reference.occluder(0, 2, (0, 0, 50, 50)) is None
