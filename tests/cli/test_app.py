"""The command line: flags become a request, results become lines, errors become exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skyreels_avatar import __version__ as sa_version
from skyreels_avatar import progress
from skyreels_avatar.camera import MOVES, CameraMove
from skyreels_avatar.cli import app as cli
from skyreels_avatar.errors import AvatarError, Cancelled, CheckpointError, FaceError
from skyreels_avatar.pipeline import load
from skyreels_avatar.workers import shot


@pytest.fixture
def request_made(monkeypatch):
    """Replace the generation itself; returns the list of requests that reach it."""
    requests = []

    def make(request, on_progress=None, components=None, work_folder=None):
        for done in (0, 5, 10):
            on_progress(progress.Progress("denoise", done, 10, 1.5))
        requests.append(request)
        return shot.GenerationResult(
            request.output, 250, 25.0, 512, 384, 10.0, {"load": 1.0, "total": 12.3}, 900.0,
            (1.0, 2.0, 3.0, 4.0), (),
        )  # fmt: skip

    monkeypatch.setattr(shot, "generate_request", make)
    return requests


def test_every_flag_reaches_the_request(request_made, capsys):
    line = (
        "generate --image p.png --audio a.wav --camera push_in:60 --output o.mp4 --tier t.yaml "
        "--seed 7 --size 480p --fps 24 --steps 9 --guidance-scale 2 --audio-guidance-scale 3 "
        "--negative-prompt blur --face 1,2,30,40 --audio-start 0.5 --audio-end 2"
    )
    assert cli.run([*line.split(), "--prompt", "a woman smiles"]) == 0
    (request,) = request_made
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
    assert "12.3 s in all; side by side: load 1.0" in printed.err


def test_defaults_are_those_of_the_request(request_made):
    assert cli.run(["generate", "--image", "p.png", "--audio", "a.wav"]) == 0
    (request,) = request_made
    plain = type(request)(type(request.shot)(image="p.png", audio="a.wav"), request.output)
    assert request.to_dict() == {
        **plain.to_dict(),
        "shot": {**plain.to_dict()["shot"], "camera": request.to_dict()["shot"]["camera"]},
    }
    assert request.shot.camera.name == "static"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FaceError("no face; give its box x,y,w,h", parameter="face"), 2),
        (CheckpointError("weights are missing"), 1),
        (AvatarError("something of ours"), 1),
        (RuntimeError("something\nof theirs"), 1),
        (MemoryError(), 1),
        (OSError("disk full"), 1),
        (KeyboardInterrupt(), 130),
        (Cancelled("stopped"), 130),
    ],
)
def test_errors_are_one_line_and_an_exit_code(monkeypatch, capsys, error, code):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(shot, "generate_request", fail)
    assert cli.run(["generate", "--image", "p.png", "--audio", "a.wav"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("stopped" if code == 130 else "error: ")
    assert "Traceback" not in printed.err


def test_the_option_of_a_parameter_that_an_error_asks_for_is_named(monkeypatch, capsys):
    """The library speaks of parameters; here they are options."""

    def fail(*_, **__):
        raise FaceError("choose another face", parameter="face")

    monkeypatch.setattr(shot, "generate_request", fail)
    assert cli.run(["generate", "--image", "p.png", "--audio", "a.wav"]) == 2
    assert capsys.readouterr().err == "error: choose another face (--face)\n"


def test_verbose_shows_where_an_error_came_from(monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("deep inside")

    monkeypatch.setattr(shot, "generate_request", fail)
    assert cli.run(["--verbose", "generate", "--image", "p.png", "--audio", "a.wav"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "generate",
        "generate --audio a.wav",
        "generate --image p.png --audio a.wav --fps fast",
        "generate --image p.png --audio a.wav --steps 2.5",
        "generate --image p.png --audio a.wav --colour red",
        "generate --image p.png --audio a.wav surplus",
        "make-me-a-film",
    ],
)
def test_wrong_usage_is_one_line_that_points_to_the_help(capsys, line):
    assert cli.run(line.split()) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and printed.count("\n") == 1 and "--help" in printed


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.run([]) == 2
    assert "generate" in capsys.readouterr().out
    assert cli.run(["--help"]) == 0


def test_plan_counts_without_weights(picture_file, sound_file, capsys, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("plan must not load weights")

    monkeypatch.setattr(load, "load_components", forbidden)
    line = ["plan", "--image", str(picture_file), "--audio", str(sound_file), "--size", "128x128"]
    assert cli.run(line) == 0
    assert "128x128, 25 frames at 25 fps" in capsys.readouterr().out
    assert cli.run([*line, "--json", "--fps", "30"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["num_frames"], plan["height"], plan["width"]) == (30, 128, 128)
    assert plan["segments"][0]["first_frame"] == 0
    assert plan["seconds"] > 0 and plan["memory_mb"] > 0


def test_plan_of_more_steps_or_a_negative_prompt_takes_longer(picture_file, sound_file, capsys):
    line = ["plan", "--image", str(picture_file), "--audio", str(sound_file), "--json"]

    def seconds(*flags: str) -> float:
        assert cli.run([*line, *flags]) == 0
        return json.loads(capsys.readouterr().out)["seconds"]

    few = seconds("--steps", "2")
    assert few < seconds("--steps", "20")
    assert few == seconds("--steps", "2", "--guidance-scale", "3")  # the network guides itself
    assert few < seconds("--steps", "2", "--negative-prompt", "a frown")


def test_evaluate_prints_one_json_list(monkeypatch, capsys):
    report_module = importlib.import_module("skyreels_avatar.evaluation.report")

    class Report:
        def to_json(self):
            return '{"sync_r0": 0.4}'

    monkeypatch.setattr(report_module, "evaluate", lambda *_: Report())
    assert cli.run(["evaluate", "a.mp4", "b.mp4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"sync_r0": 0.4}] * 2


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_polite_kill_leaves_no_half_file(tmp_path, name, code):
    """SIGTERM in the middle of writing or SIGHUP: exit code 143 or 129, nothing on the disk."""
    script = """
