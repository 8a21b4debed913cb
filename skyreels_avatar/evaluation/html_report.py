"""A report of many videos as one page: tables with intervals, strips of frames, plots, players."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from skyreels_avatar.evaluation.curves import Curves
from skyreels_avatar.evaluation.lip_sync import MAX_OFFSET
from skyreels_avatar.evaluation.lse import LSE_MEANING
from skyreels_avatar.evaluation.report import (
    CAMERA_MEANING,
    DISTANCE_MEANING,
    MEANING,
    PROTOCOL,
    REAL_SPEECH,
    Report,
)
from skyreels_avatar.evaluation.video_distance import VideoDistance
from skyreels_avatar.media.video import VideoReader

COMPARED = (
    "sync_c", "sync_d", "sync_offset", "sync_r0", "closures", "closures_gain", "rounding", "tuck",
    "open_range", "quiet_ratio", "jitter", "identity", "likeness", "sharp", "head_distance",
    "gaze_distance", "brow_distance", "yaw_range_deg", "roll_range_deg",
    "blinks_per_min", "colour_drift", "av_length_error_s",
)  # fmt: skip
_PERFORMED = {
    "yaw_range_deg": "turning of the head to its sides, 95th - 5th percentile, degrees",
    "roll_range_deg": "tilting of the head, 95th - 5th percentile, degrees",
    "blinks_per_min": "blinks a minute",
}
# A video has few such sounds, so that means tell more than medians.
AVERAGED = ("closures", "closures_gain", "rounding", "tuck")
SHOWN = ("sync_c", "sync_d", "sync_offset", "sync_r0", "closures_gain", "identity", "jitter")
NUM_DRAWS = 1000  # of the bootstrap
STRIP_PX = 128
_WIDTH, _HEIGHT = 560, 90  # of a plot
_COLORS = ("#2563eb", "#d97706", "#059669")
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}section{border-top:1px solid #ccc;padding:1rem 0}
video{max-width:20rem;width:100%;vertical-align:top;margin-right:1rem}.plots{display:inline-block}
.strip{display:block;max-width:100%;margin:.5rem 0}svg text{font:11px system-ui;fill:#555}
.what{text-align:left;white-space:normal;min-width:14rem;color:#555}
.note{color:#555}details summary{cursor:pointer}
@media(prefers-color-scheme:dark){body{background:#15171a;color:#e6e6e6}th,td{border-color:#333}
.note,.what,svg text{color:#aaa;fill:#aaa}}
"""


def write_html(
    reports: Sequence[Report], path: Path, distance: VideoDistance | None = None
) -> Path:
    """Write a page about videos; those of one folder are compared, as one system, with the others.

    The page holds its pictures; videos are linked where they lie.

    Args:
        distance: of two folders, if they were compared.
    """
    systems: dict[str, list[Report]] = {}
    for report in reports:
        systems.setdefault(Path(report.video).absolute().parent.name or "videos", []).append(report)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<title>{len(reports)} talking videos</title><style>{_STYLE}</style>",
        f"<h1>{len(reports)} talking videos</h1>",
        f"<p class=note>SkyReels Avatar, protocol {PROTOCOL}. Medians over the videos of a folder, "
        f"with 95 % intervals of a bootstrap of {NUM_DRAWS} draws. The loudness puppet is the same "
        "mouth with the same sound, opened by loudness alone: a measure that likes it better than "
        "people does not measure lip sync. Closures, rounding and tuck are means.</p>",
        _comparison(systems),
        "" if distance is None else _distance(distance),
        "<details><summary>All measures of the protocol</summary><table>",
        *(f"<tr><td>{name}<td style='text-align:left'>{html.escape(meaning)}"
          for name, meaning in (MEANING | _optional(reports) | CAMERA_MEANING).items()),
        "</table></details>",
        *(_section(report, path.parent) for report in reports),
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def interval(values: Sequence[float], middle: Callable = np.median) -> tuple[float, float, float]:
    """Return the median and the ends of its 95 % interval, by bootstrap with a fixed seed.

    Args:
        middle: `np.mean` for the mean.
    """
    values = np.asarray(values, np.float64)
    picks = np.random.default_rng(0).integers(len(values), size=(NUM_DRAWS, len(values)))
    low, high = np.percentile(middle(values[picks], axis=1), [2.5, 97.5])
    return float(middle(values)), float(low), float(high)


