"""The limits of a process are in force, where the system has them."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROOM = "from skyreels_avatar.apps.jobs.sandbox import leave_network, limit_resources\n"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")


def _run(code, root):
    return subprocess.run(
        [sys.executable, "-c", ROOM + code], cwd=root, capture_output=True, text=True
    )


def test_a_process_without_network_reaches_nobody_not_even_loopback(root):
    code = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "left = leave_network()\n"
        "try: socket.create_connection(server.getsockname(), 2); print(left, 'reached')\n"
        "except OSError: print(left, 'cut off')"
    )
    found = _run(code, root).stdout.strip()
    if found.startswith("False"):
        pytest.skip("this system gives no network namespaces")
    assert found == "True cut off"


def test_memory_and_files_are_bounded(root, tmp_path):
    code = (
        "limit_resources(500, 10, 1)\n"
        "try: bytearray(10**9); print('got it')\n"
        "except MemoryError: print('refused')\n"
    )
    assert _run(code, root).stdout.strip() == "refused"
    big = (
        f"limit_resources(500, 10, 1)\nopen({str(tmp_path / 'f')!r}, 'wb').write(bytes(3 * 2**20))"
    )
    assert _run(big, root).returncode != 0
    assert (tmp_path / "f").stat().st_size <= 2**20


def test_time_is_bounded(root):
    assert _run("limit_resources(2000, 1, 1)\nwhile True: pass", root).returncode < 0
