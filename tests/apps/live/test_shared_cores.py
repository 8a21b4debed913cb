"""Streams of one process: one at a time slows down, or tries a quicker rate."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.apps.live.picture_rate import PictureRate
from skyreels_avatar.apps.live.shared_cores import TURN_S, SharedCores
from tests.apps.live.shared_machine import Host, Machine


def _play(slower, begins_s, seconds=30.0):
    machine, shared = Machine(2.0), SharedCores(2)
    hosts = [Host(machine, shared, slower, one) for one in begins_s]
    machine.run(*(run for host in hosts for run in host.runs(100 + seconds)))
    return hosts


@pytest.mark.parametrize("slower", [1.15, 1.3, 1.5])
@pytest.mark.parametrize("begins_s", [(0.0, 0.001), (0.0, 5.0)])
def test_two_streams_show_fewer_pictures_and_do_not_stutter(slower, begins_s):
    """Both tried the full rate at the same moment: gaps of 0.36 s, and 1.5 s without a picture."""
    for host in _play(slower, begins_s):
        times = np.array([at for at, _ in host.seen])
        shown = np.array([at for at, has_picture in host.seen if has_picture])
        settled = times[1:] > times[0] + 1
        assert np.diff(times)[settled].max() < 0.1
        assert np.diff(shown)[shown[1:] > times[0] + 1].max() < 0.3
        assert host.pacer.counts()["restarts"] == 0


def test_of_two_streams_for_which_there_is_time_each_shows_every_picture():
    for host in _play(0.8, (0.0, 0.001)):
        assert host.pacer.picture_fps == 25


def test_only_one_stream_at_a_time_tries_a_quicker_rate():
    shared = SharedCores(2)
    for who in "ab":
        shared.join(who)
        shared.tell(who, 0.5, 2, 10.0)
    assert shared.may_try("a", 1.0, 10.0)
    assert not shared.may_try("b", 1.0, 11.0)
    shared.tell("a", 0.6, 1, 13.0)
    assert shared.may_try("b", 0.9, 10.1 + TURN_S)


def test_a_stream_tries_no_rate_for_which_the_others_leave_no_time():
    shared = SharedCores(2)
    for who in "ab":
        shared.join(who)
        shared.tell(who, 0.7, 2, 10.0)
    assert not shared.may_try("a", 1.3, 10.0)
    shared.leave("b")
    assert shared.may_try("a", 1.3, 10.0)


def test_what_a_stream_told_long_ago_does_not_count():
    shared = SharedCores(2)
    for who in "ab":
        shared.join(who)
        shared.tell(who, 0.7, 2, 10.0)
    assert shared.may_try("a", 1.3, 13.0)


def test_who_tries_a_quicker_rate_goes_back_when_another_stream_is_late():
    shared = SharedCores(2)
    for who in "ab":
        shared.join(who)
        shared.tell(who, 0.5, 2, 10.0)
    assert shared.may_try("a", 1.0, 10.0)
    shared.tell("a", 1.1, 1, 11.0)
    shared.tell("b", 0.8, 2, 11.0)
    assert shared.must_wait("b", 11.0) and not shared.must_fall("b")
    assert shared.must_fall("a") and not shared.must_fall("a")


def test_who_shows_most_pictures_slows_down_first_and_the_other_waits_for_what_that_gains():
    shared = SharedCores(2)
    for who, every in (("a", 1), ("b", 2)):
        shared.join(who)
        shared.tell(who, 0.9, every, 10.0)
    assert shared.must_wait("b", 10.0) and shared.must_fall("a")
    shared.fell("a", 10.1)
    shared.tell("a", 0.9, 2, 10.2)
    assert shared.must_wait("b", 10.3) and not shared.must_fall("a")
    assert not shared.must_wait("b", 11.0)


def test_a_stream_that_is_late_by_itself_slows_down_itself():
    """Its own core is too slow, and the machine has others."""
    shared = SharedCores(8)
    for who, every in (("a", 1), ("b", 2)):
        shared.join(who)
        shared.tell(who, 1.2, every, 10.0)
    assert not shared.must_wait("b", 10.0) and not shared.must_fall("a")


@pytest.mark.parametrize(
    ("cores", "load", "full", "makes_room"),
    [(2, None, False, True), (2, 0.5, True, False), (2, 0.9, False, False), (2, 1.2, False, True),
     (8, 1.2, True, False)],
)  # fmt: skip
def test_a_stream_that_joins_another_begins_with_as_many_pictures_as_there_is_time_for(
    cores, load, full, makes_room
):
    shared = SharedCores(cores)
    first, second = PictureRate(0.04, shared), PictureRate(0.04, shared)
    first.begin()
    if load is not None:
        shared.tell(first, load, 1, 0.0)
    second.begin()
    assert (second.every == 1) is full
    assert first.report(0.01, -0.1, 0.0) is makes_room
    assert first.every == 1 + makes_room
