"""One request to one file: what is told of it, and what is made again."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.workers.shot import _collected_warnings, generate_request
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


@pytest.fixture(scope="module")
def request_(tmp_path_factory) -> sa.GenerationRequest:
    folder = tmp_path_factory.mktemp("files")
    shot = sa.Shot(image=write_portrait(folder), audio=write_voice(folder, 1.7))
    return sa.GenerationRequest(shot, folder / "a.mp4", write_tier(folder), "64x64", 25.0)


def test_a_second_run_finds_all_windows_and_makes_the_same_bytes(request_, tmp_path):
    first = generate_request(request_, work_folder=tmp_path, sign=False)
    before = first.path.read_bytes()
    seen = []
    again = generate_request(request_, lambda p: seen.append(p.stage), None, tmp_path, sign=False)
    assert (first.num_found, again.num_found, again.num_frames) == (0, 43, 43)
    assert again.path.read_bytes() == before
    assert "denoise" in first.seconds and "denoise" not in again.seconds
    assert {"read", "load", "analyse"} <= first.seconds.keys() and first.peak_rss_mb > 100
    assert repr(first) == (
        f"GenerationResult('{request_.output}', 64x64, 43 frames at 25 fps, 1.72 s, 0 warnings)"
    )


def test_a_work_folder_is_refused_where_processes_share_a_pass(request_, tmp_path):
    components = load_components(request_.tier)
    shared = replace(components, tier=replace(components.tier, context_parallel=2))
    with pytest.raises(InputError, match="a work folder belongs to one process"):
        generate_request(request_, components=shared, work_folder=tmp_path)


def test_who_does_not_write_leaves_no_file(request_, tmp_path):
    """Of processes that share a pass the first one writes the video."""
    second = replace(load_components(request_.tier), rank=1)
    result = generate_request(replace(request_, output=tmp_path / "b.mp4"), components=second)
    assert result.num_frames == 43 and not list(tmp_path.iterdir())


def test_warnings_of_other_runs_are_not_collected():
    log = logging.getLogger("skyreels_avatar.somewhere")
    with _collected_warnings() as messages:
        log.warning("of %s", "this run")
        log.info("no warning")
        other = threading.Thread(target=log.warning, args=("of another thread",))
        other.start()
        other.join()
        with _collected_warnings() as inner:
            log.warning("of a run inside")
    log.warning("after it")
    assert messages == ["of this run"] and inner == ["of a run inside"]
