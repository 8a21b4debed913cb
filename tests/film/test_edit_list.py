"""Edit lists: what OpenTimelineIO reads back is the film."""

from __future__ import annotations

import sys

import pytest

from skyreels_avatar import cli
from skyreels_avatar.api.rendering import render
from skyreels_avatar.errors import InputError, MissingExtraError
from skyreels_avatar.film.edit_list import check_edit_list, write_edit_list


def test_an_edit_list_has_the_shots_as_clips_of_their_own_videos(kit, tmp_path):
    otio = pytest.importorskip("opentimelineio", reason="the extra edit is not installed")
    script = kit.script(num_shots=3, fade_s=0.16)
    result = render(script, tmp_path / "film.mp4", tier=kit.tier)
    write_edit_list(result, script, tmp_path / "film.otio")
    timeline = otio.adapters.read_from_file(str(tmp_path / "film.otio"))
    video, sound = timeline.tracks
    assert video.kind == "Video" and sound.kind == "Audio"
    assert video.duration().value == result.num_frames == 30
    clips = [item for item in video if isinstance(item, otio.schema.Clip)]
    fades = [item for item in video if isinstance(item, otio.schema.Transition)]
    assert [clip.name for clip in clips] == ["shot 1", "shot 2", "shot 3"]
    assert [clip.source_range.duration.value for clip in clips] == [10, 10, 10]
    assert [clip.source_range.start_time.value for clip in clips] == [0, 2, 2]
    assert [clip.media_reference.available_range.duration.value for clip in clips] == [12, 14, 12]
    assert [(f.in_offset.value, f.out_offset.value) for f in fades] == [(2, 2), (2, 2)]
    for clip, shot in zip(clips, result.shots):
        assert clip.media_reference.target_url == shot.path.as_uri()
    assert sound.duration().to_seconds() == pytest.approx(1.2)


def test_an_edit_list_of_some_shots_leaves_gaps(kit, tmp_path):
    otio = pytest.importorskip("opentimelineio", reason="the extra edit is not installed")
    script = kit.script(num_shots=3)
    result = render(script, tmp_path / "film.mp4", tier=kit.tier, only=[3])
    write_edit_list(result, script, tmp_path / "film.otio")
    gap, clip = otio.adapters.read_from_file(str(tmp_path / "film.otio")).tracks[0]
    assert (gap.duration().value, clip.duration().value, clip.name) == (20, 10, "shot 3")


def test_what_is_wrong_with_an_edit_list_is_said_before_anything_is_made(
    kit, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e .*\[edit\]"):
        check_edit_list(tmp_path / "film.otio")
    monkeypatch.setitem(sys.modules, "opentimelineio", sys)
    for path in (tmp_path / "film.edl", tmp_path / "absent" / "film.otio"):
        with pytest.raises(InputError, match=r"otio|does not exist"):
            check_edit_list(path)
    assert cli.run(["render", "film.yaml", "--otio", str(tmp_path / "film.edl")]) == 2
    assert not list(tmp_path.iterdir())
