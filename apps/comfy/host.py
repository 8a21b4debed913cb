"""What the nodes take from ComfyUI: folders, progress, the stop button, memory, VIDEO.

The one file that imports ComfyUI's own modules beside the node classes.
"""

from __future__ import annotations

import logging
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import folder_paths
import torch
from comfy_api.v0_0_2 import InputImpl
from comfy_execution.graph_utils import ExecutionBlocker
from server import PromptServer

import comfy.model_management
import comfy.utils
import skyreels_avatar as sa

from .conversion import load_frames, load_sound, save_frames
from .generation import memory_mb
from .progress_text import progress_text, result_text

logger = logging.getLogger(__name__)

_INTERVAL_S = 0.1
NOT_DECODED = (
    "the output images is empty: switch decode_frames on, or use the output video of the node"
)


def temp_folder(name: str = "") -> Path:
    """Return a folder of ours among ComfyUI's temporary files, which it deletes when it starts."""
    folder = Path(folder_paths.get_temp_directory()) / "skyreels_avatar" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def input_folder() -> Path:
    """Return the folder that ComfyUI's uploads go to."""
    return Path(folder_paths.get_input_directory())


def output_path() -> Path:
    """Return a path for a video that stays as long as ComfyUI runs."""
    return temp_folder() / f"{uuid.uuid4().hex}.mp4"


@contextmanager
def work_folder() -> Iterator[Path]:
    """Provide a folder for the inputs of one run, which is deleted after it.

    Nodes run in inference mode. The library keeps networks for the next call and uses them in
    threads of its own, where tensors that were made in that mode cannot be changed.
    """
    with (
        tempfile.TemporaryDirectory(dir=temp_folder(), prefix="run-") as folder,
        torch.inference_mode(False),
        torch.no_grad(),
    ):
        yield Path(folder)


class NodeProgress:
    """Show on a node how far a run is, and stop the run when the user asks for it.

    Args:
        node_id: of the node in the graph, the hidden input `unique_id`.
    """

    def __init__(self, node_id: str | None):
        self._node_id = node_id
        self._bar = comfy.utils.ProgressBar(1, node_id=node_id)
        self._shown: tuple[str, int] | None = None
        self._shown_s = 0.0

    def __call__(self, progress: sa.Progress) -> None:
        """Take a report of the library.

        Raises:
            InterruptProcessingException: the user has stopped the run.
        """
        comfy.model_management.throw_exception_if_processing_interrupted()
        now_s, state = time.monotonic(), (progress.stage, progress.done)
        is_last = progress.total and progress.done == progress.total
        if state == self._shown or (now_s - self._shown_s < _INTERVAL_S and not is_last):
            return
        self._shown, self._shown_s = state, now_s
        if progress.total:
            self._bar.update_absolute(progress.done, progress.total)
        self.show(progress_text(progress))

    def finish(
        self, made: sa.GenerationResult | sa.FilmResult, seconds: Mapping[str, float]
    ) -> None:
        """Say on the node and in the log what was made, and how long it took.

        Args:
            seconds: of its stages; "total" is the whole.
        """
        text = result_text(made, seconds["total"])
        stages = ", ".join(f"{stage} {took:.2f} s" for stage, took in seconds.items())
        logger.info("SkyReels Avatar: %s (%s)", text, stages)
        self.show(text)

    def show(self, text: str) -> None:
        """Write a line on the node."""
        if self._node_id is not None:
            PromptServer.instance.send_progress_text(text, self._node_id)


def make_room(tier: str, height: int, width: int) -> None:
    """Let ComfyUI move its own models out of the GPU until there is room for ours."""
    if torch.cuda.is_available():
        needed = memory_mb(tier, height, width) * 2**20
        comfy.model_management.free_memory(needed, comfy.model_management.get_torch_device())
        comfy.model_management.soft_empty_cache()


def video_file(video: object, folder: Path) -> Path:
    """Return a file that shows what a VIDEO shows.

    The file of a VIDEO is taken as it is, unless the VIDEO is only a part of it.
    """
    if not isinstance(video, InputImpl.VideoFromFile):
        parts = video.get_components()
        return save_frames(parts.images, float(parts.frame_rate), parts.audio, folder)
    source = video.get_stream_source()
    if isinstance(source, (str, Path)):
        original = InputImpl.VideoFromFile(str(source))
        same_size = original.get_dimensions() == video.get_dimensions()
        if same_size and abs(original.get_duration() - video.get_duration()) < 1e-3:
            return Path(source)
    path = folder / "source.mp4"
    video.save_to(str(path))
    return path


def results(path: Path, decode_frames: bool) -> tuple:
    """Return a finished video as IMAGE, AUDIO, VIDEO and frames per second."""
    images = load_frames(path) if decode_frames else ExecutionBlocker(NOT_DECODED)
    video = InputImpl.VideoFromFile(str(path))
    return images, load_sound(path), video, float(sa.VideoReader(path).fps)
