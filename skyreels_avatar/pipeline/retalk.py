"""From an existing video and a new voice to a shot that the pass can make."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.chooser import FaceChooser
from skyreels_avatar.faces.face import Face, visibility_of
from skyreels_avatar.faces.region import box_of
from skyreels_avatar.faces.scenes import Scene, track_scenes
from skyreels_avatar.faces.select import is_photo
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.spoken_text import SpokenText
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.pipeline.encode import (
    OpenShot,
    ShotFiles,
    UnseenSpan,
    open_shot,
    plan_request,
    read_shot,
)
from skyreels_avatar.pipeline.noise import noise_key
from skyreels_avatar.pipeline.persons import read_sounds
from skyreels_avatar.pipeline.shot_sound import open_sound
from skyreels_avatar.pipeline.voice import read_voice
from skyreels_avatar.planning.lengths import plan_length
from skyreels_avatar.references.footage import Footage, FootageReference
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.spaces.table import space_type

logger = logging.getLogger(__name__)

_NUM_CROPS = 3  # of the face mesh: it trembles less
_REMEMBERED = 3  # takes besides the latest: dubbing retalks the same footage again
# A video is followed in steps of this length, as far as the output needs it: a long one is not read
# whole for a short sound, and voices of about one length share a take.
_STEP_S = 10.0
_takes: dict[tuple, list[Scene]] = {}


@dataclass(frozen=True, eq=False)
class FootageFiles:
    """The files of a shot that retalks, read and checked.

    Attributes:
        video: the footage.
        audio: the new sound, as long as the output.
        voices: what the networks hear of each speaker, as long as `audio`.
        source: (N,) which frame of the footage each frame of the output shows.
        height, width: of both.
        spoken: the words of `audio`, where it was made of a text.
    """

    video: VideoReader
    audio: AudioTrack
    voices: tuple[AudioTrack, ...]
    source: np.ndarray
    height: int
    width: int
    spoken: SpokenText | None = None

    def heard(self) -> FootageFiles:
        """Return the files without what only the finished video plays and shows."""
        voices = tuple(voice.mono() for voice in self.voices)
        return replace(self, audio=self.audio.mono(), voices=voices, spoken=None)


def read_footage(request: GenerationRequest) -> FootageFiles:
    """Read the video and the voice of a request.

    Raises:
        InputError: a file cannot be used.
    """
    shot, spoken = request.shot, None
    video = VideoReader(shot.video)
    if shot.speakers:
        audio, voices = read_sounds(shot)
    else:
        heard = read_voice(shot)
        audio, voices, spoken = heard.audio, (heard.driving,), heard.spoken
    height, width = video.height // 2 * 2, video.width // 2 * 2
    if (height, width) != (video.height, video.width):
        logger.warning(
            "%s is %dx%d; a video needs even sides, so %dx%d of it is used",
            video.path, video.width, video.height, width, height,
        )  # fmt: skip
    plan = plan_length(shot.length, audio.duration_s, video.num_frames, video.fps, request.fps)
    source = np.array([plan.index(frame) for frame in range(plan.num_frames)])
    step = math.ceil(_STEP_S * video.fps)
    return FootageFiles(
        video.beginning(step * (int(source.max()) // step + 1)),
        audio.lasting(plan.duration_s),
        tuple(voice.lasting(plan.duration_s) for voice in voices),
        source,
        height,
        width,
        spoken,
    )


def open_footage(
    request: GenerationRequest,
    files: FootageFiles,
    components: Components,
    on_frame: Callable[[], object] = lambda: None,
) -> OpenShot:
    """Find who speaks in a video, follow the face, and count the frames of the output.

    Args:
        on_frame: called after every frame that was looked at; may raise.

    Raises:
        FaceError: there is no such face.
        InputError: the tier's networks draw whole pictures.
    """
    tier, shot, vae = components.tier, request.shot, components.vae
    if not space_type(vae).moves_reference:
        raise InputError(
            f"tier {tier.name} draws whole pictures and cannot leave a video as it is; retalk "
            "with a tier whose latents are motion, as the default one's are"
        )
    speaking = [i for i, one in enumerate(shot.speakers) if one.audio is not None]
    faces = [shot.speakers[i].face for i in speaking] or [shot.face]
    voices = [files.voices[i] for i in speaking] or files.voices[:1]
    takes = [_watched(files.video, face, components, on_frame) for face in faces]
    with torch.no_grad():
        footage = Footage(files.video, files.source, (files.height, files.width))
        references = [FootageReference(footage, scenes, shot.keep, vae) for scenes in takes]
    unseen = tuple(
        UnseenSpan(round(start / request.fps, 3), round(stop / request.fps, 3), reason)
        for reference in references
        for start, stop, reason in reference.unseen()
    )
    for span in unseen:
        logger.warning(
            "%.2f s to %.2f s: %s; the video is left as it is there",
            span.start_s, span.end_s, span.reason,
        )  # fmt: skip
    plan = plan_request(request, files, tier)
    sound = open_sound(voices, components.audio_encoder)
    portrait, face = _best_view(takes[0], files.height, files.width)
    return OpenShot(
        portrait,
        face,
        sound,
        plan,
        references=tuple(references),
        unseen=unseen,
        colour=files.video.color,
        noise_key=noise_key(portrait.pixels, [face], voices),
    )


def _watched(
    video: VideoReader, face: str, components: Components, on_frame: Callable[[], object]
) -> list[Scene]:
    """Follow a face through a video, or remember how it went the last time."""
    stat = video.path.stat()
    photo = Path(face).stat().st_mtime_ns if is_photo(face) and Path(face).is_file() else 0
    key = str(video.path), stat.st_mtime_ns, stat.st_size, video.num_frames, face, photo
    if key not in _takes:
        analyzer = face_analyzer()
        choose = FaceChooser(face, analyzer, video)
        look = None if components.occluder is None else components.occluder.look
        scenes = track_scenes(iter(video), analyzer, choose, _NUM_CROPS, on_frame, look)
        for old in list(_takes)[:-_REMEMBERED]:
            del _takes[old]
        _takes[key] = scenes
    return _takes[key]


def _best_view(scenes: list[Scene], height: int, width: int) -> tuple[Portrait, Face]:
    """Return the picture in which a face is most at rest, and the face in it."""
    scene = next((scene for scene in scenes if scene.speaks.any()), scenes[0])
    landmarks = scene.landmarks[scene.rest]
    visibility = visibility_of(landmarks, height, width)
    return Portrait(scene.picture[:height, :width]), Face(
        box_of(landmarks), landmarks, 1.0, visibility
    )


def read_any(request: GenerationRequest) -> ShotFiles | FootageFiles:
    """Read the files of a request: of a picture, or of a video that is to retalk."""
    return read_shot(request) if request.shot.video is None else read_footage(request)


def open_any(
    request: GenerationRequest,
    files: ShotFiles | FootageFiles,
    components: Components,
    on_frame: Callable[[], object],
) -> OpenShot:
    """Find the face of a shot and count its frames: see `open_shot` and `open_footage`."""
    if isinstance(files, FootageFiles):
        return open_footage(request, files, components, on_frame)
    return open_shot(request, files, components)
