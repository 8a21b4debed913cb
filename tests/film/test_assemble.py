"""Cross-fades are even, and only our own manifest is taken for one."""

from __future__ import annotations

import json

import numpy as np

from skyreels_avatar.film.assemble import blend, is_complete, is_manifest, remove_pieces
from skyreels_avatar.media.video import VideoWriter


def test_a_cross_fade_goes_evenly_from_one_to_the_other():
    dark, bright = np.zeros((3, 4, 4, 3), np.uint8), np.full((3, 4, 4, 3), 200, np.uint8)
    assert blend(dark, bright)[:, 0, 0, 0].tolist() == [50, 100, 150]


def test_a_piece_is_complete_with_all_its_pictures(tmp_path):
    path = tmp_path / "a.mp4"
    assert not is_complete(path, 3)
    with VideoWriter(path, 64, 64, 25) as writer:
        writer.write(np.zeros((3, 64, 64, 3), np.uint8))
    assert is_complete(path, 3) and not is_complete(path, 4)
    path.write_bytes(path.read_bytes()[:500])
    assert not is_complete(path, 3)


def test_only_what_has_the_form_of_a_manifest_is_one(tmp_path):
    path = tmp_path / "film.json"
    shot = {"shot": 1, "video": "v", "start_s": 0, "end_s": 1}
    for text, ours in (
        (json.dumps({"film": "f.mp4", "fps": 25, "shots": [shot]}), True),
        (json.dumps({"fps": 25, "shots": [{"shot": 1}]}), False),
        (json.dumps([1]), False),
        ("{", False),
    ):
        path.write_text(text)
        assert is_manifest(path) is ours
    path.write_text(json.dumps({"film": "f.mp4", "fps": 25, "shots": [shot]}))
    assert is_manifest(path, tmp_path / "f.mp4") and not is_manifest(path, tmp_path / "g.mp4")


def test_the_pieces_of_a_shot_are_removed_and_no_others(tmp_path):
    for name in ("k1.0-5.mp4", "k1-k2.fade3.mp4", "k3.0-5.mp4"):
        (tmp_path / name).touch()
    remove_pieces("k1", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["k3.0-5.mp4"]
