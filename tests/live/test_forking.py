"""A copy of this process answers, and hears neither the keyboard nor sockets of the other."""

from __future__ import annotations

import os
import signal

import cv2
import numpy as np
import pytest

from skyreels_avatar.live import forking


def _tell(connection, word, pipe):
    try:
        os.fstat(pipe)
        is_open = True
    except OSError:
        is_open = False
    os.kill(os.getpid(), signal.SIGINT)
    connection.send((word, os.getpid(), is_open))


@pytest.mark.skipif(not forking.is_possible(), reason="needs Linux and two cores")
def test_a_copy_has_what_it_is_given_and_no_file_of_ours():
    reading, writing = os.pipe()
    process, connection = forking.start(_tell, "word", reading)
    word, number, is_open = connection.recv()
    process.join()
    assert (word, number, is_open) == ("word", process.pid, False) and process.exitcode == 0
    with pytest.raises(EOFError):
        connection.recv()
    os.close(reading)
    os.close(writing)


def test_one_core_has_no_use_for_it(monkeypatch):
    monkeypatch.setattr(forking, "num_cores", lambda: 1)
    assert not forking.is_possible()


def _answer(connection):
    connection.send("here")


@pytest.mark.skipif(not forking.is_possible(), reason="needs Linux and two cores")
def test_a_copy_does_not_wait_for_threads_of_opencv_that_it_has_not():
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        cv2.resize(np.zeros((2000, 2000, 3), np.float32), (900, 900))  # starts them
        process, connection = forking.start(_answer)
        assert connection.poll(30.0) and connection.recv() == "here"
        process.join()
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
