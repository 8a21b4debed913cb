"""How long it is until all is done, told by what took how long before."""

from __future__ import annotations

from skyreels_avatar.live.backlog import Backlog


class Clock:
    """A clock that is set."""

    now_s = 10.0

    def __call__(self):
        return self.now_s


def _second_after_one_of_a_second() -> tuple[Clock, Backlog]:
    clock = Clock()
    backlog = Backlog(clock)
    backlog.ask()
    clock.now_s = 11.0
    backlog.end()
    backlog.ask()
    return clock, backlog


def test_each_takes_as_long_as_the_one_before():
    clock = Clock()
    backlog = Backlog(clock)
    assert backlog.left_s == 0
    backlog.ask()
    clock.now_s = 12.0
    backlog.end()
    assert backlog.left_s == 0
    backlog.ask()
    backlog.ask()
    assert backlog.left_s == 4
    clock.now_s = 13.5
    assert backlog.left_s == 2.5
    backlog.end()
    assert backlog.left_s == 1.5  # it took as long


def test_one_that_takes_longer_stands_still_and_for_as_long_again():
    clock, backlog = _second_after_one_of_a_second()
    clock.now_s = 15.0
    assert backlog.left_s == 3


def test_what_is_not_wanted_any_more_tells_nothing():
    clock, backlog = _second_after_one_of_a_second()
    backlog.ask()
    clock.now_s = 19.0
    backlog.end(is_done=False)
    assert backlog.left_s == 1


def test_how_long_it_was_busy_is_counted_while_it_is():
    clock, backlog = _second_after_one_of_a_second()
    clock.now_s = 11.5
    assert backlog.busy_s == 1.5
    backlog.end()
    clock.now_s = 20.0
    assert backlog.busy_s == 1.5
