"""Teeth that a frame of a video shows are drawn into its other frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from skyreels_avatar.rig.filmed_teeth import _widest_row
from skyreels_avatar.rig.geometry import INNER_LOWER, INNER_UPPER, FaceFrame
from skyreels_avatar.rig.mouth import (
    MouthLook,
    film_teeth,
    make_look,
    mouth_interior,
    patch_axes,
)
from skyreels_avatar.rig.mouth_light import SKIN_POINTS, colors_at
from tests.rig.test_source_teeth import DARK, ENAMEL, LIP, draw, landmarks  # noqa: F401

SEEN = torch.full((200, 3), 0.3)


def told_apart(picture: torch.Tensor, between: float = 0.85) -> torch.Tensor:
    """Return a picture with dark lines, as between teeth."""
    picture = picture.clone()
    picture[:, :, ::6] *= between
    return picture


def filmed_look(landmarks, *layers) -> MouthLook:  # noqa: F811
    picture = told_apart(draw(landmarks, *layers))
    return make_look(picture, landmarks, 0, SEEN, [(picture, landmarks)])


def inside(landmarks, look: MouthLook) -> torch.Tensor:  # noqa: F811
    """Return (3, 64, 128): the mouth of `landmarks`, as open as it is."""
    face = FaceFrame.of(landmarks[None]).points
    columns = patch_axes()[0][None]
    edges = face[:, list(INNER_UPPER), 1].amin(), face[:, list(INNER_LOWER), 1].amax()
    upper, lower = (edge.expand_as(columns) for edge in edges)
    return mouth_interior(upper, lower, torch.zeros(1, 8), look.anchored(face))[0]


def test_teeth_of_the_film_lie_where_they_were_seen(landmarks) -> None:  # noqa: F811
    """Painted ones in the tones of a video were one grey slab."""
    look = filmed_look(landmarks, (0.5, ENAMEL), (1.0, DARK))
    assert look.filmed is not None and look.teeth is None
    color, (_, y) = inside(landmarks, look), patch_axes()
    points = FaceFrame.of(landmarks[None]).points[0]
    top, bottom = float(points[13, 1]), float(points[14, 1])
    share = (y - top) / (bottom - top)
    teeth = color[:, (share > 0.2) & (share < 0.38), 60:68]
    assert float((teeth.mean((1, 2)) - torch.tensor(ENAMEL)).abs().max()) < 0.1
    assert float(color[:, (share > 0.65) & (share < 0.8), 60:68].mean()) < 0.35


def test_teeth_go_with_nose_and_lips_through_the_picture(landmarks) -> None:  # noqa: F811
    look = filmed_look(landmarks, (0.5, ENAMEL), (1.0, DARK))
    x, y = patch_axes()
    names = ("middle", "edge", "turn", "slant")
    place = tuple(getattr(look.filmed, name)[None] for name in names)
    seen, share = look.filmed.at(x, y, place)
    step = float(y[1] - y[0])
    moved, moved_share = look.filmed.at(x, y, (place[0], place[1] + 4 * step, *place[2:]))
    torch.testing.assert_close(moved[..., 4:, :], seen[..., :-4, :], atol=1e-3, rtol=0)
    torch.testing.assert_close(moved_share[..., 4:, :], share[..., :-4, :], atol=1e-3, rtol=0)


def test_overexposed_teeth_are_painted_and_the_clearest_of_the_others_are_taken(
    landmarks,  # noqa: F811
) -> None:
    white = filmed_look(landmarks, (0.5, (1.0, 1.0, 0.98)), (1.0, DARK))
    assert white.filmed is None
    blank = draw(landmarks, (0.5, ENAMEL), (1.0, DARK))
    dim, clear = told_apart(0.9 * blank, 0.88), told_apart(blank)
    for frames in ([dim, clear], [clear, dim]):
        look = make_look(blank, landmarks, 0, SEEN, [(one, landmarks) for one in frames])
        only = make_look(blank, landmarks, 0, SEEN, [(clear, landmarks)])
        assert look.filmed.detail == only.filmed.detail


def test_a_blurred_row_is_painted(landmarks) -> None:  # noqa: F811
    """Footage that tells no tooth from the next drew a pink or gray slab."""
    blank = draw(landmarks, (0.5, ENAMEL), (1.0, DARK))
    assert make_look(blank, landmarks, 0, SEEN, [(blank, landmarks)]).filmed is None


def test_both_rows_of_teeth_are_not_taken_for_the_upper_one(landmarks) -> None:  # noqa: F811
    """Lower teeth shone below a faint dark line: all of them went with the head, a blank slab."""
    gap = tuple(0.8 * part for part in ENAMEL)
    both = ((0.3, ENAMEL), (0.4, gap), (0.7, ENAMEL), (1.0, DARK))
    assert filmed_look(landmarks, (0.7, ENAMEL), (1.0, DARK)).filmed is not None
    assert filmed_look(landmarks, *both).filmed is None


def test_a_row_seen_from_the_front_turns_away_with_the_head(landmarks) -> None:  # noqa: F811
    """Teeth of the far side were as wide as those of the near one."""
    teeth = filmed_look(landmarks, (0.5, ENAMEL), (1.0, DARK)).filmed
    x, y = patch_axes()
    middle, edge, _, slant = (
        getattr(teeth, one)[None] for one in ("middle", "edge", "turn", "slant")
    )
    row = {}
    for turn in (0.0, 0.5):
        share = teeth.at(x, y, (middle, edge, torch.tensor([turn]), slant))[1]
        shown = share[0, 0].amax(0) > 0.5
        row[turn] = [int((shown & side).sum()) for side in (x < middle, x > middle)]
    assert abs(row[0.0][0] - row[0.0][1]) <= 4
    assert row[0.5][1] < 0.75 * row[0.5][0]


@pytest.mark.parametrize("layers", [((1.0, DARK),), ((1.0, LIP),)])
def test_a_film_without_teeth_has_painted_ones(landmarks, layers) -> None:  # noqa: F811
    assert filmed_look(landmarks, *layers).filmed is None


def test_filmed_teeth_go_to_a_device_with_the_look(landmarks) -> None:  # noqa: F811
    look = filmed_look(landmarks, (0.5, ENAMEL), (1.0, DARK)).to(torch.device("meta"))
    assert look.filmed.patch.is_meta and look.expand(3).filmed.edge.is_meta


def test_what_shines_beyond_a_gap_in_the_row_is_no_tooth():
    """A bright corner of the mouth was drawn as a tooth that stands alone."""
    shown = torch.zeros(40, dtype=torch.bool)
    shown[6:11] = shown[13:20] = shown[26:29] = True  # two teeth with a gap between them
    kept = _widest_row(shown)
    assert kept[6:20].all() and not kept[26:].any()
    assert not _widest_row(torch.zeros(4, dtype=torch.bool)).any()


def test_filmed_teeth_are_shaded_once_by_the_slit_that_they_were_filmed_through(
    landmarks,  # noqa: F811
) -> None:
    """Filmed in the shadow of their lips, they were darkened again: gray in a small opening."""
    look = filmed_look(landmarks, (0.5, ENAMEL), (1.0, DARK))
    lit = replace(look, filmed=replace(look.filmed, lit=torch.tensor(1.0)))
    shaded = replace(look, filmed=replace(look.filmed, lit=torch.tensor(0.9)))
    x, y = patch_axes()
    place = (look.filmed.middle, look.filmed.edge, look.filmed.turn, look.filmed.slant)
    share = look.filmed.at(x, y, tuple(one[None] for one in place))[1][0, 0]
    teeth = (share > 0.99) & (y[:, None] > FaceFrame.of(landmarks[None]).points[0, 13, 1] + 0.01)
    once, twice = (inside(landmarks, one)[:, teeth].mean() for one in (shaded, lit))
    assert float(once / twice) == pytest.approx(1 / 0.9, abs=0.02)
    assert 0.6 <= float(look.filmed.lit) < 1.0


def test_painted_teeth_go_on_where_the_filmed_row_ends(landmarks) -> None:  # noqa: F811
    """They ended higher than those of the film, often above the lip: a block of teeth alone."""
    filmed = filmed_look(landmarks, (0.5, ENAMEL), (1.0, DARK)).filmed
    x, _ = patch_axes()
    names = ("middle", "edge", "turn", "slant")
    place = tuple(getattr(filmed, name)[None] for name in names)
    painted = (filmed.ends[:, 1].mean() - 0.012).expand(1, len(x))
    moved = painted + filmed.lowered(painted, x, place)
    for at, tip in filmed.ends.tolist():
        assert float(moved[0, (x - at).abs().argmin()]) == pytest.approx(tip, abs=0.001)
    lower = place[0], place[1] + 0.005, *place[2:]
    torch.testing.assert_close(
        painted + filmed.lowered(painted, x, lower), moved + 0.005, atol=1e-4, rtol=0
    )


def test_teeth_of_a_frame_in_other_light_keep_their_hue(landmarks) -> None:  # noqa: F811
    """Skin in orange light and clipped highlights made a pink block of them."""
    picture = told_apart(draw(landmarks, (0.5, ENAMEL), (1.0, DARK)))
    look = make_look(picture, landmarks, 0, SEEN)
    skin = colors_at(picture, landmarks[list(SKIN_POINTS), :2]).median(0).values
    same = film_teeth(look, skin, picture, landmarks)
    other = film_teeth(look, skin * torch.tensor([0.9, 0.8, 1.3]), picture, landmarks)
    ratio = other.patch[0, :3].mean((1, 2)) / same.patch[0, :3].mean((1, 2))
    assert float(ratio.max() / ratio.min()) == pytest.approx(1.0, abs=0.02)
