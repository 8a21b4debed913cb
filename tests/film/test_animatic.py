"""Animatics: the film's stills through its cameras, with its cuts and its sound."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar import cli
from skyreels_avatar.errors import Cancelled
from skyreels_avatar.film import animatic
from skyreels_avatar.film.animatic import write_animatic


def test_an_animatic_has_the_frames_and_the_sound_of_the_film_and_moves(film, tmp_path, capsys):
    output = tmp_path / "animatic.mp4"
    assert cli.run(["plan", str(film), "--animatic", str(output)]) == 0
    video = sa.VideoReader(output)
    assert video.num_frames == 30
    assert abs(video.audio().duration_s - 1.2) < 0.04
    pictures = np.stack(list(video)).astype(float)
    within = np.abs(np.diff(pictures, axis=0)).mean((1, 2, 3))
    assert within[:7].max() > 0.3  # the first shot's camera moves in
    assert within[14:16].max() < within[:7].max()  # the second one's stands


def test_an_animatic_is_small_and_keeps_the_aspect():
    assert animatic._small(720, 1280) == (180, 320)
    assert animatic._small(96, 128) == (96, 128)
    assert animatic._small(4096, 64) == (4096, 64)


def test_an_animatic_can_be_stopped_without_a_trace(film, tmp_path):
    with pytest.raises(Cancelled):
        write_animatic(sa.read_script(film), tmp_path / "a.mp4", lambda report: report.done < 10)
    assert [path.name for path in tmp_path.iterdir()] == ["film.yaml"]
