"""How fast and how large: `make bench`, or `python tests/bench.py --help`.

Every case runs in a process of its own, so that its peak memory is its own: load, one run to warm
up (in which the floating-point operations are counted), then the measured repeats. Between
repeats a yardstick, a fixed piece of matrix work, says how fast the machine is just then; `cost` is
the core-seconds of a second of video in yardsticks, which compares between busy and idle
machines. `ratio` is the cost against the first case of the same run. All is warm: loading is a
column of its own. Stages run side by side. Seconds are walls; median and, in brackets, half the
spread of the repeats.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "assets" / "examples"
STAGES = ("read", "analyse", "encode", "denoise", "decode", "write")


@dataclass(frozen=True)
class Case:
    """One thing to measure: a square size in pixels, a number format, a camera."""

    size_px: int
    dtype: str
    camera: str
    seconds: float
    repeats: int

    @property
    def name(self) -> str:
        """A short name for the table."""
        return f"{self.size_px} px {self.dtype} {self.camera}"


def main() -> None:
    """Measure the cases that the command line asks for and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the video")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 256], metavar="PX")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--cameras", nargs="+", default=["static", "push_in:60"])
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(Case(**json.loads(options.case)))))
        return
    rows = []
    for size_px in options.sizes:
        for dtype in options.dtypes:
            for camera in options.cameras:
                case = Case(size_px, dtype, camera, options.seconds, options.repeats)
                print(f"measuring {case.name} ...", file=sys.stderr, flush=True)
                rows.append(_in_own_process(case))
    for row in rows:
        row["ratio"] = row["cost"][0] / rows[0]["cost"][0]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        show(rows)


def _in_own_process(case: Case) -> dict:
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"bench: {case.name} failed, see above")
    return json.loads(done.stdout.splitlines()[-1])


def measure(case: Case) -> dict:
    """Return the figures of one case; pairs are (median, half the spread)."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from skyreels_avatar.loading.components import load_components
    from skyreels_avatar.pipeline import run as avatar
    from skyreels_avatar.request.generation_request import GenerationRequest
    from skyreels_avatar.request.shot import Shot
    from skyreels_avatar.workers.allocator import reuse_freed_memory
    from skyreels_avatar.workers.shot import generate_request

    reuse_freed_memory()
    start = time.perf_counter()
    components = load_components("nano", dtype=getattr(torch, case.dtype))
    load_s = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        shot = Shot(
            image=EXAMPLES / "portrait.png",
            audio=EXAMPLES / "speech.wav",
            prompt="a woman speaks warmly and smiles",
            camera=case.camera,
            end_s=case.seconds,
        )
        size = f"{case.size_px}x{case.size_px}"
        request = GenerationRequest(shot, Path(folder) / "bench.mp4", "nano", size)
        # The counter sees its own thread only: denoise there.
        here = mock.patch.object(avatar, "prefetch", lambda items, on_wait: items)
        with here, FlopCounterMode(display=False) as counter:
            generate_request(request, components=components)
        runs, stages = [], []
        for _ in range(case.repeats):
            unit = yardstick()
            cpu = time.process_time()
            result = generate_request(request, components=components)
            cpu = time.process_time() - cpu
            unit = (unit + yardstick()) / 2
            runs.append((result.seconds["total"], cpu, cpu / unit))
            stages.append(result.seconds)
    length_s, num_frames = result.duration_s, result.num_frames
    walls, cpus, costs = zip(*runs)
    return {
        "case": case.name,
        "num_threads": torch.get_num_threads(),
        "num_frames": num_frames,
        "load_s": load_s,
        "s_per_s": _spread([wall / length_s for wall in walls]),
        "stages_s_per_s": {
            stage: _spread([run.get(stage, 0.0) / length_s for run in stages]) for stage in STAGES
        },
        "core_s_per_frame": _spread([cpu / num_frames for cpu in cpus]),
        "gflop_per_frame": counter.get_total_flops() / num_frames / 1e9,
        "peak_rss_mb": result.peak_rss_mb,
        "cost": _spread([cost / length_s for cost in costs]),
    }


def yardstick() -> float:
    """Return the core-seconds of a fixed piece of work: 50 GFLOP of matrix products."""
    import torch

    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 1024, 1024, generator=generator)
    start = time.process_time()
    for _ in range(23):
        left @ right
    return time.process_time() - start


def _spread(values: list[float]) -> tuple[float, float]:
    return statistics.median(values), (max(values) - min(values)) / 2


def show(rows: list[dict]) -> None:
    """Print the figures as a table, one column a case."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{rows[0]['num_frames']} frames, {rows[0]['num_threads']} threads")
    table.add_column("")
    for row in rows:
        table.add_column(row["case"], justify="right")

    def line(name: str, key: str, digits: int) -> None:
        table.add_row(name, *(_shown(row[key], digits) for row in rows))

    line("seconds per second of video", "s_per_s", 2)
    for stage in STAGES:
        values = (_shown(row["stages_s_per_s"][stage], 3) for row in rows)
        table.add_row(f"  {stage}", *values)
    line("core-seconds per frame", "core_s_per_frame", 4)
    line("GFLOP per frame (matrix products)", "gflop_per_frame", 2)
    line("peak memory, MB", "peak_rss_mb", 0)
    line("load, s", "load_s", 2)
    line("cost, yardsticks per second", "cost", 2)
    line("ratio to the first", "ratio", 2)
    Console(width=max(100, 40 + 24 * len(rows))).print(table)


def _shown(value: float | tuple[float, float], digits: int) -> str:
    if isinstance(value, (list, tuple)):
        return f"{value[0]:.{digits}f} (+-{value[1]:.{digits}f})"
    return f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
