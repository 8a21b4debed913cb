"""Open a shot: load its networks, find the faces in its picture or footage, plan its frames.

What is wrong with the input is found here or in `read`, before any heavy work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from skyreels_avatar.errors import FaceError, InputError
from skyreels_avatar.faces.chooser import FaceChooser
from skyreels_avatar.faces.closed_mouth import is_wide_open, shut_mouth
from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.faces.face import Face, visibility_of
from skyreels_avatar.faces.region import box_of
from skyreels_avatar.faces.scenes import Scene, track_scenes
from skyreels_avatar.faces.select import find_faces, is_photo
from skyreels_avatar.faces.silhouette import lips_within_head
from skyreels_avatar.faces.start import face_analyzer, start_networks
from skyreels_avatar.faces.suitability import examine_face
from skyreels_avatar.loading.components import Components, load_components
from skyreels_avatar.loading.memory import Work
from skyreels_avatar.loading.tiers import Tier, load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.models.context_parallel import check_shares
from skyreels_avatar.models.occluder import OccluderNet
from skyreels_avatar.pipeline.denoise import Sampling
from skyreels_avatar.pipeline.heard_speaker import speech_match
from skyreels_avatar.pipeline.noise import noise_key
from skyreels_avatar.pipeline.read import FootageFiles, PictureFiles, ShotFiles
from skyreels_avatar.pipeline.shot_sound import ShotSound
from skyreels_avatar.planning.plan import plan_request
from skyreels_avatar.planning.segments import ShotPlan
from skyreels_avatar.references.dubbing import FilmedReference
from skyreels_avatar.references.footage import Footage, FootageReference
from skyreels_avatar.references.framing import Framing, frame_shot, is_moving
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.rig.lip_finder import correct_lips
from skyreels_avatar.shapes import BUCKET_STEP_PX
from skyreels_avatar.spaces.base import LatentSpace
from skyreels_avatar.spaces.table import space_type

logger = logging.getLogger(__name__)

_NUM_CROPS = 3  # of the face mesh: it trembles less
_NUM_TRACKS = 4  # that are kept: dubbing follows the same faces again


@dataclass(frozen=True)
class UnseenSpan:
    """Seconds of a video in which no mouth can be seen, why, and so nothing is changed."""

    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, eq=False)
class OpenShot:
    """A shot whose faces are found and whose frames are planned.

    Attributes:
        framing: the picture at the size of the video, and the speakers' faces in it, in the order
            of their voices; of footage the frame in which the first face is most at rest.
        sound: the voices, as long as the shot.
        plan: how many frames, and in which windows.
        noise_key: of the picture, the faces and the voices.
        references: footage as the reference video of each speaker; () = the picture seen by the
            camera.
        unseen: where footage is left as it is.
        color: of the video, as `VideoWriter` takes it.
        voices: that move the mouths of a picture.
    """

    framing: Framing
    sound: ShotSound
    plan: ShotPlan
    noise_key: int
    references: tuple[FootageReference, ...] = ()
    unseen: tuple[UnseenSpan, ...] = ()
    color: str = "bt709"
    voices: tuple[AudioTrack, ...] = ()


def load_networks(request: GenerationRequest, height: int, width: int) -> Components:
    """Return the networks of a request's tier, and start those of faces meanwhile.

    Args:
        height, width: of the video, for which memory has to be left.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(start_networks)  # what fails there fails again where it is used
        sampling = Sampling.of(request.sampling, load_tier(request.tier))
        num_persons = max(1, len(request.shot.speakers))
        work = Work(height * width, sampling.num_variants, num_persons)
        return load_components(request.tier, memory=request.memory, work=work)


def open_shot(
    request: GenerationRequest,
    files: PictureFiles | FootageFiles,
    components: Components,
    on_frame: Callable[[], object] = lambda: None,
) -> OpenShot:
    """Find the faces of a shot and plan its frames: see `open_picture` and `open_footage`."""
    if isinstance(files, FootageFiles):
        return open_footage(request, files, components, on_frame)
    return open_picture(request, files, components)


