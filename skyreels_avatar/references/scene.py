"""From a picture to its reference video: depth, persons, surroundings, light and camera move."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace

import numpy as np
import torch

from skyreels_avatar.camera import (
    CameraMove,
    CameraPath,
    Plate,
    ReferenceVideo,
    Scene,
    build_scene,
    limit,
    plan_path,
)
from skyreels_avatar.camera.moves import PRESETS
from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.occluder_mask import find_occluder
from skyreels_avatar.faces.region import union
from skyreels_avatar.folders import models_folder
from skyreels_avatar.models.depth import estimate_depth, find_weights
from skyreels_avatar.models.light_encoder import ShotLight
from skyreels_avatar.models.occluder import OccluderNet
from skyreels_avatar.planning.segments import ShotPlan
from skyreels_avatar.references.framing import Framing, Surroundings, is_moving, shifted
from skyreels_avatar.references.lighting import PictureLight
from skyreels_avatar.references.persons import person_mattes
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.request.camera_spec import Camera
from skyreels_avatar.rig.drawn_style import is_flat

logger = logging.getLogger(__name__)

_REGION_AMONG_OTHERS = (-0.75, -1.15, 0.75, 0.62)  # of a face: its neighbors stay


def build_references(
    framing: Framing,
    camera: Camera,
    plan: ShotPlan,
    light: ShotLight | None = None,
    seed: int = 0,
    network: OccluderNet | None = None,
) -> list[PictureReference]:
    """Return the reference video, the picture seen through the whole camera move, of each face.

    Args:
        light: that the picture is put into; None leaves it as it is.
        seed: of what flickers.
        network: sees what covers the faces; None does not look.
    """
    pixels, faces = framing.picture.pixels, framing.faces
    plate, occluders = plate_of(framing, network)
    mask = plate.person_mask[plate.part(pixels.shape[:2])]
    picture = framing.picture.as_tensor()
    fine = None if framing.fine is None else framing.fine.as_tensor()
    lit = None
    if light is not None:
        lit = PictureLight(light, pixels, mask.numpy(), faces, seed)
        picture, fine = (None if one is None else lit.relight(one) for one in (picture, fine))
        start = plate.left, plate.top
        plate = replace(plate, image=lit.relight(plate.image, plate.person_mask.numpy(), start))
    with ThreadPoolExecutor(1, thread_name_prefix="pipeline") as pool:
        if is_moving(camera):  # will be wanted, and takes longer than all that is done meanwhile
            pool.submit(getattr, plate, "layers")
        depth = estimate_depth(
            pixels, faces[0], mask.numpy(), backend="auto", weights=depth_weights()
        )
        logger.info("depth of the picture: %s", depth.source)
        scene = build_scene(picture, depth.depth, mask, _subject(faces), plate=plate)
        path = _path_of(camera, scene, plan)
    video = ReferenceVideo(scene, path)
    region = _REGION_AMONG_OTHERS if len(faces) > 1 else None
    # The first face is drawn from the picture itself, the others over what is drawn by then.
    textures = [picture if fine is None else fine, *[None] * (len(faces) - 1)]
    references = []
    for face, texture, occluder in zip(faces, textures, occluders):
        points = torch.from_numpy(face.landmarks)
        references.append(PictureReference(video, points, texture, region, occluder, lit))
        references[-1].teeth = face.teeth
    return references


def camera_limits(framing: Framing, camera: Camera) -> dict[str, float]:
    """Return how much of each move of a camera 100 % is in this picture, 0 to 1 by the move's name.

    A move whose amplitude is absolute is 1, and so is one that a picture has all the room for.
    """
    plate, _ = plate_of(framing, None)
    pixels, faces = framing.picture.pixels, framing.faces
    mask = plate.person_mask[plate.part(pixels.shape[:2])]
    depth = estimate_depth(pixels, faces[0], mask.numpy(), backend="auto", weights=depth_weights())
    picture = framing.picture.as_tensor()
    scene = build_scene(picture, depth.depth, mask, _subject(faces), plate=plate)
    moves = [camera] if isinstance(camera, CameraMove) else [one.move for one in camera]
    moving = [move for move in moves if move.name != "static" and move.strength > 0]
    return {move.name: limit(move, scene) / PRESETS[move.name].amplitude for move in moving}


def depth_weights() -> str | None:
    """Return the folder of the depth network's weights; None where none are on this machine."""
    folders = [models_folder() / f"depth-anything-v2-{kind}" for kind in ("metric", "small")]
    return find_weights(next((str(one) for one in folders if one.is_dir()), None))


def _subject(faces: Sequence[Face]) -> tuple[float, float, float, float]:
    """Return the box that the camera keeps in view."""
    return union(one.box for one in faces) if len(faces) > 1 else faces[0].box


def plate_of(
    framing: Framing, network: OccluderNet | None
) -> tuple[Plate, Sequence[np.ndarray | None]]:
    """Return the picture with its surroundings, and `_find_occluder` of each face.

    What covers a face is as near as the person, for the camera.
    """
    pixels, faces = framing.picture.pixels, framing.faces
    around = framing.surroundings or Surroundings(framing.picture, 0, 0)
    moved = [shifted(face, around.left, around.top) for face in faces]
    with ThreadPoolExecutor(1, thread_name_prefix="pipeline") as pool:
        looking = pool.submit(
            copy_context().run, lambda: [_find_occluder(pixels, face, network) for face in faces]
        )
        mask = torch.as_tensor(person_mattes(around.picture.pixels, moved).max(0))
        occluders = looking.result()
    plate = Plate(around.picture.as_tensor(), mask, around.left, around.top)
    inside = mask[plate.part(pixels.shape[:2])]
    for occluder in occluders:
        if occluder is not None:
            torch.maximum(inside, torch.as_tensor(occluder), out=inside)
    return plate, occluders


def _path_of(camera: Camera, scene: Scene, plan: ShotPlan) -> CameraPath:
    moves = camera
    if not isinstance(camera, CameraMove):
        moves = [(keyframe.time_s, keyframe.move) for keyframe in camera]
    try:
        return plan_path(moves, scene, plan.num_frames, plan.fps)
    except ValueError as error:
        raise InputError(str(error)) from error


def _find_occluder(
    pixels: np.ndarray, face: Face, network: OccluderNet | None
) -> np.ndarray | None:
    """Return (H, W) where something covers a face; None where nothing is found."""
    if network is None or is_flat(pixels, face.landmarks):
        return None  # in flat drawings the network sees hands and hair where there are none
    occluder = find_occluder(pixels, face.landmarks, network.look)
    if occluder is not None:
        logger.info("something covers the face; it stays where it is")
    return occluder
