"""Limits of a process that reads files of strangers: no network, and bounds of memory and time.

What the system does not offer is left out; `Isolation` says what is in force.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass

_NEW_USERS, _NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of Linux


@dataclass(frozen=True)
class Isolation:
    """What is in force in this process."""

    no_network: bool
    limited: bool


def leave_network() -> bool:
    """Cut this process off from every network, before it has threads; return whether it is."""
    if not sys.platform.startswith("linux"):
        return False
    users, groups = os.getuid(), os.getgid()
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if unshare is None:
        return False
    if unshare(_NEW_NETWORK) == 0:  # as root
        return True
    if unshare(_NEW_USERS | _NEW_NETWORK) != 0:
        return False
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{users} {users} 1"),
        ("gid_map", f"{groups} {groups} 1"),
    ):
        try:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        except OSError:  # names of users stay unknown here; files can be read all the same
            continue
    return True


def limit_resources(memory_mb: int, cpu_s: int, file_mb: int) -> bool:
    """Bound what this process may take; return whether the system can do that."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    for kind, value in (
        (resource.RLIMIT_AS, memory_mb * 2**20),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_mb * 2**20),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            _, hard = resource.getrlimit(kind)
            soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (soft, hard))
        except (OSError, ValueError):  # macOS has no limit of address space
            continue
    return True
