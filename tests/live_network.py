"""A stream and who looks on in two networks, with a link between them that is cut for seconds.

`python -m tests.live_network` prints what `probe_live` sees. Linux lets everybody have networks of
their own (namespaces) unless it is told not to.
"""

from __future__ import annotations

import argparse
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
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--avatar", help="that is streamed; else pictures of noise")
    parser.add_argument("--stall", type=float, default=3.0, help="seconds")
    options = parser.parse_args()
    if _INSIDE not in os.environ:
        print(json.dumps(run_inside(*sys.argv[1:]), indent=2))
        return
    from tests import probe_live

    probe_live.STALL_S = options.stall
    opened = _real(options.avatar) if options.avatar else _noise()
    print(json.dumps(probe_live.probe(opened, SECONDS, link=Link())))


def _real(avatar: str) -> Any:
    import skyreels_avatar as sa
    from skyreels_avatar.apps.live.host import open_streams

    return lambda *_, **__: open_streams()(sa.load_avatar(avatar))


def _noise() -> Any:
    """Return a stream whose pictures are some packets each, as those of a face are.

    Those of a plain picture are one: aiortc's buffer of 128 packets is stuck then for 5 s.
    """
    import numpy as np

    from tests.apps.live.fakes import FakeStream

    class Noise(FakeStream):
        def read(self, picture=True):
            frame = super().read(picture)
            if frame.image is not None:
                noise = np.random.default_rng(frame.index)
                frame.image[96:] = noise.integers(0, 255, frame.image[96:].shape, np.uint8)
            return frame

    return Noise


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    main()
