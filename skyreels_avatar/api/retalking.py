"""New words for an existing video, which otherwise stays as it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from skyreels_avatar.deprecation import renamed_parameters
from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.files import atomic_write
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.subtitles import subtitle_path
from skyreels_avatar.media.video_stream import scan_video
from skyreels_avatar.progress import OnProgress
from skyreels_avatar.request.script import GenerationRequest, SamplingParams, Shot, Speaker
from skyreels_avatar.workers.shot import GenerationResult, generate_request


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
        on_progress: as in `generate`.

    Raises:
        InputError: something given cannot be used; the message says what to do.
        CheckpointError: weights of the tier are missing or damaged.
        Cancelled: `on_progress` returned False. No file is left then, nor after an error.
    """
    shot = Shot(
        video=video, audio=audio, prompt=prompt, start_s=audio_start, end_s=audio_end, face=face,
        keep=keep, length=length, speakers=speakers, text=text, voice=voice, vocals=vocals,
        gate=gate,
    )  # fmt: skip
    sampling = SamplingParams(steps, seed=seed)
    how = {} if tier is None else {"tier": tier}
    if fps is None:
        fps = float(scan_video(shot.video).timeline.rate)
    how |= {"fps": fps, "sampling": sampling, "subtitles": subtitles}
    request = GenerationRequest(shot, output, **how)
    _check_outputs(request)
    result = generate_request(request, on_progress)
    _write_spans(result)
    return result


def dub(
    video: str | Path,
    audios: Sequence[str | Path],
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
    on_progress: OnProgress | None = None,
) -> list[GenerationResult]:
    """Make one video for each of several voices; the footage is looked at once.

    Args:
        video: the footage.
        audios: the voices, for example one for each language; none with `text` or `speakers`.
        prompt: how the person performs.
        output: an .mp4 file; with several voices the name of each is added.
        text, voice, subtitles, vocals, gate, speakers, keep, length, tier, seed, fps, face,
            steps, audio_start, audio_end, on_progress: as in `retalk`.

    Raises:
        InputError, CheckpointError, Cancelled: as in `retalk`; or two voices have one name.
    """
    options = {
        "text": text, "voice": voice, "subtitles": subtitles, "vocals": vocals, "gate": gate,
        "speakers": speakers, "keep": keep, "length": length, "tier": tier, "seed": seed,
        "fps": fps, "face": face, "steps": steps, "audio_start": audio_start,
        "audio_end": audio_end, "on_progress": on_progress,
    }  # fmt: skip
    audios = [Path(audio) for audio in audios]
    if not audios and not speakers and text is None:
        raise InputError("no sound was given; name one sound file or more, a text or speakers")
    output = Path(output)
    if not audios:
        return [retalk(video, None, prompt, output=output, **options)]
    outputs = outputs_of(output, audios)
    for path in outputs:  # all of them before the first is made
        check_outputs({"output": path}, [video, audios])
        _check_spans(spans_path(path.expanduser()))
    return [
        retalk(video, audio, prompt, output=path, **options) for audio, path in zip(audios, outputs)
    ]


def outputs_of(output: Path, audios: Sequence[Path]) -> list[Path]:
    """Return the videos that `dub` writes: one, or with several voices one named by each.

    Raises:
        InputError: two would have one name.
    """
    if len(audios) < 2:
        return [output]
    outputs = [output.with_name(f"{output.stem}_{a.stem}{output.suffix}") for a in audios]
    if len(set(outputs)) < len(outputs):
        raise InputError("the voices need different file names, since the videos get them")
    return outputs


def files_of(output: Path, audios: Sequence[Path], subtitles: str | None = None) -> list[Path]:
    """Return the videos that `dub` writes and their subtitles: see `outputs_of`."""
    videos = outputs_of(output, audios)
    if subtitles is None:
        return videos
    return [*videos, *(subtitle_path(subtitles, video) for video in videos)]


def _check_outputs(request: GenerationRequest) -> None:
    output = request.output.expanduser()
    spans = spans_path(output)
    outputs = {"output": output, "subtitles": request.subtitles, "list of spans": spans}
    check_outputs(outputs, request)
    _check_spans(spans)


def spans_path(output: Path) -> Path:
    """Return where the spans without a mouth are written: out.unseen.json of out.mp4."""
    return output.with_suffix(".unseen.json")


def _check_spans(path: Path) -> None:
    """Refuse to replace a file that is no list of spans which an earlier run wrote.

    Raises:
        InputError: it is another file.
    """
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or set(found) != {"video", "unseen"}:
        raise InputError(
            f"{path} is where the spans without a mouth would be written, and holds something else;"
            " move it away or give another output"
        )


def _write_spans(result: GenerationResult) -> None:
    """Write beside the video in which spans no mouth was seen."""
    spans = [asdict(span) for span in result.unseen]
    name = result.path.name.encode("utf-8", "replace").decode()
    text = json.dumps({"video": name, "unseen": spans}, indent=2)
    path = spans_path(result.path)
    try:
        with atomic_write(path) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise MediaError(f"cannot write the spans {path}: {error}") from error
