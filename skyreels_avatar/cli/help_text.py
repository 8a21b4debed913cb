"""What `--help` shows: switches without a type beside them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class _BareSwitches:
    """Shows `--overwrite` where typer shows `--overwrite <bool>`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with a blank in the place of the type of each switch."""
        params = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = " "
        return params


class Command(_BareSwitches, TyperCommand):
    """A command of the command line."""


class Group(_BareSwitches, TyperGroup):
    """A group of commands, in the order in which they were added."""


def command_group(**settings: Any) -> typer.Typer:
    """Return a group without commands, with `-h` for help and tracebacks left to the caller."""
    return typer.Typer(
        cls=Group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )
