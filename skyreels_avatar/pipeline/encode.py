"""From files to what the networks take: the shot's reference video, its sound and its words.

Everything that can be wrong with the input is found in `open_shot`, before any heavy work.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import torch

from camera import CameraMove, ReferenceVideo, build_scene, plan_path
from skyreels_avatar.components import Components
from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.analyser import Face, FaceAnalyser
from skyreels_avatar.faces.matte import person_mask
from skyreels_avatar.faces.select import choose_face
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.speech import SpokenText
from skyreels_avatar.models.audio_encoder import (
    HOP,
    MEL_FRAMES_PER_TOKEN,
    SAMPLE_RATE,
    AudioEncoder,
    audio_windows,
    log_mel,
)
from skyreels_avatar.models.depth import estimate_depth
from skyreels_avatar.models.vae import ReferenceMotionVAE
from skyreels_avatar.pipeline.fills import Spacing, camera_travel, frame_loudness, with_keyframes
from skyreels_avatar.pipeline.footage import FootageReference
from skyreels_avatar.pipeline.plan import Segment, ShotPlan, plan_shot
from skyreels_avatar.pipeline.reference import ShotReference
from skyreels_avatar.pipeline.voice import read_voice
from skyreels_avatar.script import Camera, GenerationRequest
from skyreels_avatar.shapes import BUCKET_STEP_PX, BUCKETS, nearest_bucket
from skyreels_avatar.tiers import Tier, load_tier, models_folder

logger = logging.getLogger(__name__)

_MAX_FINE_PX = 1280 * 960  # of a video; larger ones are fine enough, and twice would be much
_TOKENS_BESIDE = 8  # more than `audio_windows` reaches beyond a window on either side
_MEL_MARGIN = 2  # mel frames beside a cut whose 25 ms would reach beyond it


@dataclass(frozen=True, eq=False)
class ShotFiles:
    """The files of a shot, read and checked, and the size of its video.

    Attributes:
        whole: the picture as it came.
        audio: the piece of the sound that is used.
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
        face: who speaks, in pixels of `portrait`.
        sound: the voice, as long as the shot; None for a silent preview.
        plan: how many frames, and in which windows.
        fine: `portrait` twice as fine; None for large videos.
        reference: the reference video where it exists already; None = the picture seen by the
            camera.
        unseen: where that reference video is left as it is.
    """

    portrait: Portrait
    face: Face
    sound: ShotSound | SpeechSound | None
    plan: ShotPlan
    fine: Portrait | None = None
    reference: FootageReference | None = None
    unseen: tuple[UnseenSpan, ...] = ()


def read_shot(request: GenerationRequest) -> ShotFiles:
    """Read the picture and the voice of a request; no network is needed for it.

    Raises:
        InputError: a file or the size cannot be used.
    """
    shot = request.shot
    if shot.image is None:
        raise InputError(f"generate starts from a picture, got the video {shot.video}")
    heard = read_voice(shot)
    whole = Portrait.load(shot.image)
    size = _video_size(whole, request.size, load_tier(request.tier))
    return ShotFiles(whole, heard.audio, *size, (heard.driving,), heard.spoken)


def _video_size(whole: Portrait, size: str | None, tier: Tier) -> tuple[int, int]:
    """Return (height, width) of the video: as asked, in steps that the networks of a tier know."""
    if tier.buckets and (size is None or size.strip().lower() in BUCKETS):
        return nearest_bucket(whole.height, whole.width, (size or tier.buckets).strip().lower())
    height, width = fit_size(whole.height, whole.width, size)
    if tier.buckets and (height % BUCKET_STEP_PX or width % BUCKET_STEP_PX):
        raise InputError(
            f"tier {tier.name} makes videos whose sides are multiples of {BUCKET_STEP_PX} pixels, "
            f"got {width}x{height}; give such a --size, or one of {', '.join(sorted(BUCKETS))}"
        )
    return height, width


def open_shot(request: GenerationRequest, files: ShotFiles, components: Components) -> OpenShot:
    """Find the face of a shot and count its frames.

    Raises:
        FaceError: there is no face, or not the one that was asked for.
    """
    if request.windows != "overlap" and not isinstance(components.vae, ReferenceMotionVAE):
        raise InputError(
            f"tier {components.tier.name} makes overlapping windows only, got windows "
            f"{request.windows!r}; leave that out"
        )
    plan = plan_request(request, files, components.tier)
    face = _find_face(files, request.shot.face, components.face_analyser())
    fine = None
    if files.height * files.width <= _MAX_FINE_PX:
        fine, _ = _framed(replace(files, height=2 * files.height, width=2 * files.width), face)
    sound = open_sound(files.voices[0], components.audio_encoder)
    return OpenShot(*_framed(files, face), sound, plan, fine)


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


def frame_face(files: ShotFiles, selector: str, analyser: FaceAnalyser) -> tuple[Portrait, Face]:
    """Return the picture at the size of the video, cropped round the face, and the face in it."""
    return _framed(files, _find_face(files, selector, analyser))


def _find_face(files: ShotFiles, selector: str, analyser: FaceAnalyser) -> Face:
    pixels = files.whole.pixels
    return choose_face(analyser.find(pixels), selector, pixels, analyser)


def _framed(files: ShotFiles, face: Face) -> tuple[Portrait, Face]:
    """Return the picture at the asked size, and its face in the pixels of that."""
    whole, height, width = files.whole, files.height, files.width
    x, y, w, h = face.box
    focus = x + w / 2, y + h / 2
    zoom = max(height / whole.height, width / whole.width)
    left = _crop_start(focus[0], width / zoom, whole.width)
    top = _crop_start(focus[1], height / zoom, whole.height)
    landmarks = (face.landmarks - np.float32([left, top, 0])) * np.float32(zoom)
    box = ((x - left) * zoom, (y - top) * zoom, w * zoom, h * zoom)
    moved = Face(box, landmarks, face.confidence, face.visibility)
    return whole.resized_to(height, width, focus), moved


def _crop_start(focus: float, crop: float, side: float) -> float:
    """Return where `Portrait.resized_to` starts its crop along one axis."""
    return max(min(focus - crop / 2, side - crop), 0.0)


def build_reference(opened: OpenShot, camera: Camera, depth_backend: str = "auto") -> ShotReference:
    """Return the reference video: the picture seen through the whole camera move."""
    pixels, face = opened.portrait.pixels, opened.face
    mask = person_mask(pixels, face)
    weights = models_folder() / "depth-anything-v2-small"
    found = str(weights) if weights.is_dir() else None
    depth = estimate_depth(pixels, face, mask, backend=depth_backend, weights=found)
    scene = build_scene(opened.portrait.as_tensor(), depth.depth, torch.as_tensor(mask), face.box)
    moves = camera
    if not isinstance(camera, CameraMove):
        moves = [(keyframe.time_s, keyframe.move) for keyframe in camera]
    try:
        path = plan_path(moves, scene, opened.plan.num_frames, opened.plan.fps)
    except ValueError as error:
        raise InputError(str(error)) from error
    fine = None if opened.fine is None else opened.fine.as_tensor()
    landmarks = torch.from_numpy(face.landmarks)
    return ShotReference(ReferenceVideo(scene, path), landmarks, fine)


def open_sound(audio: AudioTrack, encoder: torch.nn.Module) -> ShotSound | SpeechSound:
    """Return the voice of a shot as the encoder of a tier hears it."""
    kind = ShotSound if isinstance(encoder, AudioEncoder) else SpeechSound
    return kind(audio, encoder)


class SpeechSound:
    """The voice of a shot as features of a speech encoder, projected window by window."""

    def __init__(self, audio: AudioTrack, tokens: torch.nn.Module):
        mono = AudioTrack(audio.samples, audio.sample_rate, audio.path)
        self._features = tokens.encoder(mono.resampled(SAMPLE_RATE).normalised().samples)
        self._projector = tokens.projector

    def window(self, segment: Segment, num_latent_frames: int) -> torch.Tensor:
        """Return (1, T, N, D): the tokens round each latent frame of a window."""
        features = self._features.to(self._projector.dtype)
        return self._projector.tokens(features, segment.first_frame, num_latent_frames)


class ShotSound:
    """The voice of a shot as audio tokens, encoded window by window."""

    def __init__(self, audio: AudioTrack, encoder: AudioEncoder):
        mono = AudioTrack(audio.samples, audio.sample_rate, audio.path)
        self._samples = mono.resampled(SAMPLE_RATE).normalised().samples
        self._encoder = encoder
        num_mels = -(-len(self._samples) // HOP)
        self.num_tokens = -(-num_mels // MEL_FRAMES_PER_TOKEN)

    def tokens(self, start: int, stop: int) -> torch.Tensor:
        """Return tokens start to stop (1, F, D): the same as those of the whole sound."""
        step, context = MEL_FRAMES_PER_TOKEN, self._encoder.context_frames
        first = max(0, start * step - context)
        first_sample = max(0, (first - _MEL_MARGIN) * HOP)
        last_sample = (stop * step + context + _MEL_MARGIN) * HOP
        mel = log_mel(self._samples[first_sample:last_sample])
        skip = first - first_sample // HOP
        mel = mel[skip : skip + stop * step + context - first]
        tokens = self._encoder(mel[None].to(self._encoder.device))
        return tokens[:, start - first // step : stop - first // step]

    def window(self, segment: Segment, num_latent_frames: int) -> torch.Tensor:
        """Return (1, T, N, D): the tokens round each latent frame of a window."""
        start = min(max(0, segment.first_frame - _TOKENS_BESIDE), self.num_tokens - 1)
        stop = max(start + 1, min(segment.stop + _TOKENS_BESIDE, self.num_tokens))
        tokens = self.tokens(start, stop)
        return audio_windows(tokens, segment.first_frame - start, num_latent_frames)