import sys, time, types
import numpy as np
from skyreels_avatar.cli import app as cli
from skyreels_avatar.media import VideoWriter
def make(request, on_progress=None, work_folder=None):
    with VideoWriter(request.output, 64, 64, 25) as writer:
        for _ in range(1000):
            writer.write(np.zeros((5, 64, 64, 3), np.uint8))
            print("writing", flush=True)
            time.sleep(0.05)
sys.modules["skyreels_avatar.workers.shot"] = types.SimpleNamespace(generate_request=make)
sys.exit(cli.run(["generate", "--image", "p.png", "--audio", "a.wav", "--output", sys.argv[1]]))
"""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", script, str(tmp_path / "o.mp4")]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        process.stdout.readline()
        process.send_signal(getattr(signal, name))
        process.stdout.read()
        assert process.wait(timeout=60) == code
    assert not list(tmp_path.iterdir())


def test_inference_is_generate():
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "inference.py", "--image", "p.png"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == (
        "error: no sound was given; give audio (a sound file) or text (to be said)\n"
    )


def test_speakers_reach_the_request(request_made, capsys):
    line = "generate --image p.png --speaker anna=0,a.wav --speaker ben=10,20,80,90,"
    assert cli.run(line.split()) == 0
    (request,) = request_made
    anna, ben = request.shot.speakers
    assert (anna.name, anna.face, anna.audio) == ("anna", "0", Path("a.wav"))
    assert (ben.name, ben.face, ben.audio) == ("ben", "10,20,80,90", None)
    assert cli.run(["generate", "--image", "p.png", "--speaker", "anna=0"]) == 2
    assert "a speaker is NAME=FACE,AUDIO" in capsys.readouterr().err


def test_the_version_and_short_options(request_made, capsys, tmp_path):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == sa_version
    output = str(tmp_path / "o.mp4")
    assert cli.run(["generate", "--image", "p.png", "--audio", "a.wav", "-o", output, "-q"]) == 0
    printed = capsys.readouterr()
    assert request_made[0].output == Path(output)
    assert printed.err == "" and output in printed.out


def test_the_help_names_the_moves_and_shows_an_example(capsys):
    assert cli.run(["generate", "-h"]) == 0
    shown = capsys.readouterr().out
    words = " ".join(shown.replace("\u2502", " ").split())
    assert all(move in words for move in MOVES)
    assert "Example: skyreels-avatar generate" in words
    assert "--overwrite <bool>" not in words


def test_existing_files_are_replaced_only_when_asked(request_made, capsys, tmp_path):
    """A script that made the same name again lost the first video without a word."""
    output = tmp_path / "o.mp4"
    output.write_bytes(b"mine")
    line = ["generate", "--image", "p.png", "--audio", "a.wav", "-o", str(output)]
    assert cli.run(line) == 2
    assert "--overwrite" in capsys.readouterr().err and not request_made
    assert cli.run([*line, "--overwrite"]) == 0 and len(request_made) == 1


@pytest.mark.parametrize("name", ["a[/old]b.mp4", "a[bold]b.mp4", "a\udcffb.mp4", "a\x1bb.mp4"])
def test_any_file_name_can_be_printed(request_made, capsys, name):
    """`[/old]` ended in a MarkupError after the video was made, a byte 0xff in a traceback."""
    assert cli.run(["generate", "--image", "p.png", "--audio", "a.wav", "-o", name]) == 0
    shown = name.replace("\udcff", "\ufffd").replace("\x1b", "\ufffd")
    assert shown in capsys.readouterr().out
    assert cli.run(["plan", "--image", f"absent{name}.png", "--audio", f"absent{name}.wav"]) == 2
    assert f"absent{shown}.wav" in capsys.readouterr().err


@pytest.mark.parametrize(
    "redirection", [">&-", "2>&-", ">&- 2>&-", ">/dev/full", "2>/dev/full", "| true"]
)
def test_closed_and_full_streams_do_not_change_the_exit_code(tmp_path, redirection):
    """With stdout closed, or a reader that had left, it was 1 although the video was there."""
    if os.name != "posix" or not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    script = """
