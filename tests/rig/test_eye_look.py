"""Dark glasses hide the eyes, rims stay straight, and a lid in the dark is not a hole."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.drawn_eyes import lower_lid_raise
from skyreels_avatar.rig.eye_look import EyeLook, find_eye_look
from skyreels_avatar.rig.fields import MotionValues
from skyreels_avatar.rig.geometry import BROW_EDGES, EYES
from skyreels_avatar.rig.mouth import make_look
from skyreels_avatar.rig.reference_clip import ReferenceClip, as_pixels
from skyreels_avatar.rig.renderer import render, rest_motion
from tests.rig.faces import difference, motion_of

SIZE = 320
SKIN = (200, 150, 125)
POINTS = synthetic_landmarks((70.0, 60.0, 180.0, 220.0))
LANDMARKS = torch.from_numpy(POINTS)


def paint(glasses: str = "", fold: tuple[int, int, int] | None = None) -> torch.Tensor:
    """Return (3, h, w) of a face; glasses are "", "clear" or "dark"; fold colors the lids."""
    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE)), (0, 0), 4.0)
    picture = np.float32(SKIN) + (12 * grain / grain.std())[..., None].astype(np.float32)
    for upper, lower, above, _ in EYES:
        ring = np.concatenate([POINTS[list(upper), :2], POINTS[list(lower), :2][::-1]])
        lid = np.concatenate([POINTS[list(above), :2], POINTS[list(upper), :2][::-1]])
        if fold:
            cv2.fillPoly(picture, [np.round(lid).astype(np.int32)], fold)
        cv2.fillPoly(picture, [np.round(ring).astype(np.int32)], (235, 235, 235))
        x, y = np.round(ring.mean(0)).astype(int).tolist()
        cv2.circle(picture, (x, y), 5, (40, 30, 30), -1)
        if glasses:
            if glasses == "dark":
                cv2.ellipse(picture, (x, y + 2), (34, 26), 0, 0, 360, (38, 34, 36), -1)
            cv2.ellipse(picture, (x, y + 2), (34, 26), 0, 0, 360, (20, 15, 15), 4)
    if glasses:
        x, y = np.round(POINTS[[133, 362], :2].mean(0)).astype(int).tolist()
        cv2.line(picture, (x - 16, y - 4), (x + 16, y - 4), (20, 15, 15), 5)
    picture = cv2.GaussianBlur(picture, (0, 0), 1.0)
    return torch.from_numpy(picture.clip(0, 255)).permute(2, 0, 1) / 255


def look_of(picture: torch.Tensor) -> EyeLook:
    return find_eye_look(picture, LANDMARKS)


def rendered(picture: torch.Tensor, limited: bool = True, **coefficients: float) -> torch.Tensor:
    look = make_look(picture, LANDMARKS)
    look = look if limited else replace(look, eyes=None)
    assert look.drawn is None
    clip = ReferenceClip(as_pixels(picture[None]), LANDMARKS[None], torch.zeros(1), look)
    motion = rest_motion(LANDMARKS[None]) + motion_of(**coefficients)
    return render(motion, clip)[0][0, :3]


def test_a_face_without_glasses_is_free():
    look = look_of(paint())
    assert look.seen.tolist() == [1, 1] and float(look.brows) == 1
    assert float(look.room.min()) == 1


def test_clear_glasses_hold_the_brows_and_dark_ones_the_eyes():
    clear, dark = look_of(paint("clear")), look_of(paint("dark"))
    assert clear.seen.tolist() == [1, 1] and float(clear.brows) == 0
    assert dark.seen.tolist() == [0, 0] and float(dark.brows) == 0
    motion = dark.hold(motion_of(blink_r=1.0, gaze_x=0.2, brow_l=0.03, lip_gap=0.05, yaw=0.1))
    assert motion[0].nonzero().flatten().tolist() == [0, MOTION_INDEX["yaw"]]


def test_an_eye_behind_the_nose_stays_as_it_is():
    """In a profile: the picture there is the nose and what is beside it."""
    landmarks = LANDMARKS.clone()
    ring = [point for part in EYES[1] for point in part]
    inner = landmarks[EYES[1][0][0], 0]
    landmarks[ring, 0] = inner + 0.2 * (landmarks[ring, 0] - inner)
    look = make_look(paint(), landmarks)
    assert look.eyes.seen.tolist() == [1, 0]
    clip = ReferenceClip(as_pixels(paint()[None]), landmarks[None], torch.zeros(1), look)
    rest = rest_motion(clip.landmarks)
    still, shut = (
        render(rest + motion_of(blink_r=blink, blink_l=blink), clip)[0].float()
        for blink in (0.0, 1.0)
    )
    changed = (shut - still).abs().amax((0, 1)) > 8
    right, left = (landmarks[list(EYES[eye][1]), :2].mean(0).round().long() for eye in (0, 1))
    assert changed[right[1] - 8 : right[1] + 8, right[0] - 8 : right[0] + 8].any()
    assert not changed[left[1] - 8 : left[1] + 8, left[0] - 8 : left[0] + 8].any()


@pytest.mark.parametrize("glasses", ["clear", "dark"])
def test_rims_do_not_bend(glasses):
    """Raised brows bent the rims of glasses, and a blink pulled them into the eye."""
    picture = paint(glasses)
    raised = dict(brow_r=0.04, brow_l=0.04, furrow=0.5, blink_r=1.0, blink_l=1.0)
    rest = rendered(picture)
    held, free = (rendered(picture, limited, **raised) for limited in (True, False))
    ink = picture.mean(0) < 0.2
    eyes = torch.zeros(SIZE, SIZE)
    for upper, lower, *_ in EYES:
        x, y = POINTS[[*upper, *lower], :2].mean(0).round().astype(int).tolist()
        eyes[y - 16 : y + 18, x - 24 : x + 24] = 1
    rims = ink & (eyes == 0)
    assert rims.sum() > 500
    bent, before = (
        float((difference(one, rest).amax(0)[rims] > 0.1).float().mean()) for one in (held, free)
    )
    assert bent < 0.02
    if glasses == "dark":
        assert float(difference(held, rest).max()) < 0.02 < float(difference(free, rest).max())
    else:
        assert before > bent + 0.02


def shut_lids(picture: torch.Tensor, limited: bool = True) -> torch.Tensor:
    """Return (2, 3) the colors in the middle of both shut lids, 0 to 255."""
    shut = rendered(picture, limited, blink_r=1.0, blink_l=1.0).float()
    middles = [
        POINTS[[*upper, *lower], :2].mean(0).round().astype(int) for upper, lower, *_ in EYES
    ]
    return torch.stack([shut[:, y - 3 : y + 1, x - 4 : x + 5].mean((1, 2)) for x, y in middles])


def test_a_lid_from_a_dark_fold_takes_the_light_of_the_skin():
    """The shut eye of a face lit from above was a black hole."""
    lids = shut_lids(paint(fold=(40, 30, 28)))
    assert float(lids[:, 0].min()) > 85 and bool((lids[:, 0] > lids[:, 2]).all())


def test_a_lid_from_a_shaded_fold_is_no_smudge():
    """The shade of a fold filled the whole lid, a gray patch with a sharp border."""
    shaded = paint(fold=(132, 104, 96))
    before, lids = (shut_lids(shaded, limited) for limited in (False, True))
    assert float(before[:, 0].max()) < 0.72 * SKIN[0]
    assert float(lids[:, 0].min()) > 0.82 * SKIN[0]


def test_a_lid_in_the_light_stays_as_light():
    """Half of its grain, 12 levels strong, gives way to even skin; its light does not change."""
    plain = paint()
    own, lids = (shut_lids(plain, limited) for limited in (False, True))
    assert float((lids - own).abs().max()) < 12


def test_wide_eyes_keep_their_irises_round_a_blink():
    """Eyes of surprised people went pale: a stretched eyeball was taken for a lid that unfolds."""
    wide = rendered(paint(), blink_r=0.06, blink_l=0.06, squint=-1.0).float()
    for upper, lower, *_ in EYES:
        x, y = POINTS[[*upper, *lower], :2].mean(0).round().astype(int)
        assert float(wide[:, y - 1 : y + 2, x - 1 : x + 2].mean()) < 0.4 * np.mean(SKIN)


def lash_line(picture: torch.Tensor, shut: float = 1.0) -> float:
    """Return how light the darkest row of lowered right lids is, of the skin's light."""
    shut = rendered(picture, blink_r=shut, blink_l=shut).float()
    upper, lower, *_ = EYES[0]
    x, y = POINTS[[*upper, *lower], :2].mean(0).round().astype(int)
    rows = shut[:, y - 8 : y + 12, x - 6 : x + 7].mean((0, 2))
    return float(rows.min() / np.mean(SKIN))


