"""The loop that trains a transformer on windows of footage, on one GPU or on several.

A step is a number: what it draws follows from the seed, the step and the place of a window in the
batch, so that a run that was stopped, or that has another number of processes, draws the same.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from skyreels_avatar.errors import InputError, MissingExtraError
from skyreels_avatar.loading.components import load_components, unload_components
from train.config import TrainConfig
from train.data.footage_report import read_table
from train.data.person import KEPT_BACK
from train.loop import clipped_step, rate_at, read_checkpoint, write_checkpoint
from train.stages.data import find_videos
from train.video.windows import Footage, VideoWindow, encode_pieces, window_files

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)

_TIMEOUT = timedelta(hours=6)  # of processes that wait for one that encodes more


@dataclass(frozen=True)
class Draw:
    """The place of one window of a batch: all that is random follows from it.

    Attributes:
        step: of the run. index: in the batch.
        generator: of this window. shared: the same for all windows of the step.
    """

    step: int
    index: int
    generator: torch.Generator
    shared: torch.Generator

    @classmethod
    def of(cls, seed: int, step: int, index: int) -> Draw:
        """Return the draw of a window in a step."""

        def generator(number: int) -> torch.Generator:
            mixed = (seed * 1_000_003 + step) * 1009 + number
            return torch.Generator().manual_seed(mixed)

        return cls(step, index, generator(1 + index), generator(0))


LossFunction = Callable[[VideoWindow, Draw], torch.Tensor]


def start(config: TrainConfig) -> Accelerator:
    """Return the processes of this run: one, or those that torchrun or accelerate has started.

    Raises:
        MissingExtraError: accelerate is not installed.
        InputError: they cannot share the batch.
    """
    try:
        from accelerate import Accelerator, InitProcessGroupKwargs
    except ImportError as error:
        raise MissingExtraError("accelerate", "studio") from error
    torch.set_num_threads(config.threads)
    accelerator = Accelerator(
        mixed_precision="bf16" if config.use_bf16 else "no",
        cpu=torch.device(config.device).type == "cpu",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_TIMEOUT)],
    )
    if not accelerator.is_main_process:
        logging.getLogger("train").setLevel(logging.WARNING)
    if config.batch_size % accelerator.num_processes:
        raise InputError(
            f"batch_size must be a multiple of the {accelerator.num_processes} processes, got "
            f"{config.batch_size}"
        )
    return accelerator


def prepare_windows(config: TrainConfig, accelerator: Accelerator) -> tuple[list[Path], list[Path]]:
    """Encode the pieces of footage where that is not done yet, shared out over the processes.

    Returns:
        the windows that are learnt from, and those of one piece in four, which are kept back.

    Raises:
        InputError: no pieces, no videos, or no window is long enough.
    """
    data, folder = Path(config.style.footage), Path(config.video.windows)
    table = data / "pieces.csv"
    if not table.is_file():
        raise InputError(f"no pieces in {data}; make them with: python -m train data FOLDER")
    pieces = [piece for piece in read_table(table) if not piece.reason]
    if config.style.person != "all":
        pieces = [piece for piece in pieces if piece.person == config.style.person]
    folder = folder / f"{Path(config.tier).stem}-{config.video.size}"
    missing = [one for one in pieces if not (folder / f"{Path(one.name).stem}.json").is_file()]
    if missing:
        videos = {path.name: path for path in find_videos(config.footage.folder)}
        if gone := sorted({one.source for one in missing} - videos.keys()):
            raise InputError(f"no {', '.join(gone)} under {config.footage.folder}")
        footage = Footage(data, videos, config.tier, config.video.size)
        own = missing[accelerator.process_index :: accelerator.num_processes]
        if own:
            parts = load_components(config.tier, str(accelerator.device))
            encode_pieces(parts, footage, own, folder)
            unload_components()
    accelerator.wait_for_everyone()
    back = pieces[KEPT_BACK // 2 :: KEPT_BACK]
    learnt = [piece for piece in pieces if piece not in back]
    found = window_files(folder, learnt), window_files(folder, back)
    if not found[0]:
        raise InputError(
            f"no piece of {config.style.person} in {data} gives a window; {folder} says why. Give "
            "style.person=all, or longer videos"
        )
    return found


class VideoRun:
    """One run in a folder: the weights that learn, their optimizer, the step count.

    Args:
        network: on its device, whose weights that learn require gradients.
        export: writes what was learnt; called in every process.
    """

    def __init__(
        self,
        config: TrainConfig,
        accelerator: Accelerator,
        network: torch.nn.Module,
        export: Callable[[torch.nn.Module, Path], None],
    ):
        self.config, self.accelerator, self.network = config, accelerator, network
        self.folder, self._export, self.step = Path(config.run), export, 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.weights = [one for one in network.parameters() if one.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=config.lr, betas=(0.9, 0.99), weight_decay=config.weight_decay
        )
        self.resume()

    def train(
        self, loss_function: LossFunction, learnt: Sequence[Path], kept_back: Sequence[Path]
    ) -> None:
        """Take steps until the end of the plan or of the time, validate, and export."""
        config, begin, first = self.config, time.monotonic(), self.step
        logger.info("%d weights learn", sum(one.numel() for one in self.weights))
        (self.folder / "config.json").write_text(json.dumps(asdict(config), indent=1))
        sums, validated = [], -1
        while self.step < config.num_steps:
            sums.append(self.take_step(loss_function, learnt))
            elapsed_s = time.monotonic() - begin
            if self.step % config.log_every == 0:
                loss, norm = (sum(values) / len(sums) for values in zip(*sums))
                pace_s = elapsed_s / (self.step - first)
                logger.info(
                    "step %d/%d loss %.4f norm %.3f | %.2f s/step, %.0f min left",
                    self.step, config.num_steps, loss, norm, pace_s,
                    pace_s * (config.num_steps - self.step) / 60,
                )  # fmt: skip
                sums = []
            if self.step % config.save_every == 0:
                self.save()
            if self.step % config.validate_every == 0:
                validated = self.validate(loss_function, kept_back)
            if config.max_minutes and elapsed_s > 60 * config.max_minutes:
                logger.info("stopped after %.0f minutes", elapsed_s / 60)
                break
        self.save()
        if validated != self.step:
            self.validate(loss_function, kept_back)

    def take_step(self, loss_function: LossFunction, learnt: Sequence[Path]) -> tuple[float, float]:
        """Update the weights once; return the mean loss of the batch and the gradient's norm."""
        config, here = self.config, self.accelerator
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * rate_at(self.step, config)
        total, own = 0.0, range(here.process_index, config.batch_size, here.num_processes)
        for index in own:
            draw = Draw.of(config.seed, self.step, index)
            path = learnt[int(torch.randint(len(learnt), (), generator=draw.generator))]
            with here.autocast():
                loss = loss_function(VideoWindow.load(path).to(here.device), draw)
            here.backward(loss / len(own))
            total += loss.detach() / len(own)
        norm = clipped_step(self.optimizer, self.weights, config.clip_norm, self.step)
        self.step += 1
        return float(here.reduce(total, "mean")), norm

    def save(self) -> None:
        """Write all that is needed to go on, every process its share; the old stays until then.

        `checkpoint.pt` says which step counts; the weights of each step have a folder of their own.
        """
        import torch.distributed.checkpoint as dcp

        dcp.save(self._state(), checkpoint_id=self._place(self.step))
        if self.accelerator.is_main_process:
            write_checkpoint(self.folder, {"step": self.step})
            for old in self.folder.glob("checkpoint-*"):
                if old != self._place(self.step):
                    shutil.rmtree(old)
        self.accelerator.wait_for_everyone()

    def resume(self) -> None:
        """Go on from the folder's checkpoint if there is one."""
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint.state_dict import set_state_dict

        noted = read_checkpoint(self.folder, "cpu")
        if noted is None:
            return
        self.step = noted["step"]
        state = self._state()
        dcp.load(state, checkpoint_id=self._place(self.step))
        set_state_dict(
            self.network,
            self.optimizer,
            model_state_dict=state["network"],
            optim_state_dict=state["optimizer"],
            options=_learning(),
        )
        logger.info("continuing %s at step %d", self.folder, self.step)

    def _state(self) -> dict:
        from torch.distributed.checkpoint.state_dict import get_state_dict

        network, optimizer = get_state_dict(self.network, self.optimizer, options=_learning())
        return {"network": network, "optimizer": optimizer}

    def _place(self, step: int) -> Path:
        return self.folder / f"checkpoint-{step}"

    @torch.no_grad()
    def validate(self, loss_function: LossFunction, kept_back: Sequence[Path]) -> int:
        """Export, and note down the loss of what was kept back; return the step.

        The draws are those of step -1, so that losses of different steps compare.
        """
        self._export(self.network, self.folder / "export")
        losses = []
        for index, path in enumerate(kept_back):
            draw = Draw.of(self.config.seed, -1, index)
            with self.accelerator.autocast():
                window = VideoWindow.load(path).to(self.accelerator.device)
                losses.append(float(loss_function(window, draw)))
        if losses and self.accelerator.is_main_process:
            line = {"step": self.step, "loss": round(sum(losses) / len(losses), 5)}
            logger.info("validation %s", json.dumps(line))
            with open(self.folder / "validation.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
        return self.step


def _learning():
    from torch.distributed.checkpoint.state_dict import StateDictOptions

    return StateDictOptions(ignore_frozen_params=True, strict=False)


def is_first_process() -> bool:
    """Return whether this process writes what all of them have made."""
    return not dist.is_initialized() or dist.get_rank() == 0
