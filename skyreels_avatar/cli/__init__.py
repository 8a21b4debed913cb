"""The command line."""

from skyreels_avatar.cli.entry import main, run

__all__ = ["main", "run"]
