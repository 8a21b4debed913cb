"""The public verb `retalk`: new words for an existing video, which otherwise stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skyreels_avatar.deprecation import renamed_parameters
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.video_stream import scan_video
from skyreels_avatar.progress import OnProgress
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.speaker import Speaker
from skyreels_avatar.workers.shot import GenerationResult, generate_request
from skyreels_avatar.workers.unseen_spans import check_spans, spans_path, write_spans


@renamed_parameters(num_inference_steps="steps", start_s="audio_start", end_s="audio_end")
def retalk(
    video: str | Path,
    audio: str | Path | None = None,
    prompt: str = "",
    *,
    text: str | None = None,
    voice: str | None = None,
    subtitles: str | Path | None = None,
    vocals: str | Path | None = None,
    gate: str = "auto",
    speakers: Sequence[Speaker] = (),
    keep: str = "face",
    length: str = "audio",
    output: str | Path = "output.mp4",
    tier: str | None = None,
    seed: int = 0,
    fps: float | None = None,
    face: str = "auto",
    steps: int | None = None,
    audio_start: float | None = None,
    audio_end: float | None = None,
    label: str | None = None,
    on_progress: OnProgress | None = None,
) -> GenerationResult:
    """Let the person in a video say something else, and return where the new video is.

    The arguments have the names of the options of `skyreels-avatar retalk`.

    Size and, unless `fps` is given, frame rate are the video's. Outside what may change, every
    pixel stays as decoded. Where no mouth can be seen the video is passed through; these spans
    are in `unseen` of the result and in a JSON file beside the output,
    out.unseen.json of out.mp4; a file of that name which no earlier run wrote is an error.

    Args:
        video: the footage; the person may speak in it.
        audio: the new voice; any file FFmpeg reads.
        prompt: how the person performs.
        text, voice, subtitles, vocals, gate: as in `generate`.
        speakers: who of several persons says what, in place of `audio` and `face`; who has no
            voice stays as in the video.
        keep: "lips" changes only mouth and jaw, "face" the face, "none" head and shoulders, too.
        length: where video and sound differ in length: see `Shot`.
        output: an .mp4 file.
        tier: as in `generate`; None is its default.
        fps: frames per second of the result, 1 to 120; None keeps the video's constant rate.
        seed: the same seed gives the same frames on the same machine.
        face: "auto" (who speaks, else the largest), the number of a face, a point "x,y" or a box
            "x,y,w,h" in the first frame, or the file of a photo of the person.
        steps: of denoising; None takes the tier's own.
        audio_start, audio_end: the piece of the sound that is used, in seconds.
        label: words in a corner of the picture, such as "AI-generated".
        on_progress: as in `generate`.

    Raises:
        InputError: something given cannot be used; the message says what to do.
        CheckpointError: weights of the tier are missing or damaged.
        Cancelled: `on_progress` returned False. No file is left then, nor after an error.
    """
    shot = Shot(
        video=video, audio=audio, prompt=prompt, start_s=audio_start, end_s=audio_end, face=face,
        keep=keep, length=length, speakers=speakers, text=text, voice=voice, vocals=vocals,
        gate=gate, label=label,
    )  # fmt: skip
    sampling = SamplingParams(steps, seed=seed)
    request = footage_request(shot, output, tier, fps, sampling, subtitles)
    return make_videos([request], on_progress)[0]


def footage_request(
    shot: Shot,
    output: str | Path,
    tier: str | None,
    fps: float | None,
    sampling: SamplingParams,
    subtitles: str | Path | None,
) -> GenerationRequest:
    """Return the request of a shot that retalks, at the frame rate of its video if `fps` is None.

    Raises:
        InputError: something given cannot be used, or the video cannot be read.
    """
    rate = float(scan_video(shot.video).timeline.rate) if fps is None else fps
    chosen = GenerationRequest.tier if tier is None else tier
    return GenerationRequest(shot, output, chosen, fps=rate, sampling=sampling, subtitles=subtitles)


def make_videos(
    requests: Sequence[GenerationRequest], on_progress: OnProgress | None = None
) -> list[GenerationResult]:
    """Make videos of one footage with several voices, the footage looked at once.

    All outputs are checked before the first video is made.

    Raises:
        InputError, CheckpointError, Cancelled: as in `retalk`.
    """
    for request in requests:
        output = request.output.expanduser()
        spans = spans_path(output)
        outputs = {"output": output, "subtitles": request.subtitles, "list of spans": spans}
        check_outputs(outputs, list(requests))
        check_spans(spans)
    results = []
    for request in requests:
        results.append(generate_request(request, on_progress))
        write_spans(results[-1].path, results[-1].unseen)
    return results


def dubbed_paths(output: Path, audios: Sequence[Path]) -> list[Path]:
    """Return a path for each video: `output`, or with several voices one named after each.

    Raises:
        InputError: two would have one name.
    """
    if len(audios) < 2:
        return [output]
    paths = [output.with_name(f"{output.stem}_{a.stem}{output.suffix}") for a in audios]
    if len(set(paths)) < len(paths):
        raise InputError("the voices need different file names, since the videos get them")
    return paths
