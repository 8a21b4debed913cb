"""Runs the script of an endless host: step by step, round by round, by the clock."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from skyreels_avatar.apps.live.host import LiveHost
from skyreels_avatar.apps.live.script import HostScript, Step
from skyreels_avatar.apps.live.speech import SoundFile, Words
from skyreels_avatar.errors import AvatarError

logger = logging.getLogger(__name__)
_LOOK_S = 0.05
_REST_S = 0.5  # of a round in which nothing is said, so that it does not run as fast as it can


class Director:
    """Lets a host do what a script says, in a thread of its own.

    What comes every so often is due by the clock and not after so many steps, so that nothing
    adds up over hours; what was due twice while a long text was said comes once.

    Args:
        host: what speaks; it stays open.
        on_end: called when the last round is over.
    """

    def __init__(
        self, host: LiveHost, script: HostScript, on_end: Callable[[], object] | None = None
    ):
        self._host, self._script, self._on_end = host, script, on_end
        self._closing = threading.Event()
        self._turns: dict[int, int] = {}
        now = time.monotonic()
        self._due = [now + often_s for often_s, _ in script.every]
        self.round = 0
        self._thread = threading.Thread(target=self._run, name="live-director", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after what is being done now."""
        self._closing.set()
        self._thread.join(timeout=10.0)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._play_round()
                self.round += 1
                if self._script.rounds and self.round >= self._script.rounds:
                    break
        except Exception:
            logger.exception("the script ended")
        if self._on_end is not None and not self._closing.is_set():
            self._on_end()

    def _play_round(self) -> None:
        begun_s = time.monotonic()
        for step in self._script.steps:
            self._play_due()
            self._play(step)
        self._play_due()
        left_s = _REST_S - (time.monotonic() - begun_s)
        if left_s > 0:
            self._closing.wait(left_s)

    def _play_due(self) -> None:
        for at, (often_s, step) in enumerate(self._script.every):
            now = time.monotonic()
            if now >= self._due[at]:
                self._due[at] += often_s * ((now - self._due[at]) // often_s + 1)
                self._play(step)

    def _play(self, step: Step) -> None:
        if self._closing.is_set():
            return
        begun_s = time.monotonic()
        self._show(step.look)
        try:
            if step.texts:
                turn = self._turns.get(id(step), 0)
                self._turns[id(step)] = turn + 1
                self._host.play(Words(step.texts[turn % len(step.texts)], step.voice))
            elif step.sound is not None:
                self._host.play(SoundFile(step.sound))
        except AvatarError as error:
            logger.warning("a step was left out: %s", error)
        self._pass_time(step, begun_s)

    def _pass_time(self, step: Step, begun_s: float) -> None:
        """Wait until the step was said and its pause is over, and change the look on time."""
        waiting, quiet_since_s = list(step.during), None
        while not self._closing.wait(_LOOK_S):
            now = time.monotonic()
            while waiting and now - begun_s >= waiting[0][0]:
                self._show(waiting.pop(0)[1])
            if not self._host.is_quiet():
                quiet_since_s = None
                continue
            quiet_since_s = now if quiet_since_s is None else quiet_since_s
            if not waiting and now - quiet_since_s >= step.pause_s:
                return

    def _show(self, look: Mapping[str, Any]) -> None:
        """Change the picture, or how it is shown; what cannot be used is left out."""
        changes = {key: value for key, value in look.items() if key != "image"}
        try:
            if "image" in look and look["image"] != self._host.portrait:
                self._host.show(look["image"], **changes)
            elif changes:
                self._host.set(**changes)
        except AvatarError as error:
            logger.warning("not shown: %s", error)
