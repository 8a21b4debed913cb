"""Fields of nodes become arguments of the library, and senseless ones are refused."""

from __future__ import annotations

import gc
from unittest import mock

import pytest

import skyreels_avatar as sa
from apps.comfy import avatar, generation
from apps.comfy.progress_text import progress_text, result_text


def test_a_voice_comes_from_a_sound_or_a_text():
    assert generation.sound_arguments(object(), " ", "de") == {}
    assert generation.sound_arguments(None, "Hello.", "default") == {"text": "Hello."}
    assert generation.sound_arguments(None, "Hallo.", "de") == {"text": "Hallo.", "voice": "de"}
    with pytest.raises(sa.InputError, match="give one of them"):
        generation.sound_arguments(object(), "Hello.", "default")
    with pytest.raises(sa.InputError, match="nobody speaks yet"):
        generation.sound_arguments(None, "\n", "default")


def test_0_leaves_a_value_to_the_tier():
    assert generation.sampling_arguments(0, 0.0, 0.0) == {}
    assert generation.sampling_arguments(4, 0.0, 2.5) == {"steps": 4, "audio_guidance_scale": 2.5}


@pytest.mark.parametrize("face", ["auto", "", "0", "12", "40,60", "1.5, 2", "1,2,30,40"])
def test_faces_are_named_as_the_library_knows_them(face):
    assert sa.Shot("p.png", audio="a.wav", face=generation.checked_face(face))


@pytest.mark.parametrize("face", ["photo.png", "/etc/passwd", "1,2,3", "largest", "-1"])
def test_a_workflow_names_no_file_for_a_face(face):
    with pytest.raises(sa.InputError, match="face must be auto"):
        generation.checked_face(face)


def test_camera_moves_are_chained_in_time():
    push, swing = sa.CameraMove("push_in", 0.6), sa.CameraMove("swing", 0.3)
    one = generation.camera_keyframes(None, push, 0.0)
    assert generation.camera_argument(one) == push
    both = generation.camera_keyframes(one, swing, 2.0)
    shot = sa.Shot("p.png", audio="a.wav", camera=generation.camera_argument(both))
    assert [(key.time_s, key.move.name) for key in shot.camera] == [(0, "push_in"), (2, "swing")]
    late = generation.camera_keyframes(None, push, 1.0)
    assert generation.camera_argument(late)[0].time_s == 1.0
    assert generation.camera_argument(None) == "static"
    with pytest.raises(sa.InputError, match=r"begins at 2 s, and the one before it at 2 s"):
        generation.camera_keyframes(both, push, 2.0)


def test_voices_begin_with_the_default_one():
    names = generation.speech_voices()
    assert names[0] == generation.DEFAULT_VOICE and len(set(names)) == len(names)


def test_the_memory_of_a_tier_grows_with_the_size():
    assert 0 < generation.memory_mb("nano", 256, 256) < generation.memory_mb("nano", 1024, 1024)


def test_the_tiers_of_the_menu_are_those_of_the_package(root):
    assert sorted(avatar.TIERS) == sorted(path.stem for path in root.glob("configs/*.yaml"))


def test_a_tier_that_lacks_something_says_how_to_get_it(tmp_path, monkeypatch):
    avatar.Avatar("nano").check()
    monkeypatch.setenv("SKYREELS_AVATAR_MODELS", str(tmp_path))
    with pytest.raises(sa.InputError, match="Run: skyreels-avatar models pull"):
        avatar.Avatar("studio").check()


def test_networks_go_with_the_last_avatar_or_after_each_run():
    gc.collect()
    with mock.patch("skyreels_avatar.unload") as unload:
        first, second = avatar.Avatar("nano"), avatar.Avatar("nano", keep_loaded=False)
        first.finish_run()
        assert not unload.called
        second.finish_run()
        assert unload.call_count == 1
        del second
        gc.collect()
        assert unload.call_count == 1, "another node still uses them"
        del first
        gc.collect()
        assert unload.call_count == 2


def test_progress_is_told_in_words():
    assert progress_text(sa.Progress("load", 0, 0, None)) == "loading the networks ..."
    assert progress_text(sa.Progress("decode", 8, 30, None)) == "8 of 30 frames"
    assert progress_text(sa.Progress("decode", 8, 30, 3.4)) == "8 of 30 frames, 3 s left"
    made = mock.Mock(num_frames=30, width=64, height=80, warnings=("small face",))
    assert result_text(made, 1.26) == "30 frames of 64x80 in 1.3 s\nNote: small face"
