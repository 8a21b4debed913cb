"""The mouth that a picture shows: where its teeth end, and how it moves."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.coefficients import GROUP_SIZE, MOTION_INDEX, MOTION_SCALE
from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.curves import refine
from skyreels_avatar.rig.fields import FaceShape
from skyreels_avatar.rig.geometry import INNER_LOWER, INNER_UPPER, FaceFrame
from skyreels_avatar.rig.mouth import make_look
from skyreels_avatar.rig.reference_clip import ReferenceClip, as_pixels
from skyreels_avatar.rig.renderer import render, rest_motion
from skyreels_avatar.rig.source_teeth import ShownTeeth, SourceTeeth, find_teeth

FADED = CONSTANTS.source_teeth.faded
ENAMEL, DARK, LIP, SKIN = (0.9, 0.85, 0.8), (0.15, 0.06, 0.06), (0.7, 0.4, 0.4), (0.8, 0.6, 0.5)
SIZE = 400


@pytest.fixture(scope="module")
def landmarks() -> torch.Tensor:
    """A face whose lips are 0.08 H apart in the middle."""
    points = torch.from_numpy(synthetic_landmarks((80.0, 60.0, 240.0, 280.0)))
    arch = torch.sin(torch.linspace(0, torch.pi, 11)) * 0.08 * 280
    middle = (points[list(INNER_UPPER), 1] + points[list(INNER_LOWER), 1]) / 2
    points[list(INNER_UPPER), 1] = middle - 0.3 * arch
    points[list(INNER_LOWER), 1] = middle + 0.7 * arch
    return points


def draw(landmarks: torch.Tensor, *layers: tuple[float, tuple[float, ...]]) -> torch.Tensor:
    """Return (3, 400, 400): a mouth of layers (where each ends, its color) in a face of skin."""
    picture = torch.tensor(SKIN)[:, None, None].repeat(1, SIZE, SIZE)
    upper, lower = (refine(landmarks[list(i), :2].T).T for i in (INNER_UPPER, INNER_LOWER))
    for column in range(int(upper[0, 0]), int(upper[-1, 0]) + 1):
        nearest = int((upper[:, 0] - column).abs().argmin())
        top, bottom = float(upper[nearest, 1]), float(lower[nearest, 1])
        start = 0.0
        for end, color in layers:
            rows = slice(round(top + start * (bottom - top)), round(top + end * (bottom - top)))
            picture[:, rows, column] = torch.tensor(color)[:, None]
            start = end
    return picture


@pytest.mark.parametrize(
    ("layers", "end", "on_lip"),
    [
        (((0.5, ENAMEL), (1.0, DARK)), 0.5, False),
        (((0.4, ENAMEL), (0.6, DARK), (1.0, ENAMEL)), 0.4, False),
        (((0.85, ENAMEL), (1.0, LIP)), 0.85, True),
        (((1.0, ENAMEL),), 1.0, True),
    ],
)
def test_teeth_end_where_it_gets_dark_or_red(landmarks, layers, end: float, on_lip: bool) -> None:
    teeth = find_teeth(draw(landmarks, *layers), landmarks)
    middle = teeth.end[8:-8]
    assert float((middle - end).abs().max()) < 0.08
    assert teeth.on_lip is on_lip
    assert float(teeth.white) == pytest.approx(0.8**2 / 0.9, abs=0.05)


def test_a_tongue_that_is_brighter_than_teeth_is_not_taken_for_them(landmarks) -> None:
    """It hung from the upper lip while the jaw went down."""
    tongue = (0.95, 0.9, 0.9)
    below = draw(landmarks, (0.3, ENAMEL), (0.5, DARK), (1.0, tongue))
    assert float((find_teeth(below, landmarks).end[8:-8] - 0.3).abs().max()) < 0.08
    alone = draw(landmarks, (0.5, DARK), (1.0, tongue))
    teeth = find_teeth(alone, landmarks)
    assert not teeth.on_lip and float(teeth.end.max()) < 0.11


def test_teeth_end_in_a_line(landmarks) -> None:
    """A lip that shows in some columns made a step of what goes with the head."""
    picture = draw(landmarks, (0.3, ENAMEL), (1.0, DARK))
    whole = draw(landmarks, (1.0, ENAMEL))
    upper = landmarks[list(INNER_UPPER), 0]
    start = int(upper[7])
    picture[:, :, start:] = whole[:, :, start:]
    assert float((find_teeth(picture, landmarks).end - 0.3).abs().max()) < 0.08


@pytest.mark.parametrize("bright", [slice(0), slice(200, 203), slice(0, 110)])
def test_mouths_without_teeth_are_kept_whole_or_cut_but_never_fail(landmarks, bright) -> None:
    """Black all over, with one bright spot, or lit outside of where it is open only."""
    picture = torch.zeros(3, SIZE, SIZE)
    picture[:, :, bright] = 0.9
    teeth = find_teeth(picture, landmarks)
    assert teeth.end.isfinite().all() and teeth.white.isfinite()
    assert ((teeth.end >= 0) & (teeth.end <= 1)).all()


def test_a_turned_mouth_that_gapes_is_painted_in_the_light_of_its_teeth(landmarks) -> None:
    """Its tongue was taken for teeth, and the far end of its inside drawn out to stripes."""
    wide = landmarks.clone()
    wide[list(INNER_LOWER[1:-1]), 1] += 0.03 * 280
    picture = draw(wide, (0.3, ENAMEL), (1.0, DARK))
    assert make_look(picture, wide).teeth is not None
    wide[454, 2] += math.tan(0.7) * (wide[454, 0] - wide[234, 0])  # the ears tell how far
    look = make_look(picture, wide)
    assert look.teeth is None
    unseen = make_look(draw(wide, (1.0, DARK)), wide).light.mean()
    usual = torch.tensor(CONSTANTS.light.mean_teeth).mean()
    assert float(look.light.mean() * usual) == pytest.approx(sum(ENAMEL) / 3, abs=0.02)
    assert float(look.light.mean() - unseen) > 0.05


def test_only_pictures_that_show_something_keep_it(landmarks: torch.Tensor) -> None:
    shows = draw(landmarks, (0.5, ENAMEL), (1.0, DARK))
    assert make_look(shows, landmarks).teeth is not None
    assert make_look(shows, landmarks, inside=torch.zeros(0, 3)).teeth is None  # of a video
    slit = torch.from_numpy(synthetic_landmarks((80.0, 60.0, 240.0, 280.0)))
    assert make_look(torch.full((3, SIZE, SIZE), 0.5), slit).teeth is None


@dataclasses.dataclass(frozen=True)
class Lips:
    """The lips of `landmarks` in face coordinates, moved by some H, and a column of points."""

    shape: FaceShape
    edges: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    at: torch.Tensor
    motion: torch.Tensor
    pixel: torch.Tensor

    @classmethod
    def of(cls, landmarks: torch.Tensor, raised: float = 0.0, dropped: float = 0.0) -> Lips:
        shape = FaceShape.of(FaceFrame.of(landmarks[None]).points)
        upper, lower = refine(shape.upper_y) - raised, refine(shape.lower_y) + dropped
        top, bottom = float(shape.upper_y[0, 5]), float(shape.lower_y[0, 5])
        y = torch.linspace(top - raised, bottom + dropped, 101)
        at = torch.stack([shape.lip_x[0, 5].expand(101), y], -1)[None]
        motion = torch.zeros(1, GROUP_SIZE)
        motion[0, 0] = shape.gap + raised + dropped
        motion[0, MOTION_INDEX["jaw_drop"]] = shape.jaw
        edges = upper, lower, refine(shape.lip_x)
        return cls(shape, edges, at, motion, torch.tensor([[1 / 280]]))

    def own(self, end: float | None, on_lip: bool = False) -> SourceTeeth:
        teeth = None
        if end is not None:
            teeth = ShownTeeth(torch.full((41,), end), torch.tensor(0.7), on_lip)
        return SourceTeeth.of(self.at, self.shape, teeth, self.edges, self.motion, self.pixel)


@pytest.mark.parametrize("end", [0.5, 1.0])
def test_a_mouth_at_rest_is_the_pictures(landmarks: torch.Tensor, end: float) -> None:
    own = Lips.of(landmarks).own(end)
    torch.testing.assert_close(own.at, Lips.of(landmarks).at, atol=1e-4, rtol=0)
    whole = torch.maximum(own.above, own.below)[0]
    assert float(whole.min()) > 0.45
    assert float(whole[:45].min()) > 0.99


def test_a_rising_lip_uncovers_stretched_teeth(landmarks: torch.Tensor) -> None:
    lips = Lips.of(landmarks, raised=0.03)
    own = lips.own(0.6)
    looked = own.at[0, :, 1]
    assert float(looked.min()) >= float(lips.shape.upper_y[0, 5])
    assert (looked.diff() > 0).all()
    assert float(own.above[0, :50].min()) > 0.99


def test_below_the_teeth_the_mouth_goes_with_the_jaw(landmarks: torch.Tensor) -> None:
    lips = Lips.of(landmarks, dropped=0.05)
    own, y = lips.own(0.5), lips.at[0, :, 1]
    moved = own.below[0] > 0.99
    shift = (y - own.at[0, :, 1])[moved]
    torch.testing.assert_close(shift, torch.full_like(shift, 0.05), atol=0.006, rtol=0)
    still = own.above[0] > 0.99
    torch.testing.assert_close(own.at[0, :, 1][still], y[still], atol=1e-4, rtol=0)
    between = (own.above + own.below)[0] < 0.01
    assert 0.04 < float(y[between].max() - y[between].min()) < 0.06


def test_tips_of_teeth_that_rest_on_the_lip_do_not_come_with_it(landmarks: torch.Tensor) -> None:
    own = Lips.of(landmarks, dropped=0.05).own(0.8, on_lip=True)
    teeth = ShownTeeth(torch.full((41,), 0.8), torch.tensor(0.7), on_lip=True)
    moved = own.below[0] > 0.99
    for color, share in ((ENAMEL, 0.0), (LIP, 1.0)):
        seen = torch.tensor(color)[None, :, None].expand(1, 3, 101)
        assert float(own.share(seen, teeth)[0][moved].max()) == share
        assert float(own.share(seen, teeth)[0][own.above[0] > 0.99].min()) > 0.99


def test_other_mouths_are_painted_as_soon_as_anything_moves(landmarks: torch.Tensor) -> None:
    assert Lips.of(landmarks).own(None).above[0, 5:-5].min() > 0.999
    assert Lips.of(landmarks, dropped=1.1 * FADED * MOTION_SCALE[0]).own(None).above.max() == 0
    pursed = Lips.of(landmarks)
    pursed.motion[0, MOTION_INDEX["pucker"]] = 2 * FADED
    assert pursed.own(None).above.max() == 0


def test_teeth_keep_their_place_and_color_when_the_jaw_drops(landmarks: torch.Tensor) -> None:
    picture = draw(landmarks, (0.6, ENAMEL), (1.0, DARK))
    look = dataclasses.replace(make_look(picture, landmarks), drawn=None)  # as of a photo
    clip = ReferenceClip(as_pixels(picture[None]), landmarks[None], torch.zeros(1), look)
    motion = rest_motion(landmarks[None])
    rest, _ = render(motion, clip)
    motion[0, MOTION_INDEX["lip_gap"]] += 0.05
    motion[0, MOTION_INDEX["jaw_drop"]] += 0.03
    opened, _ = render(motion, clip)
    x, top = landmarks[13, :2].round().int().tolist()
    bottom = round(float(landmarks[14, 1]))
    teeth = slice(top + 3, top + int(0.5 * (bottom - top)))
    change = (opened[0, :3, teeth, x].float() - rest[0, :3, teeth, x].float()).abs()
    assert float(change.max()) < 12
    assert opened[0, :3, bottom + 4, x].float().mean() < 110  # inside the mouth now
    assert rest[0, :3, bottom + 4, x].float().mean() > 150  # skin


def test_painted_teeth_stay_below_the_nose_when_lips_smile(landmarks: torch.Tensor) -> None:
    """Face coordinates begin between the corners of the mouth, which rise."""
    look = make_look(torch.full((3, SIZE, SIZE), 0.5), landmarks)
    smiling = landmarks.clone()
    smiling[[61, 291], 1] -= 0.04 * 280
    frames = FaceFrame.of(torch.stack([landmarks, smiling]))
    held = look.expand(2).anchored(frames.points)
    edge = torch.stack([torch.zeros(2), held.teeth_edge], -1)[:, None]
    in_picture = frames.to_pixels(edge)[:, 0, 1]
    assert float(held.teeth_edge[1] - held.teeth_edge[0]) == pytest.approx(0.04, abs=0.002)
    assert float(in_picture[1] - in_picture[0]) == pytest.approx(0.0, abs=0.5)


def test_a_look_goes_to_a_device_with_all_it_has(landmarks: torch.Tensor) -> None:
    """PyTorch's device without memory stands for a GPU."""
    look = make_look(draw(landmarks, (0.5, ENAMEL), (1.0, DARK)), landmarks)
    moved = look.to(torch.device("meta"))
    values = [getattr(moved, field.name) for field in dataclasses.fields(moved)]
    tensors = [moved.teeth.end, moved.teeth.white]
    tensors += [value for value in values if isinstance(value, torch.Tensor)]
    assert len(tensors) == 8
    assert all(value.is_meta for value in tensors)
