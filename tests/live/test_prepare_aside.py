"""An avatar is made in another process as in this one, and here where there is none."""

from __future__ import annotations

import os

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.live import forking, prepare_aside
from skyreels_avatar.live.prepare import prepare
from tests.samples import write_portrait

needs_fork = pytest.mark.skipif(not forking.is_possible(), reason="needs Linux and two cores")


@pytest.fixture
def portrait(tmp_path):
    return write_portrait(tmp_path)


def _assert_equal(made, expected):
    arrays, values = made.packed()
    others, same = expected.packed()
    assert values == same and arrays.keys() == others.keys()
    assert all(np.array_equal(array, others[name]) for name, array in arrays.items())


@needs_fork
def test_it_is_the_same_and_this_process_does_not_make_it(portrait, parts, monkeypatch):
    expected, ours = prepare(portrait, "96x80", "auto", parts), os.getpid()

    def elsewhere(*given):
        assert os.getpid() != ours
        return prepare(*given)

    monkeypatch.setattr(prepare_aside, "prepare", elsewhere)
    monkeypatch.setattr(prepare_aside, "_NICE", 0)  # beside other tests it would take minutes
    _assert_equal(prepare_aside.prepare_aside(portrait, "96x80", "auto", parts), expected)


@needs_fork
def test_what_is_wrong_is_raised_here(portrait, parts):
    with pytest.raises(InputError) as raised:
        prepare_aside.prepare_aside(portrait, "nonsense", "auto", parts)
    assert "nonsense" in str(raised.value)


@needs_fork
def test_a_process_that_ends_or_stands_still_is_given_up(portrait, parts, monkeypatch, caplog):
    expected = prepare(portrait, "96x80", "auto", parts)
    monkeypatch.setattr(prepare_aside, "_PATIENCE_S", 0.5)
    for program in (lambda *_: os._exit(1), lambda *_: os.read(os.pipe()[0], 1)):
        monkeypatch.setattr(prepare_aside, "_run", program)
        _assert_equal(prepare_aside.prepare_aside(portrait, "96x80", "auto", parts), expected)
    assert caplog.text.count("has ended") == 2


def test_where_nothing_can_be_forked_it_is_made_here(portrait, parts, monkeypatch):
    monkeypatch.setattr(forking, "is_possible", lambda: False)
    monkeypatch.setattr(forking, "start", None)
    made = prepare_aside.prepare_aside(portrait, "96x80", "auto", parts)
    _assert_equal(made, prepare(portrait, "96x80", "auto", parts))
