"""Mouths that speak: frames of talking clips in the decoder's patch, and what the rig reads.

Every clip is looked at as the pipeline would: one frame with shut lips is the picture, light and
teeth are guessed from it, and coefficients are read relative to it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.video_reader import VideoReader
from skyreels_avatar.rig.coefficients import GROUP_SIZE
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    FaceFrame,
    head_turn,
    interpolate_curves,
    lip_gap,
)
from skyreels_avatar.rig.mouth import MouthLook, make_look, patch_axes
from train.data.mouth import cut_patch
from train.data.talking import read_landmarks

HELD_OUT_PEOPLE = 22
MIN_GAP = 0.02  # of H; the mesh of shut lips may have narrower ones
MAX_TURN = 0.5  # radians
MIN_FACE_PX = 110.0
FRAMES_PER_CLIP = 28  # even in the order of their lip gaps
REPEATED = 0.15  # mean difference of grey levels: a frame that was shown before
DARKEST, BLURRED = 0.3, 0.035  # light on the teeth, and rms of the Laplacian relative to it
MIN_PIXELS = 80
CLIPS_PER_PERSON = 4


@dataclass(frozen=True)
class SpokenMouths:
    """M frames of mouths that speak.

    Attributes:
        colors: (M, 3, 64, 128) uint8.
        seen: (M, 1, 64, 128) in [0, 1], what lies between the lips of the face mesh.
        upper, lower: (M, 128) their inner edges, face y in H.
        motion: (M, 8) mouth coefficients.
        look: of M frames, as guessed from the clip's frame with shut lips; an even style.
        kept_out: (M,) bool, people for validation only.
        control: (M,) bool, GRID talkers, who are for validation only, too.
    """

    colors: torch.Tensor
    seen: torch.Tensor
    upper: torch.Tensor
    lower: torch.Tensor
    motion: torch.Tensor
    look: MouthLook
    kept_out: torch.Tensor
    control: torch.Tensor

    def pick(self, chosen: torch.Tensor) -> SpokenMouths:
        """Return the frames at a mask or indices."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        picked = {name: value[chosen] for name, value in values.items() if name != "look"}
        return SpokenMouths(**picked, look=_map_look(lambda value: value[chosen], self.look))


def _map_look(function: Callable[..., torch.Tensor], *looks: MouthLook) -> MouthLook:
    """Return a look whose every tensor is `function` of those of other looks."""
    values = {
        field.name: [getattr(look, field.name) for look in looks] for field in fields(looks[0])
    }
    return MouthLook(**{
        name: function(*several) if isinstance(several[0], torch.Tensor) else None
        for name, several in values.items()
    })  # fmt: skip


