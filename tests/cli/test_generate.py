"""`generate`: options become a request, the result becomes a line or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skyreels_avatar import cli
from skyreels_avatar.api import generation
from skyreels_avatar.camera import CameraMove
from skyreels_avatar.errors import Cancelled
from skyreels_avatar.workers import farm
from tests.cli.conftest import made


def test_every_flag_reaches_the_request(requests_made, capsys):
    line = (
        "generate --image p.png --audio a.wav --camera push_in:60 --output o.mp4 --tier t.yaml "
        "--seed 7 --size 480p --fps 24 --steps 9 --guidance-scale 2 --audio-guidance-scale 3 "
        "--negative-prompt blur --face 1,2,30,40 --audio-start 0.5 --audio-end 2"
    )
    assert cli.run([*line.split(), "--prompt", "a woman smiles"]) == 0
    (request,) = requests_made
    assert request.shot.image == Path("p.png") and request.shot.audio == Path("a.wav")
    assert request.shot.camera == CameraMove("push_in", 0.6)
    assert request.shot.prompt == "a woman smiles" and request.shot.negative_prompt == "blur"
    assert (request.shot.start_s, request.shot.end_s) == (0.5, 2.0)
    assert request.shot.face == "1,2,30,40"
    assert (request.tier, request.size, request.fps) == ("t.yaml", "480p", 24.0)
    sampling = request.sampling
    assert (sampling.num_inference_steps, sampling.seed) == (9, 7)
    assert (sampling.guidance_scale, sampling.audio_guidance_scale) == (2.0, 3.0)
    printed = capsys.readouterr()
    assert "o.mp4  384x512, 250 frames at 25 fps, 10.00 s" in printed.out
    assert "12.3 s in all; stages, which overlap: load 1.0" in printed.err


def test_defaults_are_those_of_the_request(requests_made):
    assert cli.run(["generate", "--image", "p.png", "--audio", "a.wav"]) == 0
    (request,) = requests_made
    plain = type(request)(type(request.shot)(image="p.png", audio="a.wav"), request.output)
    assert request.to_dict() == {
        **plain.to_dict(),
        "shot": {**plain.to_dict()["shot"], "camera": request.to_dict()["shot"]["camera"]},
    }
    assert request.shot.camera.name == "static"


def test_speakers_reach_the_request(requests_made, capsys):
    line = "generate --image p.png --speaker anna=0,a.wav --speaker ben=10,20,80,90,"
    assert cli.run(line.split()) == 0
    (request,) = requests_made
    anna, ben = request.shot.speakers
    assert (anna.name, anna.face, anna.audio) == ("anna", "0", Path("a.wav"))
    assert (ben.name, ben.face, ben.audio) == ("ben", "10,20,80,90", None)
    assert cli.run(["generate", "--image", "p.png", "--speaker", "anna=0"]) == 2
    assert "a speaker is NAME=FACE,AUDIO" in capsys.readouterr().err


def test_existing_files_are_replaced_only_when_asked(requests_made, capsys, tmp_path):
    """A script that made the same name again lost the first video without a word."""
    output = tmp_path / "o.mp4"
    output.write_bytes(b"mine")
    line = ["generate", "--image", "p.png", "--audio", "a.wav", "-o", str(output)]
    assert cli.run(line) == 2
    assert "--overwrite" in capsys.readouterr().err and not requests_made
    assert cli.run([*line, "--overwrite"]) == 0 and len(requests_made) == 1


def test_a_strength_below_one_percent_is_doubted(requests_made, capsys, tmp_path):
    """`push_in:0.5` was half a percent without a word."""
    line = ["generate", "--image", "p.png", "--audio", "a.wav", "-o", str(tmp_path / "o.mp4")]
    assert cli.run([*line, "--camera", "push_in:0.5"]) == 0
    assert "did you mean 50%?" in capsys.readouterr().err
    assert cli.run([*line, "--camera", "push_in:50%"]) == 0
    printed = capsys.readouterr()
    assert "did you mean" not in printed.err and "camera push_in 50%" in printed.out
    assert requests_made[-1].shot.camera == CameraMove("push_in", 0.5)


def test_json_is_the_result_and_nothing_else(requests_made, capsys, tmp_path):
    output = tmp_path / "o.mp4"
    line = ["generate", "--image", "p.png", "--audio", "a.wav", "-o", str(output), "--json"]
    assert cli.run(line) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["path"] == str(output) and result["seconds"]["total"] == 12.3
    assert (result["width"], result["height"], result["num_frames"]) == (384, 512, 250)
    assert result["warnings"] == [] and result["face_box"] == [1.0, 2.0, 3.0, 4.0]


def test_workers_share_the_windows_and_the_result_counts_all_the_time(
    requests_made, monkeypatch, capsys, tmp_path
):
    calls = []

    def windows(requests, folder, engine, workers, address, on_progress):
        calls.append((len(requests), folder.name, engine, workers, address))
        return 40

    monkeypatch.setattr(farm, "make_windows", windows)
    output = str(tmp_path / "o.mp4")
    line = ["generate", "--image", "p.png", "--audio", "a.wav", "-o", output, "--workers", "3"]
    assert cli.run([*line, "--json"]) == 0
    assert calls == [(1, "o.mp4.windows", "local", 3, None)]
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["num_found"] == 40 and "resumed: 40 of 250 frames" in printed.err
    assert result["seconds"]["total"] > 12.3 and result["seconds"]["windows"] > 0


def test_a_run_that_was_stopped_says_where_it_resumes(failing, capsys, tmp_path):
    failing(Cancelled("stopped"))
    line = ["generate", "--image", "p.png", "--audio", "a.wav", "--work", str(tmp_path)]
    assert cli.run(line) == 130
    assert f"finished windows are in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["umt5-xxl uni3c", "wan2.1-vae", "depth-anything-v2-small"])
def test_a_tier_without_its_weights_names_what_fetches_exactly_those(
    monkeypatch, capsys, tmp_path, root, picture_file, sound_file, missing
):
    """It named the first missing file, and of the command only `models pull`."""
    monkeypatch.setenv("SKYREELS_AVATAR_MODELS", str(tmp_path / "models"))
    from skyreels_avatar.loading.tiers import load_tier

    tier = load_tier("studio")
    needed = [tmp_path / "models" / name / "config.json" for name in tier.needs]
    for path in [*tier.weights.paths(), *needed]:
        if path.relative_to(tmp_path / "models").parts[0] not in missing.split():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    portrait, voice = (root / "assets/examples" / name for name in ("portrait.png", "speech.wav"))
    line = ["generate", "--image", str(portrait), "--audio", str(voice), "--tier", "studio"]
    assert cli.run([*line, "-o", str(tmp_path / "o.mp4")]) == 1
    error = capsys.readouterr().err
    assert error.endswith(f"fetch with: skyreels-avatar models pull {missing}\n")
    assert not (tmp_path / "o.mp4").exists()


def test_a_request_is_made_by_the_verb_as_by_the_command(requests_made):
    import skyreels_avatar as sa

    line = "generate --image p.png --audio a.wav --camera swing:30 --seed 4 --steps 3 --gate off"
    assert cli.run([*line.split(), "--memory", "24gb"]) == 0
    real = generation.generate_request
    real_result = sa.generate(
        "p.png", "a.wav", camera="swing:30", seed=4, steps=3, gate="off", memory="24gb",
        on_progress=lambda report: None,
    )  # fmt: skip
    assert generation.generate_request is real and real_result == made(requests_made[1])
    assert requests_made[0] == requests_made[1]
