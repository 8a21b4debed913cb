"""What stands before the eyes of a photo, and how light its lids are.

Dark glasses hide the eyes: nothing moves behind them. Rims do not go with the brows, nor with a
lid that unfolds. The fold above an eye lies in the shade, and a lid unfolded from it would be a
smudge or a hole: it takes the skin above and below the eye instead, rounded and with the lashes of
a shut eye as they are on people who blink.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.drawn_style import FACE_PX, face_crop, to_lab
from skyreels_avatar.rig.geometry import BROW_EDGES, EYES, LARGE_EYE, smoothstep
from skyreels_avatar.rig.glasses import RIM, rims_below_brows, wears_glasses
from skyreels_avatar.rig.mouth_paint import luminance

LIDS = CONSTANTS.lids
_HIDDEN_LIGHT, _HIDDEN_CONTRAST = 0.45, 22.0  # of the cheeks' light; behind dark glasses
_BLACK = 0.25  # of the cheeks' light: lenses, also where no bridge is seen; eyes in shade have 0.32
_OUT_OF_SIGHT = 0.35  # of the other eye's width: behind the nose of a profile
_SHADED = 0.6  # of the light below the eye: darker, the skin above it is in the shade of the brow
_OVER = 0.88  # of the light below an eye: what the skin above it usually has
_HOLLOW = (0.5, 0.8)  # of that light, where the lid's own is 0, and how fast it rises with that
_DARKER = (0.0, 0.12)  # than the shut lid's skin, in light: from here on a lid is a smudge
_AT_LASHES = (0.1, -0.1)  # of the places of `lid_place`: round the edge of a lid
_ABOVE_LASHES = (-0.15, -0.45)  # of the places: the lashes of a lid that is half open stay
_HALF_SHUT, _IN_SHADE = (0.4, 0.8), (0.0, 0.4)  # of a blink: when the skin of a lid gives way
_SHADED_FOLD = (0.65, 0.45)  # its light over that of the skin round the eyes, mean of both
_FOLD_SIDE, _BAG_SIDE, _LIGHTEST = (-0.9, -0.5), (0.9, 0.4), 1.12  # of the places; of the skin
_AT_CORNERS = (1.05, 0.55)  # of the places: beside the corners is the skin that was there
_REPLACED = (0.5, 0.95)  # share of an unfolded lid that gives way: of a light one, of a smudge
_LASHES_MEET = (0.35, 0.9)  # of a blink: lashes of both lids come to lie over each other
_NO_EYE = (0.8, 1.0)  # of a blink: there is no more eye to be seen
_DARKEST_LASHES = 0.2  # of the skin's light
_LID_CHROMA = 0.75  # share of the skin above the eyes as light as a lid in the lid's hue
_LID_CHROMA_BEHIND = 0.25  # the same behind glasses, where that is of the forehead, which is paler
_HUES, _COMMON = 16, 0.02  # levels of light, and the least share of that skin to tell a hue from
_AROUND, _RIM_PX, _BROW_PX = 1.3, 11, 7  # of the rings of an eye, and lines round eyes and brows
_LID_SIZE = (33, 45)  # places down and across a lid
_TEXTURE_SIGMA, _TEXTURE, _MOST_TEXTURE = 6.0, 0.06, 0.2  # px; of the light, rms and at most
_CHEEKS = (50, 280, 205, 425, 101, 330, 117, 346, 36, 266)
_FOREHEAD = (107, 336, 108, 337, 151, 9)  # above the rims of glasses
_LID_MOTION = tuple(MOTION_INDEX[name] for name in ("blink_r", "blink_l"))
_BEHIND = tuple(MOTION_INDEX[name] for name in ("gaze_x", "gaze_y", "squint", "cheek"))
_CHEEK, _SQUINT = MOTION_INDEX["cheek"], MOTION_INDEX["squint"]
_BROWS = tuple(MOTION_INDEX[name] for name in ("brow_r", "brow_l", "furrow"))
_FURROW = MOTION_INDEX["furrow"]
_WHOLE_FURROW = 0.06  # of H above a rim: less skin lets brows draw together less


@dataclass(frozen=True)
class EyeLook:
    """What limits how the eyes of one person move; of the right and the left eye, (2,).

    Attributes:
        seen: 0 for an eye behind dark glasses or the nose, which stays as it is, else 1.
        brows: () 0 where they would bend the rims of glasses, else 1.
        rims: (1, 2) height in H of the skin between each brow and a rim, where they can move above
            it; None where there is no rim, or none that they are clear of.
        room: height in H above the lid from which it can unfold: a rim may come before the fold.
        shaded: () in 0..1: the folds of both lids lie in the shade.
        lids: (2, 4, 33, 45) of shut lids at the places of `lid_place`: the colors of their skin in
            [0, 1], and how far lashes cover it.
        lashes: (2, 3) their colors in [0, 1].
        glasses: whether there are glasses.
    """

    seen: torch.Tensor
    brows: torch.Tensor
    rims: torch.Tensor | None
    room: torch.Tensor
    shaded: torch.Tensor
    lids: torch.Tensor
    lashes: torch.Tensor
    glasses: bool

    def to(self, device: torch.device) -> EyeLook:
        """Return the same on another device."""
        parts = (getattr(self, field.name) for field in fields(self))
        return EyeLook(*(part.to(device) if torch.is_tensor(part) else part for part in parts))

    def hold(self, motion: torch.Tensor) -> torch.Tensor:
        """Return (F, 32) coefficients that leave hidden eyes and rims as they are."""
        share = torch.ones_like(motion[:1])
        share[:, list(_LID_MOTION)] = self.seen
        share[:, list(_BEHIND)] = self.seen.amin()
        share[:, list(_BROWS)] = self.brows
        if self.rims is not None:  # brows drawn together come down as well
            share[:, _FURROW] = (self.rims.amin() / _WHOLE_FURROW).clamp_max(1.0)
        held = motion * share
        # Raised cheeks would bend the lower rims; lower lids rise by themselves instead.
        glasses = 1 - self.brows if self.rims is None else torch.ones_like(self.brows)
        cheek = held[:, _CHEEK].clamp_min(0) * glasses
        held[:, _CHEEK] -= cheek
        held[:, _SQUINT] += LIDS.cheek_raise / LIDS.squint_raise * cheek
        return held

    def shade_lid(
        self, pixels: torch.Tensor, lid: tuple[torch.Tensor, torch.Tensor, torch.Tensor], eye: int
    ) -> torch.Tensor:
        """Return (F, 4, h, w) pixels, 0 to 255, of an eye with the skin and lashes of a shut lid.

        Args:
            lid: place (F, h, w, 2) of `lid_place`; in [0, 1] where a lid unfolds, (F, 1, h, w);
                and how far the eye is shut, (F, 1).
            eye: 0 the person's right, 1 the left.
        """
        place, unfolds, shut = lid
        look = F.grid_sample(
            self.lids[eye, None].expand(len(place), -1, -1, -1), place,
            mode="bilinear", padding_mode="border", align_corners=True,
        )  # fmt: skip
        skin, colors = 255 * look[:, :3], pixels[:, :3]
        darker = 1 - luminance(colors, 1) / luminance(skin, 1).clamp_min(1.0)
        least, most = _REPLACED
        # Eyeballs of wide eyes are stretched, too: below lashes that do not meet there is no lid.
        meet = smoothstep(*_LASHES_MEET, shut)[..., None, None]
        on_lid = torch.maximum(smoothstep(*_ABOVE_LASHES, place[..., 1])[:, None], meet)
        given_way = smoothstep(*_HALF_SHUT, shut).lerp(smoothstep(*_IN_SHADE, shut), self.shaded)
        on_lid = on_lid * given_way[..., None, None]
        share = (least + (most - least) * smoothstep(*_DARKER, darker)) * unfolds * on_lid
        covered = look[:, 3:] * meet
        # Landmarks can miss the edge of either lid, and some white comes along or is left.
        across, down = place.unbind(-1)
        near = smoothstep(*_FOLD_SIDE, down) * smoothstep(*_BAG_SIDE, down)
        near = (near * smoothstep(*_AT_CORNERS, across.abs()))[:, None]
        no_eye = smoothstep(*_NO_EYE, shut)[..., None, None]
        near = near * no_eye.lerp(meet, smoothstep(*_AT_LASHES, down)[:, None])
        colors = colors.lerp(torch.minimum(colors, _LIGHTEST * skin), near)
        lashes = 255 * self.lashes[eye, :, None, None]
        colors = colors.lerp(skin, share)
        colors = colors.lerp(torch.minimum(colors, lashes), covered)
        return torch.cat([colors, pixels[:, 3:]], 1)


def find_eye_look(frame: torch.Tensor, landmarks: torch.Tensor) -> EyeLook:
    """Look for glasses and for shade over the eyes.

    Args:
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels.
    """
    pixels = (frame.permute(1, 2, 0).numpy() * 255 + 0.5).clip(0, 255).astype(np.uint8)
    points = landmarks.numpy()
    down = points[152, :2] - points[10, :2]
    crop, matrix = face_crop(pixels, points, float(np.arctan2(-down[0], down[1])))
    lab = to_lab(crop)
    light = lab[..., 0]
    points = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    cheeks = max(float(np.median(_at(light, points[list(_CHEEKS)]))), 1.0)
    soft = cv2.GaussianBlur(lab, (0, 0), 1.0)
    steps = np.zeros(lab.shape[:2], np.float32)
    steps[2:-2] = np.linalg.norm(soft[4:] - soft[:-4], axis=2)
    glasses = wears_glasses(crop, points)
    rims = rims_below_brows(steps, points) if glasses else None
    hues = _skin_hues(crop, points, glasses)
    texture = [_skin_texture(crop, points[i]) for i in (205, 425)]
    seen, room, folds, lids, lashes = [], [], [], [], []
    widths = [float(np.linalg.norm(points[upper[-1]] - points[upper[0]])) for (upper, *_) in EYES]
    for eye, (rings, (_, brow)) in enumerate(zip(EYES, BROW_EDGES)):
        upper, lower, fold, bag = (points[list(ring)] for ring in rings)
        below = max(float(np.median(_at(light, _between(lower, bag, 0.5, 1.2)))), 1.0)
        inside = np.percentile(_at(light, _between(upper, lower, 0.1, 0.9)[2:-2]), [5, 95])
        dark = below < _HIDDEN_LIGHT * cheeks and np.ptp(inside) < _HIDDEN_CONTRAST
        hidden = dark and (glasses or below < _BLACK * cheeks)
        hidden = hidden or widths[eye] < _OUT_OF_SIGHT * widths[1 - eye]
        seen.append(0.0 if hidden else 1.0)
        room.append(_below_rim(steps, upper[2:7], fold[2:7]) if glasses else 1.0)
        above = None if glasses else (fold, _resampled(points[list(brow)], len(fold)))
        large = float((lower - upper)[:, 1].max()) > LARGE_EYE * FACE_PX
        farther = 2.0 * (bag - lower) if large else 0.0  # past the line round a painted eye
        skin = _lid_skin(crop, (lower + farther, bag + farther), None if large else above)
        own = float(np.median(_at(crop, _between(fold, upper, 0.2, 0.9)), 0).mean())
        folds.append(own / max(float(skin.mean()), 2.0))
        hollow = _HOLLOW[0] + _HOLLOW[1] * folds[eye]
        skin *= 1.0 if large else min(1.0, hollow)  # deep eyes lie in the shade with their lids
        toned = _LID_CHROMA_BEHIND if glasses else _LID_CHROMA
        lids.append(_shut_lid(skin, (hues, toned), texture[eye], mirrored=eye == 1))
        if large:  # its own lashes come along
            lids[-1][3] = 0
        lashes.append(_lash_color(crop, upper, lower, skin))
    return EyeLook(
        torch.tensor(seen), torch.tensor(0.0 if glasses and rims is None else 1.0),
        None if rims is None else torch.from_numpy(rims[None]), torch.tensor(room),
        smoothstep(*_SHADED_FOLD, torch.tensor(folds).mean()),
        torch.from_numpy(np.stack(lids)), torch.from_numpy(np.stack(lashes)), glasses,
    )  # fmt: skip


def _lid_skin(
    crop: np.ndarray,
    below: tuple[np.ndarray, np.ndarray],
    above: tuple[np.ndarray, np.ndarray] | None,
) -> np.ndarray:
    """Return (2, 9, 3) colors of the skin over and under an eye, from its left to its right.

    Args:
        crop: (N, N, 3) of the face, 0 to 255.
        below, above: (9, 2) points each between which the skin below and above the eye lies;
            None where glasses may hide it.
    """
    under = _smooth(np.median(_at(crop, _between(*below, 0.6, 1.2)).reshape(6, -1, 3), 0))
    over = _OVER * under
    if above is not None:
        found = _smooth(np.median(_at(crop, _between(*above, 0.0, 0.45)).reshape(6, -1, 3), 0))
        light = found.mean(1, keepdims=True) / under.mean(1, keepdims=True).clip(1)
        lit = ((light - _SHADED) / (_OVER - _SHADED)).clip(0, 1)
        over = lit * found + (1 - lit) * over
    skin = np.stack([over, under]).clip(1)
    skin[:, [0, -1]] = skin[:, [1, -2]]  # beside the corners is the temple, hair, or the nose
    return skin


def _skin_hues(crop: np.ndarray, points: np.ndarray, glasses: bool) -> np.ndarray:
    """Return (16, 3) colors over their mean of the skin above the eyes, from black to white.

    What lies in the shade is redder than what is darker by itself, in photos and in paintings.
    Brows, lashes and eyes would make dark skin gray, and bags and cheeks have another hue than
    lids; behind glasses that of the forehead has to do.
    """
    skin, parts = np.zeros(crop.shape[:2], np.uint8), np.zeros(crop.shape[:2], np.uint8)
    for rings, brow in zip(EYES, BROW_EDGES):
        upper, lower, fold, _ = (points[list(ring)] for ring in rings)
        eye = np.concatenate([upper, lower])
        middle = eye.mean(0)
        around = middle + _AROUND * (np.concatenate([upper, fold]) - middle)
        around = np.concatenate([around, points[list(sum(brow, ()))]])
        cv2.fillConvexPoly(skin, _hull(points[list(_FOREHEAD)] if glasses else around), 1)
        for part, grown in ((eye, _RIM_PX), (points[list(sum(brow, ()))], _BROW_PX)):
            cv2.fillConvexPoly(parts, _hull(part), 1)
            cv2.polylines(parts, [_hull(part)], True, 1, grown)
    skin &= 1 - parts
    soft = cv2.GaussianBlur(crop, (0, 0), 2.0)
    cheeks = np.median(_at(crop, points[list(_CHEEKS)]), 0)
    colors = soft[skin > 0].astype(np.float32)
    light = colors.mean(1)
    known, hues = [], []
    levels = 255 * (np.arange(_HUES) + 0.5) / _HUES
    for level in levels:
        near = np.abs(light - level) < 255 / _HUES
        if near.sum() > _COMMON * max(len(light), 1):
            known.append(level)
            hues.append(np.median(colors[near] / light[near, None].clip(1), 0))
    if not known:
        return np.tile(cheeks / max(float(cheeks.mean()), 1.0), (_HUES, 1))
    return np.stack([np.interp(levels, known, channel) for channel in np.transpose(hues)], 1)


def _hull(points: np.ndarray) -> np.ndarray:
    return cv2.convexHull(np.round(points).astype(np.int32))


def _skin_texture(crop: np.ndarray, cheek: np.ndarray) -> np.ndarray:
    """Return (33, 45) light over its mean of the skin of a cheek, pores or strokes of a brush."""
    down, across = _LID_SIZE
    patch = cv2.getRectSubPix(crop, (across, down), tuple(map(float, cheek))).astype(np.float32)
    light = patch.mean(2) + 8.0
    texture = light / cv2.GaussianBlur(light, (0, 0), _TEXTURE_SIGMA) - 1
    texture *= min(1.0, _TEXTURE / max(float(texture.std()), 1e-4))
    return 1 + _MOST_TEXTURE * np.tanh(texture / _MOST_TEXTURE)


def _shut_lid(
    skin: np.ndarray, tone: tuple[np.ndarray, float], texture: np.ndarray, mirrored: bool
) -> np.ndarray:
    """Return (4, 33, 45) of `EyeLook.lids` from `_lid_skin` and `_skin_texture`.

    Args:
        tone: `_skin_hues`, and the share of them in the lid's hue.
        mirrored: the left eye of the person, whose outer corner is on the right of the picture.
    """
    light, across = np.float32(LIDS.shut_light), np.float32(LIDS.lashes_across)
    if mirrored:
        light, across = light[::-1], across[::-1]
    down = np.linspace(-1, 1, len(LIDS.lashes_down), dtype=np.float32)[:, None]
    share = (down + 1).clip(0, 1)[..., None]
    colors = (1 - share) * skin[0] + share * skin[1]
    shaded = light ** ((down + 1) / LIDS.shut_light_from).clip(0, 1)
    shaded = np.where(down > 0, 1 + (shaded - 1) * (1 - down), shaded)
    covered = np.float32(LIDS.lashes_down)[:, None] * across
    colors = colors * shaded[..., None]
    lit = colors.mean(2)
    levels = (np.arange(_HUES) + 0.5) * 255 / _HUES
    toned = [lit * np.interp(lit, levels, channel) for channel in tone[0].T]
    colors += tone[1] * (np.stack(toned, 2) - colors)
    lid = np.concatenate([colors / 255, covered[..., None]], 2)
    lid = _enlarged(lid)
    lid[..., :3] *= texture[..., None]
    return lid.clip(0, 1).transpose(2, 0, 1).astype(np.float32)


def _enlarged(lid: np.ndarray) -> np.ndarray:
    """Return (33, 45, 4) of a lid (17, 9, 4), corner on corner."""
    down, across = (
        np.linspace(0, few - 1, many, dtype=np.float32) for few, many in zip(lid.shape, _LID_SIZE)
    )
    return cv2.remap(lid, *np.meshgrid(across, down), cv2.INTER_LINEAR)


def _lash_color(
    crop: np.ndarray, upper: np.ndarray, lower: np.ndarray, skin: np.ndarray
) -> np.ndarray:
    """Return (3,) in [0, 1] the color of the line along the edge of an open upper lid."""
    line = _at(crop, _between(upper, lower, -0.25, 0.15)).reshape(6, -1, 3)[:, 1:-1]
    darkest = line.mean(2).argmin(0)
    colors = line[darkest, np.arange(line.shape[1])].astype(np.float32)
    color, around = np.median(colors, 0), skin.mean((0, 1))
    # Raised by the skin's color: a black with a tinge of blue would become a blue.
    lack = max(0.0, _DARKEST_LASHES - float(color.mean() / around.mean()))
    return ((color + lack * around) / 255).astype(np.float32)


def _smooth(colors: np.ndarray) -> np.ndarray:
    """Return (9, 3) colors that neighbors have in common: no lash, no wrinkle."""
    for _ in range(2):
        padded = np.concatenate([colors[:1], colors, colors[-1:]]).astype(np.float32)
        colors = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), 0)
    padded = np.concatenate([colors[:1], colors, colors[-1:]])
    return 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]


def _resampled(curve: np.ndarray, number: int) -> np.ndarray:
    """Return `number` points (N, 2) evenly along the (K, 2) of a curve."""
    at = np.linspace(0, len(curve) - 1, number)
    return np.stack([np.interp(at, np.arange(len(curve)), side) for side in curve.T], 1)


def _at(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the pixels (K, C) of a picture at (K, 2)."""
    column, row = np.round(points).astype(int).clip(0, picture.shape[0] - 1).T
    return picture[row, column]


def _between(first: np.ndarray, second: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return (K, 2) points on the way from (N, 2) to (N, 2), between two shares of it."""
    shares = np.linspace(low, high, 6)[:, None, None]
    return (first + shares * (second - first)).reshape(-1, 2)


def _below_rim(steps: np.ndarray, upper: np.ndarray, fold: np.ndarray) -> float:
    """Return the height in H between the lid and the rim of a pair of glasses above it."""
    heights = []
    for (x, lid), (_, top) in zip(upper, fold):
        first, last = int(top - 0.03 * FACE_PX), int(lid - 0.02 * FACE_PX)
        edges = np.flatnonzero(steps[max(first, 0) : max(last, 1), int(x)] > RIM)
        heights.append(lid - first - edges[-1] if len(edges) else 1.0 * FACE_PX)
    return max(float(np.median(heights)) / FACE_PX - 0.012, 0.015)
