"""A stream and who looks on in two networks, with a link between them that is cut for seconds.

`python -m tests.live_network` prints what `probe_live` sees; with an avatar, of its stream. Linux
lets everybody have networks of their own (namespaces) unless it is told not to.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import subprocess
import sys
from typing import Any

OURS, THEIRS = "live-ours", "live-theirs"
OUR_ADDRESS, THEIR_ADDRESS = "10.77.0.1/24", "10.77.0.2/24"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_INSIDE = "SKYREELS_LIVE_NETWORK"
SECONDS = 6.0


class Link:
    """Joins this network with that of another process."""

    def join(self, process_id: int) -> None:
        """Lay the link to a process that has called `leave`."""
        self._theirs = "nsenter", "-t", str(process_id), "-n", "ip"
        _run("ip", "link", "add", OURS, "type", "veth", "peer", "name", THEIRS)
        _run("ip", "link", "set", THEIRS, "netns", str(process_id))
        _run("ip", "address", "add", OUR_ADDRESS, "dev", OURS)
        _run("ip", "link", "set", OURS, "up")
        _run(*self._theirs, "address", "add", THEIR_ADDRESS, "dev", THEIRS)
        _run(*self._theirs, "link", "set", THEIRS, "up")

    async def stall(self, seconds: float) -> None:
        """Cut the link for some seconds; the process goes on."""
        _run(*self._theirs, "link", "set", THEIRS, "down")
        await asyncio.sleep(seconds)
        _run(*self._theirs, "link", "set", THEIRS, "up")


def leave() -> None:
    """Go into an empty network, where this process has root's rights."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "no network of its own")


def run_inside(*given: str) -> dict[str, Any]:
    """Run this program in a network of its own; return what it prints.

    Raises:
        OSError: of the reason why none can be had.
    """
    try:
        _run("unshare", "-Urn", "ip", "link")
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        raise OSError(f"no network namespaces: {told.strip()}") from error
    command = "unshare", "-Urn", sys.executable, "-m", "tests.live_network", *given
    done = subprocess.run(
        command, env={**os.environ, _INSIDE: "1"}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Print what a browser sees on the far side of the link."""
    if _INSIDE not in os.environ:
        print(json.dumps(run_inside(*sys.argv[1:]), indent=2))
        return
    from tests.probe_live import probe

    if sys.argv[1:]:
        import skyreels_avatar as sa
        from skyreels_avatar.apps.live.host import open_streams

        avatar = sa.load_avatar(sys.argv[1])
        figures = probe(lambda *_, **__: open_streams()(avatar), SECONDS, link=Link())
    else:
        from tests.apps.live.fakes import FakeStream

        figures = probe(FakeStream, SECONDS, link=Link())
    print(json.dumps(figures))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    main()
