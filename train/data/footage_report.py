"""What became of footage: a table for spreadsheets, a page with pictures, and who is who."""

from __future__ import annotations

import base64
import csv
import html
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from PIL import Image

from skyreels_avatar.faces.identity import OTHER
from train.data.footage_pieces import Features, Piece

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:left;white-space:nowrap}
td.n{text-align:right}.out{color:#888}img{width:72px;height:72px;border-radius:4px}
@media(prefers-color-scheme:dark){body{background:#15171a;color:#e6e6e6}th,td{border-color:#333}}
"""


def name_people(pieces: Sequence[Piece], folder: Path) -> list[Piece]:
    """Return the pieces with "p1", "p2" and so on for those that are kept; p1 is seen longest.

    Args:
        folder: of the stored pieces.
    """
    groups: list[list[np.ndarray]] = []
    member: dict[str, int] = {}
    for piece in pieces:
        if piece.reason:
            continue
        embedding = Features.load(folder / piece.name).embedding
        distances = [np.linalg.norm(np.mean(some, 0) - embedding) for some in groups]
        nearest = int(np.argmin(distances)) if distances else -1
        if nearest < 0 or distances[nearest] > OTHER:
            groups.append([])
            nearest = len(groups) - 1
        groups[nearest].append(embedding)
        member[piece.name] = nearest
    seconds: dict[int, float] = defaultdict(float)
    for piece in pieces:
        if piece.name in member:
            seconds[member[piece.name]] += piece.duration_s
    order = sorted(seconds, key=lambda group: -seconds[group])
    names = {group: f"p{rank + 1}" for rank, group in enumerate(order)}
    return [
        Piece(**{**vars(piece), "person": names[member[piece.name]] if not piece.reason else ""})
        for piece in pieces
    ]


def write_table(pieces: Sequence[Piece], path: Path) -> None:
    """Write one row a piece."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([item.name for item in fields(Piece)])
        for piece in pieces:
            writer.writerow([_short(value) for value in vars(piece).values()])


def read_table(path: Path) -> list[Piece]:
    """Return the pieces of a table that `write_table` wrote."""
    kinds = {"float": float, "int": int, "str": str}
    with open(path, newline="") as file:
        return [
            Piece(**{item.name: kinds[item.type](row[item.name]) for item in fields(Piece)})
            for row in csv.DictReader(file)
        ]


def summary(pieces: Sequence[Piece], failed: dict[str, str]) -> str:
    """Return what was kept and why the rest was thrown out, in lines of text."""
    kept = [piece for piece in pieces if not piece.reason]
    lines = [
        f"{len(kept)} of {len(pieces)} pieces kept, {_seconds(kept):.0f} of "
        f"{_seconds(pieces):.0f} s with a face"
    ]
    lines += [
        f"  {number:4d}  {reason}"
        for reason, number in Counter(p.reason for p in pieces if p.reason).most_common()
    ]
    people: dict[str, list[Piece]] = defaultdict(list)
    for piece in kept:
        people[piece.person].append(piece)
    lines += [
        f"  {name}: {len(some)} pieces, {_seconds(some):.0f} s"
        for name, some in sorted(people.items(), key=lambda item: -_seconds(item[1]))
    ]
    lines += [f"  {name} could not be read: {why}" for name, why in failed.items()]
    return "\n".join(lines)


def write_page(pieces: Sequence[Piece], failed: dict[str, str], folder: Path, path: Path) -> None:
    """Write the report as one page, which holds its pictures.

    Args:
        folder: of the stored pieces.
    """
    shown = ("face_px", "sharpness", "yaw_deg", "covered", "speech", "sync_c", "sync_offset")
    head = "".join(f"<th>{name}" for name in ("", "video", "from", "s", "person", "kept", *shown))
    rows = []
    for piece in pieces:
        figures = "".join(f"<td class=n>{_short(getattr(piece, name))}" for name in shown)
        picture = "" if piece.reason else f"<img alt='' src='{_picture(folder / piece.name)}'>"
        rows.append(
            f"<tr{' class=out' if piece.reason else ''}><td>{picture}"
            f"<td>{html.escape(piece.source)}<td class=n>{piece.start_s:.1f}"
            f"<td class=n>{piece.duration_s:.1f}<td>{piece.person}"
            f"<td>{html.escape(piece.reason or piece.caption)}{figures}"
        )
    path.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Footage</title>"
        f"<style>{_STYLE}</style><h1>Footage</h1><pre>{html.escape(summary(pieces, failed))}</pre>"
        f"<table><tr>{head}{''.join(rows)}</table>",
        encoding="utf-8",
    )


def _picture(path: Path) -> str:
    buffer = io.BytesIO()
    Image.fromarray(Features.load(path).thumb).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _seconds(pieces: Sequence[Piece]) -> float:
    return sum(piece.duration_s for piece in pieces)


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value
