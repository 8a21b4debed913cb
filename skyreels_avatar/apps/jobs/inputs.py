"""What each kind of job takes, checked."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from skyreels_avatar.apps.jobs.records import RequestError


def check_voice(name: str) -> str:
    """Return the name of a voice, if it is one that leads to no folder and no download.

    Raises:
        ValueError: it is none.
    """
    if not _VOICE.fullmatch(name) or name.startswith("vits:"):
        raise ValueError("voice must be one of those that the server lists under /v1/options")
    return name


_VOICE = re.compile(r"[A-Za-z0-9]+(?:[:+_.-][A-Za-z0-9]+)*", re.ASCII)
UploadId = Annotated[str, Field(pattern=r"^file_[0-9a-f]{32}$", description="id of an upload")]
JobId = Annotated[str, Field(pattern=r"^job_[0-9a-f]{32}$", description="id of a job")]
TierName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="name of a tier")]
Prompt = Annotated[str, Field(max_length=5000)]
Style = Literal["calm", "natural", "lively"]
Gate = Literal["auto", "off"]
Keep = Literal["lips", "face", "none"]
Length = Literal["audio", "video", "loop", "bounce", "remap", "silence"]
VoiceName = Annotated[str, Field(description="name of a voice"), AfterValidator(check_voice)]


class Form(BaseModel):
    """A form without fields beyond those that it names."""

    model_config = ConfigDict(extra="forbid")


class FacePoint(Form):
    """A point in a picture, in parts of its width and height."""

    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)


class _Sampled(Form):
    tier: TierName | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    steps: int | None = Field(None, ge=1, le=1000)
    guidance_scale: float | None = Field(None, ge=0, le=100)
    audio_guidance_scale: float | None = Field(None, ge=0, le=100)


class _Spoken(_Sampled):
    audio: UploadId | None = None
    audio_start: float | None = Field(None, ge=0)
    audio_end: float | None = Field(None, gt=0)
    text: Prompt | None = Field(None, description="what is said, in place of audio")
    voice: VoiceName | None = None
    language: VoiceName | None = Field(None, description="of the voice, such as de")
    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    style: Style = "natural"
    expressiveness: float = Field(100.0, ge=0, le=200)
    gate: Gate = "auto"
    fps: float | None = Field(None, ge=1, le=120)
    face: FacePoint | int | Literal["auto"] = Field(
        "auto", description="a point of it, its number (0 is the largest) or auto"
    )

    @model_validator(mode="after")
    def _one_sound(self) -> _Spoken:
        if (self.audio is None) == (not (self.text or "").strip()):
            raise ValueError("give audio (the id of an upload) or text (to speak), not both")
        return self


class GenerateInput(_Spoken):
    """A talking video of a picture."""

    image: UploadId
    camera: str = Field("static", max_length=80, examples=["push_in:60"])
    size: str | None = Field(None, max_length=20, examples=["512x512", "720p"])
    windows: Literal["overlap", "keyframes"] = "overlap"


class RetalkInput(_Spoken):
    """New words for a video."""

    video: UploadId
    keep: Keep = "face"
    length: Length = "audio"


class FilmInput(Form):
    """A film of several shots."""

    script: str = Field(
        max_length=200_000,
        description="a script in YAML or JSON in which ids of uploads stand for files",
    )
    tier: TierName | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    reuse: JobId | None = Field(
        None, description="an earlier film of yours: shots that are the same are taken from it"
    )


class SpeakInput(Form):
    """A text that is said."""

    text: Prompt = Field(min_length=1)
    voice: VoiceName | None = None
    language: VoiceName | None = None


INPUTS: dict[str, type[BaseModel]] = {
    "generate": GenerateInput, "retalk": RetalkInput, "film": FilmInput, "speak": SpeakInput,
}  # fmt: skip


def checked_input(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the input of a job without what was left out.

    Raises:
        RequestError: a field is unknown, missing or out of range.
    """
    try:
        return INPUTS[kind].model_validate(values).model_dump(exclude_none=True)
    except ValidationError as error:
        raise form_error(error.errors(), INPUTS[kind]) from error


def form_error(problems: Any, form: type[BaseModel] | None = None) -> RequestError:
    """Return one error for what is wrong with a form: the first problem, in one sentence."""
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    message = first["msg"].removeprefix("Value error, ")
    fix = "see /docs for what may be sent"
    if form is not None:
        fix = f"fields are {', '.join(form.model_fields)}; see /docs"
    whole = f"{place}: {message}" if place else message
    field = place.partition(".")[0] or None
    return RequestError("invalid_input", whole, fix, 422, field=field)
