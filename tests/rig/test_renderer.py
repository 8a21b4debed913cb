"""Laws of the structured decoder: what must hold for any face and any motion."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig import reference_clip
from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_NAMES, MOTION_RANGE, NUM_MOTION
from skyreels_avatar.rig.face_rig import FaceRig, complete_blinks
from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    MotionValues,
    face_field,
    head_depth,
    head_field,
    head_weight,
    mouth_field,
    move_points,
)
from skyreels_avatar.rig.geometry import EYES, FaceFrame, lip_gap
from skyreels_avatar.rig.reference_clip import PictureDetail, ReferenceClip, as_pixels
from skyreels_avatar.rig.secondary_motion import delay_head
from skyreels_avatar.rig.warp import FIELD_BOX, coarse_warp, undo_eye

HEIGHT, WIDTH = 300, 280


@pytest.fixture(scope="module")
def landmarks() -> torch.Tensor:
    return torch.from_numpy(synthetic_landmarks((100.0, 130.0, 80.0, 95.0)))


@pytest.fixture(scope="module")
def shape(landmarks: torch.Tensor) -> FaceShape:
    return FaceShape.of(FaceFrame.of(landmarks[None]).points)


@pytest.fixture(scope="module")
def vae() -> FaceRig:
    torch.manual_seed(0)
    return FaceRig(encoder_dim=16).eval()


def smooth_picture(num_frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, 12, 12, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic").clamp(0, 1)
    return picture.expand(num_frames, -1, -1, -1)


def random_motion(number: int, seed: int = 0, share: float = 0.7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = torch.tensor([MOTION_RANGE[name][0] for name in MOTION_NAMES]) * share
    high = torch.tensor([MOTION_RANGE[name][1] for name in MOTION_NAMES]) * share
    return low + (high - low) * torch.rand(number, NUM_MOTION, generator=generator)


def motion_of(**numbers: float) -> torch.Tensor:
    motion = torch.zeros(1, NUM_MOTION)
    for name, value in numbers.items():
        motion[0, MOTION_INDEX[name]] = value
    return motion


def clip_of(vae: FaceRig, landmarks: torch.Tensor, num_frames: int) -> ReferenceClip:
    frames = smooth_picture(num_frames)
    look = vae.look_of(frames[0], landmarks)
    stack = landmarks.expand(num_frames, -1, -1)
    return ReferenceClip(as_pixels(frames), stack, torch.arange(num_frames).float(), look)


def difference(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return how far pixels are apart, as a share of the whole range."""
    return (first.float() - second.float()).abs() / 255


def test_packing_motion_into_latents_is_undone_exactly(vae: FaceRig) -> None:
    motion = random_motion(2 * 13, seed=3).reshape(2, 13, NUM_MOTION)
    latents = vae.pack(motion)
    assert latents.shape == (2, 32, 4, 1, 4)
    torch.testing.assert_close(vae.unpack(latents), motion, atol=1e-6, rtol=1e-5)


def test_a_clip_that_is_not_one_plus_four_k_frames_is_refused(vae: FaceRig) -> None:
    with pytest.raises(ValueError, match="1 \\+ 4k"):
        vae.pack(torch.zeros(1, 12, NUM_MOTION))


def test_slow_movements_go_on_from_what_is_known_and_lips_are_left_alone(
    vae: FaceRig,
) -> None:
    motion = 0.1 * torch.randn(1, 49, NUM_MOTION, generator=torch.Generator().manual_seed(2))
    joined = vae.unpack(vae.blend_at_joins(vae.pack(motion), 9))
    torch.testing.assert_close(joined[:, :9], motion[:, :9])
    torch.testing.assert_close(joined[:, 33:], motion[:, 33:])
    torch.testing.assert_close(joined[..., :10], motion[..., :10])
    heading = 2 * motion[:, 8, 10:] - motion[:, 7, 10:]
    torch.testing.assert_close(joined[:, 9, 10:], heading)
    alone = vae.unpack(vae.blend_at_joins(vae.pack(motion), 1))
    torch.testing.assert_close(alone[:, 1, 10:], motion[:, 0, 10:])


