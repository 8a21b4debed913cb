"""The stages of training, one file each; a stage is a function of its configuration."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

STAGES: dict[str, str] = {
    "data": "own footage: pieces of people who speak, and a report of what was thrown out",
    "style": "how one person moves, from the pieces of `data`: the file of `--style`",
    "vae": "encoder of the face rig: tracked landmarks to rig coefficients",
    "eyes": "eye finder of the face rig: the large eyes of drawn faces",
    "glasses": "who wears glasses: where edges run round the eyes",
    "turned_mesh": "face mesh of turned and drawn faces: rendered heads, cartoons, photos",
    "occluder": "what stands before a face: portraits with things drawn before them",
    "mouth": "numbers of the painted mouth, fitted to smiles",
    "mouth_tones": "how light falls into the painted mouth, fitted to mouths that speak",
    "shapes": "how mouth coefficients move lips and skin, from a head with expressions",
    "voices": "utterances of natural voices with phoneme times, for corpus",
    "corpus": "speak and augment the tracks that the other stages learn from",
    "listen": "audio encoder alone: sound to mouth coefficients, for new kinds of voices",
    "pretrain": "transformer, audio and text encoder: sound and words to motion",
    "camera": "ControlNet on a frozen transformer: moving cameras, videos that already talk",
    "sync": "sync network of `evaluate`: which sound lips say",
    "speakers": "how speakers move: the table that `evaluate` compares with",
    "light": "reader of light and colour: sentences to the numbers of a light",
    "distill": "transformer: guidance in one pass instead of three",
    "distill video": "the same of a tier that draws pixels, over several GPUs; --dry-run counts",
    "lora": "LoRA of a tier that draws pixels, from own footage; --dry-run counts",
    "motion_rl": "transformer by reward: closures, rounding, pauses and sync of what it samples",
    "recipe": "one of the files that ship, from raw data, by all stages that lead there",
    "publish": "weights of a run to those that ship, if no figure of the protocol is worse",
    "validate closures": "lips on p, b, m of voices never trained on: the closure gate's table",
    "validate steps": "2, 4 and 8 steps against 40, and what guidance scales do",
    "validate acting": "ranges, blinks, heads and prompts of the motion of those voices",
}


def stage_function(name: str) -> Callable:
    """Return `run(config)` of a stage."""
    return import_module(f"train.stages.{name.replace(' ', '_')}").run