def test_shut_eyes_have_lashes_as_dark_as_the_open_eye_shows():
    """Lids shut to a plain patch of skin, as if nobody had lashes; a statue's have none."""
    bare = paint()
    assert lash_line(with_lashes(bare)) < 0.55 < 0.8 < lash_line(bare)


def with_lashes(bare: torch.Tensor, above: float = 0.0) -> torch.Tensor:
    """Return a picture with a dark line along the upper lids, some pixels above their landmarks."""
    lined = np.ascontiguousarray(bare.permute(1, 2, 0).numpy() * 255)
    for upper, *_ in EYES:
        line = np.round(POINTS[list(upper), :2] - np.float32([0, above])).astype(np.int32)
        cv2.polylines(lined, [line], False, (30, 22, 20), 3)
    return torch.from_numpy(cv2.GaussianBlur(lined, (0, 0), 0.7)).permute(2, 0, 1) / 255


@pytest.mark.parametrize("shut", [0.25, 0.45])
def test_lids_that_are_lowered_keep_their_lash_lines(shut):
    """The eyes of who looked down or was tired had pale rims: lashes were taken for a smudge."""
    without_eyes = paint(fold=None)
    for upper, lower, *_ in EYES:
        ring = np.concatenate([POINTS[list(upper), :2], POINTS[list(lower), :2][::-1]])
        skin = without_eyes.permute(1, 2, 0).numpy().copy()
        cv2.fillPoly(skin, [np.round(ring).astype(np.int32)], [one / 255 for one in SKIN])
        without_eyes = torch.from_numpy(skin).permute(2, 0, 1)
    assert lash_line(with_lashes(without_eyes, 3.0), shut) < 0.25


