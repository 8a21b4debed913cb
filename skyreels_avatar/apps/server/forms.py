"""What clients send, checked: the bodies of requests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from skyreels_avatar.apps.jobs.inputs import Form, UploadId


class Consent(Form):
    """What the user states about the persons who are shown and heard."""

    statement: bool = Field(description="they agree to this use, or nobody real is shown")
    name: str | None = Field(None, max_length=200, description="of the person, or who states it")


class Webhook(Form):
    """What is called when a job ends, in the form of Standard Webhooks."""

    url: str = Field(max_length=2000)
    secret: str | None = Field(
        None, max_length=200, description="signs the calls: whsec_BASE64, or any text"
    )
    events: list[Literal["start", "completed"]] = Field(["completed"])


class JobForm(Form):
    """A job."""

    kind: Literal["generate", "retalk", "film", "speak"]
    input: dict[str, Any] = Field(description="of the kind; see the schemas below")
    consent: Consent | None = None
    webhook: Webhook | None = None


class PlanForm(Form):
    """A job whose plan is asked for."""

    kind: Literal["generate", "retalk", "film"]
    input: dict[str, Any]


class FacesForm(Form):
    """A picture or a video whose faces are asked for."""

    image: UploadId | None = None
    video: UploadId | None = None

    @model_validator(mode="after")
    def _one_file(self) -> FacesForm:
        if (self.image is None) == (self.video is None):
            raise ValueError("give image or video, the id of an upload, not both")
        return self


class PreviewForm(Form):
    """A camera move over a picture."""

    image: UploadId
    camera: str | dict[str, Any] | list[Any] = Field(
        description="a move and its strength, or keyframes as in a script", examples=["push_in:60"]
    )
    size: str | None = Field(
        None, max_length=20, examples=["512x512"], description="of the video; a preview is smaller"
    )
    seconds: float = Field(2.0, ge=0.2, le=30, description="of the shot")


class SessionForm(Form):
    """A token that is exchanged for a cookie."""

    token: str = Field(max_length=200)
