"""Print the table of acting for the weights of a folder, or for those that ship."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import load_components
from train.acting import likeness_rows, make_takes, prompt_rows, range_rows, rhythm_rows, table
from train.config import TrainConfig
from train.data.simulate.speech import HELD_OUT_VOICES, Speech, make_speech
from train.data.simulate.style import Style
from train.data.spoken import join_utterances, read_banks
from train.loop import with_weights

logger = logging.getLogger(__name__)

DURATION_S = 8.0
NUM_ESPEAK_VOICES = 2
KEYS = (11, 12)  # two portraits
NUM_PROMPTED = 3  # voices that every prompt is tried with
STYLES = {"0.5": Style(0.5, 0.5, 0.5), "1.5": Style(1.5, 1.5, 1.5)}


def run(config: TrainConfig) -> None:
    """Measure `start_from` (the rest is as it ships); write acting.json into `run`."""
    torch.set_num_threads(config.threads)
    parts = load_components(config.tier)
    if config.start_from:
        parts = with_weights(parts, Path(config.start_from))
    speeches = held_back_speech(Path(config.data.cache))
    takes = make_takes(parts, speeches, KEYS)
    few = dict(list(speeches.items())[:: -(-len(speeches) // NUM_PROMPTED)])
    alike = likeness_rows(takes, make_takes(parts, few, KEYS[:1], one_noise=True))
    columns = {"default": {**range_rows(takes), **rhythm_rows(takes), **alike}}
    if getattr(parts.text_encoder, "style_embedding", None) is not None:
        for name, style in STYLES.items():
            styled = make_takes(parts, speeches, KEYS[:1], style)
            columns[f"style {name}"] = {**range_rows(styled), **rhythm_rows(styled)}
    print(table(columns))
    columns["prompts"] = prompt_rows(parts, few)
    print("\n" + table({"recognised": columns["prompts"]}))
    path = Path(config.run) / "acting.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(columns, indent=1))


def held_back_speech(folder: Path) -> dict[str, Speech]:
    """Return eight seconds of each voice that is kept back: natural ones, where their banks are."""
    speeches = {}
    for path in sorted(folder.glob("judged-*-000.npz")):
        name = path.name[len("judged-") : -len("-000.npz")]
        said = read_banks(folder, f"judged-{name}")
        speeches[name] = join_utterances(said, DURATION_S, np.random.default_rng(len(name)))
    if not speeches:
        logger.warning(
            "no voices that are kept back in %s; python -m train validate closures makes them",
            folder,
        )
    for index in range(NUM_ESPEAK_VOICES):
        rng = np.random.default_rng([77, index])
        speech = make_speech(DURATION_S, rng, HELD_OUT_VOICES)
        speeches[f"espeak {index}"] = speech
    if not any(speech.phones for speech in speeches.values()):
        raise InputError("no voice says anything")
    return speeches
