"""What a shot will be before any network runs: its size, windows and cost, its reference video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.select import LOW_VISIBILITY
from skyreels_avatar.faces.suitability import FaceIssue, examine_face
from skyreels_avatar.loading.tiers import Tier, load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.video import VideoWriter, check_output
from skyreels_avatar.parallel import exclusive, ordered_map
from skyreels_avatar.pipeline.denoise import Sampling
from skyreels_avatar.pipeline.encode import (
    OpenShot,
    ShotFiles,
    build_references,
    frame_face,
    plan_request,
    read_shot,
)
from skyreels_avatar.planning.segments import Segment, ShotPlan, plan_shot
from skyreels_avatar.progress import OnProgress, Reporter
from skyreels_avatar.references.picture import ShotReference, frames_per_chunk
from skyreels_avatar.request.camera_spec import Camera, parse_camera
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.shapes import BUCKET_STEP_PX, latent_frames
from skyreels_avatar.spaces.table import space_type_of

MAX_PREVIEW_S = 600.0

# Wall-clock seconds of whole runs at 256, 512 and 1024 px, two cores of an AMD EPYC (Zen 4),
# push_in:60, rounded up. Memory is the peak of the same runs.
_START_S, _START_MEGAPIXEL_S = 3.0, 3.0
_FRAME_S, _FRAME_MEGAPIXEL_S = 0.006, 0.046
_STEP_S = 0.012
_START_MB, _MEGAPIXEL_MB = 700.0, 700.0

# The 19B transformer and the ControlNet, counted at 480p and 720p: TFLOP of a token's linear maps
# and of each pair of tokens in attention; both passes of the VAE for the window and the camera's
# view of it, of a pixel of a frame. Memory: weights in bfloat16, then activations.
_TOKEN_TFLOP, _PAIR_TFLOP, _VAE_TFLOP = 0.0287, 0.9e-6, 1.9e-5
_GPU_TFLOPS = 400.0
_RESIDENT_MB, _STREAMED_MB, _VIDEO_MEGAPIXEL_MB = 56_000.0, 12_000.0, 14_000.0


@dataclass(frozen=True)
class ShotEstimate:
    """What generating a shot will take.

    Attributes:
        num_frames, fps, height, width, duration_s: of the video.
        segments: the windows of denoising.
        num_inference_steps: denoising steps of each window.
        seconds: rough duration on `machine`; with several workers, each on such a machine.
        memory_mb: rough peak of its memory; it does not grow with the length.
        machine: what the two are for.
        num_workers: who make windows side by side.
        rounds: how often each of them, in turn, samples a window that others wait for, and makes
            a window with its pictures.
    """

    num_frames: int
    fps: float
    height: int
    width: int
    duration_s: float
    segments: tuple[Segment, ...]
    num_inference_steps: int
    seconds: float
    memory_mb: float
    machine: str = "2 cores"
    num_workers: int = 1
    rounds: tuple[int, int] = (0, 0)

    def __repr__(self) -> str:
        return (
            f"ShotEstimate({self.width}x{self.height}, {self.num_frames} frames at {self.fps:g} "
            f"fps, {self.duration_s:.2f} s, {len(self.segments)} windows, about "
            f"{self.seconds:.0f} s and {self.memory_mb / 1000:.1f} GB on {self.machine})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class _Cost:
    """Seconds of the parts of a shot, and megabytes, on a machine."""

    start_s: float
    window_s: float
    frame_s: float
    memory_mb: float
    machine: str


def estimate(request: GenerationRequest, num_workers: int | None = None) -> ShotEstimate:
    """Read the files of a request and count; no weights are touched, nothing is written.

    Args:
        num_workers: who make windows side by side, as `apps.farm` lets them; None = one process.

    Raises:
        InputError: the picture, the sound or the tier cannot be used.
    """
    tier, files = load_tier(request.tier), read_shot(request)
    plan = plan_request(request, files, tier)
    return estimate_planned(request, plan, files.height, files.width, num_workers)


def estimate_planned(
    request: GenerationRequest,
    plan: ShotPlan,
    height: int,
    width: int,
    num_workers: int | None = None,
) -> ShotEstimate:
    """Count what a request takes whose windows are planned; no file is read."""
    if num_workers is not None and num_workers < 1:
        raise InputError(f"there must be at least 1 worker, got {num_workers}")
    shot, tier = request.shot, load_tier(request.tier)
    sampling = Sampling.of(request.sampling, tier)
    # Guidance asks the network once more for every condition that it leaves out, but for a
    # distilled one.
    one_pass = tier.sizes.get("transformer", {}).get("distilled") and not shot.negative_prompt
    scales = sampling.guidance_scale, sampling.audio_guidance_scale
    passes = 1 if one_pass else 1 + sum(scale != 1 for scale in scales)
    price = _motion_cost if space_type_of(tier).moves_reference else _video_cost
    cost = price(tier, height * width, sampling.num_inference_steps * passes)
    rounds = _rounds(plan, num_workers or 1)
    seconds = cost.start_s + len(plan.segments) * cost.window_s + plan.num_frames * cost.frame_s
    if num_workers is not None:
        pictures = rounds[1] / len(plan.shown) * plan.num_frames
        windows = rounds[0] + (rounds[1] if rounds[0] < len(plan.shown) else 0)
        seconds = cost.start_s + windows * cost.window_s + pictures * cost.frame_s
    return ShotEstimate(
        num_frames=plan.num_frames,
        fps=request.fps,
        height=height,
        width=width,
        duration_s=plan.num_frames / request.fps,
        segments=plan.segments,
        num_inference_steps=sampling.num_inference_steps,
        seconds=seconds,
        memory_mb=cost.memory_mb,
        machine=cost.machine,
        num_workers=num_workers or 1,
        rounds=rounds,
    )


def _rounds(plan: ShotPlan, num_workers: int) -> tuple[int, int]:
    """Return the turns of each worker: windows that others wait for, then those with pictures.

    Key frames are shared out; windows that go on from each other are sampled by one worker.
    """
    keys = len(plan.segments) - len(plan.shown)
    chain = len(plan.shown) if len(plan.shown) > 1 and not keys else 0
    return chain or -(-keys // num_workers), -(-len(plan.shown) // num_workers)


def _motion_cost(tier: Tier, num_pixels: int, num_passes: int) -> _Cost:
    """Return what a window of so many passes costs where motion is generated: measured."""
    megapixels = num_pixels / 1e6
    return _Cost(
        start_s=_START_S + _START_MEGAPIXEL_S * megapixels,
        window_s=num_passes * _STEP_S,
        frame_s=_FRAME_S + _FRAME_MEGAPIXEL_S * megapixels,
        memory_mb=_START_MB + _MEGAPIXEL_MB * megapixels,
        machine="2 cores",
    )


def _video_cost(tier: Tier, num_pixels: int, num_passes: int) -> _Cost:
    """Return what a window of so many passes costs where pixels are generated: from operations."""
    num_tokens = latent_frames(tier.window) * num_pixels / BUCKET_STEP_PX**2
    pass_tflop = _TOKEN_TFLOP * num_tokens + _PAIR_TFLOP * num_tokens**2
    window_tflop = num_passes * pass_tflop + tier.window * num_pixels * _VAE_TFLOP
    memory_mb = _STREAMED_MB if tier.offload else _RESIDENT_MB
    return _Cost(
        start_s=0.0,
        window_s=window_tflop / _GPU_TFLOPS,
        frame_s=0.0,
        memory_mb=memory_mb + _VIDEO_MEGAPIXEL_MB * num_pixels / 1e6,
        machine="one H200, not measured",
    )


@dataclass(frozen=True)
class SeenFace:
    """A face in a picture, its box in pixels, and what keeps it from being animated well."""

    box: tuple[float, float, float, float]
    findings: tuple[FaceIssue, ...]


def examine_picture(image: str | Path) -> tuple[SeenFace, ...]:
    """Return the faces that a picture shows, the largest first, and what is wrong with each.

    Args:
        image: the file of a photo, painting or drawing.

    Raises:
        MediaError: the picture cannot be read.
    """
    pixels = Portrait.load(image).pixels
    return tuple(
        SeenFace(face.box, (*examine_face(pixels, face), *_turned(face)))
        for face in FaceAnalyzer().find(pixels)
    )


def _turned(face: Face) -> Iterator[FaceIssue]:
    if face.visibility < LOW_VISIBILITY:
        yield FaceIssue(
            "turned",
            "the face is turned away or cut off; one that looks at the camera works better",
        )


def write_reference(
    image: str | Path,
    camera: object,
    output: str | Path,
    duration_s: float,
    *,
    size: str | None = None,
    fps: float = 25.0,
    face: str = "auto",
    on_progress: OnProgress | None = None,
) -> int:
    """Write the reference video of a picture, silent, and return its number of frames.

    Args:
        image: the picture.
        camera: see `script.parse_camera`.
        output: an .mp4 file.
        duration_s: length in seconds, up to ten minutes.
        size, fps, face: as in `generate`.

    Raises:
        InputError: something given cannot be used.
        Cancelled: `on_progress` returned False. No file is left then.
    """
    path, moves = check_output(output), parse_camera(camera)
    check_outputs({"output": path}, [image, face])
    if not 0 < duration_s <= MAX_PREVIEW_S:
        raise InputError(f"seconds must be above 0, at most {MAX_PREVIEW_S:g}, got {duration_s:g}")
    plan = plan_shot(duration_s, fps)
    reporter = Reporter(on_progress)
    with reporter.stage("analyse"):
        whole = Portrait.load(image)
        height, width = fit_size(whole.height, whole.width, size)
    chunks = reference_frames(whole, height, width, face, moves, plan, reporter)
    with exclusive(), VideoWriter(path, height, width, fps) as writer:
        for pixels in chunks:
            writer.write(pixels)
            reporter.report("write")
    return plan.num_frames


def reference_frames(
    whole: Portrait,
    height: int,
    width: int,
    face: str,
    moves: Camera,
    plan: ShotPlan,
    reporter: Reporter,
) -> Iterator[np.ndarray]:
    """Yield the pictures (F, H, W, 3) uint8 that a camera sees of a picture, a few at a time.

    Raises:
        FaceError: there is no face, or not the one that was asked for.
    """
    reference = picture_reference(whole, height, width, face, moves, plan, reporter)
    reporter.start_pace(plan.num_frames)
    step = frames_per_chunk(height, width)
    chunks = [(i, min(i + step, plan.num_frames)) for i in range(0, plan.num_frames, step)]
    for pixels in ordered_map(lambda chunk: reference.frames(*chunk), chunks):
        reporter.add(len(pixels))
        yield pixels


def picture_reference(
    whole: Portrait,
    height: int,
    width: int,
    face: str,
    moves: Camera,
    plan: ShotPlan,
    reporter: Reporter,
) -> ShotReference:
    """Return a picture seen by a camera, without a voice.

    Raises:
        FaceError: there is no face, or not the one that was asked for.
    """
    with reporter.stage("analyse"):
        silence = AudioTrack(np.zeros(1, np.float32), 16_000)
        files = ShotFiles(whole, silence, height, width)
        framing = frame_face(files, face, FaceAnalyzer(), moves)
    with reporter.stage("encode"):
        opened = OpenShot(
            framing.picture, framing.faces[0], None, plan, surroundings=framing.surroundings
        )
        return build_references(opened, moves)[0]
