"""The public verb `generate`: a picture, a voice and a sentence become a talking video."""

from __future__ import annotations

from collections.abc import Sequence
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
) -> GenerationResult:
    """Make a talking video of a portrait, and return where it is and how it was made.

    The arguments have the names of the options of `skyreels-avatar generate`.

    Args:
        image: the portrait: photo, painting, drawing.
        audio: the voice; any file FFmpeg reads. The video is exactly as long.
        text, voice: what is said in place of `audio`, and who says it: a name of `voices`.
        subtitles: a file for the text, such as out.srt; "srt" alone means beside the video.
        vocals, gate: what moves the mouth, and where it rests; see `Shot`.
        prompt: how the person performs, and in what light: "a woman smiles in evening light".
        camera: "push_in:60" (a move of `MOVES` and its strength in percent), "static", a
            `CameraMove`, or a list of keyframes: `CameraKeyframe`, (time_s, move) or
            (time_s, move, strength 0 to 1).
        output: an .mp4 file; it appears when it is complete, and not before.
        tier: the name of a file in configs/, or the path of a yaml file.
        size: "512x512" (WIDTHxHEIGHT), "480p", "720p"; None keeps the picture's own aspect.
        fps: frames per second, 1 to 120.
        seed: the same seed gives the same frames on the same machine.
        steps: of denoising, `num_inference_steps` of `SamplingParams`; None takes the tier's own.
        guidance_scale, audio_guidance_scale: weight of the prompt and of the voice; 1 is off, None
            takes the tier's own.
        negative_prompt: what should not be seen.
        face: "auto", a face's number, a point "x,y", a box "x,y,w,h" or a photo: see `Shot`.
        speakers: who of several persons speaks with which voice: see `Speaker`.
        audio_start, audio_end: the piece of the sound that is used, in seconds; `start_s` and
            `end_s` of the `Shot`.
        memory: of a GPU that may be taken: "auto", "full" or like "24gb"; None = the tier's own.
        on_progress: called with a `Progress` many times a second; returning False stops the run.
        work: a folder that keeps finished windows: a run that was stopped goes on there when it
            is started again, and its video has the same bytes. The folder stays; remove it when
            the video is not to be made again.
        windows: "overlap" or "keyframes", see `GenerationRequest`.

    Raises:
        InputError: something given cannot be used; the message says what to do.
        CheckpointError: weights of the tier are missing or damaged.
        Cancelled: `on_progress` returned False. No file is left then, nor after an error.
    """
    shot = Shot(
        image, audio=audio, prompt=prompt, camera=camera, start_s=audio_start, end_s=audio_end,
        face=face, negative_prompt=negative_prompt, text=text, voice=voice, vocals=vocals,
        gate=gate, speakers=speakers,
    )  # fmt: skip
    sampling = SamplingParams(steps, guidance_scale, audio_guidance_scale, seed)
    request = GenerationRequest(
        shot, output, tier, size, fps, sampling,
        subtitles=subtitles, windows=windows, memory=memory,
    )  # fmt: skip
    return generate_request(request, on_progress, work_folder=work)
