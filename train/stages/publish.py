"""Put the weights of a run among those that ship, if they are not worse by a frozen protocol.

Every kind of file has its measure, on material that no network was trained on, the same for all
who come: fixed seeds, fixed voices, portraits and clips that the stages keep back. Both the files
that ship and the new ones are measured again, so that no table has to be trusted.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.loading.checkpoints.load import load_module
from skyreels_avatar.loading.components import Components, load_components
from skyreels_avatar.models.light_encoder import LIGHT_NUMBERS
from skyreels_avatar.models.occluder import OccluderNet
from skyreels_avatar.models.sync_network import SyncNetwork
from train.acting import make_takes, range_rows, rhythm_rows
from train.closures import judge_voice
from train.config import TrainConfig
from train.data.occlusion import OccludedFaces, face_crops
from train.data.simulate.portraits import load_portraits
from train.data.simulate.speech import HELD_OUT_VOICES, Speech, make_speech
from train.data.talking import load_talking
from train.loop import with_weights
from train.person_distance import spoken
from train.stages import eyes, light, occluder, sync, vae

logger = logging.getLogger(__name__)

PROTOCOL = 1  # grows when a measure changes
NUM_SPEECHES, SPEECH_S, KEYS = 4, 8.0, (11, 12)
NUM_SENTENCES, NUM_OCCLUDED, NUM_CROPS = 2000, 1024, 1024
_SEED = 20260101


@dataclass(frozen=True)
class Goal:
    """Which values of a figure are good.

    Attributes:
        low, high: of the band that is good; beyond it the distance counts.
        tolerance: by how much a new file may be worse, about what another seed changes.
    """

    low: float
    high: float
    tolerance: float

    def miss(self, value: float) -> float:
        """Return how far a value is from the band; infinity where it is not a number."""
        if not np.isfinite(value):
            return float("inf")
        return max(self.low - value, value - self.high, 0.0)


def _least(tolerance: float) -> Goal:
    return Goal(-np.inf, 0.0, tolerance)


def _most(tolerance: float) -> Goal:
    return Goal(1.0, np.inf, tolerance)


MOTION_GOALS = {
    "closures": _most(0.02),
    "opening / H": Goal(0.08, 0.11, 0.01),
    "brows / H": Goal(0.03, 0.05, 0.005),
    "yaw, degrees": Goal(8.0, 14.0, 1.0),
    "roll, degrees": Goal(4.0, 8.0, 0.7),
    "away from the camera": Goal(0.05, 0.15, 0.02),
    "blinks a minute": Goal(10.0, 20.0, 2.0),
    "quiet ratio, lips": Goal(-np.inf, 0.30, 0.03),
}
LIGHT_GOALS = {"false_alarms": _least(0.005), "misses": _least(0.005), "words": _least(0.005)}
LIGHT_GOALS |= dict.fromkeys(LIGHT_NUMBERS, _least(0.01))
OCCLUDER_GOALS = {
    "iou": _most(0.01), "iou_p10": _most(0.02), "missed": _least(0.01), "false_alarms": _least(0.01)
}  # fmt: skip


def run(config: TrainConfig) -> None:
    """Measure the files of `start_from` and of `assets`; copy the new ones if none is worse.

    Raises:
        InputError: no file that ships is there, or material to measure it is missing.
        CheckpointError: a figure is worse.
    """
    torch.set_num_threads(config.threads)
    folder, shipped = Path(config.start_from), Path(config.publish_to)
    if config.start_from and folder.resolve() == shipped.resolve():
        raise InputError(f"{folder} is what ships already; give the folder of a run's export")
    names = [name for name in GATES if (folder / f"{name}.safetensors").is_file()]
    if not names or not config.start_from:
        raise InputError(
            f"give start_from=FOLDER with one of {', '.join(f'{n}.safetensors' for n in GATES)}"
        )
    worse, measured = [], {"protocol": PROTOCOL}
    for gate in dict.fromkeys(GATES[name] for name in names):
        goals, before = gate(config, shipped)
        _, after = gate(config, folder)
        print(table(goals, before, after))
        worse += failures(goals, before, after)
        measured |= {name: [before[name], after[name]] for name in goals}
    path = Path(config.run) / "publish.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(measured, indent=1))
    if worse:
        raise CheckpointError(f"not published, worse than what ships: {'; '.join(worse)}")
    for name in names:
        shutil.copyfile(folder / f"{name}.safetensors", shipped / f"{name}.safetensors")
        logger.info("published %s", shipped / f"{name}.safetensors")


Gate = Callable[[TrainConfig, Path], tuple[dict[str, Goal], dict[str, float]]]


def failures(
    goals: dict[str, Goal], before: dict[str, float], after: dict[str, float]
) -> list[str]:
    """Return the figures that are further from their goal than they were, and no tolerance."""
    return [
        f"{name} {after[name]:.4g} instead of {before[name]:.4g}"
        for name, goal in goals.items()
        if goal.miss(after[name]) > goal.miss(before[name]) + goal.tolerance
    ]


def table(goals: dict[str, Goal], before: dict[str, float], after: dict[str, float]) -> str:
    """Return the figures of both as a table in Markdown."""
    lines = ["| | ships | new | |", "|---|---|---|---|"]
    for name in goals:
        bad = failures({name: goals[name]}, before, after)
        verdict = "worse" if bad else "ok"
        lines.append(f"| {name} | {before[name]:.4g} | {after[name]:.4g} | {verdict} |")
    return "\n".join(lines)


def motion(config: TrainConfig, folder: Path) -> tuple[dict[str, Goal], dict[str, float]]:
    """Return goals and figures of sampled motion, of synthetic voices kept back.

    Files that are not in the folder are those that ship.
    """
    parts = _parts(config, folder)
    speeches = _speeches()
    takes = make_takes(parts, speeches, KEYS)
    judged = judge_voice(parts, _utterances())
    shut = judged.shut / max(judged.sounds, 1)
    return MOTION_GOALS, {"closures": shut, **range_rows(takes), **rhythm_rows(takes)}


def light_reader(config: TrainConfig, folder: Path) -> tuple[dict[str, Goal], dict[str, float]]:
    """Return goals and figures of the reader of light."""
    parts = _parts(config, folder)
    said = light.captions(NUM_SENTENCES, np.random.default_rng([_SEED, 88]))
    return LIGHT_GOALS, light.figures_of(parts, said)


def face_rig(config: TrainConfig, folder: Path) -> tuple[dict[str, Goal], dict[str, float]]:
    """Return goals and figures of the rig's encoder and eye finder, on portraits kept out."""
    parts = _parts(config, folder)
    faces = [face for face in _portraits(config) if face.kept_out]
    crops = [crop for face in faces for crop in eyes.eye_crops(face)]
    held = eyes.draw_batch(crops, NUM_CROPS, np.random.default_rng(_SEED))
    figures = {
        **vae.figures_of(parts, vae.face_points(faces)),
        **{f"eyes: {name}": value for name, value in eyes.figures_of(parts, held).items()},
    }
    return {name: _least(0.01) for name in figures}, figures


