"""A worker makes any window of a shot, and says what has to be made first."""

from __future__ import annotations

import pytest

import skyreels_avatar as sa
from skyreels_avatar.workers.shot_worker import ShotWorker
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


@pytest.fixture(scope="module")
def worker_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    shot = sa.Shot(image=write_portrait(folder), audio=write_voice(folder, 4.0))
    tier = write_tier(folder)

    def make(windows: str, work) -> ShotWorker:
        request = sa.GenerationRequest(shot, work / "a.mp4", tier, "64x64", 25.0, windows=windows)
        return ShotWorker(request, work / "work")

    return make


def test_windows_that_continue_each_other_are_sampled_as_one_group(worker_of, tmp_path):
    worker = worker_of("overlap", tmp_path)
    indices = [segment.index for segment in worker.plan.segments]
    assert len(indices) > 2 and worker.remaining() == indices
    assert worker.prerequisites() == [indices]


def test_each_key_frame_is_a_group_and_what_is_there_is_left_out(worker_of, tmp_path):
    worker = worker_of("keyframes", tmp_path)
    keys = [segment.index for segment in worker.plan.segments if segment.role == "keyframe"]
    assert worker.prerequisites() == [[index] for index in keys] and len(keys) > 1
    worker.sample(keys[:1])
    other = worker_of("keyframes", tmp_path)  # another process of the same folder
    assert other.prerequisites() == [[index] for index in keys[1:]]
    shown = other.remaining()[0]
    made = other.render(shown)
    assert made == other.plan.num_pictures(other.plan.segments[shown]) > 0
    assert shown not in worker.remaining()
