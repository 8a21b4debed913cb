"""The value that Load Avatar hands on: which networks to use, and how long to keep them."""

from __future__ import annotations

import logging
import weakref

import skyreels_avatar as sa

logger = logging.getLogger(__name__)

TIERS = ("nano", "studio", "infinitetalk", "longcat")
_num_alive = 0


class Avatar:
    """A tier whose networks are loaded when a node first uses them, and shared by all nodes.

    They stay in memory until the last Avatar is gone: ComfyUI keeps one as long as the node that
    made it is unchanged, and drops it with its cache ("Free model and node cache").

    Args:
        tier: one of `TIERS`.
        memory: of a GPU that may be used: "auto", "full" or a limit such as "24gb".
        keep_loaded: False frees the memory after every run.
    """

    def __init__(self, tier: str, memory: str = "auto", keep_loaded: bool = True):
        global _num_alive
        self.tier, self.memory, self.keep_loaded = tier, memory, keep_loaded
        _num_alive += 1
        weakref.finalize(self, _count_down).atexit = False

    def check(self) -> None:
        """Check that everything the tier needs is on this machine.

        Raises:
            InputError: something is missing; the message says what adds it.
        """
        missing = [finding for finding in sa.doctor(self.tier).findings if not finding.ok]
        if missing:
            raise sa.InputError(
                "; ".join(
                    f"{finding.name}: {finding.detail}"
                    + (f". Run: {finding.command}" if finding.command else "")
                    for finding in missing
                )
            )

    def finish_run(self) -> None:
        """Give the memory of the networks back, unless they are to stay."""
        if not self.keep_loaded:
            _unload()


def _count_down() -> None:
    global _num_alive
    _num_alive -= 1
    if _num_alive == 0:
        _unload()


def _unload() -> None:
    sa.unload()
    logger.info("SkyReels Avatar: the networks are unloaded")