def with_skin(picture: torch.Tensor, points: list[int], color: tuple[int, int, int]):
    """Return a picture in which skin round landmarks has another color."""
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    for x, y in np.round(POINTS[points, :2]).astype(int).tolist():
        cv2.circle(pixels, (x, y), 12, [one / 255 for one in color], -1)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def test_a_lid_has_the_hue_of_the_skin_above_it():
    """Brows and cheeks made lids of dark skin gray."""
    brown, gray = (100, 62, 44), (105, 100, 98)
    picture = paint() * (torch.tensor(brown) / torch.tensor(SKIN))[:, None, None]
    pixels = with_skin(picture, [50, 280, 205, 425, 101, 330, 36, 266], gray)
    pixels = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
    for side in BROW_EDGES:
        outline = np.round(POINTS[[*side[0], *side[1][::-1]], :2]).astype(np.int32)
        cv2.fillPoly(pixels, [outline], (0.12, 0.12, 0.12))
    lids = look_of(torch.from_numpy(pixels).permute(2, 0, 1)).lids[:, :3, 8, 22]
    redness = lids[:, 0] / lids[:, 2]
    assert float(redness.min()) > 0.85 * brown[0] / brown[2]


def test_a_lid_behind_glasses_is_as_red_as_the_skin_round_the_eye():
    """It took the hue of the forehead, which is paler: lids behind glasses were gray."""
    pale = with_skin(paint("clear"), [107, 336, 108, 337, 151, 9], (170, 160, 155))
    look = look_of(pale)
    assert look.glasses
    redness = look.lids[:, 0, 8, 22] / look.lids[:, 2, 8, 22]
    assert float(redness.min()) > 0.85 * SKIN[0] / SKIN[2]


def test_a_lid_has_the_texture_of_the_skin():
    """Lids of grainy and of painted skin were as smooth as if they were airbrushed."""
    rng = np.random.default_rng(1)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE)), (0, 0), 1.0)
    grain = torch.from_numpy(0.04 * grain / grain.std()).float()
    plain, grainy = (look_of((paint() + noise).clamp(0, 1)).lids[:, 1] for noise in (0, grain))
    rough = [float((lid[..., 1:] - lid[..., :-1]).std()) for lid in (plain, grainy)]
    assert rough[1] > 2 * rough[0] > 0


