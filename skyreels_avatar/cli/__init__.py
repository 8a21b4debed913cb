"""The command line."""

from skyreels_avatar.cli.app import main, run

__all__ = ["main", "run"]
