"""Read the files of a request: its picture or footage, and its sounds, checked."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.tiers import Tier, load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.spoken_text import SpokenText
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.pipeline.voice import read_speakers, read_voice
from skyreels_avatar.planning.lengths import plan_length
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.style import names_style_file
from skyreels_avatar.shapes import BUCKET_STEP_PX, BUCKETS, nearest_bucket

logger = logging.getLogger(__name__)

# A video is followed in steps of this length, as far as the output needs it: a long one is not read
# whole for a short sound, and voices of about one length share a track.
_STEP_S = 10.0
Files = TypeVar("Files", bound="ShotFiles")


@dataclass(frozen=True, eq=False, kw_only=True)
class ShotFiles:
    """The sounds of a shot, and the size of its video.

    Attributes:
        audio: what the video plays, as long as the video.
        voices: what the networks hear of each speaker, as long as `audio`.
        height, width: of the video.
        spoken: the words of `audio`, where it was made of a text.
    """

    audio: AudioTrack
    voices: tuple[AudioTrack, ...]
    height: int
    width: int
    spoken: SpokenText | None = None

    @property
    def drawn_size(self) -> tuple[int, int]:
        """Height and width of what networks make."""
        return self.height, self.width

    def for_networks(self: Files) -> Files:
        """Return the files without what only the finished video plays and shows."""
        voices = tuple(voice.mono() for voice in self.voices)
        return replace(self, audio=self.audio.mono(), voices=voices, spoken=None)


@dataclass(frozen=True, eq=False, kw_only=True)
class PictureFiles(ShotFiles):
    """The files of a shot that starts from a picture.

    Attributes:
        original: the picture as it came, at its own size.
    """

    original: Portrait


@dataclass(frozen=True, eq=False, kw_only=True)
class FootageFiles(ShotFiles):
    """The files of a shot that gives footage a new voice.

    Attributes:
        video: the footage.
        source: (F,) which frame of the footage each frame of the output shows.
        work_size: height and width at which networks that draw pictures work.
    """

    video: VideoReader
    source: np.ndarray
    work_size: tuple[int, int]

    @property
    def drawn_size(self) -> tuple[int, int]:
        """See `ShotFiles`."""
        return self.work_size


def read_files(request: GenerationRequest) -> PictureFiles | FootageFiles:
    """Read the files of a request; no network is needed for it.

    Raises:
        InputError: a file or the size cannot be used.
    """
    if names_style_file(request.shot.style):
        from skyreels_avatar.loading.person_style import PersonStyle  # with PyTorch

        PersonStyle.load(request.shot.style)  # what is wrong with it is told before any work
    return read_picture(request) if request.shot.video is None else read_footage(request)


def read_picture(request: GenerationRequest) -> PictureFiles:
    """Read the picture and the sounds of a request.

    Raises:
        InputError: a file or the size cannot be used.
    """
    shot = request.shot
    if shot.image is None:
        raise InputError(f"generate starts from a picture, got the video {shot.video}")
    audio, voices, spoken = _read_sounds(shot)
    original = Portrait.load(shot.image)
    height, width = _video_size(original, request.size, load_tier(request.tier))
    return PictureFiles(
        original=original, audio=audio, voices=voices, height=height, width=width, spoken=spoken
    )


def read_footage(request: GenerationRequest) -> FootageFiles:
    """Read the video and the sounds of a request.

    Raises:
        InputError: a file cannot be used.
    """
    shot = request.shot
    video = VideoReader(shot.video)
    audio, voices, spoken = _read_sounds(shot)
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
        video=video.beginning(step * (int(source.max()) // step + 1)),
        audio=audio.lasting(plan.duration_s),
        voices=tuple(voice.lasting(plan.duration_s) for voice in voices),
        source=source,
        work_size=_work_size(height, width, load_tier(request.tier)),
        height=height,
        width=width,
        spoken=spoken,
    )


def _read_sounds(shot: Shot) -> tuple[AudioTrack, tuple[AudioTrack, ...], SpokenText | None]:
    """Return what the video plays, what the networks hear of each speaker, and the words."""
    if shot.speakers:
        return *read_speakers(shot), None
    voice = read_voice(shot)
    return voice.audio, (voice.driving,), voice.spoken


def _work_size(height: int, width: int, tier: Tier) -> tuple[int, int]:
    """Return (height, width) at which a video is drawn again: as a tier's networks know it."""
    if tier.buckets:
        return nearest_bucket(height, width, tier.buckets)
    step = BUCKET_STEP_PX
    return max(step, height // step * step), max(step, width // step * step)


def _video_size(original: Portrait, size: str | None, tier: Tier) -> tuple[int, int]:
    """Return (height, width) of the video: as asked, in steps that the networks of a tier know."""
    if tier.buckets and (size is None or size.strip().lower() in BUCKETS):
        bucket = (size or tier.buckets).strip().lower()
        return nearest_bucket(original.height, original.width, bucket)
    height, width = fit_size(original.height, original.width, size)
    if tier.buckets and (height % BUCKET_STEP_PX or width % BUCKET_STEP_PX):
        raise InputError(
            f"tier {tier.name} makes videos whose sides are multiples of {BUCKET_STEP_PX} pixels, "
            f"got {width}x{height}; give such a size, or one of {', '.join(sorted(BUCKETS))}",
            parameter="size",
        )
    return height, width
