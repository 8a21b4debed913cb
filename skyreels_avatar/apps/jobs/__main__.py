"""A worker process: `python -m skyreels_avatar.apps.jobs`, started by the supervisor."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from pathlib import Path

from skyreels_avatar.apps.jobs.database import Database
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.run import Engine
from skyreels_avatar.apps.jobs.sandbox import leave_network
from skyreels_avatar.apps.jobs.storage import Storage
from skyreels_avatar.apps.jobs.worker import Worker


def main(text: str) -> None:
    """Do jobs until asked to stop.

    Args:
        text: JSON, which comes on standard input: data, database, limits, engine, cores, parent,
            network, verbose.
    """
    given = json.loads(text)
    # PyTorch and NumPy read these when they are imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not given["network"]:
        leave_network()
    cores = given["cores"]
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
        os.environ.setdefault("OMP_NUM_THREADS", str(len(cores)))
    level = logging.INFO if given["verbose"] else logging.WARNING
    logging.basicConfig(level=logging.WARNING, format="worker: %(levelname)s: %(message)s")
    for name in ("skyreels_avatar", "camera"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger().handlers[0].setLevel(max(level, logging.ERROR))
    root = Path(given["data"])
    database = Database(given["database"])
    worker = Worker(
        JobQueue(database, Limits(**given["limits"])),
        Storage(root, database),
        Engine(**given["engine"]),
        parent=given["parent"],
    )
    _load_libraries()
    worker.run()
    database.close()


def _load_libraries() -> None:
    """Import what every job needs, before the first one comes."""
    from skyreels_avatar.workers.allocator import reuse_freed_memory

    reuse_freed_memory()
    gc.set_threshold(500_000)  # importing PyTorch makes half a million objects, which all stay
    import skyreels_avatar.api.generation
    import skyreels_avatar.workers.shot  # noqa: F401


if __name__ == "__main__":
    main(sys.stdin.read())
    logging.shutdown()
    os._exit(0)  # taking PyTorch down object by object takes seconds
