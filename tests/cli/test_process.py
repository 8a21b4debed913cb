"""Signals and what compiled libraries print."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from skyreels_avatar.cli.process import INTERRUPTED, quiet_native_code, stopped_by_signals


@pytest.mark.skipif(os.name != "posix", reason="no SIGTERM of this kind")
def test_a_signal_becomes_an_interruption_with_its_own_exit_code():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stopped_by_signals() as asked:
        assert asked.exit_code == INTERRUPTED
        signal.raise_signal(signal.SIGTERM)
    assert asked.exit_code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP")
def test_an_ignored_signal_stays_ignored():
    """`nohup` ignores SIGHUP before the program starts."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals() as asked:
            signal.raise_signal(signal.SIGHUP)
        assert asked.exit_code == INTERRUPTED
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("verbose", [False, True])
def test_compiled_code_is_silent_and_python_is_heard(capfd, monkeypatch, verbose):
    with os.fdopen(2, "w", closefd=False) as own:
        monkeypatch.setattr(sys, "stderr", own)
        with quiet_native_code(verbose):
            os.write(2, b"native\n")
            print("python", file=sys.stderr, flush=True)
        os.write(2, b"after\n")
    written = capfd.readouterr().err
    assert "python\n" in written and "after\n" in written
    assert ("native\n" in written) == verbose
