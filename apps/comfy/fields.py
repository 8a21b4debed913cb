"""Inputs and outputs that several nodes have, with their explanations."""

from __future__ import annotations

from comfy_api.v0_0_2 import io

from .generation import DEFAULT_VOICE, MAX_SEED, speech_voices

CATEGORY = "SkyReels Avatar"
AvatarType = io.Custom("SKYREELS_AVATAR")
CameraType = io.Custom("SKYREELS_CAMERA")
ShotsType = io.Custom("SKYREELS_SHOTS")
STYLES = ["calm", "natural", "lively"]


def avatar() -> io.Input:
    """Return the input for networks."""
    return AvatarType.Input("avatar", tooltip="From Load Avatar.")


def audio(tooltip: str = "The voice; sets the length of the video. Or use text.") -> io.Input:
    """Return the input for a voice."""
    return io.Audio.Input("audio", optional=True, tooltip=tooltip)


def prompt() -> io.Input:
    """Return the field for how somebody performs."""
    return io.String.Input(
        "prompt",
        multiline=True,
        default="a woman speaks warmly and smiles",
        placeholder="how the person performs",
        dynamic_prompts=False,
        tooltip="The performance and the lighting, in English: "
        '"a man is angry, in blue neon light".',
    )


def text_and_voice() -> list[io.Input]:
    """Return the fields for a text in place of a sound."""
    return [
        io.String.Input(
            "text",
            multiline=True,
            default="",
            placeholder="what is said, where no audio is connected",
            dynamic_prompts=False,
            tooltip="Text to speak instead of audio. Leave it empty if audio is connected.",
        ),
        io.Combo.Input(
            "voice",
            options=list(speech_voices()),
            default=DEFAULT_VOICE,
            tooltip="The voice for the text. default is American English.",
        ),
    ]


def size(maximum: int = 4096) -> list[io.Input]:
    """Return the fields for the size of a video."""
    hint = "0 follows the picture's shape; both 0: the picture's size, its long side at most 768."
    return [
        io.Int.Input("width", default=0, min=0, max=maximum, step=2, tooltip=f"In pixels. {hint}"),
        io.Int.Input("height", default=0, min=0, max=maximum, step=2, tooltip=f"In pixels. {hint}"),
    ]


def fps() -> io.Input:
    """Return the field for the frame rate."""
    return io.Float.Input(
        "fps", default=25.0, min=1.0, max=120.0, step=0.01, tooltip="Frames per second."
    )


def seed() -> io.Input:
    """Return the field for the seed: the same inputs and seed are not made a second time."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=MAX_SEED,
        control_after_generate=True,
        tooltip="The same seed gives the same frames. With a fixed seed and unchanged inputs, "
        "nothing is rendered again.",
    )


def performance() -> list[io.Input]:
    """Return the fields for what kind of talker performs."""
    return [
        io.Combo.Input(
            "style",
            options=STYLES,
            default="natural",
            tooltip="Talking style: how much head, gaze and face move.",
        ),
        io.Float.Input(
            "expressiveness",
            default=100.0,
            min=0.0,
            max=200.0,
            step=1.0,
            display_mode=io.NumberDisplay.slider,
            tooltip="Amplitude of mouth, head and face motion, in percent.",
        ),
    ]


def face() -> io.Input:
    """Return the field for whose face speaks."""
    return io.String.Input(
        "face",
        default="auto",
        tooltip="Which face speaks: auto, a number (0 is the largest), a point x,y on it, or its "
        "box x,y,width,height in pixels.",
    )


def decode_frames() -> io.Input:
    """Return the switch for frames as IMAGE."""
    return io.Boolean.Input(
        "decode_frames",
        default=True,
        tooltip="Off saves memory on long videos: only video and audio are output. A minute at "
        "768x768 takes 10 GB as images.",
    )


def video_outputs() -> list[io.Output]:
    """Return the outputs of all nodes that make videos; see `host.results`."""
    return [
        io.Image.Output(display_name="images", tooltip="The frames of the video."),
        io.Audio.Output(display_name="audio", tooltip="The audio, as long as the video."),
        io.Video.Output(display_name="video", tooltip="The video with its audio."),
        io.Float.Output(display_name="fps", tooltip="Frames per second of the video."),
    ]
