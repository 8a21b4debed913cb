"""Estimate the size, windows, seconds and memory of a shot before any network runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from skyreels_avatar.errors import CheckpointError, FaceError, InputError
from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.faces.issue import FaceIssue
from skyreels_avatar.faces.select import find_faces
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.faces.suitability import examine_face
from skyreels_avatar.loading.checkpoints.load import is_ours, read_header
from skyreels_avatar.loading.memory import GB, ModelBytes, Work, memory_policy, on_host, peak_bytes
from skyreels_avatar.loading.parts import model_bytes, time_factor
from skyreels_avatar.loading.tiers import Tier, load_tier
from skyreels_avatar.pipeline.denoise import Sampling
from skyreels_avatar.pipeline.examine import occluder_of
from skyreels_avatar.pipeline.read import PictureFiles, read_picture
from skyreels_avatar.planning.plan import plan_request
from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.references.framing import frame, is_moving
from skyreels_avatar.references.scene import camera_limits
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.shapes import BUCKET_STEP_PX, latent_frames
from skyreels_avatar.spaces.table import space_type_of

# Wall-clock seconds of whole runs at 256, 512 and 1024 px, two cores of an AMD EPYC with AVX-512,
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
# Bytes that cards have, and about half of the TFLOP/s of their data sheets (bf16, not sparse).
CARDS = {
    "24 GB (RTX 4090)": (24e9, 80.0),
    "48 GB (RTX 6000 Ada)": (48e9, 120.0),
    "H100, 80 GB": (80e9, 400.0),
}
_HOST_BYTES_PER_S = 20e9  # over PCI Express to a card, where blocks are streamed
# Of the published networks in bfloat16, where their files are not here to be measured.
_PUBLISHED = ModelBytes(
    transformer=int(37.8e9), num_blocks=40, beside=int(2.9e9), encoders=int(12.7e9)
)


@dataclass(frozen=True)
class CardEstimate:
    """What a shot takes on a card: counted from operations and bytes, not measured.

    Attributes:
        name: of the card.
        policy: what is done to fit, or why nothing fits.
        device_gb, host_gb: peak of the card's memory and what the host keeps; 0 = does not fit.
        seconds: rough duration.
    """

    name: str
    policy: str
    device_gb: float = 0.0
    host_gb: float = 0.0
    seconds: float = 0.0


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
        num_workers: how many make windows in parallel.
        rounds: how many windows each of them samples that others need, and how many it makes with
            their frames.
        cards: where pixels are generated, what single cards need.
        camera_limits: the name of each move of the camera, and the share of the whole move, 0 to 1,
            that 100 % stands for in this picture.
        picture: what keeps the faces of the picture from being animated well, and what to do.
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
    cards: tuple[CardEstimate, ...] = ()
    camera_limits: tuple[tuple[str, float], ...] = ()
    picture: tuple[FaceIssue, ...] = ()

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
    """Read the files of a request and count; nothing is generated, nothing is written.

    The picture is looked at, for `ShotEstimate.picture` and `camera_limits`.

    Args:
        num_workers: how many make windows in parallel, see `make_windows`; None = one process.

    Raises:
        InputError: the picture, the sound or the tier cannot be used.
    """
    tier, files = load_tier(request.tier), read_picture(request)
    plan = plan_request(request, files.audio, tier)
    planned = estimate_planned(request, plan, files.height, files.width, num_workers)
    limits, issues = _look_at_picture(request.shot, files, tier)
    return replace(planned, camera_limits=limits, picture=issues)


def _look_at_picture(
    shot: Shot, files: PictureFiles, tier: Tier
) -> tuple[tuple[tuple[str, float], ...], tuple[FaceIssue, ...]]:
    """Return `ShotEstimate.camera_limits` and `picture`."""
    pixels = files.original.pixels
    try:
        selectors = [one.face for one in shot.speakers] or [shot.face]
        faces = find_faces(pixels, selectors, face_analyzer())
        faces = [fit_drawing(pixels, face) for face in faces]
        segment = occluder_of(tier)
        issues = tuple(issue for face in faces for issue in examine_face(pixels, face, segment))
        if not is_moving(shot.camera):
            return (), issues
        framing = frame(files.original, files.height, files.width, faces, moving=True)
    except FaceError as error:
        return (), (FaceIssue("no-face", str(error), fatal=True),)
    return tuple(camera_limits(framing, shot.camera).items()), issues


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
    tier = load_tier(request.tier)
    sampling = Sampling.of(request.sampling, tier)
    passes = sampling.num_inference_steps * _passes_per_step(request, tier, sampling)
    moves = space_type_of(tier).moves_reference
    cost_of = _motion_cost if moves else _video_cost
    cost = cost_of(tier, height * width, passes)
    speakers = max(1, len(request.shot.speakers))
    work = Work(height * width, sampling.num_variants, speakers)
    rounds = _rounds(plan, num_workers or 1)
    seconds = cost.start_s + len(plan.segments) * cost.window_s + plan.num_frames * cost.frame_s
    if num_workers is not None:
        pictures = rounds[1] / len(plan.shown) * plan.num_frames
        windows = rounds[0] + (rounds[1] if rounds[0] < len(plan.segments) else 0)
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
        cards=() if moves else _cards(tier, work, len(plan.segments), passes),
    )


def _passes_per_step(request: GenerationRequest, tier: Tier, sampling: Sampling) -> int:
    """Return how often a step asks the transformer: once more for every condition left out.

    A distilled transformer, which says so in the header of its weights, is asked once.
    """
    weights = tier.weights.transformer
    if is_ours(weights) and Path(weights).is_file():
        _, config = read_header(weights)
        if config.get("distilled") and not (request.shot.negative_prompt or tier.negative_prompt):
            return 1
    scales = sampling.guidance_scale, sampling.audio_guidance_scale
    return 1 + sum(scale != 1 for scale in scales)


def _rounds(plan: ShotPlan, num_workers: int) -> tuple[int, int]:
    """Return the rounds of each worker: windows that others need, then those with frames.

    Key frames are shared out; windows that continue each other are sampled by one worker.
    """
    keys = sum(segment.role == "keyframe" for segment in plan.segments)
    chain = len(plan.segments) if len(plan.segments) > 1 and not keys else 0
    return chain or -(-keys // num_workers), -(-len(plan.shown) // num_workers)


def _motion_cost(tier: Tier, num_pixels: int, num_passes: int) -> _Cost:
    """Return what windows of so many passes cost where motion is generated: measured."""
    megapixels = num_pixels / 1e6
    return _Cost(
        start_s=_START_S + _START_MEGAPIXEL_S * megapixels,
        window_s=num_passes * _STEP_S,
        frame_s=_FRAME_S + _FRAME_MEGAPIXEL_S * megapixels,
        memory_mb=_START_MB + _MEGAPIXEL_MB * megapixels,
        machine="2 cores",
    )


def _cards(tier: Tier, work: Work, num_windows: int, num_passes: int) -> tuple[CardEstimate, ...]:
    """Return what a shot takes on each of `CARDS`, with windows of so many passes."""
    try:
        model = model_bytes(tier.weights)
    except (CheckpointError, OSError):
        model = _PUBLISHED
    variants, num_pixels = work.num_variants, work.num_pixels
    model = replace(
        model,
        num_variants=variants,
        num_persons=work.num_persons,
        batch=variants if tier.batch_guidance else 1,
        in_8_bits=bool(tier.quantization),
    )
    pass_tflop, vae_tflop = _window_tflop(tier, num_pixels)
    found = []
    for name, (num_bytes, tflops) in CARDS.items():
        try:
            policy = memory_policy(num_bytes, model, num_pixels)
        except InputError as error:
            found.append(CardEstimate(name, f"does not fit: {error}"))
            continue
        pass_s = pass_tflop / tflops
        if policy.stream_blocks:
            narrow = policy.weights_in_8_bits or model.in_8_bits
            streamed = model.transformer / (2 if narrow else 1)
            pass_s = max(pass_s, streamed / _HOST_BYTES_PER_S)
        seconds = num_windows * (num_passes * pass_s + vae_tflop / tflops)
        peak, host = peak_bytes(policy, model, num_pixels), on_host(policy, model)
        found.append(CardEstimate(name, str(policy), peak / GB, host / GB, seconds))
    return tuple(found)


def _window_tflop(tier: Tier, num_pixels: int) -> tuple[float, float]:
    """Return the operations of a pass of the transformer and of the VAE for a window."""
    num_tokens = latent_frames(tier.window, time_factor(tier)) * num_pixels / BUCKET_STEP_PX**2
    pass_tflop = _TOKEN_TFLOP * num_tokens + _PAIR_TFLOP * num_tokens**2
    return pass_tflop, tier.window * num_pixels * _VAE_TFLOP


def _video_cost(tier: Tier, num_pixels: int, num_passes: int) -> _Cost:
    """Return what windows of so many passes cost where pixels are generated: from operations."""
    pass_tflop, vae_tflop = _window_tflop(tier, num_pixels)
    window_tflop = num_passes * pass_tflop + vae_tflop
    memory_mb = _STREAMED_MB if tier.offload else _RESIDENT_MB
    return _Cost(
        start_s=0.0,
        window_s=window_tflop / _GPU_TFLOPS,
        frame_s=0.0,
        memory_mb=memory_mb + _VIDEO_MEGAPIXEL_MB * num_pixels / 1e6,
        machine="one H200, not measured",
    )
