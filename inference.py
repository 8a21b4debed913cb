"""Front door of a checkout: `python inference.py ...` is `skyreels-avatar generate ...`."""

from __future__ import annotations

import sys

from skyreels_avatar.cli import main

if __name__ == "__main__":
    main(["generate", *sys.argv[1:]])
