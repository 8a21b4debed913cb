"""What the page of a live face sends, checked."""

from __future__ import annotations

from pydantic import Field

from skyreels_avatar.apps.jobs.inputs import Form, UploadId
from skyreels_avatar.apps.live.speech import MAX_CHARACTERS


class ConnectForm(Form):
    """The offer of a browser."""

    sdp: str = Field(min_length=1, max_length=100_000)


class SayForm(Form):
    """Words to say."""

    text: str = Field(max_length=MAX_CHARACTERS)
    voice: str | None = Field(None, max_length=100)


class SetForm(Form):
    """How the face performs from now on; what is not named stays."""

    prompt: str | None = Field(None, max_length=1000)
    camera: str | None = Field(None, max_length=200)
    expressiveness: float | None = Field(None, ge=0, le=200)


class PortraitForm(Form):
    """Who is shown from now on."""

    image: UploadId
    consent: bool = Field(False, description="the person agrees, or nobody real is shown")