def spoken_mouths(folder: Path, rig: FaceRig) -> SpokenMouths:
    """Return frames of all clips of a folder of talkers that are bright and sharp enough.

    Args:
        folder: with MANIFEST.csv, clips and landmarks.
        rig: reads the coefficients.

    Raises:
        InputError: the folder has no MANIFEST.csv, or shows no mouth.
    """
    if not (folder / "MANIFEST.csv").is_file():
        raise InputError(f"{folder} holds no MANIFEST.csv; set data.talkers=FOLDER")
    with open(folder / "MANIFEST.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    people = sorted({row["person"] for row in rows if row["group"] != "grid"})
    held_out = set(np.random.default_rng(5).permutation(people)[:HELD_OUT_PEOPLE])
    found, clips = [], Counter()
    for row in rows:
        clips[row["person"]] += 1
        if clips[row["person"]] > CLIPS_PER_PERSON:
            continue
        for part in _clip(folder, row, rig):
            flag = torch.ones(len(part.colors), dtype=torch.bool)
            control = row["group"] == "grid"
            kept_out = flag & (control or row["person"] in held_out)
            found.append(replace(part, kept_out=kept_out, control=flag & control))
    if not found:
        raise InputError(f"{folder} shows no open mouths; set data.talkers=FOLDER")
    values = {
        field.name: torch.cat([getattr(one, field.name) for one in found])
        for field in fields(SpokenMouths) if field.name != "look"
    }  # fmt: skip
    look = _map_look(lambda *several: torch.cat(several), *(one.look for one in found))
    return SpokenMouths(**values, look=look)


def _clip(folder: Path, row: dict[str, str], rig: FaceRig) -> Iterator[SpokenMouths]:
    """Yield the chosen frames of a clip; nothing if it shows no mouth that can be learnt from."""
    landmarks = torch.from_numpy(read_landmarks(folder / "landmarks" / f"{row['id']}.npz"))
    frames = VideoReader(folder / row["file"]).read(0, len(landmarks))
    landmarks = landmarks[: len(frames)]
    face = FaceFrame.of(landmarks)
    gap, turn = lip_gap(face.points), head_turn(face.points)
    width = (face.points[:, 308, 0] - face.points[:, 78, 0]).abs()
    usual = gap / 0.02 + 2 * (turn - turn.median()).abs() + 5 * (width - width.median()).abs()
    rest = int(usual.argmin())
    picture = _floats(frames[rest])
    look = make_look(picture, landmarks[rest], seed=int(row["id"]))
    light = float(look.light.mean())
    if look.teeth is not None or look.drawn is not None or light < DARKEST:
        return
    changed = [0.0, *(cut.mean() for cut in np.abs(np.diff(frames.astype(np.int16), axis=0)))]
    usable = (gap > MIN_GAP) & (turn.abs() < MAX_TURN) & (face.height_px > MIN_FACE_PX)
    usable &= torch.tensor(np.array(changed) > REPEATED)
    usable[rest] = False
    order = usable.nonzero()[:, 0][gap[usable].argsort()]
    if len(order) < 6:
        return
    places = torch.linspace(0, len(order) - 1, min(FRAMES_PER_CLIP, len(order)))
    chosen = order[places.long()].sort().values
    part = _frames(frames, landmarks, chosen, look)
    grey = F.avg_pool2d(part.colors.float().mean(1, keepdim=True) / 255, 2)
    if float(_laplacian(grey).square().mean().sqrt()) < BLURRED * (light + 0.05):
        return
    motion = rig.motion_of(landmarks[chosen], landmarks[rest]).detach()[:, :GROUP_SIZE]
    yield replace(part, motion=motion).pick(part.seen.sum((1, 2, 3)) > MIN_PIXELS)


def _frames(
    frames: np.ndarray, landmarks: torch.Tensor, chosen: torch.Tensor, look: MouthLook
) -> SpokenMouths:
    """Cut the mouths out of the chosen frames; their motion is left empty."""
    face = FaceFrame.of(landmarks[chosen])
    colors = torch.stack([
        (255 * cut_patch(_floats(frames[int(i)]), FaceFrame.of(landmarks[i][None])) + 0.5).byte()
        for i in chosen
    ])  # fmt: skip
    x, y = patch_axes()
    up, low = face.points[:, list(INNER_UPPER)], face.points[:, list(INNER_LOWER)]
    columns = x.expand(len(chosen), -1)
    middle = (up[..., 0] + low[..., 0]) / 2
    upper, lower = interpolate_curves(columns, middle, up[..., 1], low[..., 1])
    lower = torch.maximum(lower, upper)
    between = (x > middle[:, :1]) & (x < middle[:, -1:])
    margin = 0.5 / face.height_px[:, None, None]  # half a pixel
    seen = (y[:, None] > upper[:, None] + margin) & (y[:, None] < lower[:, None] - margin)
    looks = look.expand(len(chosen)).anchored(face.points)
    looks = replace(looks, style=torch.full_like(looks.style, 0.5), eyes=None)
    empty = torch.zeros(len(chosen), dtype=torch.bool)
    return SpokenMouths(
        colors, (seen & between[:, None])[:, None].float(), upper, lower,
        torch.zeros(len(chosen), GROUP_SIZE), looks, empty, empty,
    )  # fmt: skip


def _floats(frame: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1).float() / 255


def _laplacian(grey: torch.Tensor) -> torch.Tensor:
    middle, left, right = grey[:, :, 1:-1, 1:-1], grey[:, :, 1:-1, :-2], grey[:, :, 1:-1, 2:]
    return 4 * middle - left - right - grey[:, :, :-2, 1:-1] - grey[:, :, 2:, 1:-1]
