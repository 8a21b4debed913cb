"""How often somebody may ask: buckets that fill again, in memory."""

from __future__ import annotations

import threading
import time

from skyreels_avatar.apps.jobs.records import RequestError

_FAILURES_PER_MINUTE = 20
_MAX_BUCKETS = 10_000


class RateLimiter:
    """Buckets of requests, one for each name, each of which fills within a minute."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, per_minute: int) -> None:
        """Count a request.

        Raises:
            RequestError: there were too many; it says when to come again.
        """
        with self._lock:
            left = self._left(name, per_minute)
            if left < 1:
                raise _too_many(60 * (1 - left) / per_minute)
            self._buckets[name] = left - 1, time.monotonic()

    def check_failures(self, client: str) -> None:
        """Refuse who has guessed too often.

        Raises:
            RequestError: there were too many failures.
        """
        with self._lock:
            left = self._left(f"failed {client}", _FAILURES_PER_MINUTE)
        if left < 1:
            raise _too_many(60 * (1 - left) / _FAILURES_PER_MINUTE)

    def count_failure(self, client: str) -> None:
        """Count a wrong token."""
        with self._lock:
            name = f"failed {client}"
            left = self._left(name, _FAILURES_PER_MINUTE)
            self._buckets[name] = max(0.0, left - 1), time.monotonic()

    def _left(self, name: str, per_minute: int) -> float:
        if len(self._buckets) > _MAX_BUCKETS:
            now = time.monotonic()
            self._buckets = {k: v for k, v in self._buckets.items() if now - v[1] < 60}
        left, then = self._buckets.get(name, (float(per_minute), 0.0))
        return min(float(per_minute), left + (time.monotonic() - then) * per_minute / 60)


def _too_many(after_s: float) -> RequestError:
    return RequestError(
        "too_many_requests", "too many requests in a minute",
        f"come again in {max(1, round(after_s))} seconds", 429, max(1.0, after_s),
    )  # fmt: skip
