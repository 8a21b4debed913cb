"""Several processes of this machine that know each other, as torchrun starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path


def run_together(code: str, root: Path, count: int = 2, *arguments: str) -> list[str]:
    """Run Python code in several processes and return what each printed.

    Raises:
        AssertionError: one of them failed.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    world |= {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, *arguments],
            env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            **pipes,
        )
        for rank in range(count)
    ]
    with ThreadPoolExecutor(count) as pool:
        printed = [pool.submit(_printed, process) for process in processes]
        ended, _ = wait(printed, return_when=FIRST_EXCEPTION)
        for process in processes:
            process.kill()  # one that still runs would wait for one that failed
    for waiting in ended:
        waiting.result()  # raises why it failed, before those that were killed
    return [waiting.result() for waiting in printed]


def _printed(process: subprocess.Popen) -> str:
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    return out