def open_picture(
    request: GenerationRequest, files: PictureFiles, components: Components
) -> OpenShot:
    """Find who speaks in a picture, frame it, and plan the shot.

    Raises:
        FaceError: there is no face, or not the one that was asked for.
        InputError: the tier cannot make such windows or so many speakers.
    """
    shot, tier, space = request.shot, components.tier, space_type(components.vae)
    if (shot.motion or request.save_motion) and not space.moves_reference:
        raise InputError(
            f"tier {tier.name} draws whole frames and has no coefficients of a face; motion files "
            "are for a tier with a face rig, as the default one is",
            parameter="motion" if shot.motion else "save_motion",
        )
    if components.controlnet is None and is_moving(shot.camera):
        raise InputError(
            f"tier {tier.name} has no ControlNet to lead along a camera's path; leave camera out",
            parameter="camera",
        )
    check_shares(components.transformer, files.height, files.width, BUCKET_STEP_PX)
    plan = _plan(request, files, tier, space)
    original = files.original
    selectors = [one.face for one in shot.speakers] or [shot.face]
    faces = find_faces(original.pixels, selectors, face_analyzer())
    faces = [fit_drawing(original.pixels, face) for face in faces]
    for face in faces:
        check_suitability(original, face, components.occluder)
    key = noise_key(original.pixels, faces, files.voices)
    if space.moves_reference:
        original, faces = prepare_faces(original, faces, components)
    framing = frame_shot(original, files.height, files.width, faces, shot.camera)
    sound = _sound(files.voices, components, plan)
    return OpenShot(framing, sound, plan, key, voices=tuple(files.voices))


def open_footage(
    request: GenerationRequest,
    files: FootageFiles,
    components: Components,
    on_frame: Callable[[], object] = lambda: None,
) -> OpenShot:
    """Find who speaks in a video, follow the faces, and plan the shot.

    Args:
        on_frame: called after every frame that was looked at; may raise.

    Raises:
        FaceError: there is no such face.
        InputError: the tier's networks draw whole pictures.
    """
    tier, shot, vae = components.tier, request.shot, components.vae
    space = space_type(vae)
    if not space.takes_footage:
        raise InputError(
            f"tier {tier.name} draws whole pictures and cannot leave a video as it is; retalk "
            "with another, as the default one"
        )
    if not space.moves_reference:
        check_shares(components.transformer, *files.work_size, BUCKET_STEP_PX)
    plan = _plan(request, files, tier, space)
    speaking = [i for i, one in enumerate(shot.speakers) if one.audio is not None]
    selectors = [shot.speakers[i].face for i in speaking] or [shot.face]
    voices = [files.voices[i] for i in speaking] or files.voices[:1]
    tracks = [
        _follow_face(_Track.of(files.video, selector, components.occluder, on_frame))
        for selector in selectors
    ]
    with torch.no_grad():
        footage = Footage(files.video, files.source, (files.height, files.width))
        if space.moves_reference:
            make = partial(FootageReference, footage, keep=shot.keep, vae=vae)
        else:
            make = partial(FilmedReference, footage, keep=shot.keep, work_size=files.work_size)
        references = tuple(make(scenes=scenes) for scenes in tracks)
    portrait, face = _best_view(tracks[0], files.height, files.width)
    return OpenShot(
        Framing(portrait, (face,)),
        _sound(voices, components, plan),
        plan,
        noise_key(portrait.pixels, [face], voices),
        references,
        _unseen_spans(references, request.fps),
        files.video.color,
    )


def _plan(
    request: GenerationRequest, files: ShotFiles, tier: Tier, space: type[LatentSpace]
) -> ShotPlan:
    """Plan a shot, and check that the tier can make such windows."""
    plan = plan_request(request, files.audio, tier)
    if unknown := {segment.role for segment in plan.segments} - space.roles:
        if request.windows != "overlap":
            raise InputError(
                f"tier {tier.name} makes overlapping windows only, got windows "
                f"{request.windows!r}; leave that out"
            )
        raise InputError(
            f"tier {tier.name}: its VAE makes no windows of scheme {tier.scheme} "
            f"({', '.join(sorted(unknown))}); leave scheme out"
        )
    return plan