def linked(video: Path, folder: Path) -> str:
    """Return the address of a video on a page that lies in a folder."""
    try:
        return quote(Path(os.path.relpath(video, folder)).as_posix())
    except ValueError:  # another drive
        return video.resolve().as_uri()


def _comparison(systems: dict[str, list[Report]]) -> str:
    """Return a table: a row for each measure, a column for each system, real speech, the puppet."""
    every = [report for reports in systems.values() for report in reports]
    names = [f"{html.escape(name)}<br><small>{_count(some)}</small>"
             for name, some in systems.items()]  # fmt: skip
    heads = [*names, "real speech", f"loudness puppet<br><small>{_count(every)}</small>"]
    rows = ["<table><tr><th>measure<th>", *(f"<th>{head}" for head in heads)]
    for measure in (*_optional(every), *COMPARED):
        meaning = html.escape((MEANING | LSE_MEANING | _PERFORMED)[measure])
        cells = [_cell(reports, measure) for reports in systems.values()]
        cells += [REAL_SPEECH.get(measure, ""), _cell(every, measure, of_puppet=True)]
        rows.append(f"<tr><td>{measure}<td class=what>{meaning}")
        rows += [f"<td>{cell}" for cell in cells]
    return "".join(rows) + "</table>"


def _optional(reports: Sequence[Report]) -> dict[str, str]:
    """Return the meanings of measures that only some machines make, where one was made."""
    return LSE_MEANING if any(report.lse for report in reports) else {}


def _count(reports: list[Report]) -> str:
    return f"{len(reports)} video{'s' if len(reports) > 1 else ''}"


def _cell(reports: list[Report], measure: str, of_puppet: bool = False) -> str:
    found = []
    for report in reports:
        values = report.to_dict()
        values = report.puppet if of_puppet else {**values, **values["performance"]}
        if values.get(measure) is not None:
            found.append(values[measure])
    if not found:
        return ""
    values = interval(found, np.mean if measure in AVERAGED else np.median)
    middle, low, high = (round(value, 6) for value in values)
    return f"{middle:.3g}<br><small>{low:.3g} to {high:.3g}</small>"


def _distance(distance: VideoDistance) -> str:
    """Return a table of a distance between two sets of videos."""
    rows = "".join(
        f"<tr><td>{name}<td>{found[0]:.3f}<td>{found[1]:.3f} to {found[2]:.3f}"
        f"<td style='text-align:left'>{html.escape(meaning)}"
        for name, meaning in DISTANCE_MEANING.items()
        if (found := getattr(distance, name)) is not None
    )
    sizes = f"{distance.num_videos} videos against {distance.num_against}"
    return f"<h2>{sizes}</h2><table><tr><th>distance<th>value<th>95 %<th>{rows}</table>"


def _section(report: Report, folder: Path) -> str:
    path = Path(report.video).absolute()
    name = html.escape(f"{path.parent.name}/{path.name}")
    notes = []
    if report.camera is not None:
        values = report.to_dict()["camera"]
        notes.append("Camera: " + ", ".join(f"{k} {_brief(values[k])}" for k in CAMERA_MEANING))
    if report.spoken_lips_skipped:
        notes.append(f"Sounds were not looked at: {html.escape(report.spoken_lips_skipped)}")
    return (
        f"<section><h2>{name}</h2>{_figures(report)}<p>{'<br>'.join(notes)}</p>"
        f"<video controls preload=metadata src='{linked(Path(report.video), folder)}'></video>"
        f"<div class=plots>{_plots(report.curves)}</div>"
        f"<img class=strip alt='Frames of {name}' src='{_strip(report)}'></section>"
    )


def _figures(report: Report) -> str:
    """Return a table of some measures of a video, of real speech and of its puppet."""
    values = report.to_dict()
    heads = "".join(f"<th>{measure}" for measure in SHOWN)
    rows = [f"<table><tr><th>{heads}"]
    for name, cells in (
        ("this video", [_brief(values[measure]) for measure in SHOWN]),
        ("real speech", [REAL_SPEECH.get(measure, "") for measure in SHOWN]),
        ("loudness puppet", [_brief(report.puppet.get(measure)) for measure in SHOWN]),
    ):
        rows.append(f"<tr><td>{name}" + "".join(f"<td>{cell}" for cell in cells))
    return "".join(rows) + "</table>"