def test_slow_movements_run_into_what_is_known_at_the_end(vae: FaceRig) -> None:
    motion = 0.1 * torch.randn(1, 65, NUM_MOTION, generator=torch.Generator().manual_seed(2))
    joined = vae.unpack(vae.blend_at_joins(vae.pack(motion), 9, 4))
    torch.testing.assert_close(joined[:, 61:], motion[:, 61:])
    torch.testing.assert_close(joined[:, 60, 10:], 2 * motion[:, 61, 10:] - motion[:, 62, 10:])
    torch.testing.assert_close(joined[:, 9, 10:], 2 * motion[:, 8, 10:] - motion[:, 7, 10:])
    torch.testing.assert_close(joined[..., :10], motion[..., :10])
    torch.testing.assert_close(joined[:, 34:36], motion[:, 34:36])


def test_tremor_is_taken_out_and_nods_stay(vae: FaceRig) -> None:
    generator = torch.Generator().manual_seed(2)
    time_s = torch.arange(49) / 25
    nod = 0.1 * torch.sin(2 * torch.pi * 2 * time_s)[None, :, None].expand(1, -1, NUM_MOTION)
    noise = 0.01 * torch.randn(1, 49, NUM_MOTION, generator=generator)
    steady = vae.unpack(vae.smooth(vae.pack(nod + noise), 9))
    torch.testing.assert_close(steady[:, :9], (nod + noise)[:, :9])
    torch.testing.assert_close(steady[..., :12], (nod + noise)[..., :12])
    left = (steady - nod)[:, 9:, 12:].diff(dim=1).diff(dim=1)
    was = noise[:, 9:, 12:].diff(dim=1).diff(dim=1)
    assert left.std() < 0.35 * was.std()
    assert steady[:, 9:, 12:].amax() > 0.09


def test_a_sampled_blink_shuts_the_eyes_and_nothing_else_changes() -> None:
    motion = torch.zeros(4, NUM_MOTION)
    motion[:, 8:10] = torch.tensor([0.0, 0.3, 0.8, 1.0])[:, None]
    motion[:, 0] = 0.05
    shut = complete_blinks(motion)
    torch.testing.assert_close(shut[:, 8], shut[:, 9])
    assert shut[0, 8] == 0 and shut[2, 8] == 1 and shut[3, 8] == 1
    assert 0.2 < float(shut[1, 8]) < 0.4
    others = [i for i in range(NUM_MOTION) if i not in (8, 9)]
    torch.testing.assert_close(shut[:, others], motion[:, others])


def test_the_motion_of_the_reference_gives_the_reference(
    vae: FaceRig, landmarks: torch.Tensor
) -> None:
    clip = clip_of(vae, landmarks, 2)
    frames, _ = vae.render(vae.reference_motion(clip.landmarks), clip)
    assert difference(frames, clip.frames).max() < 1e-3


def test_an_open_mouth_of_the_reference_is_kept_at_rest(
    vae: FaceRig, landmarks: torch.Tensor
) -> None:
    opened = landmarks.clone()
    shape = FaceShape.of(FaceFrame.of(landmarks[None]).points)
    moved = move_points(shape, motion_of(lip_gap=0.06, jaw_drop=0.05))
    frame = FaceFrame.of(landmarks[None])
    opened[:, :2] = frame.to_pixels(moved)[0]
    clip = clip_of(vae, opened, 1)
    rest = vae.reference_motion(clip.landmarks)
    assert float(rest[0, 0]) > 0.04
    frames, _ = vae.render(rest, clip)
    assert difference(frames, clip.frames).max() < 5e-3


