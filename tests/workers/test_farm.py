"""Several workers make a shot: the bytes of one, also when some of them are killed."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

import skyreels_avatar as sa
from skyreels_avatar.errors import AvatarError, Cancelled, FaceError, InputError, MissingExtraError
from skyreels_avatar.workers import farm, ray_pool
from skyreels_avatar.workers.shot import generate_request
from skyreels_avatar.workers.worker_pool import TaskResult
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier

SECONDS = 4.0


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path, str]:
    """A portrait, four seconds of a voice, and a tiny tier."""
    folder = tmp_path_factory.mktemp("files")
    return write_portrait(folder), write_voice(folder, SECONDS), write_tier(folder)


def request_of(files, output: Path, windows="keyframes", seed=0) -> sa.GenerationRequest:
    image, audio, tier = files
    shot = sa.Shot(image=image, audio=audio, camera="push_in:60")
    sampling = sa.SamplingParams(seed=seed)
    return sa.GenerationRequest(shot, output, tier, "64x64", 25.0, sampling, windows=windows)


@pytest.fixture(scope="module")
def alone(files, tmp_path_factory) -> bytes:
    """The video that one process makes."""
    folder = tmp_path_factory.mktemp("alone")
    request = request_of(files, folder / "a.mp4")
    return generate_request(request, work_folder=folder / "work").path.read_bytes()


class FakePool:
    """Workers of this process that note what they are given; some die, some fail."""

    def __init__(
        self, make_function, num_workers=2, address=None, on_gpu=False, dying=(), error=None
    ):
        self.num_workers, self.submitted, self.stopped = num_workers or 2, [], False
        self._dying, self._error, self._pending = list(dying), error, []
        self._make_function = make_function
        self._functions = {}

    def submit(self, worker, task):
        assert worker not in [w for w, _ in self._pending], "a worker does one thing at a time"
        self.submitted.append((worker, task))
        self._pending.append((worker, task))

    def poll(self):
        worker, task = self._pending.pop(0)
        if self._dying and self._dying.pop(0):
            return [TaskResult(worker, died=True)]
        if self._error is not None:
            return [TaskResult(worker, error=self._error)]
        if worker not in self._functions:
            self._functions[worker] = self._make_function()
        return [TaskResult(worker, self._functions[worker](task))]

    def shutdown(self):
        self.stopped = True


@pytest.fixture
def pools(monkeypatch):
    """Replace the processes by a pool inside this process; returns how to, and what it was."""
    made = []

    def use(**options):
        def make(*args):
            made.append(FakePool(*args, **options))
            return made[-1]

        monkeypatch.setattr(farm, "ProcessPool", make)
        return made

    return use


@pytest.mark.parametrize("windows", ["keyframes", "overlap"])
def test_latents_come_before_pieces_and_everything_is_made_once(files, pools, tmp_path, windows):
    (made,) = [pools()]
    request = request_of(files, tmp_path / "a.mp4", windows)
    reports = []
    farm.make_windows([request], tmp_path / "work", num_workers=2, on_progress=reports.append)
    tasks = [task for _, task in made[0].submitted]
    assert len(set(tasks)) == len(tasks) and made[0].stopped
    kinds = [task.kind for task in tasks]
    assert kinds == sorted(kinds, key=["sample", "render"].index)
    assert sum(task.num_pictures for task in tasks) == 100
    assert reports[-1].done == reports[-1].total == 100
    result = generate_request(request, work_folder=tmp_path / "work")
    assert result.num_found == result.num_frames == 100
    assert farm.make_windows([request], tmp_path / "work") == 100 and len(made) == 1


def test_two_shots_share_the_workers_and_each_keeps_to_one(files, pools, tmp_path):
    made = pools()
    requests = [request_of(files, tmp_path / f"{seed}.mp4", seed=seed) for seed in (0, 1)]
    farm.make_windows(requests, tmp_path / "work", num_workers=2)
    rendered = [(worker, t.shot) for worker, t in made[0].submitted if t.kind == "render"]
    assert {shot for _, shot in rendered} == {0, 1}
    changes = [
        sum(a != b for a, b in itertools.pairwise(shots))
        for shots in ([s for w, s in rendered if w == worker] for worker in (0, 1))
    ]
    assert max(changes) <= 1
    for request in requests:
        assert generate_request(request, work_folder=tmp_path / "work").num_found == 100


def test_a_task_whose_worker_died_is_given_again_but_not_for_ever(files, pools, alone, tmp_path):
    made = pools(dying=[True, False, True, False, False, True])
    request = request_of(files, tmp_path / "a.mp4")
    farm.make_windows([request], tmp_path / "work")
    assert len(made[0].submitted) == len({task for _, task in made[0].submitted}) + 3
    assert generate_request(request, work_folder=tmp_path / "work").path.read_bytes() == alone
    pools(dying=[True] * 99)
    with pytest.raises(AvatarError, match="4 workers died making window"):
        farm.make_windows([request], tmp_path / "other", num_workers=1)
    assert made[-1].stopped


def test_errors_and_cancelling_stop_all_workers(files, pools, tmp_path):
    made = pools(error=InputError("no space left"))
    request = request_of(files, tmp_path / "a.mp4")
    with pytest.raises(InputError, match="no space left"):
        farm.make_windows([request], tmp_path / "work")
    made = pools()
    with pytest.raises(Cancelled):
        farm.make_windows([request], tmp_path / "work", on_progress=lambda p: p.done < 20)
    assert made[-1].stopped


def test_what_cannot_be_used_is_refused_before_anybody_works(files, pools, picture_file, tmp_path):
    made = pools()
    request = request_of(files, tmp_path / "a.mp4")
    faceless = request_of((picture_file, *files[1:]), tmp_path / "a.mp4")
    for error, requests, options in (
        (InputError, [request], {"engine": "steam"}),
        (InputError, [request], {"num_workers": 0}),
        (InputError, [request_of(files, tmp_path / "absent" / "a.mp4")], {}),
        (FaceError, [faceless], {}),
    ):
        with pytest.raises(error):
            farm.make_windows(requests, tmp_path / "work", **options)
    assert not made


def test_processes_make_the_same_bytes_though_one_is_killed(files, alone, tmp_path):
    killed = []

    def kill_one(progress: sa.Progress) -> None:
        children = multiprocessing.active_children()
        if progress.done and children and not killed:
            os.kill(children[0].pid, signal.SIGKILL)
            killed.append(children[0].pid)

    request = request_of(files, tmp_path / "a.mp4")
    farm.make_windows([request], tmp_path / "work", "local", 2, on_progress=kill_one)
    assert killed and not multiprocessing.active_children()
    result = generate_request(request, work_folder=tmp_path / "work")
    assert result.num_found == 100 and result.path.read_bytes() == alone


def test_requests_travel_with_absolute_paths(files, tmp_path, monkeypatch):
    image, audio, tier = files
    monkeypatch.chdir(image.parent)
    shot = sa.Shot(image=image.name, speakers=[{"name": "anna", "face": "0", "audio": audio.name}])
    request = sa.GenerationRequest(shot, "a.mp4", Path(tier).name)
    values = farm._portable(request)
    moved = sa.GenerationRequest.from_dict(values)
    assert moved.shot.image == image and moved.shot.speakers[0].audio == audio
    assert moved.output == image.parent / "a.mp4" and moved.tier == tier


def test_without_ray_the_extra_is_named(files, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e .*\[farm\]"):
        farm.make_windows([request_of(files, tmp_path / "a.mp4")], tmp_path / "work", "ray")


def test_actors_of_ray_make_the_same_bytes_though_one_is_killed(
    files, alone, tmp_path, monkeypatch
):
    ray = pytest.importorskip("ray", reason="the extra farm is not installed")
    killed = []

    class Watched(ray_pool.RayPool):
        def poll(self):
            if len(killed) < 1 and len(self._actors) == 2:
                killed.append(self._actors[0])
                ray.kill(killed[0])
            return super().poll()

    monkeypatch.setattr(farm, "RayPool", Watched)
    request = request_of(files, tmp_path / "a.mp4")
    farm.make_windows([request], tmp_path / "work", "ray", 2)
    assert killed and not ray.is_initialized()
    result = generate_request(request, work_folder=tmp_path / "work")
    assert result.num_found == 100 and result.path.read_bytes() == alone


def test_no_cluster_at_an_address_is_wrong_input(files, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="the extra farm is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    request = request_of(files, tmp_path / "a.mp4")
    with pytest.raises(InputError, match="no Ray cluster"):
        farm.make_windows([request], tmp_path / "work", "ray", 1, address="auto")


def test_a_folder_that_nobody_asked_for_goes_when_all_is_done(tmp_path):
    with farm.shared_folder(None, tmp_path / "a.mp4") as folder:
        folder.mkdir()
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), farm.shared_folder(None, tmp_path / "a.mp4") as folder:
        folder.mkdir()
        raise KeyboardInterrupt
    assert folder.exists(), "what was made is there for the next run"
    with farm.shared_folder(tmp_path / "mine", tmp_path / "a.mp4") as folder:
        folder.mkdir()
    assert (tmp_path / "mine").exists()


def test_a_folder_of_windows_is_not_a_films_and_keeps_what_is_not_ours(tmp_path):
    """`generate -o film.mp4 --workers 2` removed the kept shots of the film of that name."""
    kept = tmp_path / "film.mp4.work" / "shots" / "a.mp4"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with farm.shared_folder(None, tmp_path / "film.mp4") as folder:
        (folder / "0123456789abcdef").mkdir(parents=True)
        (folder / "photo.png").touch()
    assert kept.exists() and [item.name for item in folder.iterdir()] == ["photo.png"]
