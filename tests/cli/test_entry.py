"""From arguments to an exit code: errors are one line, signals and streams change nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skyreels_avatar import __version__, cli
from skyreels_avatar.errors import AvatarError, Cancelled, CheckpointError, FaceError

ROOT = Path(__file__).resolve().parents[2]
GENERATE = ["generate", "--image", "p.png", "--audio", "a.wav"]


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
def test_errors_are_one_line_and_an_exit_code(failing, capsys, error, code):
    failing(error)
    assert cli.run(GENERATE) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("stopped" if code == 130 else "error: ")
    assert "Traceback" not in printed.err


def test_the_option_of_a_parameter_that_an_error_asks_for_is_named(failing, capsys):
    """The library speaks of parameters; here they are options."""
    failing(FaceError("choose another face", parameter="face"))
    assert cli.run(GENERATE) == 2
    assert capsys.readouterr().err == "error: choose another face (--face)\n"


def test_verbose_shows_where_an_error_came_from(failing, capsys):
    failing(RuntimeError("deep inside"))
    assert cli.run(["--verbose", *GENERATE]) == 1
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


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_polite_kill_leaves_no_half_file(tmp_path, name, code):
    """SIGTERM in the middle of writing or SIGHUP: exit code 143 or 129, nothing on the disk."""
    script = """
import signal, sys, time, types
import numpy as np
from skyreels_avatar import __version__, cli
from skyreels_avatar.media import VideoWriter
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests with nohup ignores it
def make(request, on_progress, **_):
    with VideoWriter(request.output, 64, 64, 25) as writer:
        for _ in range(1000):
            writer.write(np.zeros((5, 64, 64, 3), np.uint8))
            print("writing", flush=True)
            time.sleep(0.05)
sys.modules["skyreels_avatar.api.generation"] = types.SimpleNamespace(make_video=make)
sys.exit(cli.run(["generate", "--image", "p.png", "--audio", "a.wav", "--output", sys.argv[1]]))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "o.mp4")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        process.stdout.readline()
        process.send_signal(getattr(signal, name))
        process.stdout.read()
        assert process.wait(timeout=60) == code
    assert not list(tmp_path.iterdir())


def test_inference_is_generate():
    command = [sys.executable, "inference.py", "--image", "p.png"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == (
        "error: no sound was given; give audio (a sound file) or text (to speak)\n"
    )


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
from skyreels_avatar import __version__, cli
def make(request, on_progress, **_):
    Path(request.output).write_bytes(b"video")
    return types.SimpleNamespace(path=request.output, width=2, height=2, num_frames=1, fps=25.0,
                                 duration_s=0.04, num_found=0, seconds={"total": 1.0})
sys.modules["skyreels_avatar.api.generation"] = types.SimpleNamespace(make_video=make)
cli.main(["generate", "--image", "p.png", "--audio", "a.wav", "--output", sys.argv[1]])
"""
    command = f'"{sys.executable}" -c "$0" "$1" {redirection}; exit ${{PIPESTATUS[0]}}'
    result = subprocess.run(
        ["bash", "-c", command, script, str(tmp_path / "o.mp4")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert (tmp_path / "o.mp4").read_bytes() == b"video"


def test_quiet_keeps_progress_and_notes_from_stderr_and_no_error(requests_made, capsys, tmp_path):
    """Errors were left out, too: an exit code of 2 without a word."""
    line = ["generate", "--image", "p.png", "-o", str(tmp_path / "o.mp4"), "--quiet"]
    assert cli.run([*line, "--audio", "a.wav"]) == 0
    assert capsys.readouterr().err == ""
    assert cli.run(line) == 2
    assert capsys.readouterr().err.startswith("error: no sound was given")


def test_python_m_runs_the_same_command():
    command = [sys.executable, "-m", "skyreels_avatar", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == __version__