def test_a_shut_mouth_shows_nothing_of_its_inside(
    vae: FaceRig, landmarks: torch.Tensor, shape: FaceShape
) -> None:
    motion = random_motion(8, seed=5)
    motion[:, MOTION_INDEX["lip_gap"]] = 0.0
    upper, lower, _ = vae._edges(shape, MotionValues(motion))
    assert float((lower - upper).max()) < 1e-3


def test_the_lips_open_by_the_gap_that_was_asked(shape: FaceShape) -> None:
    for gap in (0.0, 0.02, 0.06, 0.1):
        moved = move_points(shape, motion_of(lip_gap=gap, jaw_drop=0.7 * gap))
        assert abs(float(lip_gap(moved)) - gap) < 0.12 * gap + 0.006


@pytest.mark.parametrize("layer", [UPPER, LOWER])
def test_no_field_folds_over(shape: FaceShape, layer: int) -> None:
    """The map of each layer keeps its orientation, so that it can be inverted."""
    left, top, right, bottom = FIELD_BOX
    y, x = torch.meshgrid(
        torch.linspace(top, bottom, 126), torch.linspace(left, right, 116), indexing="ij"
    )
    points = torch.stack([x, y], -1).reshape(1, -1, 2)
    values = MotionValues(random_motion(16, seed=7))
    moved = points + mouth_field(points, shape, values, layer)
    moved = moved + face_field(points, shape, values)
    depth, weight = head_depth(points, shape), head_weight(points, shape)
    moved = moved + head_field(moved, depth, weight, shape, values)
    grid = moved.unflatten(1, (126, 116))
    across = grid[:, :-1, 1:] - grid[:, :-1, :-1]
    down = grid[:, 1:, :-1] - grid[:, :-1, :-1]
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    cell = (right - left) / 115 * (bottom - top) / 125
    # each layer counts on its own side of the lips only
    own = (y < 0.02) if layer == UPPER else (y > -0.02)
    assert float((area / cell)[:, own[:-1, :-1]].min()) > 0.05


def test_the_backward_warp_undoes_the_forward_fields(shape: FaceShape) -> None:
    motion = random_motion(6, seed=9, share=0.5)
    values = MotionValues(motion)
    warp = coarse_warp(shape, values)
    moved = move_points(shape, motion)
    for layer, indices in (("upper", (4, 50, 280, 168, 0)), ("lower", (152, 17, 199))):
        at = moved[:, None, list(indices)]
        back = (at + warp.at(layer, at))[:, 0]
        error = (back - shape.points[:, list(indices), :2]).norm(dim=-1)
        assert float(error.max()) < 0.008, layer


def test_motion_fades_to_nothing_at_the_border_of_the_matte(
    vae: FaceRig, landmarks: torch.Tensor
) -> None:
    clip = clip_of(vae, landmarks, 3)
    frames, matte = vae.render(random_motion(3, seed=11), clip)
    outside = (~matte).expand_as(frames)
    assert outside.any()
    assert difference(frames, clip.frames)[outside].max() < 0.01
    assert difference(frames, clip.frames)[~outside].max() > 0.2


@pytest.mark.parametrize("with_detail", [False, True])
def test_opencv_draws_what_pytorch_draws(
    vae: FaceRig, landmarks: torch.Tensor, with_detail: bool, monkeypatch
) -> None:
    """On a CPU positions are rounded to 1/32 of a pixel; nothing else differs."""
    clip = clip_of(vae, landmarks, 2)
    if with_detail:
        height, width = clip.frames.shape[2:]
        picture = clip.frames[:1, :3] / 255
        texture = as_pixels(F.interpolate(picture, scale_factor=2, mode="bilinear"))
        share = torch.linspace(0, 1, height).expand(1, 1, width, height).mT
        nodes = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 5)] * 2, indexing="xy"))
        positions = nodes.expand(2, -1, -1, -1)
        span = (0.0, 0.0, float(width), float(height))
        detail = PictureDetail(texture, share, None, positions, span)
        clip = dataclasses.replace(clip, detail=detail)
    motion = random_motion(2, seed=4)
    fast, fast_matte = vae.render(motion, clip)
    monkeypatch.setattr(reference_clip, "_with_opencv", lambda *_: False)
    exact, matte = vae.render(motion, clip)
    assert torch.equal(fast_matte, matte)
    assert difference(fast, exact)[matte.expand_as(fast)].max() < 0.02


