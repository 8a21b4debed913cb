"""`skyreels-avatar verify`: who made a video, from what, and whether it is as it was signed."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyreels_avatar.cli.console import print_json, print_output
from skyreels_avatar.cli.options import AsJson

if TYPE_CHECKING:
    from skyreels_avatar.provenance.verification import VerificationResult

_COLUMNS, _MARGIN = 80, 14
_STATES = {
    "intact": "intact: as it was signed",
    "tampered": "TAMPERED: changed since it was signed",
    "unsigned": "unsigned: it holds no C2PA manifest",
}


def verify_command(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO", help="Videos to verify.")],
    trust: Annotated[
        Path | None,
        typer.Option(help="A PEM file with the certificates of the authorities you trust."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say who made a video, from what, and whether it is as it was signed. With --json, one list.

    The exit code is 0 if all videos are intact, 1 if one was changed or is not signed.
    """
    from skyreels_avatar.provenance.verification import verify

    results = [verify(video, trust=trust) for video in videos]
    if as_json:
        print_json([result.to_dict() for result in results])
    else:
        print_output("\n".join(line for result in results for line in _lines(result)))
    if not all(result.ok for result in results):
        raise typer.Exit(1)


def _lines(result: VerificationResult) -> list[str]:
    rows = {"": _STATES[result.state], "problems": ", ".join(result.problems)}
    if result.signer is not None:
        belief = "trusted" if result.trusted else "not trusted: anybody can give this name"
        rows["signed by"] = f"{result.signer} ({belief})"
    rows["made with"] = result.generator or ""
    if result.tier is not None:
        rows["made with"] += f", tier {result.tier}, seed {result.seed}"
    rows["actions"] = ", ".join((*result.actions, *result.source_types))
    lines = [f"{result.path}: {rows.pop('')}"]
    for name, text in rows.items():
        lines += _row(name, text) if text else ()
    if result.inputs:
        lines += _row("made from", "files with these SHA-256 hashes:")
    for one in result.inputs:
        lines += _row(f"  {one.get('role', '')}", one.get("sha256", ""))
    return lines


def _row(name: str, text: str) -> list[str]:
    first, *others = textwrap.wrap(text, _COLUMNS - _MARGIN, break_on_hyphens=False) or [""]
    return [f"  {name:{_MARGIN - 2}}{first}", *(f"{'':{_MARGIN}}{line}" for line in others)]
