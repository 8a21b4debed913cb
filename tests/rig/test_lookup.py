"""Coarse maps say where pixels come from, in boxes as in the whole."""

from __future__ import annotations

import torch

from skyreels_avatar.rig import reference_clip
from skyreels_avatar.rig.curves import enclosing_box, inside
from skyreels_avatar.rig.lookup import Lookup, draw
from tests.rig.faces import clip_of, difference

SPACING, SIZE = 5, (300, 280)


def lookup_of(count: int) -> Lookup:
    """Return maps that shift a picture, and a window that ends in the middle."""
    rows, columns = (-(-side // SPACING) + 2 for side in SIZE)
    y, x = torch.meshgrid(
        *((torch.arange(count) - 0.5) * SPACING for count in (rows, columns)), indexing="ij"
    )
    window = (x < SIZE[1] / 2).float()
    shifts = torch.arange(count)[:, None, None]
    maps = torch.stack([(x + 3.25 * shifts), y.expand(count, -1, -1)], 1)
    return Lookup(maps, window[None, None], SPACING, SIZE)


def test_a_box_is_the_same_part_of_the_whole() -> None:
    lookup = lookup_of(3)
    whole = lookup.enlarged()
    assert whole.shape == (3, 2, *SIZE)
    for rows, columns in ((slice(0, 9), slice(271, 280)), (slice(133, 207), slice(12, 13))):
        box = slice(1, 3), slice(None), rows, columns
        torch.testing.assert_close(lookup.positions(box), whole[:, :2][box], atol=1e-4, rtol=0)


def test_a_clip_is_drawn_by_its_maps_and_boxes_over_them(landmarks, monkeypatch) -> None:
    clip, lookup = clip_of(landmarks, 3), lookup_of(3)
    box = slice(1, 2), slice(None), slice(40, 60), slice(100, 130)
    still = lookup.positions(box) - torch.tensor([3.25, 0.0])[:, None, None]
    frames, matte = draw(clip, lookup, [(box, still)])
    assert torch.equal(matte, lookup.matte()) and 0.4 < float(matte.float().mean()) < 0.6
    assert torch.equal(frames[0], clip.frames[0])
    assert torch.equal(frames[box], clip.frames[box])
    assert float(difference(frames[2], clip.frames[2]).amax()) > 0.01
    monkeypatch.setattr(reference_clip, "_with_opencv", lambda *_: False)
    plain, plain_matte = draw(clip, lookup, [(box, still)])
    assert torch.equal(matte, plain_matte)
    assert float(difference(frames, plain).amax()) < 0.02


def test_boxes_are_found_in_the_box_that_holds_them() -> None:
    one = slice(None), slice(None), slice(10, 20), slice(5, 9)
    two = slice(2, 3), slice(None), slice(12, 31), slice(0, 6)
    around = enclosing_box([one, two])
    assert around == (slice(None), slice(None), slice(10, 31), slice(0, 9))
    assert inside(around, two) == (slice(2, 3), slice(None), slice(2, 21), slice(0, 6))
    assert enclosing_box([]) is None
