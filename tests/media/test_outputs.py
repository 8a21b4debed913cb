"""Outputs: nothing that is read is written over, and nothing half written stays."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.files import atomic_write, partial_path, remove_stale_partials
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.video import check_output
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"footage")
    return path


def _same_names(source: Path) -> dict[str, Path]:
    folder = source.parent
    (folder / "link.mp4").symlink_to(source)
    os.link(source, folder / "hard.mp4")
    (folder / "sub").mkdir()
    return {
        "itself": source,
        "a symlink": folder / "link.mp4",
        "a hard link": folder / "hard.mp4",
        "another way": folder / "sub" / ".." / source.name,
    }


@pytest.mark.parametrize("kind", ["itself", "a symlink", "a hard link", "another way"])
def test_an_output_that_is_an_input_is_refused(source, kind):
    """`--audio talk.mp4 --output talk.mp4` destroyed the source."""
    output = _same_names(source)[kind]
    for shot in (Shot(image="p.png", audio=source), Shot(video=source, audio="a.wav")):
        with pytest.raises(MediaError, match="also read"):
            check_outputs({"output": output}, GenerationRequest(shot, output))
    assert source.read_bytes() == b"footage"


def test_outputs_have_different_names(tmp_path):
    one = tmp_path / "a.json"
    with pytest.raises(MediaError, match="one name"):
        check_outputs({"subtitles": one, "spans": one}, [])
    check_outputs({"subtitles": one, "output": tmp_path / "a.mp4", "spans": None}, [])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_or_device_is_no_output(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "null.mp4").symlink_to(os.devnull)
    for name in ("pipe.mp4", "null.mp4"):
        with pytest.raises(InputError, match="pipe or a device"):
            check_output(tmp_path / name)


def test_a_link_stays_a_link_and_its_target_is_written(source):
    link = source.parent / "link.mp4"
    link.symlink_to(source)
    with atomic_write(link) as partial:
        partial.write_bytes(b"made")
    assert link.is_symlink() and source.read_bytes() == b"made"


def test_what_dead_processes_left_is_swept_and_what_is_being_written_stays(source):
    code = (
        "import sys; from pathlib import Path; from skyreels_avatar.media.files import *;"
        "print(partial_path(Path(sys.argv[1])))"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(source)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    dead = Path(made.stdout.strip())
    alive, elsewhere = partial_path(source), dead.with_name(dead.name.replace("talk.", "talk.x", 1))
    for path in (dead, alive, elsewhere):
        path.touch()
    remove_stale_partials(source)
    assert not dead.exists() and alive.exists() and elsewhere.exists()


def test_threads_write_to_different_places(source):
    found = []
    threads = [threading.Thread(target=lambda: found.append(partial_path(source))) for _ in "123"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 3


def test_after_an_error_nothing_is_left(source):
    with pytest.raises(RuntimeError), atomic_write(source) as partial:
        partial.write_bytes(b"half")
        raise RuntimeError
    assert [path.name for path in source.parent.iterdir()] == ["talk.mp4"]
    assert source.read_bytes() == b"footage"