def occlusion(config: TrainConfig, folder: Path) -> tuple[dict[str, Goal], dict[str, float]]:
    """Return goals and figures of the occluder network, on people kept out."""
    network = load_module(OccluderNet, folder / occluder.NAME)
    crops = face_crops(_portraits(config), Path(config.run) / "crops.npz")
    held = OccludedFaces(crops.part(crops.kept_out), _SEED, 1.0).batch(NUM_OCCLUDED)
    return OCCLUDER_GOALS, occluder.validate(network, *held)


def lip_sync(config: TrainConfig, folder: Path) -> tuple[dict[str, Goal], dict[str, float]]:
    """Return goals and figures of the sync network, on people kept out."""
    network = load_module(SyncNetwork, folder / sync.NAME)
    clips = load_talking(config.data.grid, config.data.talkers)
    figures = sync.judge(network, [clip for clip in clips if clip.held_out])
    return {name: _most(0.01) for name in figures}, figures


GATES: dict[str, Gate] = {
    "transformer": motion, "audio_encoder": motion, "text_encoder": motion, "controlnet": motion,
    "light": light_reader, "vae": face_rig, "occluder": occlusion, "sync": lip_sync,
}  # fmt: skip


def _parts(config: TrainConfig, folder: Path) -> Components:
    """Return networks read alike from what ships, those of a folder in the place of theirs."""
    shipped = with_weights(load_components(config.tier), Path(config.publish_to))
    return with_weights(shipped, folder)


_utterances = cache(spoken)


@cache
def _speeches() -> dict[str, Speech]:
    """Return the speech that both sides perform; said again, espeak-ng's would differ."""
    return {
        f"voice {index}": make_speech(
            SPEECH_S, np.random.default_rng([_SEED, index]), HELD_OUT_VOICES
        )
        for index in range(NUM_SPEECHES)
    }


def _portraits(config: TrainConfig) -> list:
    if not config.data.portraits:
        raise InputError("give the folder of portraits: data.portraits=FOLDER")
    cache = Path(config.data.cache) / "portraits.npz"
    return load_portraits(Path(config.data.portraits), cache)
