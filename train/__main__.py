"""`python -m train <stage> [key=value ...]`"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from skyreels_avatar.errors import AvatarError
from train.config import load_config
from train.stages import STAGES, stage_function

_USAGE = """usage: python -m train <stage> [key=value ...]
       python -m train data FOLDER [--workers N]

stages:
""" + "\n".join(f"  {name:17s} {what}" for name, what in STAGES.items())


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
        stage_function(stage)(load_config(stage, _overrides(stage, arguments[words:])))
    except AvatarError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    return 0


def _overrides(stage: str, arguments: list[str]) -> list[str]:
    """Return `key=value` of arguments; the folder of `data`, and `--workers N`, have a key, too."""
    overrides, rest = [], iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if name == "--workers":
            overrides.append(f"footage.workers={value or next(rest, '')}")
        elif stage == "data" and ("=" not in argument or Path(argument).is_dir()):
            overrides.append(f"footage.folder={argument}")
        else:
            overrides.append(argument)
    return overrides


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
