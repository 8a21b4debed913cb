"""What streams and their processes do, minute by minute: for `bench_live` and `probe_live`."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

EVERY_S = 60.0
_LEAST_S = 5.0  # of a last minute


class Minutes:
    """Counts of each minute, told as they come: a run of half an hour may be watched.

    Args:
        pacers: of the streams.
        viewer: the number of a process that is none of theirs.
    """

    def __init__(self, pacers: list[Any], viewer: int | None = None):
        self._pacers, self._viewer = pacers, viewer
        self._before, self.rows = self._now(), list[dict[str, float]]()
        self._first = self._before

    def wait(self, seconds: float) -> None:
        """Sleep for so long, and tell of each minute."""
        until_s = time.perf_counter() + seconds
        while not self.rows or until_s - time.perf_counter() > _LEAST_S:
            time.sleep(max(0.0, min(EVERY_S, until_s - time.perf_counter())))
            self.note()

    def note(self) -> None:
        """Keep and tell what has been since the last time."""
        before, self._before = self._before, self._now()
        passed = {name: value - before[name] for name, value in self._before.items()}
        frames = max(1, passed["frames"])
        row = {
            "seconds": round(self._before["seconds"] - self._first["seconds"], 1),
            "picture_fps": round(passed["pictures"] / passed["seconds"] / len(self._pacers), 1),
            "repeated": passed["frames"] - passed["pictures"],
            "late": passed["late"],
            "missing": passed["missing"],
            "core_ms_per_frame": round(1000 * passed["core_s"] / frames, 1),
            "memory_mb": round(sum(map(_memory_mb, self._processes()))),
        }
        self.rows.append(row)
        told = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in row.items())
        sys.stderr.write(told + "\n")
        sys.stderr.flush()

    def figures(self) -> dict[str, Any]:
        """Return each count as a list, and by how much memory grows."""
        by_minute = {name: [row[name] for row in self.rows] for name in self.rows[0]}
        memory = by_minute.pop("memory_mb")
        seconds = by_minute.pop("seconds")
        growth = None
        if len(memory) > 3 and seconds[-1] > seconds[1]:  # what the first minute takes stays
            growth = round(600 * float(np.polyfit(seconds[1:], memory[1:], 1)[0]), 1)
        return {
            **{f"{name}_by_minute": values for name, values in by_minute.items()},
            "memory_mb": memory,
            "memory_growth_mb_per_10_minutes": growth,
        }

    def _processes(self) -> list[psutil.Process]:
        this = psutil.Process()
        children = this.children(recursive=True)
        return [this, *(one for one in children if one.pid != self._viewer)]

    def _now(self) -> dict[str, float]:
        counts = [pacer.counts() for pacer in self._pacers]
        summed = {name: sum(one[name] for one in counts) for name in counts[0]}
        core_s = sum(sum(one.cpu_times()[:2]) for one in self._processes())
        return {**summed, "seconds": time.perf_counter(), "core_s": core_s}


def by_minute(times_s: list[float], values: list[float], begun_s: float) -> list[int | None]:
    """Return the median of the values of each minute; None where there are none."""
    minutes = ((np.array(times_s) - begun_s) // EVERY_S).astype(int)
    kept = np.array(values, float)
    return [
        round(float(np.median(kept[minutes == one]))) if (minutes == one).any() else None
        for one in range(int(minutes.max(initial=-1)) + 1)
    ]


def _memory_mb(process: psutil.Process) -> float:
    """Return the memory of a process; what it shares with another counts half; 0: it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        with contextlib.suppress(psutil.NoSuchProcess):
            return process.memory_info().rss / 2**20
    return 0.0
