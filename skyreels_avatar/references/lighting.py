"""The light that a prompt asks for, on the picture of a shot and on its finished frames.

A constant light is put on the picture before anything is made of it: it moves with the person and
the camera, mouths are painted in it, and frames cost nothing. A light that changes or flickers is
put on finished frames, as a function of their place in the shot and of the seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from skyreels_avatar.camera import ReferenceVideo
from skyreels_avatar.faces.face import Face
from skyreels_avatar.models.light_encoder import Light, ShotLight
from skyreels_avatar.parallel import ordered_map
from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.mouth import MouthLook
from skyreels_avatar.rig.relight import (
    Grade,
    Relief,
    face_level,
    is_plain,
    is_shaded,
    limit_exposure,
    pivot_of,
    relight,
    shading,
)

_FLICKER_STOPS = 0.42  # of a candle that flickers in full
_FLICKER_WARMTH = 0.12
_FLICKER_HZ = (0.6, 5.0)
_NUM_WAVES = 7
_LIPS = (13, 14)
_SPATIAL = ("side", "above", "back", "spot")


class PictureLight:
    """The light of a shot, limit_exposure to its picture.

    Args:
        light: what the prompt asks for.
        pixels: (H, W, 3) uint8, the picture at the size of the video.
        matte: (H, W) 0..1, the persons in it.
        faces: of the speakers.
        seed: of the flicker.

    Attributes:
        unlit: (3, H, W) the picture as it came.
    """

    def __init__(
        self,
        light: ShotLight,
        pixels: np.ndarray,
        matte: np.ndarray,
        faces: Sequence[Face],
        seed: int,
    ):
        level = face_level(np.float32(pixels) / 255, faces[0].box)
        self.pivot = pivot_of(level)
        begin, end = (limit_exposure(one, level) for one in (light.begin, light.end))
        self.light = replace(light, begin=begin, end=end)
        self._matte, self._seed = matte, seed
        self.unlit = torch.from_numpy(np.float32(pixels)).permute(2, 0, 1) / 255
        self.relief = None
        if is_shaded(begin) or is_shaded(end):
            self.relief = Relief.of(matte, [face.landmarks for face in faces])

    @property
    def steady(self) -> Light:
        """What the picture itself is put into: of a light that changes, where it falls first."""
        begin = self.light.begin
        if not self.light.changes:
            return begin
        return Light(**{name: getattr(begin, name) for name in _SPATIAL})

    def relight(
        self,
        picture: torch.Tensor,
        matte: np.ndarray | None = None,
        start: tuple[int, int] | None = None,
    ) -> torch.Tensor:
        """Return a picture in the steady light.

        Args:
            picture: (3, H, W) in 0..1, the shot's own at any size.
            matte, start: of a larger picture round the shot's own: (H, W) the persons in it, and
                left and top of the shot's own in it, in pixels of both.
        """
        if is_plain(self.steady):
            return picture
        values = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
        size, window = values.shape[1::-1], (0.0, 0.0, 1.0, 1.0)
        if start is not None:
            width, height = self._matte.shape[::-1]
            shares = size[0] / width, size[1] / height
            window = (-start[0] / width, -start[1] / height, *shares)
        matte = cv2.resize(np.float32(self._matte if matte is None else matte), size)
        lit = relight(values, self.steady, self.relief, matte, self.pivot, window)
        return torch.from_numpy(np.ascontiguousarray(lit.transpose(2, 0, 1)))

    def relight_mouth(self, look: MouthLook, landmarks: torch.Tensor) -> MouthLook:
        """Return how the inside of a mouth looks in the steady light.

        It is painted, and the color of the light on it is read from a face under usual light much
        better than from one that is all red.

        Args:
            look: in the picture as it came, of one frame.
            landmarks: (478, 3) of the face in it, in pixels.
        """
        if is_plain(self.steady):
            return look
        usual, said = torch.tensor(CONSTANTS.light.mean_teeth), look.saturation.cpu()[:, None]
        teeth = look.light.cpu() * (said * usual + (1 - said) * usual.mean())
        person = np.ones((2, 2), np.float32) if self.relief is None else self.relief.person
        plain = np.broadcast_to(teeth.numpy(), (*person.shape, 3)).astype(np.float32)
        lit = relight(plain, self.steady, self.relief, np.ones_like(person), self.pivot)
        share = landmarks[list(_LIPS), :2].mean(0) / torch.tensor(self.unlit.shape[:0:-1])
        at = (share * torch.tensor(lit.shape[1::-1])).long().tolist()
        column, row = (min(max(i, 0), side - 1) for i, side in zip(at, lit.shape[1::-1]))
        said = said * min(1.0, 1 + self.steady.saturation)
        light = torch.from_numpy(lit[row, column]) / (said * usual + (1 - said) * usual.mean())
        device = look.light.device
        return replace(look, light=light.to(device), saturation=said[:, 0].to(device))

    def frame_light(self, video: ReferenceVideo) -> FrameLight | None:
        """Return the light that is put on finished frames; None = it is all in the picture."""
        if not self.light.changes and not self.light.begin.flicker:
            return None
        return FrameLight(self, video, self._seed)


class FrameLight:
    """What changes of a light, on finished frames; any frame at any time, by several threads.

    Args:
        picture: the light of the shot's picture.
        video: what the camera sees, on the clock of the output.
        seed: of the flicker.
    """

    def __init__(self, picture: PictureLight, video: ReferenceVideo, seed: int):
        self._light, self._video = picture.light, video
        self._relief, self._pivot = None, picture.pivot
        if picture.light.changes and picture.relief is not None:
            self._relief = picture.relief.halved().halved()
            self._first = shading(picture.steady, self._relief)
        rng = np.random.default_rng([seed, 0x11687])
        low, high = np.log(_FLICKER_HZ)
        self._hz = np.exp(np.linspace(low, high, _NUM_WAVES) + rng.uniform(-0.1, 0.1, _NUM_WAVES))
        # Slow waves are the larger ones: a flame sways, and trembles a little.
        self._heights = self._hz**-0.6 / np.sqrt((self._hz**-1.2).sum() / 2)
        self._phases = rng.uniform(0, 2 * math.pi, _NUM_WAVES)

    def at(self, frame: int) -> Light:
        """Return the light of a frame; of a light that stays, what flickers of it."""
        last = max(1, self._video.num_frames - 1)
        light = self._light.at(frame / last)
        wave = self._wave(frame / self._video.fps) * light.flicker
        if not self._light.changes:
            light = Light()
        return replace(
            light,
            exposure=light.exposure + _FLICKER_STOPS * wave,
            warmth=light.warmth - _FLICKER_WARMTH * wave,
        )

    def apply(self, pixels: np.ndarray, first: int) -> np.ndarray:
        """Return frames (F, H, W, 3) uint8, from number `first` on, in their light."""
        for index, frame in enumerate(pixels, first):
            self._draw(frame, index)
        return pixels

    def apply_to_chunks(self, chunks: Iterator[np.ndarray], first: int) -> Iterator[np.ndarray]:
        """Yield chunks (F, H, W, 3) of frames, from number `first` on, in their light."""
        return ordered_map(lambda chunk: self.apply(*chunk), _numbered(chunks, first))

    def _draw(self, frame: np.ndarray, index: int) -> None:
        light = self.at(index)
        factors, peak = self._factors(light, index), 1.0
        if factors is not None:
            peak = max(1.0, float(factors.max()))
        grade = Grade.of(light, peak, self._pivot)
        mix = grade.mix()
        if mix is not None:
            frame[:] = cv2.transform(frame, mix)
        if factors is not None:
            # At most 1, so that bytes are fine enough: they are wrong by half a value.
            factors = (factors * np.float32(255 / peak)).round().astype(np.uint8)
            factors = cv2.resize(factors, frame.shape[1::-1])
            cv2.multiply(frame, cv2.merge([factors] * 3), dst=frame, scale=1 / 255)
        cv2.LUT(frame, grade.table()[None], dst=frame)

    def _wave(self, time_s: float) -> float:
        """Return how a flame burns at a time, about -1 to 1."""
        waves = np.sin(2 * math.pi * self._hz * time_s + self._phases)
        return float(0.7 * self._heights @ waves)

    def _factors(self, light: Light, index: int) -> np.ndarray | None:
        """Return factors (h, w) of a frame to the shading that the picture has already."""
        if self._relief is None:
            return None
        person, behind = (
            now / then for now, then in zip(shading(light, self._relief), self._first)
        )
        factors = behind + self._relief.person * (person - behind)
        if self._video.path.is_static():
            return factors
        seen_at = self._video.person_map(index)
        scale = np.float32(factors.shape[1::-1]) / np.float32(self._video.scene.depth.shape[::-1])
        return _spread(cv2.remap(
            factors, seen_at * scale - 0.5, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ), self._video.targets, self._video.scene.depth.shape)  # fmt: skip


def _spread(values: np.ndarray, targets: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return values (rows, columns) that stand at `targets` as (h, w) over a whole frame."""
    step = (targets[-1, -1] - targets[0, 0]) / (np.array(targets.shape[1::-1]) - 1)
    height, width = (max(2, length // 2) for length in shape)
    y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
    at = np.stack([x * (shape[1] / width), y * (shape[0] / height)], -1)
    within = ((at - targets[0, 0]) / step).astype(np.float32)
    return cv2.remap(values, within, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _numbered(chunks: Iterator[np.ndarray], first: int) -> Iterator[tuple[np.ndarray, int]]:
    for chunk in chunks:
        yield chunk, first
        first += len(chunk)
