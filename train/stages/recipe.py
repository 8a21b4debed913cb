"""Make weights that ship from raw data by one command: the stages that lead there, in order.

A recipe that was stopped goes on where it was, as its stages do. Its last step is `publish`, which
refuses weights that are worse than those that ship.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skyreels_avatar.errors import InputError
from train.config import TrainConfig, load_config

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One stage of a recipe.

    Attributes:
        stage: its name. overrides: `key=value` beside those of its file.
        needs: keys of `data` without which the recipe cannot begin.
        also_to: stages in whose exports the exported files are put, too.
    """

    stage: str
    overrides: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    also_to: tuple[str, ...] = ()


_REWARDED = ("num_steps=55", "lr=2.0e-4")  # of the run whose weights ship
_MOTION = (
    Step("voices", needs=("kokoro",)),
    Step("corpus", needs=("grid",)),
    Step("pretrain", ("data.natural_share=0.5", "data.real_share=0.12"), ("grid",)),
    Step("camera", ("start_from={runs}/pretrain/export",), also_to=("pretrain",)),
    Step("distill", ("start_from={runs}/pretrain/export",), also_to=("pretrain",)),
    Step("motion_rl", (*_REWARDED, "start_from={runs}/pretrain/export"), also_to=("pretrain",)),
    Step("publish", ("start_from={runs}/pretrain/export",)),
)
RECIPES: dict[str, tuple[Step, ...]] = {
    "transformer": _MOTION,
    "audio_encoder": _MOTION,
    "text_encoder": _MOTION,
    "controlnet": _MOTION,
    "vae": (
        Step("vae", needs=("portraits",)),
        Step("eyes", ("start_from={runs}/vae/export",)),
        Step("publish", ("start_from={runs}/eyes/export",)),
    ),
    "light": (Step("light"), Step("publish", ("start_from={runs}/light/export",))),
    "occluder": (
        Step("occluder", needs=("portraits",)),
        Step("publish", ("start_from={runs}/occluder/export",)),
    ),
    "sync": (
        Step("sync", needs=("grid", "talkers")),
        Step("publish", ("start_from={runs}/sync/export",)),
    ),
}
"""By the names of the files that ship, what makes them; motion is made as a whole."""


def run(config: TrainConfig) -> None:
    """Run the recipe of `recipe`; data, seed and device are those of this configuration.

    Raises:
        InputError: no such recipe, or data that one of its stages needs is not given.
        CheckpointError: what was made is worse than what ships.
    """
    if config.recipe not in RECIPES:
        raise InputError(f"recipe must be one of {', '.join(RECIPES)}, got {config.recipe!r}")
    from train.stages import stage_function  # which knows this stage, too

    steps = RECIPES[config.recipe]
    missing = sorted({n for step in steps for n in step.needs if not getattr(config.data, n)})
    if missing:
        raise InputError(
            f"the recipe of {config.recipe} needs "
            + " ".join(f"data.{name}=FOLDER" for name in missing)
        )
    runs = Path(config.run)
    for number, step in enumerate(steps):
        logger.info("%d of %d: %s", number + 1, len(steps), step.stage)
        stage_function(step.stage)(stage_config(step, config, runs))
        copy_exports(step, runs)


def stage_config(step: Step, config: TrainConfig, runs: Path) -> TrainConfig:
    """Return the configuration of a step: its file, the recipe's own keys, and the caller's."""
    told = [
        f"run={runs / step.stage}", f"seed={config.seed}", f"device={config.device}",
        f"threads={config.threads}", f"tier={config.tier}", f"publish_to={config.publish_to}",
        *(f"data.{name}={getattr(config.data, name)}" for name in _FOLDERS
          if getattr(config.data, name)),
    ]  # fmt: skip
    return load_config(step.stage, [*told, *(one.format(runs=runs) for one in step.overrides)])


_FOLDERS: Sequence[str] = (
    "cache", "grid", "portraits", "talkers", "kokoro", "recordings",
)  # fmt: skip


def copy_exports(step: Step, runs: Path) -> None:
    """Put what a step exported beside the exports of other stages, which go on from all of it."""
    for stage in step.also_to:
        for path in (runs / step.stage / "export").glob("*.safetensors"):
            shutil.copyfile(path, runs / stage / "export" / path.name)
