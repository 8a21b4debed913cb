"""`python -m train <stage> [key=value ...]`"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.loading.tiers import load_tier
from train.config import CONFIG_FOLDER, load_config
from train.stages import STAGES, stage_function

_USAGE = """usage: python -m train <stage> [key=value ...]
       python -m train data FOLDER [--workers N]
       python -m train <stage> [--tier NAME] [--dry-run] [--cards N]
       python -m train <stage> --help

stages:
""" + "\n".join(f"  {name:17s} {what}" for name, what in STAGES.items())

_FLAGS = {"--workers": "footage.workers", "--tier": "tier", "--cards": "video.cards"}
_COUNTED = ("distill video", "lora")


def main(arguments: list[str]) -> int:
    """Run one stage; return 0, 1 for a failure, 2 for wrong arguments."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE)
        return 0 if arguments else 2
    words = 2 if " ".join(arguments[:2]) in STAGES else 1
    stage = " ".join(arguments[:words])
    if stage not in STAGES:
        print(f"unknown stage {stage!r}\n\n{_USAGE}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        overrides = _overrides(stage, arguments[words:])
        stage = _variant(stage, overrides)
        if {"-h", "--help"} & set(arguments[words:]):
            print(_help(stage))
            return 0
        config = load_config(stage, overrides)
        if config.video.dry_run and stage not in _COUNTED:
            raise InputError(f"--dry-run counts what {', '.join(_COUNTED)} take, not {stage}")
        stage_function(stage)(config)
    except AvatarError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    return 0


def _overrides(stage: str, arguments: list[str]) -> list[str]:
    """Return `key=value` of arguments; flags, and the folder of `data`, have a key, too."""
    overrides, rest = [], iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if name in _FLAGS:
            overrides.append(f"{_FLAGS[name]}={value or next(rest, '')}")
        elif name == "--dry-run":
            overrides.append("video.dry_run=true")
        elif stage == "data" and ("=" not in argument or Path(argument).is_dir()):
            overrides.append(f"footage.folder={argument}")
        else:
            overrides.append(argument)
    return overrides


def _variant(stage: str, overrides: list[str]) -> str:
    """Return a stage, or its variant where a tier that draws pixels is asked for."""
    video = f"{stage} video"
    tiers = [one.removeprefix("tier=") for one in overrides if one.startswith("tier=")]
    if video in STAGES and tiers:
        from train.video.networks import draws_pixels

        return video if draws_pixels(load_tier(tiers[-1])) else stage
    return stage


def _help(stage: str) -> str:
    """Return what a stage does, and the values that it has unless told otherwise."""
    from importlib import import_module

    what = import_module(stage_function(stage).__module__).__doc__
    values = (CONFIG_FOLDER / f"{stage.replace(' ', '_')}.yaml").read_text()
    return (
        f"{what}\nIts values, which `key=value` replaces; config.py explains them all:\n\n{values}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
