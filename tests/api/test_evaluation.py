"""`evaluate` measures a video's camera against the move that was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import skyreels_avatar as sa
from skyreels_avatar.api.camera_preview import preview_camera
from skyreels_avatar.errors import InputError

PORTRAIT = Path(__file__).resolve().parents[2] / "assets" / "examples" / "portrait.png"


@pytest.fixture(scope="module")
def pushed(tmp_path_factory) -> Path:
    """The portrait seen through a push in at 60 %, half a second long, nobody speaking.

    At 256 px 33 points are tracked, and what they say differs by 6 % with the background.
    """
    path = tmp_path_factory.mktemp("videos") / "pushed.mp4"
    preview_camera(PORTRAIT, "push_in:60", path, seconds=0.5, size="384x384")
    return path


def test_the_move_that_was_made_is_found(pushed):
    found = sa.evaluate(pushed, PORTRAIT, camera="push_in:60")
    assert found.camera.achieved == pytest.approx(1.0, abs=0.05)
    assert found.camera.rotation_deg_mean < 1 and found.camera.center_percent_mean < 4
    camera = json.loads(found.to_json())["camera"]
    assert set(camera) >= {"achieved", "center_percent_mean", "reproduction_percent"}
    assert "camera achieved" in "".join(str(cell) for cell in found.table().columns[0].cells)


def test_half_the_strength_would_be_half_of_it(pushed):
    assert sa.evaluate(pushed, camera="push_in:30").camera.achieved == pytest.approx(2.1, abs=0.2)


def test_without_a_move_no_camera_is_measured(pushed):
    found = sa.evaluate(pushed)
    assert found.camera is None and "camera" not in found.to_dict()


def test_an_unknown_move_is_refused_before_anything_is_measured(tmp_path):
    with pytest.raises(InputError, match="unknown camera move 'zzz'; the moves are"):
        sa.evaluate(tmp_path / "absent.mp4", camera="zzz")
