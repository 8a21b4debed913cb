"""The cores that the streams of a process share: who shows fewer pictures, who tries more again."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, replace

from skyreels_avatar.parallel import num_cores

_FULL = 0.8  # of all cores: what is late then is late since they are shared
_GONE_S = 2.0  # after which a stream that tells nothing does not count
_CORES_OF_ONE = 2  # that a stream keeps busy, at most
_HALF_RATE = 0.55  # of the load at the full rate
# Seconds after which a quicker rate has not failed; after which another stream may try one, since
# most fail in two; and after one slowed down, in which the others wait for what that gains.
HELD_S, TURN_S, _RELIEF_S = 8.0, 3.0, 0.6


@dataclass(frozen=True)
class _Member:
    """What is known of a stream: the cores it keeps busy, frames a picture, and when it told it."""

    load: float = 0.0
    every: int = 1
    told_s: float | None = None
    must_fall: bool = False


class SharedCores:
    """Streams that would slow down, or try a quicker rate, at the same moment take turns.

    Any thread may call any method.

    Args:
        cores: that there are; None = those of this process.
    """

    def __init__(self, cores: int | None = None):
        self._cores = cores or num_cores()
        self._lock = threading.Lock()
        self._members: dict[Hashable, _Member] = {}
        self._trying: tuple[Hashable, float] | None = None
        self._fell_s: float | None = None

    def join(self, who: Hashable) -> bool:
        """Add a stream; return whether it may begin at the full rate.

        It is expected to cost as much as the others; where that is too much, those that show every
        picture, or have not told yet what they cost, make room.
        """
        with self._lock:
            others = self._members
            self._members = {**others, who: _Member()}
            if not others or _CORES_OF_ONE * len(self._members) <= self._cores:
                return True
            most = _FULL * self._cores
            load = sum(one.load for one in others.values())
            is_known = all(one.told_s is not None for one in others.values())
            if is_known and load + load / len(others) <= most:
                return True
            is_too_much = not is_known or load + _HALF_RATE * load / len(others) > most
            for name, one in others.items():
                if one.every == 1 and is_too_much:
                    self._members[name] = replace(one, must_fall=True)
            return False

    def must_fall(self, who: Hashable) -> bool:
        """Tell, once, whether a stream must slow down: one has joined, or another one is late."""
        with self._lock:
            own = self._members.get(who)
            if own is None or not own.must_fall:
                return False
            self._members[who] = replace(own, must_fall=False)
            return True

    def leave(self, who: Hashable) -> None:
        """Remove a stream that has ended."""
        with self._lock:
            self._members.pop(who, None)
            if self._trying and self._trying[0] == who:
                self._trying = None

    def tell(self, who: Hashable, load: float, every: int, now_s: float) -> None:
        """Take how many cores a stream keeps busy.

        Args:
            every: frames from one picture of it to the next.
        """
        with self._lock:
            if who in self._members:
                self._members[who] = replace(
                    self._members[who], load=load, every=every, told_s=now_s
                )

    def must_wait(self, who: Hashable, now_s: float) -> bool:
        """Tell whether a stream that is late waits for another one to slow down.

        Who tries a quicker rate goes back first, then who shows most pictures.
        """
        with self._lock:
            others = self._others(who, now_s)
            own = self._members.get(who, _Member())
            if own.load + sum(one.load for one in others.values()) < _FULL * self._cores:
                return False
            if others and self._fell_s is not None and now_s - self._fell_s < _RELIEF_S:
                return True
            tries = self._who_tries(now_s)
            first = tries if tries == who or tries in others else who
            if tries is None and others:
                quickest = min(others, key=lambda one: others[one].every)
                first = quickest if others[quickest].every < own.every else who
            if first == who:
                return False
            self._members[first] = replace(others[first], must_fall=True)
            return True

    def may_try(self, who: Hashable, load: float, now_s: float) -> bool:
        """Tell whether a stream may try a quicker rate; if so, nobody else does meanwhile.

        Args:
            load: the cores that it would keep busy.
        """
        with self._lock:
            others = self._others(who, now_s)
            if others:
                if self._who_tries(now_s) not in (None, who):
                    return False
                if load + sum(one.load for one in others.values()) > _FULL * self._cores:
                    return False
            self._trying = who, now_s
            return True

    def fell(self, who: Hashable, now_s: float) -> None:
        """Note that a stream slowed down."""
        with self._lock:
            self._fell_s = now_s
            if self._trying and self._trying[0] == who:
                self._trying = None

    def _others(self, who: Hashable, now_s: float) -> dict[Hashable, _Member]:
        return {
            one: member
            for one, member in self._members.items()
            if one != who and member.told_s is not None and now_s - member.told_s < _GONE_S
        }

    def _who_tries(self, now_s: float) -> Hashable | None:
        if self._trying is None or now_s - self._trying[1] > TURN_S:
            return None
        return self._trying[0]
