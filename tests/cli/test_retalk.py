"""`retalk`: one request for each voice, results as lines or one list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skyreels_avatar import cli
from skyreels_avatar.api import retalking
from tests.cli.conftest import made
from tests.media.videos import numbered_frames, write_video


@pytest.fixture
def video(tmp_path) -> Path:
    return write_video(tmp_path / "talk.mp4", numbered_frames(10))


@pytest.fixture
def requests_made(monkeypatch) -> list:
    requests = []

    def make(given, on_progress=None):
        requests.extend(given)
        return [made(request) for request in given]

    monkeypatch.setattr(retalking, "make_videos", make)
    return requests


def test_every_option_reaches_the_request(requests_made, video, tmp_path):
    line = (
        "--audio a.wav --prompt calm --keep lips --length loop --face 1 --tier t.yaml --fps 30 "
        "--seed 3 --steps 5 --audio-start 1 --audio-end 2 --vocals v.wav --gate off"
    )
    output = tmp_path / "o.mp4"
    assert cli.run(["retalk", "--video", str(video), "-o", str(output), *line.split()]) == 0
    (request,) = requests_made
    shot = request.shot
    assert (shot.video, shot.audio, shot.vocals) == (video, Path("a.wav"), Path("v.wav"))
    assert (shot.prompt, shot.keep, shot.length, shot.face) == ("calm", "lips", "loop", "1")
    assert (shot.start_s, shot.end_s, shot.gate) == (1.0, 2.0, "off")
    assert (request.tier, request.fps, request.seed) == ("t.yaml", 30.0, 3)
    assert request.sampling.num_inference_steps == 5 and request.output == output


def test_each_voice_becomes_a_video_of_its_name(requests_made, video, tmp_path, capsys):
    output = tmp_path / "o.mp4"
    line = ["retalk", "--video", str(video), "--audio", "de.wav", "--audio", "fr.wav"]
    assert cli.run([*line, "-o", str(output), "--json"]) == 0
    names = [request.output.name for request in requests_made]
    assert names == ["o_de.mp4", "o_fr.mp4"]
    assert [one.shot.audio.name for one in requests_made] == ["de.wav", "fr.wav"]
    assert {request.fps for request in requests_made} == {25.0}  # the video's own
    results = json.loads(capsys.readouterr().out)
    assert [Path(result["path"]).name for result in results] == names
    assert all(result["unseen"] == [] for result in results)


def test_none_of_several_files_is_replaced_unasked(requests_made, video, tmp_path, capsys):
    (tmp_path / "o_fr.mp4").touch()
    line = ["retalk", "--video", str(video), "--audio", "de.wav", "--audio", "fr.wav"]
    assert cli.run([*line, "-o", str(tmp_path / "o.mp4")]) == 2
    assert "o_fr.mp4 exists already" in capsys.readouterr().err and not requests_made


def test_a_voice_is_needed(video, capsys):
    assert cli.run(["retalk", "--video", str(video)]) == 2
    assert "no sound was given" in capsys.readouterr().err
