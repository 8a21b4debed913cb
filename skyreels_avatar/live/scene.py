"""What the camera of a stream sees: one reference video after the other, each a leg of its way."""

from __future__ import annotations

from collections.abc import Iterable
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
SWAY_S = 60.0  # a handheld sway goes back and forth through so much
BLEND_S = 1.2  # in which a new move takes over from where the camera is


@dataclass(frozen=True, eq=False)
class Leg:
    """The camera from a frame of the stream on.

    Attributes:
        start: the frame.
        poses: (F, 4, 4) float64 world-from-camera.
        returns: go back through the poses after the last, and forth again; else the last stays.
    """

    start: int
    poses: torch.Tensor
    returns: bool
    reference: PictureReference
    decoder: Decoder

    def place(self, frame: int) -> int:
        """Return which frame of the reference video a frame of the stream is."""
        last, at = len(self.poses) - 1, max(0, frame - self.start)
        if at <= last or not last:
            return min(at, last)
        if not self.returns:
            return last
        at %= 2 * last
        return at if at <= last else 2 * last - at


class LiveScene:
    """An avatar before a camera that is told where to go while it runs.

    Args:
        parts: of the tier.
        fps: of the stream.
        seed: of the look of the mouth and of light.
    """

    def __init__(self, avatar: Avatar, parts: Components, fps: float, seed: int):
        self.avatar, self._parts, self._fps, self._seed = avatar, parts, fps, seed
        self._put_into(None)
        self._resting = torch.eye(4, dtype=torch.float64)[None]
        self._leg = self._new_leg(0, self._resting, False)

    def light(self, prompt: str) -> str:
        """Put the picture into the light of a prompt; return the prompt without it."""
        network = self._parts.light
        if network is None:
            return prompt
        asked = network.light_of(prompt)
        if asked != self._light:
            self._put_into(asked)
            leg = self._leg
            self._leg = self._new_leg(leg.start, leg.poses, leg.returns)
        return prompt if asked is None else network.without_light(prompt)

    def film(self, camera: Camera, frame: int) -> None:
        """Let the camera make a move from a frame on, beginning where it is."""
        poses, returns = self._poses(camera)
        before = self._leg
        count = max(2, round(BLEND_S * self._fps))
        here = torch.stack([before.poses[before.place(frame + i)] for i in range(count)])
        if bool((here == self._resting).all()):
            if len(poses) == 1:
                return
        else:
            later = torch.arange(max(count, len(poses))).clamp_max(len(poses) - 1)
            poses = poses[later].clone()
            share = smoothstep(0.0, count - 1, torch.arange(count).double())
            poses[:count] = _between(here, poses[:count], share)
        self._leg = self._new_leg(frame, poses, returns)

    def at(self, frame: int) -> tuple[Decoder, int]:
        """Return what draws a frame of the stream, and which frame of its reference video it is."""
        leg = self._leg
        place = leg.place(frame)
        ended = not leg.returns and frame - leg.start >= len(leg.poses)
        if ended and len(leg.poses) > 1:  # where the camera stays, one frame is enough
            self._leg = leg = self._new_leg(frame, leg.poses[-1:], False)
            place = 0
        return leg.decoder, place

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
        low = min(places)
        motion, seen = leg.reference.apparent_motion(torch.arange(low, max(places) + 1).float())
        index = torch.tensor(places) - low
        return motion[index], seen[index]

    def _poses(self, camera: Camera) -> tuple[torch.Tensor, bool]:
        """Return the poses of a move by itself, and whether it goes back and forth."""
        if not is_moving(camera):
            return self._resting, False
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

    def _new_leg(self, start: int, poses: torch.Tensor, returns: bool) -> Leg:
        scene, avatar = self._scene, self.avatar
        intrinsics = scene.intrinsics.float().expand(len(poses), 3, 3).clone()
        video = ReferenceVideo(scene, CameraPath(intrinsics, invert(poses).float(), self._fps))
        landmarks = torch.from_numpy(avatar.face.landmarks)
        reference = PictureReference(
            video, landmarks, self._texture, None, avatar.occluder, self._lit
        )
        if self._looks is None:
            self._looks = reference.looks(self._seed, self._parts.device)
        decoder = Decoder(self._parts.vae, reference, None, self._looks)
        return Leg(start, poses, returns, reference, decoder)


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    """Return (3, H, W) in [0, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1).float().div_(255)


def _between(start: torch.Tensor, end: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return poses (F, 4, 4) between others: a share (F,) of the way, turned without shear."""
    mixed = torch.lerp(start, end, share[:, None, None])
    left, _, right = torch.linalg.svd(mixed[:, :3, :3])
    mixed[:, :3, :3] = left @ right
    return mixed
