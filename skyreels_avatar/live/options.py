"""How a stream looks and performs."""

from __future__ import annotations

from dataclasses import dataclass

from skyreels_avatar.checks import MAX_SEED, check_choice, check_integer, check_number
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.label import check_label
from skyreels_avatar.media.video import exact_fps
from skyreels_avatar.request.camera_spec import CameraLike, parse_camera
from skyreels_avatar.request.shot import MAX_EXPRESSIVENESS
from skyreels_avatar.request.style import STYLES

MAX_FPS = 60.0


@dataclass(frozen=True)
class StreamOptions:
    """How a stream looks and performs; see `open_stream`."""

    fps: float = 25.0
    prompt: str | None = None
    camera: CameraLike | None = None
    seed: int = 0
    expressiveness: float = 100.0
    style: str = "natural"
    watermark: bool = True
    label: str | None = None
    low_latency: bool = False

    def __post_init__(self) -> None:
        exact_fps(check_number("fps of a stream", self.fps, 5.0, MAX_FPS))
        check_integer("seed", self.seed, 0, MAX_SEED)
        if self.label is not None:
            check_label(self.label)
        check_direction(self)
        parse_camera(self.camera or "static")


def check_direction(options: StreamOptions) -> None:
    """Refuse what is not a direction.

    Raises:
        InputError: of the prompt, the style or the expressiveness.
    """
    if options.prompt is not None and not isinstance(options.prompt, str):
        raise InputError(f"prompt must be text, got {options.prompt!r}")
    check_choice("style", options.style, STYLES)
    check_number("expressiveness", options.expressiveness, 0, MAX_EXPRESSIVENESS)