def _sound(voices: Sequence[AudioTrack], components: Components, plan: ShotPlan) -> ShotSound:
    separate = space_type(components.vae).separates_persons
    return ShotSound(voices, components.audio_encoder, separate, plan.num_heard_frames)


def prepare_faces(
    picture: Portrait, faces: Sequence[Face], components: Components
) -> tuple[Portrait, list[Face]]:
    """Return a picture whose wide open mouths are shut, and faces fitted to eyes and lips.

    Those of drawings were fitted before.
    """
    prepared = []
    for face in faces:
        if not face.drawn:
            points = components.vae.correct_eyes(picture.pixels, face.landmarks)
            points = lips_within_head(picture.pixels, points)
            points = correct_lips(picture.pixels, points)
            face = replace(face, landmarks=points)
            if is_wide_open(points):
                pixels, face = shut_mouth(picture.pixels, face)
                picture = replace(picture, pixels=pixels)
        prepared.append(face)
    return picture, prepared


def check_suitability(picture: Portrait, face: Face, occluder: OccluderNet | None) -> None:
    """Warn of what stands in the way of a good video, or refuse where none can come of it."""
    segment = None if occluder is None else occluder.look
    for finding in examine_face(picture.pixels, face, segment):
        if finding.fatal:
            raise FaceError(f"{picture.path or 'the picture'}: {finding.message}")
        logger.warning("%s: %s", picture.path or "the picture", finding.message)


@dataclass(frozen=True)
class _Track:
    """What decides how a face is followed through a video; who is told of it does not count.

    Attributes:
        path, state: of the video, and its size, time and number of frames.
        selector: of the face.
        photo_ns: when the photo that names the face was written, else 0.
        occluder: sees what covers the face; None does not look.
    """

    path: Path
    state: tuple[int, int, int]
    selector: str
    photo_ns: int
    occluder: OccluderNet | None
    video: VideoReader = field(compare=False)
    on_frame: Callable[[], object] = field(compare=False)

    @classmethod
    def of(
        cls,
        video: VideoReader,
        selector: str,
        occluder: OccluderNet | None,
        on_frame: Callable[[], object],
    ) -> _Track:
        stat, photo = video.path.stat(), Path(selector)
        photo_ns = photo.stat().st_mtime_ns if is_photo(selector) and photo.is_file() else 0
        state = stat.st_mtime_ns, stat.st_size, video.num_frames
        return cls(video.path, state, selector, photo_ns, occluder, video, on_frame)


@lru_cache(maxsize=_NUM_TRACKS)
def _follow_face(track: _Track) -> list[Scene]:
    """Return the scenes of a video with the face in them; the latest are kept."""
    analyzer = face_analyzer()
    choose = FaceChooser(track.selector, analyzer, track.video, speech_match(track.video))
    look = None if track.occluder is None else track.occluder.look
    return track_scenes(iter(track.video), analyzer, choose, _NUM_CROPS, track.on_frame, look)


def _best_view(scenes: list[Scene], height: int, width: int) -> tuple[Portrait, Face]:
    """Return the picture in which a face is most at rest, and the face in it."""
    scene = next((scene for scene in scenes if scene.speaks.any()), scenes[0])
    landmarks = scene.landmarks[scene.rest]
    visibility = visibility_of(landmarks, height, width)
    return Portrait(scene.picture[:height, :width]), Face(
        box_of(landmarks), landmarks, 1.0, visibility
    )


def _unseen_spans(references: Sequence[FootageReference], fps: float) -> tuple[UnseenSpan, ...]:
    """Return where no mouth can be seen, with a warning for each."""
    spans = tuple(
        UnseenSpan(round(start / fps, 3), round(stop / fps, 3), reason)
        for reference in references
        for start, stop, reason in reference.unseen()
    )
    for span in spans:
        logger.warning(
            "%.2f s to %.2f s: %s; the video is left as it is there",
            span.start_s, span.end_s, span.reason,
        )  # fmt: skip
    return spans
