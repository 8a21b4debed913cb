"""Answers that do not wait: checked in this process, and the process around them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra serve")

from skyreels_avatar.apps.jobs import interactive as interactive_module
from skyreels_avatar.apps.jobs.interactive import (
    PREVIEW_S,
    Interactive,
    _guarded,
    find_faces,
    plan_job,
    write_preview,
)
from skyreels_avatar.apps.jobs.records import RequestError
from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.pipeline.camera_preview import FPS
from tests.samples import write_portrait, write_voice


def test_faces_are_found_in_parts_of_the_picture(tmp_path):
    found = find_faces(write_portrait(tmp_path), "image", tmp_path / "small.jpg")
    assert (found["width"], found["height"]) == (300, 240)
    (face,) = found["faces"]
    assert 0.2 < face["x"] < 0.8 and 0.2 < face["y"] < 0.8 and 0.1 < face["width"] < 0.9
    assert (tmp_path / "small.jpg").is_file()


def test_a_preview_shows_the_move_and_a_second_one_is_quick(tmp_path):
    image, output = write_portrait(tmp_path), tmp_path / "preview.mp4"
    start = time.process_time()
    write_preview(image, "push_in:80", None, output)
    first_s = time.process_time() - start
    with av.open(str(output)) as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(pictures) == PREVIEW_S * FPS
    assert abs(pictures[0].astype(int) - pictures[-1]).mean() > 2
    start = time.process_time()
    write_preview(image, "swing:50", None, output)
    assert time.process_time() - start < first_s
    with pytest.raises(InputError, match="fly"):
        write_preview(image, "fly:50", None, output)


def test_a_plan_is_what_the_command_prints(tmp_path):
    values = {"image": write_portrait(tmp_path), "audio": write_voice(tmp_path, 1.0)}
    plan = plan_job("generate", values, tmp_path)
    assert plan["num_frames"] == 25 and plan["seconds"] > 0
    with pytest.raises(InputError, match="no plan"):
        plan_job("speak", {"text": "x"}, tmp_path)


def test_errors_come_back_as_what_they_are():
    def fail(error):
        raise error

    with pytest.raises(InputError) as found:
        raise _guarded(fail, InputError("wrong", parameter="size"))
    assert found.value.parameter == "size"
    assert type(_guarded(fail, KeyError("x"))) is AvatarError


def test_the_process_ends_when_its_server_is_killed(root):
    code = (
        "import os\nfrom skyreels_avatar.apps.jobs.interactive import Interactive\n"
        "if __name__ == '__main__':\n"
        "    print(Interactive().call(os.getpid), flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    process_id, until = int(done.stdout), time.monotonic() + 20
    while _is_alive(process_id):
        assert time.monotonic() < until
        time.sleep(0.1)


def _is_alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process_id}/stat")
    return not stat.exists() or ") Z " not in stat.read_text()


def test_a_process_that_dies_or_hangs_is_replaced(monkeypatch):
    interactive = Interactive()
    try:
        assert interactive.call(os.getpid) != os.getpid()
        with pytest.raises(RequestError) as refused:
            interactive.call(os._exit, 1)
        assert refused.value.status == 503
        monkeypatch.setattr(interactive_module, "_TIMEOUT_S", 0.2)
        with pytest.raises(RequestError):
            interactive.call(time.sleep, 60)
        monkeypatch.setattr(interactive_module, "_TIMEOUT_S", 60.0)
        assert interactive.call(os.getpid) != os.getpid()
    finally:
        interactive.stop()