def test_a_shut_eye_shows_no_white_below_its_lashes():
    """Painted eyes whose landmarks miss their lower edge shut to a thin white crescent."""
    picture = paint().permute(1, 2, 0).numpy().copy()
    for upper, lower, *_ in EYES:
        ring = np.concatenate([POINTS[list(upper), :2], POINTS[list(lower), :2][::-1]])
        lowered = np.round(ring + np.float32([0, 3])).astype(np.int32)
        cv2.fillPoly(picture, [lowered], (0.95, 0.95, 0.95))
    white = torch.from_numpy(picture).permute(2, 0, 1)
    shut = rendered(white, blink_r=1.0, blink_l=1.0).float()
    for upper, lower, *_ in EYES:
        x, y = POINTS[[*upper, *lower], :2].mean(0).round().astype(int)
        assert float(shut[2, y - 6 : y + 12, x - 8 : x + 9].max()) < 1.25 * SKIN[2]


def test_smiles_behind_glasses_raise_lower_lids_in_place_of_cheeks():
    """The lower rims of glasses bent over the cheeks of who smiled."""
    smile = motion_of(cheek=1.0, squint=0.1)
    clear, bare = look_of(paint("clear")).hold(smile), look_of(paint()).hold(smile)
    cheek, squint = MOTION_INDEX["cheek"], MOTION_INDEX["squint"]
    assert torch.equal(bare, smile)
    assert float(clear[0, cheek]) == 0
    raised = [lower_lid_raise(MotionValues(motion)) for motion in (clear, bare)]
    torch.testing.assert_close(raised[0], raised[1])
    assert float(clear[0, squint]) > 0.1


def with_brows_above_rims() -> tuple[torch.Tensor, torch.Tensor]:
    """Return a face whose brows lie well above thick rims, and its landmarks."""
    points = POINTS.copy()
    picture = (paint().permute(1, 2, 0).numpy() * 255).copy()
    for (upper, lower, *_), (over, under) in zip(EYES, BROW_EDGES):
        points[[*over, *under], 1] -= 18
        outline = np.concatenate([points[list(over), :2], points[list(under), :2][::-1]])
        cv2.fillPoly(picture, [np.round(outline).astype(np.int32)], (70, 45, 35))
        x, y = np.round(points[[*upper, *lower], :2].mean(0)).astype(int).tolist()
        cv2.ellipse(picture, (x, y + 4), (32, 19), 0, 0, 360, (20, 15, 15), 5)
    x, y = np.round(points[[133, 362], :2].mean(0)).astype(int).tolist()
    cv2.line(picture, (x - 14, y - 2), (x + 14, y - 2), (20, 15, 15), 5)
    picture = cv2.GaussianBlur(picture, (0, 0), 1.0)
    return torch.from_numpy(picture).permute(2, 0, 1) / 255, torch.from_numpy(points)


def test_brows_clear_of_the_rims_move_and_bend_none():
    """They stayed behind any glasses, and a surprised face with clear brows showed nothing."""
    picture, landmarks = with_brows_above_rims()
    look = make_look(picture, landmarks)
    assert float(look.eyes.brows) == 1 and float(look.eyes.rims.min()) > 0.03
    clip = ReferenceClip(as_pixels(picture[None]), landmarks[None], torch.zeros(1), look)
    rest = rest_motion(landmarks[None])
    raised = rest + motion_of(brow_r=0.04, brow_l=0.04, cheek=1.0)
    before, after = (render(one, clip)[0][0, :3].float() for one in (rest, raised))
    changed = (after - before).abs().amax(0) > 25
    ink = picture.mean(0) < 0.15
    rims = ink & (torch.arange(SIZE)[:, None] > landmarks[[70, 300], 1].max() + 8)
    assert float(changed[rims].float().mean()) < 0.02
    brow = landmarks[[105, 334], :2].round().int().tolist()
    assert all(bool(changed[y - 4 : y + 8, x - 5 : x + 5].any()) for x, y in brow)
