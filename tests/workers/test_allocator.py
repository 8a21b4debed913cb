"""Freed memory is kept by the programs, and asking for it does no harm anywhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from skyreels_avatar.workers.allocator import reuse_freed_memory
if sys.argv[1] == "keep":
    reuse_freed_memory()
def use():
    block = bytearray(b"x") * 40_000_000
use()
start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has mallopt")
def test_memory_that_was_freed_is_used_again_without_new_pages():
    faults = {}
    for mode in ("keep", "default"):
        command = [sys.executable, "-c", PROGRAM, mode]
        faults[mode] = int(subprocess.run(command, capture_output=True, check=True).stdout)
    if faults["default"] < 1000:
        pytest.skip("this C library keeps freed memory anyway")
    assert faults["keep"] < faults["default"] / 10
