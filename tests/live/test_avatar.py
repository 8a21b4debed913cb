"""An avatar is prepared once, kept in a file and opened again as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from skyreels_avatar.errors import InputError
from skyreels_avatar.live.avatar import load


def test_a_saved_avatar_comes_back_as_it_was(avatar, tmp_path):
    path = avatar.save(tmp_path / "a.avatar")
    again = load(path)
    assert again.size == avatar.size == "128x96" and again.key == avatar.key
    assert np.array_equal(again.picture, avatar.picture)
    assert np.array_equal(again.fine, avatar.fine)
    assert np.array_equal(again.face.landmarks, avatar.face.landmarks)
    assert again.face.box == pytest.approx(avatar.face.box)
    assert np.array_equal(again.depth, avatar.depth)
    assert again.face.teeth is None
    for one, other in zip(again.plate.layers, avatar.plate.layers):
        assert torch.equal(one, other)
    assert path.read_bytes() == again.save(tmp_path / "b.avatar").read_bytes()


def test_a_saved_avatar_keeps_the_color_of_its_teeth(avatar, tmp_path):
    """They were seen in a mouth that is shut in the picture."""
    shown = replace(avatar, face=replace(avatar.face, teeth=(0.8, 0.75, 0.5)))
    again = load(shown.save(tmp_path / "a.avatar"))
    assert again.face.teeth == shown.face.teeth


def test_files_that_are_no_avatars_are_refused(avatar, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.avatar"):
        avatar.save(tmp_path / "a.bin")
    with pytest.raises(InputError, match=r"missing\.avatar"):
        load(tmp_path / "missing.avatar")
    broken = tmp_path / "broken.avatar"
    broken.write_bytes(avatar.save(tmp_path / "a.avatar").read_bytes()[:5000])
    with pytest.raises(InputError, match="damaged"):
        load(broken)
    other = tmp_path / "other.avatar"
    save_file({"x": np.zeros(3, np.float32)}, other)
    with pytest.raises(InputError, match="no avatar of this version"):
        load(other)