import sys, types
from pathlib import Path
from skyreels_avatar.cli import app as cli
def make(request, on_progress=None, work_folder=None):
    Path(request.output).write_bytes(b"video")
    return types.SimpleNamespace(path=request.output, width=2, height=2, num_frames=1, fps=25.0,
                                 duration_s=0.04, num_found=0, seconds={"total": 1.0})
sys.modules["skyreels_avatar.workers.shot"] = types.SimpleNamespace(generate_request=make)
cli.main(["generate", "--image", "p.png", "--audio", "a.wav", "--output", sys.argv[1]])
"""
    root = Path(__file__).resolve().parents[2]
    command = f'"{sys.executable}" -c "$0" "$1" {redirection}; exit ${{PIPESTATUS[0]}}'
    result = subprocess.run(
        ["bash", "-c", command, script, str(tmp_path / "o.mp4")],
        env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert (tmp_path / "o.mp4").read_bytes() == b"video"


def test_quiet_keeps_progress_and_notes_from_stderr_and_no_error(request_made, capsys, tmp_path):
    """Errors were left out, too: an exit code of 2 without a word."""
    line = ["generate", "--image", "p.png", "-o", str(tmp_path / "o.mp4"), "--quiet"]
    assert cli.run([*line, "--audio", "a.wav"]) == 0
    assert capsys.readouterr().err == ""
    assert cli.run(line) == 2
    assert capsys.readouterr().err.startswith("error: no sound was given")


def test_a_strength_below_one_percent_is_doubted(request_made, capsys, tmp_path):
    """`push_in:0.5` was half a percent without a word."""
    line = ["generate", "--image", "p.png", "--audio", "a.wav", "-o", str(tmp_path / "o.mp4")]
    assert cli.run([*line, "--camera", "push_in:0.5"]) == 0
    assert "did you mean 50%?" in capsys.readouterr().err
    assert cli.run([*line, "--camera", "push_in:50%"]) == 0
    printed = capsys.readouterr()
    assert "did you mean" not in printed.err and "camera push_in 50%" in printed.out
    assert request_made[-1].shot.camera == CameraMove("push_in", 0.5)
