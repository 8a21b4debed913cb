"""The node that says a text."""

from __future__ import annotations

from comfy_api.v0_0_2 import io

import skyreels_avatar as sa

from . import fields, generation
from .conversion import to_audio
from .host import work_folder


class Speak(io.ComfyNode):
    """Say a text with a synthetic voice."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarSpeak",
            display_name="Speak",
            category=fields.CATEGORY,
            description="Says a text, offline. Natural English voices and a hundred languages.",
            inputs=[
                io.String.Input(
                    "text",
                    multiline=True,
                    default="Hello, I am a drawing that speaks.",
                    dynamic_prompts=False,
                    tooltip="In the language of the voice; punctuation makes pauses.",
                ),
                io.Combo.Input(
                    "voice",
                    options=list(generation.speech_voices()),
                    default=generation.DEFAULT_VOICE,
                    tooltip="default is American English.",
                ),
                io.Float.Input(
                    "speed",
                    default=1.0,
                    min=0.5,
                    max=2.5,
                    step=0.05,
                    tooltip="Times the voice's own speed.",
                ),
            ],
            outputs=[io.Audio.Output(display_name="audio")],
        )

    @classmethod
    def execute(cls, text: str, voice: str, speed: float) -> io.NodeOutput:
        """Say the text."""
        chosen = {} if voice == generation.DEFAULT_VOICE else {"voice": voice}
        with work_folder() as folder:
            spoken = sa.speak(text, folder / "speech.wav", speed=speed, **chosen)
        return io.NodeOutput(to_audio(spoken.audio))
