"""From files to what the networks take: the shot's reference video, its sound and its words.

Everything that can be wrong with the input is found in `open_shot`, before any heavy work.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace

import numpy as np
import torch

from skyreels_avatar.camera import (
    CameraMove,
    CameraPath,
    Plate,
    ReferenceVideo,
    Scene,
    build_scene,
    plan_path,
)
from skyreels_avatar.errors import FaceError, InputError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.occluder_mask import find_occluder
from skyreels_avatar.faces.region import union
from skyreels_avatar.faces.select import find_faces
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.faces.suitability import examine_face
from skyreels_avatar.folders import models_folder
from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.tiers import Tier, load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.spoken_text import SpokenText
from skyreels_avatar.models.context_parallel import check_shares
from skyreels_avatar.models.depth import estimate_depth
from skyreels_avatar.models.light_encoder import ShotLight
from skyreels_avatar.models.occluder import OccluderNet
from skyreels_avatar.pipeline.framing import Framing, Surroundings, frame, is_moving, shifted
from skyreels_avatar.pipeline.noise import noise_key
from skyreels_avatar.pipeline.persons import check_several, person_mattes, read_sounds
from skyreels_avatar.pipeline.shot_sound import ShotSound, SpeechSound, open_sound
from skyreels_avatar.pipeline.voice import read_voice
from skyreels_avatar.planning.keyframes import (
    Spacing,
    camera_travel,
    frame_loudness,
    with_keyframes,
)
from skyreels_avatar.planning.segments import ShotPlan, plan_shot
from skyreels_avatar.references.footage import FootageReference
from skyreels_avatar.references.lighting import PictureLight
from skyreels_avatar.references.picture import ShotReference
from skyreels_avatar.request.camera_spec import Camera
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.shapes import BUCKET_STEP_PX, BUCKETS, nearest_bucket
from skyreels_avatar.spaces.table import space_type

logger = logging.getLogger(__name__)

_MAX_FINE_PX = 1280 * 960  # of a video; larger ones are fine enough, and twice would be much
_REGION_AMONG_OTHERS = (-0.75, -1.15, 0.75, 0.62)  # of a face: its neighbours stay


@dataclass(frozen=True, eq=False)
class ShotFiles:
    """The files of a shot, read and checked, and the size of its video.

    Attributes:
        whole: the picture as it came.
        audio: the piece of the sound that is used, as the video plays it.
        height, width: of the video.
        voices: what the networks hear of each speaker, as long as `audio`.
        spoken: the words of `audio`, where it was made of a text.
    """

    whole: Portrait
    audio: AudioTrack
    height: int
    width: int
    voices: tuple[AudioTrack, ...] = ()
    spoken: SpokenText | None = None

    def heard(self) -> ShotFiles:
        """Return the files without what only the finished video plays and shows."""
        voices = tuple(voice.mono() for voice in self.voices)
        return replace(self, audio=self.audio.mono(), voices=voices, spoken=None)


@dataclass(frozen=True)
class UnseenSpan:
    """Seconds of a video in which no mouth can be seen, why, and so nothing is changed."""

    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, eq=False)
class OpenShot:
    """A shot whose face is found and whose frames are counted.

    Attributes:
        portrait: the picture at the size of the video.
        face: who speaks, in pixels of `portrait`; of several speakers the first.
        sound: the voice, as long as the shot; None for a silent preview.
        plan: how many frames, and in which windows.
        fine: `portrait` twice as fine; None for large videos.
        references: the reference video of each speaker where it exists already; () = the picture
            seen by the camera.
        unseen: where that reference video is left as it is.
        beside: the faces of the other speakers.
        colour: of the video, as `VideoWriter` takes it.
        surroundings: what lies beside `portrait`, where the camera may look there.
        noise_key: of the picture, the faces and the voices.
    """

    portrait: Portrait
    face: Face
    sound: ShotSound | SpeechSound | None
    plan: ShotPlan
    fine: Portrait | None = None
    references: tuple[FootageReference, ...] = ()
    unseen: tuple[UnseenSpan, ...] = ()
    beside: tuple[Face, ...] = ()
    colour: str = "bt709"
    surroundings: Surroundings | None = None
    noise_key: int = 0

    @property
    def faces(self) -> tuple[Face, ...]:
        """Of all speakers, in the order of their voices."""
        return self.face, *self.beside


def read_shot(request: GenerationRequest) -> ShotFiles:
    """Read the picture and the voice of a request; no network is needed for it.

    Raises:
        InputError: a file or the size cannot be used.
    """
    shot = request.shot
    if shot.image is None:
        raise InputError(f"generate starts from a picture, got the video {shot.video}")
    spoken = None
    if shot.speakers:
        audio, voices = read_sounds(shot)
    else:
        heard = read_voice(shot)
        audio, voices, spoken = heard.audio, (heard.driving,), heard.spoken
    whole = Portrait.load(shot.image)
    size = _video_size(whole, request.size, load_tier(request.tier))
    return ShotFiles(whole, audio, *size, voices, spoken)


def _video_size(whole: Portrait, size: str | None, tier: Tier) -> tuple[int, int]:
    """Return (height, width) of the video: as asked, in steps that the networks of a tier know."""
    if tier.buckets and (size is None or size.strip().lower() in BUCKETS):
        return nearest_bucket(whole.height, whole.width, (size or tier.buckets).strip().lower())
    height, width = fit_size(whole.height, whole.width, size)
    if tier.buckets and (height % BUCKET_STEP_PX or width % BUCKET_STEP_PX):
        raise InputError(
            f"tier {tier.name} makes videos whose sides are multiples of {BUCKET_STEP_PX} pixels, "
            f"got {width}x{height}; give such a size, or one of {', '.join(sorted(BUCKETS))}",
            parameter="size",
        )
    return height, width


def open_shot(request: GenerationRequest, files: ShotFiles, components: Components) -> OpenShot:
    """Find the face of a shot and count its frames.

    Raises:
        FaceError: there is no face, or not the one that was asked for.
    """
    space = space_type(components.vae)
    if request.windows != "overlap" and not space.moves_reference:
        raise InputError(
            f"tier {components.tier.name} makes overlapping windows only, got windows "
            f"{request.windows!r}; leave that out"
        )
    speakers = request.shot.speakers
    if len(speakers) > 1:
        check_several(components)
    check_shares(components.transformer, files.height, files.width, BUCKET_STEP_PX)
    plan = plan_request(request, files, components.tier)
    selectors = [one.face for one in speakers] or [request.shot.face]
    faces = find_faces(files.whole.pixels, selectors, face_analyzer())
    for face in faces:
        _check_suitability(files.whole, face)
    key = noise_key(files.whole.pixels, faces, files.voices)
    if space.moves_reference:
        faces = [_with_true_eyes(face, files.whole.pixels, components.vae) for face in faces]
    moving = is_moving(request.shot.camera)
    fine = None
    if files.height * files.width <= _MAX_FINE_PX:
        fine = frame(files.whole, 2 * files.height, 2 * files.width, faces, moving).picture
    sound = open_sound(files.voices, components.audio_encoder)
    framing = frame(files.whole, files.height, files.width, faces, moving)
    face, *beside = framing.faces
    return OpenShot(
        framing.picture, face, sound, plan, fine,
        beside=tuple(beside), surroundings=framing.surroundings, noise_key=key,
    )  # fmt: skip


def plan_request(request: GenerationRequest, files: ShotFiles, tier: Tier) -> ShotPlan:
    """Return the plan of a shot: exact counts and its windows, as the request wants them cut."""
    audio = files.audio
    plan = plan_shot(audio.duration_s, request.fps, tier.fps, tier.window, tier.overlap)
    if request.windows == "overlap":
        return plan
    num_frames = plan.num_motion_frames
    loudness = frame_loudness(audio.samples, audio.sample_rate, num_frames, tier.fps)
    travel = camera_travel(request.shot.camera, num_frames, tier.fps)
    return with_keyframes(plan, Spacing.of(tier.window, tier.overlap), loudness, travel)


def frame_face(files: ShotFiles, selector: str, analyzer: FaceAnalyzer, camera: Camera) -> Framing:
    """Return the picture at the size of the video, cropped round the face, and the face in it."""
    faces = find_faces(files.whole.pixels, [selector], analyzer)
    return frame(files.whole, files.height, files.width, faces, is_moving(camera))


def _check_suitability(picture: Portrait, face: Face) -> None:
    """Say what stands in the way of a good video, or refuse where none can come of it."""
    for finding in examine_face(picture.pixels, face):
        if finding.fatal:
            raise FaceError(f"{picture.path or 'the picture'}: {finding.message}")
        logger.warning("%s: %s", picture.path or "the picture", finding.message)


def _with_true_eyes(face: Face, pixels: np.ndarray, vae: torch.nn.Module) -> Face:
    return replace(face, landmarks=vae.correct_eyes(pixels, face.landmarks))


def build_references(
    opened: OpenShot,
    camera: Camera,
    depth_backend: str = "auto",
    light: ShotLight | None = None,
    seed: int = 0,
    network: OccluderNet | None = None,
) -> list[ShotReference]:
    """Return the reference video, the picture seen through the whole camera move, of each face.

    Args:
        light: that the picture is put into; None leaves it as it is.
        seed: of what flickers.
        network: sees what stands before the faces; None does not look.
    """
    pixels, face = opened.portrait.pixels, opened.face
    plate, fronts = _plate_of(opened, network)
    mask = plate.person_mask[plate.part(pixels.shape[:2])]
    pictures = [None if one is None else one.as_tensor() for one in (opened.portrait, opened.fine)]
    lit = None
    if light is not None:
        lit = PictureLight(light, pixels, mask.numpy(), opened.faces, seed)
        pictures = [None if one is None else lit.on(one) for one in pictures]
        start = plate.left, plate.top
        plate = replace(plate, image=lit.on(plate.image, plate.person_mask.numpy(), start))
    picture, fine = pictures
    with ThreadPoolExecutor(1, thread_name_prefix="pipeline") as pool:
        if is_moving(camera):  # will be wanted, and takes longer than all that is done beside it
            pool.submit(getattr, plate, "layers")
        weights = models_folder() / "depth-anything-v2-small"
        found = str(weights) if weights.is_dir() else None
        depth = estimate_depth(pixels, face, mask.numpy(), backend=depth_backend, weights=found)
        subject = union(one.box for one in opened.faces) if opened.beside else face.box
        scene = build_scene(picture, depth.depth, mask, subject, plate=plate)
        path = _path_of(camera, scene, opened.plan)
    video = ReferenceVideo(scene, path)
    region = _REGION_AMONG_OTHERS if opened.beside else None
    references = [
        # Who comes first is drawn from the picture itself, the others over what is drawn then.
        ShotReference(
            video, torch.from_numpy(one.landmarks), fine, region, one is face, front=front
        )
        for one, front in zip(opened.faces, fronts)
    ]
    if lit is not None:
        for one in references:
            one.lit = lit
        references[0].light = lit.over(video)
    return references


def _plate_of(
    opened: OpenShot, network: OccluderNet | None
) -> tuple[Plate, list[np.ndarray | None]]:
    """Return the picture with what surrounds it, and `occluder_in` of each face.

    What stands before a face is as near as the person, for the camera.
    """
    pixels = opened.portrait.pixels
    beside = opened.surroundings or Surroundings(opened.portrait, 0, 0)
    faces = [shifted(one, beside.left, beside.top) for one in opened.faces]
    with ThreadPoolExecutor(1, thread_name_prefix="pipeline") as pool:
        looking = pool.submit(
            copy_context().run, lambda: [occluder_in(pixels, one, network) for one in opened.faces]
        )
        mask = torch.as_tensor(person_mattes(beside.picture.pixels, faces).max(0))
        fronts = looking.result()
    plate = Plate(beside.picture.as_tensor(), mask, beside.left, beside.top)
    inside = mask[plate.part(pixels.shape[:2])]
    for front in fronts:
        if front is not None:
            torch.maximum(inside, torch.as_tensor(front), out=inside)
    return plate, fronts


def _path_of(camera: Camera, scene: Scene, plan: ShotPlan) -> CameraPath:
    moves = camera
    if not isinstance(camera, CameraMove):
        moves = [(keyframe.time_s, keyframe.move) for keyframe in camera]
    try:
        return plan_path(moves, scene, plan.num_frames, plan.fps)
    except ValueError as error:
        raise InputError(str(error)) from error


def occluder_in(pixels: np.ndarray, face: Face, network: OccluderNet | None) -> np.ndarray | None:
    """Return (H, W) where something stands before a face; None where nothing is found."""
    if network is None:
        return None
    front = find_occluder(pixels, face.landmarks, network.look)
    if front is not None:
        logger.info("something stands before the face; it stays where it is")
    return front
