"""Everything that is on air together: the host, its script, where it is sent."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skyreels_avatar.apps.live.broadcast import Broadcast, Target
from skyreels_avatar.apps.live.director import Director
from skyreels_avatar.apps.live.host import LiveHost, LiveSettings, OpenStream
from skyreels_avatar.apps.live.script import HostScript, read_host_script
from skyreels_avatar.errors import AvatarError, InputError

_LOOK_S = 0.5


def read_air(
    given: Mapping[str, Any], script: Path | None
) -> tuple[LiveSettings, HostScript | None]:
    """Return the settings of a host and its script.

    Args:
        given: settings that were named; they count over what the script says.

    Raises:
        InputError: the script cannot be used, or nobody is shown.
    """
    plan = None if script is None else read_host_script(script)
    values = {**(plan.settings if plan is not None else {}), **given}
    if "image" not in values:
        raise InputError("give a portrait, or a script that names one", parameter="image")
    return LiveSettings(**values), plan


class OnAir:
    """A host that is on air, with its script and broadcasts, until it is closed.

    Args:
        settings: what is on air.
        script: what the host says and shows; None = what it is told.
        targets: where it is sent.
        open_stream: makes streams; None = the real ones.

    Raises:
        InputError: the portrait or a setting cannot be used.
    """

    def __init__(
        self,
        settings: LiveSettings,
        script: HostScript | None = None,
        targets: tuple[Target, ...] = (),
        open_stream: OpenStream | None = None,
    ):
        self.host = LiveHost(settings, open_stream)
        self._ended = threading.Event()
        self._problem: Exception | None = None
        self.broadcasts = [Broadcast(one, settings.fps, self._fail) for one in targets]
        for one in self.broadcasts:
            self.host.add(one)
        self._director = None
        if script is not None:
            self._director = Director(self.host, script, self._ended.set)
            self._director.start()

    def wait(self) -> None:
        """Wait until the script is over, or for ever.

        Raises:
            AvatarError: the stream or a broadcast has failed.
        """
        while not self._ended.wait(_LOOK_S):
            if self.host.failure is not None:
                raise AvatarError(f"the stream ended: {self.host.failure}")
        if self._problem is not None:
            raise self._problem

    def close(self) -> None:
        """Go off air."""
        if self._director is not None:
            self._director.close()
        self.host.close()
        for one in self.broadcasts:
            one.close()

    def _fail(self, error: Exception) -> None:
        self._problem = error
        self._ended.set()

    def __enter__(self) -> OnAir:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
