"""`skyreels-avatar doctor`: check the installation, or the suitability of an image."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from skyreels_avatar.cli.console import print_json, print_output
from skyreels_avatar.cli.options import DEFAULT_TIER, AsJson, Tier

if TYPE_CHECKING:
    from skyreels_avatar.api.doctor import Finding
    from skyreels_avatar.pipeline.examine import SeenFace

_MACHINE_LACKS, _PICTURE_UNUSABLE = 1, 2  # exit codes
_COLUMNS, _WORD, _NAME = 80, 8, 11


def doctor_command(
    tier: Tier = DEFAULT_TIER,
    load: Annotated[
        bool, typer.Option("--load", help="Also load the networks, which takes some seconds.")
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(help="Check whether this image can be animated well, instead of the machine."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check this installation: what is there, what is missing, and how to install it."""
    if image is not None:
        _examine_picture(image, as_json)
        return
    from skyreels_avatar.api.doctor import doctor

    report = doctor(tier, load=load)
    if as_json:
        print_json({"ok": report.ok, "findings": report.findings, "extras": report.extras})
    else:
        print_output(as_text(report.findings, "missing"))
        print_output("Optional extras:")
        print_output(as_text(report.extras, "none"))
    if not report.ok:
        raise typer.Exit(_MACHINE_LACKS)


def as_text(findings: Iterable[Finding], absent: str) -> Text:
    """Return findings as lines of 80 columns; commands stay on one line, to be copied.

    Args:
        absent: the word before those that are not ok.
    """
    text = Text()
    margin = " " * (_WORD + _NAME)
    for finding in findings:
        word, style = ("ok", "green") if finding.ok else (absent, "yellow")
        text.append(f"{word:{_WORD}}", style)
        lines = textwrap.wrap(finding.detail, _COLUMNS - len(margin), break_on_hyphens=False)
        text.append(f"{finding.name:{_NAME}}" + f"\n{margin}".join(lines) + "\n")
        if finding.command:
            text.append(f"{'':{_WORD}}{finding.command}\n", "cyan")
    return text


def _examine_picture(image: Path, as_json: bool) -> None:
    from skyreels_avatar.pipeline.examine import examine_picture

    faces = examine_picture(image)
    usable = bool(faces) and not any(finding.fatal for finding in faces[0].findings)
    if as_json:
        print_json({"path": image, "ok": usable, "faces": faces})
    else:
        print_output("\n".join(_picture_lines(image, faces)))
    if not usable:
        raise typer.Exit(_PICTURE_UNUSABLE)


def _picture_lines(image: Path, faces: tuple[SeenFace, ...]) -> list[str]:
    if not faces:
        return [f"{image}: no face was found; use a picture in which one is clearly visible"]
    lines = [f"{image}: {len(faces)} face{'s' if len(faces) > 1 else ''}"]
    for number, face in enumerate(faces):
        box = ",".join(str(round(side)) for side in face.box)
        found = [f"{one.code}: {one.message}" for one in face.findings] or ["looks good"]
        lines += [f"  {number} at {box}: {text}" for text in found]
    return lines
