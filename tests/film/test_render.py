"""Films: what is made again and what is not, exact lengths, cross-fades, stops and kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

import skyreels_avatar as sa
from skyreels_avatar import cli
from skyreels_avatar.api.rendering import frames, render
from skyreels_avatar.errors import Cancelled, InputError, ScriptError
from skyreels_avatar.film.assemble import is_manifest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(kit, tmp_path_factory) -> sa.film.render.FilmResult:
    """A film of five shots with a cross-fade between the first two, made once."""
    folder = tmp_path_factory.mktemp("made")
    return render(_script(kit), folder / "film.mp4", tier=kit.tier)


def _script(kit, **third) -> sa.Script:
    script = kit.script(**third)
    shots = list(script.shots)
    shots[1] = replace(shots[1], fade_s=0.16)
    return replace(script, shots=tuple(shots))


def _copied(made, folder: Path) -> Path:
    """Copy a made film and its work folder, and return the copy."""
    for item in made.path.parent.iterdir():
        copy = shutil.copytree if item.is_dir() else shutil.copy
        copy(item, folder / item.name)
    return folder / made.path.name


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def _pictures(path: Path) -> np.ndarray:
    return np.stack(list(sa.VideoReader(path))).astype(float)


def test_a_film_has_exactly_the_frames_of_its_sound_and_one_soundtrack(made, kit):
    video = sa.VideoReader(made.path)
    assert video.num_frames == made.num_frames == 50
    sound, whole = video.audio(), sa.AudioTrack.load(kit.voice).cut(0, 2).resampled(48_000)
    assert abs(sound.duration_s - 2) < 0.04
    length = min(len(sound.samples), len(whole.samples))
    assert np.corrcoef(sound.samples[:length], whole.samples[:length])[0, 1] > 0.99
    assert [shot.is_new for shot in made.shots] == [True] * 5 and made.missing == ()


def test_a_change_of_one_shot_makes_that_shot_alone(made, kit, tmp_path):
    path = _copied(made, tmp_path)
    before = _packets(path)
    result = render(_script(kit, prompt="shot 3 smiles"), path, tier=kit.tier)
    assert [shot.is_new for shot in result.shots] == [False, False, True, False, False]
    after = _packets(path)
    same = [first == second for first, second in zip(before, after)]
    assert len(after) == 50 and all(same[:20]) and all(same[30:])
    assert not all(same[20:30])


def test_a_film_that_is_whole_is_joined_anew_with_the_same_bytes(made, kit, tmp_path):
    path = _copied(made, tmp_path)
    expected = path.read_bytes()
    path.unlink()
    assert not any(shot.is_new for shot in render(_script(kit), path, tier=kit.tier).shots)
    assert path.read_bytes() == expected
    result = render(_script(kit), path, tier=kit.tier, resume=False)
    assert all(shot.is_new for shot in result.shots)
    assert path.read_bytes() == expected


def test_pictures_of_a_cross_fade_are_mixtures_of_both_shots(made):
    first, second = made.shots[:2]
    assert (first.placed.fade_out, second.placed.fade_in) == (4, 4)
    leaving, entering = _pictures(first.path)[-4:], _pictures(second.path)[:4]
    film = _pictures(made.path)[8:12]  # two frames before and two after the cut at frame 10
    assert np.abs(leaving - entering).mean() > 0.5
    for index, weight in enumerate((0.2, 0.4, 0.6, 0.8)):
        way = entering[index] - leaving[index]
        gone = np.vdot(film[index] - leaving[index], way) / np.vdot(way, way)
        assert abs(gone - weight) < 0.1  # H.264 at quality 18 leaves 0.03
    np.testing.assert_allclose(_pictures(made.path)[:8], _pictures(first.path)[:8])
    np.testing.assert_allclose(_pictures(made.path)[12:20], _pictures(second.path)[4:])


def test_only_the_named_shots_are_made(kit, tmp_path):
    script = kit.script(num_shots=3)
    result = render(script, tmp_path / "film.mp4", tier=kit.tier, only=[2])
    assert [shot.number for shot in result.shots] == [2]
    assert result.path is None and result.missing == (1, 3)
    assert not (tmp_path / "film.mp4").exists()
    listed = json.loads((tmp_path / "film.mp4.work" / "film.json").read_text())["shots"]
    assert [shot["shot"] for shot in listed] == [2]
    assert (tmp_path / "film.mp4.work" / listed[0]["video"]).is_file()
    result = render(script, tmp_path / "film.mp4", tier=kit.tier)
    assert [shot.is_new for shot in result.shots] == [True, False, True]
    assert sa.VideoReader(result.path).num_frames == 30


def test_a_moved_file_changes_nothing_and_another_picture_does(made, kit, tmp_path):
    path = _copied(made, tmp_path)
    moved = tmp_path / "moved.png"
    shutil.copy(kit.portrait, moved)
    script = _script(kit)
    shots = tuple(replace(shot, image=moved) for shot in script.shots)
    result = render(replace(script, shots=shots), path, tier=kit.tier, only=[1])
    assert not any(shot.is_new for shot in result.shots) and result.missing == ()
    moved.write_bytes(moved.read_bytes() + b"\0")
    result = render(replace(script, shots=shots), path, tier=kit.tier, only=[1])
    assert [shot.number for shot in result.shots] == [1] and result.shots[0].is_new


def test_progress_tells_shot_and_window_and_false_stops_and_keeps_finished_shots(kit, tmp_path):
    reports = []

    def stop_in_the_third(report):
        reports.append(report)
        return report.number < 3

    output = tmp_path / "film.mp4"
    with pytest.raises(Cancelled):
        render(kit.script(3), output, tier=kit.tier, on_progress=stop_in_the_third)
    assert not output.exists()
    assert {report.number for report in reports} == {1, 2, 3}
    assert all(report.num_shots == 3 and report.total == 30 for report in reports)
    assert all(1 <= report.window <= report.num_windows for report in reports)
    assert [r.done for r in reports] == sorted(r.done for r in reports) and reports[-1].done == 20
    assert any(report.seconds_left for report in reports)
    result = render(kit.script(3), output, tier=kit.tier)
    assert [shot.is_new for shot in result.shots] == [False, False, True]


def test_all_shots_are_checked_before_the_first_is_made(kit, picture_file, tmp_path):
    script = kit.script()
    shots = list(script.shots)
    shots[2] = replace(shots[2], image=picture_file)  # no face in it
    shots[4] = replace(shots[4], image=kit.voice)
    with pytest.raises(ScriptError) as error:
        render(replace(script, shots=tuple(shots)), tmp_path / "film.mp4", tier=kit.tier)
    assert [problem.partition(":")[0] for problem in error.value.problems] == ["shot 3", "shot 5"]
    assert list(tmp_path.iterdir()) == []


def test_sounds_of_shots_are_laid_at_their_times(kit, tmp_path):
    shot = sa.Shot(image=kit.portrait, audio=kit.voice, start_s=0.5, end_s=1.1)
    later = replace(shot, start_s=2.0, end_s=2.5, fade_s=0.2)
    script = sa.Script((shot, later), height=64, width=64, fps=30)
    result = render(script, tmp_path / "film.mp4", tier=kit.tier)
    video = sa.VideoReader(result.path)
    assert video.num_frames == 33 and video.fps == 30
    voice = sa.AudioTrack.load(kit.voice).resampled(48_000).samples
    expected = np.concatenate([voice[24_000:52_800], voice[96_000:120_000]])
    heard = video.audio().samples
    length = min(len(heard), len(expected))
    assert np.corrcoef(heard[:length], expected[:length])[0, 1] > 0.98


def test_frames_come_shot_by_shot(kit, tmp_path):
    found = list(frames(kit.script(2), tmp_path, tier=kit.tier))
    assert [number for number, _ in found] == [1] * 10 + [2] * 10
    assert found[0][1].shape == (64, 64, 3) and found[0][1].dtype == np.uint8


def _start(kit, output: Path, folder: Path, wait_for) -> None:
    """Start a render in a process of its own, and kill it when something is there."""
    (folder / "film.yaml").write_text(yaml.safe_dump(_script(kit).to_dict()))
    code = "from skyreels_avatar.cli import main; main()"
    command = [sys.executable, "-c", code, "render", str(folder / "film.yaml")]
    command += ["--output", str(output), "--tier", kit.tier]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not wait_for():
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was finished before it was killed"


@pytest.mark.parametrize(
    "pattern",
    [
        "shots/*.mp4",
        pytest.param("windows/*/piece*.mp4", marks=pytest.mark.slow),
        pytest.param("shots/*.wav", marks=pytest.mark.slow),
    ],
)
def test_a_film_that_was_killed_goes_on_and_has_the_same_bytes(made, kit, tmp_path, pattern):
    output = tmp_path / "film.mp4"
    work = tmp_path / "film.mp4.work"
    _start(kit, output, tmp_path, lambda: work.exists() and any(work.glob(pattern)))
    assert any(work.iterdir())
    line = ["render", str(tmp_path / "film.yaml"), "--output", str(output), "--tier", kit.tier]
    assert cli.run(line) == 0
    assert output.read_bytes() == made.path.read_bytes()


@pytest.mark.slow
def test_a_film_made_by_two_workers_has_the_same_bytes(made, kit, tmp_path):
    result = sa.render(_script(kit), tmp_path / "film.mp4", tier=kit.tier, workers=2)
    assert result.path.read_bytes() == made.path.read_bytes()
    left = [item.name for item in (tmp_path / "film.mp4.work").iterdir()]
    assert sorted(left) == ["film.json", "pieces", "shots"]


def test_an_engine_that_is_none_is_refused_and_nothing_is_left(kit, tmp_path):
    with pytest.raises(InputError, match="engine is one of local, ray"):
        sa.render(kit.script(1), tmp_path / "film.mp4", tier=kit.tier, engine="steam")
    assert list(tmp_path.iterdir()) == []


def test_a_change_of_vocals_makes_a_shot_again(kit, tmp_path):
    vocals = tmp_path / "vocals.wav"
    sa.AudioTrack.load(kit.voice).save(vocals)
    script = kit.script(num_shots=3, vocals=vocals)
    render(script, tmp_path / "film.mp4", tier=kit.tier)
    track = sa.AudioTrack.load(kit.voice)
    sa.AudioTrack(0.5 * track.samples[::-1], track.sample_rate).save(vocals)
    result = render(script, tmp_path / "film.mp4", tier=kit.tier)
    assert [shot.is_new for shot in result.shots] == [False, False, True]
    assert not list((tmp_path / "film.mp4.work").rglob("*.wav"))


def test_a_video_of_another_size_is_refused_before_anything_is_made(kit, tmp_path):
    made = render(kit.script(1), tmp_path / "take.mp4", tier=kit.tier).path
    script = kit.script(2)
    retalk = sa.Shot(video=made, end_s=0.8)
    other = replace(script, shots=(script.shots[0], retalk), height=96, width=96)
    with pytest.raises(ScriptError, match=r"shot 2: .*is 64x64, the film 96x96"):
        render(other, tmp_path / "film.mp4", tier=kit.tier)
    longer = replace(retalk, length="silence", end_s=0.6)
    with pytest.raises(ScriptError, match=r"shot 2: with length: silence"):
        render(
            replace(script, shots=(script.shots[0], longer)), tmp_path / "film.mp4", tier=kit.tier
        )
    assert not (tmp_path / "film.mp4").exists()


def test_shots_of_a_film_may_be_videos_that_say_something_else(kit, tmp_path):
    made = render(kit.script(1), tmp_path / "take.mp4", tier=kit.tier).path
    script = kit.script(2)
    script = replace(script, shots=(script.shots[0], sa.Shot(video=made, end_s=1.0, fade_s=0.16)))
    result = render(script, tmp_path / "film.mp4", tier=kit.tier)
    assert sa.VideoReader(result.path).num_frames == 25


def test_a_work_folder_replaces_and_removes_nothing_of_the_users(kit, tmp_path):
    """A script called film.json was replaced by the manifest of the folder that it lay in."""
    work, script = tmp_path / "work", kit.script(1)
    (work / "windows").mkdir(parents=True)
    (work / "film.json").write_text('{"shots": [{"image": "a.png"}]}')
    with pytest.raises(InputError, match="is not the manifest of a film"):
        render(script, tmp_path / "film.mp4", tier=kit.tier, work=work)
    (work / "film.json").unlink()
    image = shutil.copy(kit.portrait, work / "windows" / "person.png")
    script = replace(script, shots=(replace(script.shots[0], image=image),))
    with pytest.raises(InputError, match=r"person\.png lies where the work folder"):
        render(script, tmp_path / "film.mp4", tier=kit.tier, work=work, resume=False)
    assert Path(image).is_file()


def test_only_a_film_that_its_work_folder_has_made_is_replaced_unasked(made, kit, tmp_path, capsys):
    """With the work folder of any film, any other file was."""
    manifest = made.path.with_name("film.mp4.work") / "film.json"
    assert is_manifest(manifest, made.path) and not is_manifest(manifest, tmp_path / "o.mp4")
    (tmp_path / "film.yaml").write_text(yaml.safe_dump(kit.script(1).to_dict()))
    (tmp_path / "o.mp4").write_bytes(b"precious")
    line = [
        "render",
        str(tmp_path / "film.yaml"),
        "--tier",
        kit.tier,
        "-o",
        str(tmp_path / "o.mp4"),
    ]
    assert cli.run([*line, "--work", str(manifest.parent)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "o.mp4").read_bytes() == b"precious"
