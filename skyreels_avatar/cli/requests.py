"""Options of the command line as a request, and a request as words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyreels_avatar.cli.studio_options import parsed_speakers
from skyreels_avatar.cli.voice_commands import text_of

if TYPE_CHECKING:
    from skyreels_avatar.request.generation_request import GenerationRequest


def request_of(options: dict) -> GenerationRequest:
    """Return the checked request that options of the command line describe."""
    from skyreels_avatar.request.generation_request import GenerationRequest
    from skyreels_avatar.request.sampling import SamplingParams
    from skyreels_avatar.request.shot import Shot

    shot = Shot(
        image=options["image"],
        audio=options["audio"],
        prompt=options["prompt"],
        camera=options["camera"],
        start_s=options["audio_start"],
        end_s=options["audio_end"],
        face=options.get("face", "auto"),
        negative_prompt=options.get("negative_prompt", ""),
        text=None if options["text"] is None else text_of(options["text"]),
        voice=options["voice"],
        vocals=options.get("vocals"),
        gate=options.get("gate", "auto"),
        speakers=parsed_speakers(options["speaker"]),
    )
    scales = options["guidance_scale"], options["audio_guidance_scale"]
    sampling = SamplingParams(options["steps"], *scales, options.get("seed", 0))
    how = (options[name] for name in ("output", "tier", "size", "fps"))
    more = {name: options.get(name) for name in ("subtitles", "windows", "memory")}
    return GenerationRequest(shot, *how, sampling, **more)


def camera_of(request: GenerationRequest) -> str:
    """Return the camera move and its percentage for the line of the result."""
    move = request.shot.camera
    name = getattr(move, "name", "static")
    return "" if name == "static" else f", camera {name} {100 * move.strength:g}%"
