"""The public verb `generate`: a picture, a voice and a sentence become a talking video."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skyreels_avatar.deprecation import renamed_parameters
from skyreels_avatar.progress import OnProgress
from skyreels_avatar.request.camera_spec import CameraLike
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.speaker import Speaker
from skyreels_avatar.workers.shot import GenerationResult, generate_request


@renamed_parameters(
    num_inference_steps="steps", start_s="audio_start", end_s="audio_end", work_folder="work"
)
def generate(
    image: str | Path,
    audio: str | Path | None = None,
    prompt: str = "",
    *,
    text: str | None = None,
    voice: str | None = None,
    subtitles: str | Path | None = None,
    vocals: str | Path | None = None,
    gate: str = "auto",
    camera: CameraLike = "static",
    output: str | Path = "output.mp4",
    tier: str = "nano",
    size: str | None = None,
    fps: float = 25.0,
    seed: int = 0,
    steps: int | None = None,
    guidance_scale: float | None = None,
    audio_guidance_scale: float | None = None,
    negative_prompt: str = "",
    face: str = "auto",
    speakers: Sequence[Speaker] = (),
    audio_start: float | None = None,
    audio_end: float | None = None,
    memory: str | None = None,
    on_progress: OnProgress | None = None,
    work: str | Path | None = None,
    windows: str = "overlap",
    style: str = "natural",
    expressiveness: float = 100.0,
    motion: str | Path | None = None,
    save_motion: str | Path | None = None,
    watermark: bool = True,
    label: str | None = None,
) -> GenerationResult:
    """Make a talking video of a portrait; the arguments are the options of `generate`.

    Args:
        image: the portrait: photo, painting, drawing.
        audio: the voice; any file FFmpeg reads. The video is exactly as long.
        text, voice: what is said in place of `audio`, and who says it: a name of `voices`.
        subtitles: a file for the text, such as out.srt; "srt" alone names it after the video.
        vocals, gate: what drives the mouth, and where it rests; see `Shot`.
        prompt: how the person performs, and in what light: "a woman smiles in evening light".
        camera: "push_in:60" (a move of `MOVES`, strength in percent), "static", a `CameraMove`, or
            keyframes: a list of `CameraKeyframe` or of (time_s, move, strength 0 to 1).
        output: an .mp4 file; it appears when it is complete, and not before.
        tier: the name of a file in configs/, or the path of a YAML file.
        size, fps: "512x512", "480p", "720p" or None, the picture's own aspect ratio; 1 to 120.
        seed: the same seed gives the same frames on the same machine.
        steps: of denoising; None = the tier's.
        guidance_scale, audio_guidance_scale: of prompt and voice; 1 is off, None = the tier's.
        negative_prompt: what the video should not show.
        face, speakers: whose mouth moves; who of several speaks with which voice: see `Shot`.
        audio_start, audio_end: the piece of the sound that is used, in seconds.
        memory: GPU memory to use: "auto", "full" or a limit such as "24gb"; None = the tier's.
        on_progress: called with a `Progress` many times a second; returning False stops the run.
        work: a folder that keeps finished windows: a run that was stopped resumes there.
        windows: "overlap" or "keyframes", see `GenerationRequest`.
        style, expressiveness: "calm", "natural", "lively" or a person's file; 0 to 200 percent.
        motion, save_motion: .json or .csv files of ARKit weights: performed; written; see `Shot`.
        watermark, label: an invisible mark in the pixels; words in a corner: see `Shot`.

    Raises:
        InputError: something given cannot be used; the message says what to do.
        CheckpointError: weights of the tier are missing or damaged.
        Cancelled: `on_progress` returned False. No file is left then, nor after an error.
    """
    shot = Shot(
        image, audio=audio, prompt=prompt, camera=camera, start_s=audio_start, end_s=audio_end,
        face=face, negative_prompt=negative_prompt, text=text, voice=voice, vocals=vocals,
        gate=gate, speakers=speakers, motion=motion, style=style, expressiveness=expressiveness,
        watermark=watermark, label=label,
    )  # fmt: skip
    request = GenerationRequest(
        shot, output, tier, size, fps,
        SamplingParams(steps, guidance_scale, audio_guidance_scale, seed),
        subtitles=subtitles, windows=windows, memory=memory, save_motion=save_motion,
    )  # fmt: skip
    return generate_request(request, on_progress, work_folder=work)


def make_video(
    request: GenerationRequest,
    on_progress: OnProgress | None = None,
    *,
    work: Path | None = None,
    engine: str | None = None,
    workers: int | None = None,
    address: str | None = None,
) -> GenerationResult:
    """Make the video of a request in this process, or its windows in parallel.

    Args:
        work: as in `generate`.
        engine: "local" or "ray", as in `render`; None with `workers` is "local".
        workers, address: as in `render`.

    Raises:
        InputError, CheckpointError, Cancelled: as in `generate`.
        MissingExtraError: Ray is asked for and not installed.
    """
    if engine is None and workers is None:
        return generate_request(request, on_progress, work_folder=work)
    from skyreels_avatar.workers.farm import make_windows, shared_folder

    start = time.perf_counter()
    with shared_folder(work, request.output) as folder:
        num_found = make_windows(
            [request], folder, engine or "local", workers, address, on_progress
        )
        windows_s = time.perf_counter() - start
        result = generate_request(request, on_progress, work_folder=folder)
    total_s = windows_s + result.seconds["total"]
    seconds = {"windows": windows_s, **result.seconds, "total": total_s}
    return replace(result, num_found=num_found, seconds=seconds)
