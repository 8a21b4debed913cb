"""`skyreels-avatar generate`: a talking video of a portrait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from skyreels_avatar.cli import options as opt
from skyreels_avatar.cli.console import confirm_overwriting, print_json, print_result, say
from skyreels_avatar.cli.progress_bar import progress_bar
from skyreels_avatar.errors import Cancelled

if TYPE_CHECKING:
    from skyreels_avatar.request.camera_spec import Camera as CameraOfShot
    from skyreels_avatar.workers.shot import GenerationResult


def generate_command(
    image: opt.Image,
    audio: opt.Audio = None,
    prompt: opt.Prompt = "",
    camera: opt.Camera = "static",
    output: opt.Output = Path("output.mp4"),
    tier: opt.Tier = opt.DEFAULT_TIER,
    seed: opt.Seed = 0,
    size: opt.Size = None,
    fps: opt.Fps = 25.0,
    steps: opt.Steps = None,
    guidance_scale: opt.TextScale = None,
    audio_guidance_scale: opt.AudioScale = None,
    negative_prompt: opt.Negative = "",
    face: opt.Face = "auto",
    speaker: opt.Speakers = None,
    memory: opt.Memory = None,
    audio_start: opt.Start = None,
    audio_end: opt.End = None,
    text: opt.SpokenText = None,
    voice: opt.VoiceName = None,
    subtitles: opt.Subtitles = None,
    vocals: opt.Vocals = None,
    gate: opt.Gate = "auto",
    work: opt.Work = None,
    windows: opt.Windows = "overlap",
    engine: opt.Engine = None,
    workers: opt.Workers = None,
    address: opt.Address = None,
    style: opt.Style = "natural",
    expressiveness: opt.Expressiveness = 100.0,
    motion: opt.Motion = None,
    save_motion: opt.SaveMotion = None,
    watermark: opt.Watermark = True,
    label: opt.Label = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
) -> None:
    """Generate a talking video from a portrait and a voice."""
    from skyreels_avatar.request.generation_request import GenerationRequest
    from skyreels_avatar.request.sampling import SamplingParams
    from skyreels_avatar.request.shot import Shot

    shot = Shot(
        image, audio=audio, prompt=prompt, camera=camera, start_s=audio_start, end_s=audio_end,
        face=face, negative_prompt=negative_prompt, text=opt.text_or_stdin(text), voice=voice,
        vocals=vocals, gate=gate, speakers=opt.parse_speakers(speaker),
        motion=motion, style=style, expressiveness=expressiveness,
        watermark=watermark, label=label,
    )  # fmt: skip
    sampling = SamplingParams(steps, guidance_scale, audio_guidance_scale, seed)
    request = GenerationRequest(
        shot, output, tier, size, fps, sampling,
        subtitles=subtitles, windows=windows, memory=memory, save_motion=save_motion,
    )  # fmt: skip
    confirm_overwriting([request.output, request.subtitles, request.save_motion], overwrite)
    with progress_bar() as on_progress, _kept_in(work):
        from skyreels_avatar.api.generation import make_video

        result = make_video(
            request, on_progress, work=work, engine=engine, workers=workers, address=address
        )
    _report(result, shot.camera, work, as_json)


def _report(
    result: GenerationResult, camera: CameraOfShot, work: Path | None, as_json: bool
) -> None:
    if result.num_found:
        say(f"resumed: {result.num_found} of {result.num_frames} frames were in {work}")
    stages = dict(result.seconds)
    total_s = stages.pop("total")
    listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in stages.items())
    say(f"{total_s:.1f} s in all; stages, which overlap: {listed}", style="dim")
    if as_json:
        print_json(result)
    else:
        print_result(video_line(result) + _camera_words(camera))


def video_line(result: GenerationResult) -> str:
    """Return the path, size and length of a video."""
    return (
        f"{result.path}  {result.width}x{result.height}, {result.num_frames} frames at "
        f"{result.fps:g} fps, {result.duration_s:.2f} s"
    )


def _camera_words(camera: CameraOfShot) -> str:
    """Return ", camera push_in 60%"; nothing for a static camera."""
    name = getattr(camera, "name", "static")
    return "" if name == "static" else f", camera {name} {100 * camera.strength:g}%"


@contextmanager
def _kept_in(work: Path | None) -> Iterator[None]:
    """Say, when a run is stopped, where it can be resumed."""
    try:
        yield
    except (KeyboardInterrupt, Cancelled):
        if work is not None:
            say(f"finished windows are in {work}; the same command resumes there")
        raise