def test_fractional_positions_lie_between_their_neighbours(
    vae: FaceRig, landmarks: torch.Tensor
) -> None:
    motion = torch.zeros(1, 5, NUM_MOTION)
    motion[0, :, MOTION_INDEX["shift_x"]] = torch.linspace(0, 0.08, 5)
    latents = vae.pack(motion)
    clip = clip_of(vae, landmarks, 1)
    half = ReferenceClip(clip.frames, clip.landmarks, torch.tensor([1.5]), clip.look)
    asked = motion[0, 1:3].mean(0, keepdim=True)
    late = delay_head(motion)[0, 1:3].mean(0, keepdim=True)
    torch.testing.assert_close(vae.decode(latents, half)[0], vae.render(asked, clip, late)[0])


def test_the_crop_box_holds_all_that_may_change(vae: FaceRig, landmarks: torch.Tensor) -> None:
    left, top, right, bottom = vae.crop_box(landmarks[None])
    _, matte = vae.render(random_motion(1), clip_of(vae, landmarks, 1))
    rows, columns = matte[0, 0].nonzero(as_tuple=True)
    assert left <= columns.min() + 0.5 and columns.max() + 0.5 <= right
    assert top <= rows.min() + 0.5 and rows.max() + 0.5 <= bottom


def test_the_encoder_gives_latents_of_the_clip_s_length(
    vae: FaceRig, landmarks: torch.Tensor
) -> None:
    latents = vae.encode(landmarks.expand(9, -1, -1), landmarks)
    assert latents.shape == (1, 32, 3, 1, 4)
    assert float(vae.unpack(latents)[0, :, 0].std()) < 1e-6


def test_a_lid_unfolds_above_the_lashes_and_stays_below_the_brow(shape: FaceShape) -> None:
    upper, fold = shape.points[:, EYES[0][0][4], :2], shape.points[:, EYES[0][2][4], :2]
    lashes = upper + torch.tensor([0.0, -0.004])
    brow = 0.2 * upper + 0.8 * fold
    shut = MotionValues(motion_of(blink_r=1.0))
    down = torch.linspace(-0.02, 0.12, 400)[:, None] * torch.tensor([0.0, 1.0])
    column = (fold + down)[None]
    looked = undo_eye(column, 0, shape, shut)[0]

    def lands(point: torch.Tensor) -> float:
        """Return how far a point of the open eye has come down."""
        near = (looked - point).norm(dim=-1).argmin()
        return float(column[0, near, 1] - point[0, 1])

    assert lands(lashes) > 0.03
    assert abs(lands(brow)) < 0.2 * lands(lashes)


def test_the_lid_of_a_large_drawn_eye_is_lined_with_skin(shape: FaceShape) -> None:
    upper, lower = list(EYES[0][0][1:-1]), list(EYES[0][1][1:-1])
    points = shape.points.clone()
    points[:, upper, 1] -= 0.08
    points[:, lower, 1] += 0.08
    points[:, list(EYES[0][2]), 1] -= 0.08
    points[:, list(EYES[0][3]), 1] += 0.08
    large = dataclasses.replace(shape, points=points)
    top, bottom = points[0, upper[3], :2], points[0, lower[3], :2]
    column = torch.lerp(top, bottom, torch.linspace(0.05, 0.8, 40)[:, None])[None]
    shut = undo_eye(column, 0, large, MotionValues(motion_of(blink_r=1.0)))[0]
    assert bool((shut[:, 1] > bottom[1]).all())  # skin from below, no row of the open eye
    opened = undo_eye(column, 0, large, MotionValues(motion_of()))
    torch.testing.assert_close(opened, column)
