"""What the camera of a stream sees: one reference video after the other, each a leg of its way."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from skyreels_avatar.camera import CameraMove, CameraPath, ReferenceVideo, build_scene, plan_path
from skyreels_avatar.camera.geometry import invert
from skyreels_avatar.errors import InputError
from skyreels_avatar.live.avatar import Avatar
from skyreels_avatar.loading.components import Components
from skyreels_avatar.models.light_encoder import ShotLight
from skyreels_avatar.references.framing import is_moving
from skyreels_avatar.references.lighting import PictureLight
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.request.camera_spec import Camera
from skyreels_avatar.rig.geometry import smoothstep
from skyreels_avatar.spaces.rig_decoder import Decoder

MOVE_S = 6.0  # a move takes so long, and the camera stays where it leads
SWAY_S = 60.0  # a handheld sway is back where it began after so long
_RESTING = 8  # frames of a camera that rests, which may be drawn together
BLEND_S = 1.2  # in which a new move takes over from where the camera is


@dataclass(frozen=True, eq=False)
class Leg:
    """The camera from a frame of the stream on.

    Attributes:
        start: the frame.
        poses: (F, 4, 4) float64 world-from-camera.
        loop: where the poses go on after the last; None stays there.
    """

    start: int
    poses: torch.Tensor
    loop: int | None
    reference: PictureReference
    decoder: Decoder

    def place(self, frame: int) -> int:
        """Return which frame of the reference video a frame of the stream is."""
        num, at = len(self.poses), max(0, frame - self.start)
        if at < num:
            return at
        return num - 1 if self.loop is None else self.loop + (at - self.loop) % (num - self.loop)

    @property
    def rests(self) -> bool:
        """Whether the camera stays where it is."""
        return bool((self.poses == self.poses[:1]).all())


@dataclass(frozen=True, eq=False)
class Piece:
    """Frames of a stream that are drawn together.

    Attributes:
        frames: of the stream.
        decoder: draws them.
        places: which frames of its reference video they are.
    """

    frames: list[int]
    decoder: Decoder
    places: range


class LiveScene:
    """An avatar before a camera that is told where to go while it runs.

    Args:
        parts: those that draw: the face rig and the light.
        fps: of the stream.
        seed: of the look of the mouth and of light.
    """

    def __init__(self, avatar: Avatar, parts: Components, fps: float, seed: int):
        self.avatar, self._parts, self._fps, self._seed = avatar, parts, fps, seed
        self._put_into(None)
        self._home = torch.eye(4, dtype=torch.float64)[None]
        self._leg = self._new_leg(0, self._home)
        self._coming: deque[Leg] = deque()

    def light(self, prompt: str) -> str:
        """Put the picture into the light of a prompt; return the prompt without it."""
        network = self._parts.light
        if network is None:
            return prompt
        asked = network.light_of(prompt)
        if asked != self._light:
            self._put_into(asked)
            legs = [self._leg, *self._coming]
            self._leg, *coming = [self._new_leg(one.start, one.poses, one.loop) for one in legs]
            self._coming = deque(coming)
        return prompt if asked is None else network.without_light(prompt)

    def film(self, camera: Camera, frame: int) -> None:
        """Let the camera make a move from a frame on, beginning where it is then.

        May be called while another thread draws frames before that one.
        """
        poses, loops = self._poses(camera)
        before, first = [self._leg, *self._coming][-1], poses
        count = max(2, round(BLEND_S * self._fps))
        here = torch.stack([before.poses[before.place(frame + i)] for i in range(count)])
        if bool((here == self._home).all()):
            if len(poses) == 1:
                return
        else:
            first = poses[torch.arange(max(count, len(poses))).clamp_max(len(poses) - 1)]
            share = smoothstep(0.0, count - 1, torch.arange(count).double())
            first[:count] = _between(here, first[:count], share)
        if loops:  # ends where it begins
            share = smoothstep(0.0, count - 1, torch.arange(count).double())
            for way in (poses, first):
                way[-count:] = _between(way[-count:], self._home.expand(count, 4, 4), share)
            self._coming.append(self._new_leg(frame, torch.cat([first, poses]), len(first)))
        else:
            self._coming.append(self._new_leg(frame, first))

    def advance(self, frame: int) -> None:
        """Come to a frame: what the camera was told to do by then, it does."""
        while self._coming and frame >= self._coming[0].start:
            self._leg = self._coming.popleft()

    def pieces(self, frames: Sequence[int]) -> list[Piece]:
        """Return some frames of the stream, those together that are drawn together."""
        pieces, rest = [], list(frames)
        while rest:
            self.advance(rest[0])
            count = len(rest)
            if not self._leg.rests:  # only neighbors are drawn together
                count = sum(frame - rest[0] == i for i, frame in enumerate(rest))
            decoder, places = self.at(rest[0], count)
            pieces.append(Piece(rest[: len(places)], decoder, places))
            rest = rest[len(places) :]
        return pieces

    def at(self, frame: int, count: int = 1) -> tuple[Decoder, range]:
        """Return what draws some frames of the stream, and which of its video they are.

        Args:
            count: of the frames that are wanted; may be fewer, at least one.
        """
        self.advance(frame)
        if self._coming:
            count = min(count, self._coming[0].start - frame)
        leg = self._leg
        if leg.rests:
            return leg.decoder, range(min(count, len(leg.poses)))
        place = leg.place(frame)
        if leg.loop is None and frame - leg.start >= len(leg.poses):
            self._leg = leg = self._new_leg(frame, leg.poses[-1:])
            return leg.decoder, range(min(count, len(leg.poses)))
        return leg.decoder, range(place, min(place + count, len(leg.poses)))

    def apparent_motion(
        self, frames: Iterable[int], motion_fps: float = 25.0
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return what the camera seems to do to the head: see `Reference`; None while it rests.

        Args:
            frames: of the motion clock.
        """
        leg = self._leg
        if leg.reference.is_still:
            return None
        places = [leg.place(round((i + 0.5) * self._fps / motion_fps - 0.5)) for i in frames]
        places = list(itertools.accumulate(places, max))  # held where a loop begins again
        low = places[0]
        motion, seen = leg.reference.apparent_motion(torch.arange(low, places[-1] + 1).float())
        index = torch.tensor(places) - low
        return motion[index], seen[index]

    def _poses(self, camera: Camera) -> tuple[torch.Tensor, bool]:
        """Return the poses of a move by itself, and whether it goes on and on."""
        if not is_moving(camera):
            return self._home.clone(), False
        moves, last_s = camera, 0.0
        if isinstance(camera, CameraMove):
            sways = camera.name == "swing"
        else:
            moves = [(keyframe.time_s, keyframe.move) for keyframe in camera]
            last_s, sways = camera[-1].time_s, camera[-1].move.name == "swing"
        count = round((last_s + (SWAY_S if sways else MOVE_S)) * self._fps) + 1
        try:
            path = plan_path(moves, self._scene, count, self._fps)
        except ValueError as error:
            raise InputError(str(error)) from error
        return invert(path.extrinsics.double()), sways

    def _put_into(self, light: ShotLight | None) -> None:
        """Put the picture into a light; None is the light it was taken in."""
        avatar, self._light, self._looks, self._lit = self.avatar, light, None, None
        picture, plate = _tensor(avatar.picture), avatar.plate
        fine = None if avatar.fine is None else _tensor(avatar.fine)
        if light is not None:
            matte = avatar.person_mask.numpy()
            lit = PictureLight(light, avatar.picture, matte, [avatar.face], self._seed)
            start = plate.left, plate.top
            everybody = plate.person_mask.numpy()
            plate = replace(plate, image=lit.relight(plate.image, everybody, start))
            picture, fine = lit.relight(picture), None if fine is None else lit.relight(fine)
            self._lit = lit
        depth = torch.from_numpy(avatar.depth)
        self._scene = build_scene(picture, depth, avatar.person_mask, avatar.face.box, plate=plate)
        self._texture = picture if fine is None else fine

    def _new_leg(self, start: int, poses: torch.Tensor, loop: int | None = None) -> Leg:
        scene, avatar = self._scene, self.avatar
        if len(poses) == 1:
            poses = poses.expand(_RESTING, 4, 4)
        intrinsics = scene.intrinsics.float().expand(len(poses), 3, 3).clone()
        video = ReferenceVideo(scene, CameraPath(intrinsics, invert(poses).float(), self._fps))
        landmarks = torch.from_numpy(avatar.face.landmarks)
        reference = PictureReference(
            video, landmarks, self._texture, None, avatar.occluder, self._lit
        )
        reference.teeth = avatar.face.teeth
        if self._looks is None:
            self._looks = reference.looks(self._seed, self._parts.device)
        decoder = Decoder(self._parts.vae, reference, None, self._looks)
        return Leg(start, poses, loop, reference, decoder)


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    """Return (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float().div_(255)


def _between(start: torch.Tensor, end: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return poses (F, 4, 4) between others: a share (F,) of the way, turned without shear."""
    mixed = torch.lerp(start, end, share[:, None, None])
    left, _, right = torch.linalg.svd(mixed[:, :3, :3])
    mixed[:, :3, :3] = left @ right
    return mixed