def _brief(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 6):.3g}"


def _strip(report: Report) -> str:
    """Return some frames side by side, cut to the face, as a data address."""
    curves, reader = report.curves, VideoReader(report.video)
    x, y, width, height = curves.box
    sheet = Image.new("RGB", (STRIP_PX * len(curves.strip), STRIP_PX))
    for place, index in enumerate(curves.strip):
        frame = Image.fromarray(reader.read(index, index + 1)[0])
        face = frame.crop((x, y, x + width, y + height)).resize((STRIP_PX, STRIP_PX))
        sheet.paste(face, (place * STRIP_PX, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _plots(curves: Curves) -> str:
    widest = max(float(curves.opening.max()), 1e-6)
    mouth = {f"mouth opening, up to {widest:.3f} of the face height": curves.opening / widest}
    if curves.loudness is not None:
        mouth["loudness"] = curves.loudness / 1.2
    extent = max(5.0, float(np.abs(curves.head_deg).max()))
    head = {
        name: 0.5 + curves.head_deg[:, index] / (2 * extent)
        for index, name in enumerate(("yaw", "pitch", "roll"))
    }
    seconds = (0.0, len(curves.opening) / curves.fps, "seconds")
    plots = [
        _plot("Mouth and sound", mouth, seconds),
        _plot(f"Head, from -{extent:.0f} to {extent:.0f} degrees", head, seconds, middle=True),
    ]
    if curves.distance is not None:
        low, high = float(curves.distance.min()), float(curves.distance.max())
        scaled = (curves.distance[::-1] - low) / max(high - low, 1e-6)
        name = f"distance, {low:.2f} to {high:.2f}"
        late = (-float(MAX_OFFSET), float(MAX_OFFSET), "frames that the mouth is late")
        plots.append(_plot("Lips and sound", {name: scaled}, late))
    return "<br>".join(plots)


def _plot(
    title: str,
    curves: dict[str, np.ndarray],
    axis: tuple[float, float, str],
    middle: bool = False,
) -> str:
    """Return curves of 0 to 1 as SVG under a title with their names, over an axis.

    Args:
        axis: where it begins and ends, and its unit.
        middle: draw a line at one half.
    """
    start, stop, unit = axis
    top, bottom = 18, 18 + _HEIGHT
    lines, names = [], [f"<tspan font-weight=bold>{html.escape(title)}</tspan>"]
    for y in (bottom, *([top + _HEIGHT / 2] if middle else [])):
        lines.append(f"<line x1=0 x2={_WIDTH} y1={y} y2={y} stroke=#999 stroke-width=.5 />")
    for color, (name, curve) in zip(_COLORS, curves.items()):
        x = np.linspace(0, _WIDTH, len(curve))
        y = bottom - _HEIGHT * np.clip(curve, 0, 1)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y))
        lines.append(f"<polyline fill=none stroke={color} points='{points}'/>")
        names.append(f"<tspan dx=12 fill={color} style='fill:{color}'>{html.escape(name)}</tspan>")
    step = 5.0 if stop - start > 12 else 1.0
    for value in np.arange(start, stop + 1e-6, step):
        x = _WIDTH * (value - start) / max(stop - start, 1e-6)
        end = "start" if value == start else "end" if x > _WIDTH - 8 else "middle"
        lines.append(f"<text x={x:.0f} y={bottom + 13} text-anchor={end}>{value:g}</text>")
    label = html.escape(", ".join((title, *curves)))
    height = bottom + 30
    return (
        f"<svg role=img aria-label='{label}' width={_WIDTH} height={height} "
        f"viewBox='0 0 {_WIDTH} {height}'><text x=0 y=11>{''.join(names)}</text>{''.join(lines)}"
        f"<text x={_WIDTH} y={bottom + 26} text-anchor=end>{html.escape(unit)}</text></svg>"
    )
