"""Tasks that actors of Ray run; a stub stands for Ray, whose own processes test_farm.py starts."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from skyreels_avatar.errors import InputError, MissingExtraError
from skyreels_avatar.workers.ray_pool import RayPool


class RayError(Exception):
    """What Ray raises when an actor is gone."""


class StubRay:
    """Runs every task at once and keeps what it was asked."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, resources=None, running=False, error=None):
        self.resources = resources if resources is not None else {"CPU": 3.0}
        self.running, self.error, self.options, self.killed = running, error, None, []

    def is_initialized(self):
        return self.running

    def init(self, **options):
        if self.error is not None:
            raise self.error
        self.options, self.running = options, True

    def shutdown(self):
        self.running = False

    def cluster_resources(self):
        return self.resources

    def remote(self, **needs):
        self.needs = needs

        def decorate(cls):
            def start(make_function):
                actor = cls(make_function)
                call = SimpleNamespace(remote=lambda task: (actor, task))
                return SimpleNamespace(run=call)

            return SimpleNamespace(remote=start)

        return decorate

    def wait(self, references, num_returns, timeout):
        return references[:num_returns], references[num_returns:]

    def get(self, reference):
        actor, task = reference
        if task == "die":
            raise RayError
        return actor.run(task)

    def kill(self, actor):
        self.killed.append(actor)


@pytest.fixture
def ray(monkeypatch) -> StubRay:
    stub = StubRay()
    monkeypatch.setitem(sys.modules, "ray", stub)
    return stub


def double():
    def run(task):
        if task is None:
            raise InputError("nothing to double")
        return 2 * task

    return run


def test_results_and_errors_come_back_with_the_worker(ray):
    pool = RayPool(double, address=None)
    assert pool.num_workers == 3 and ray.options["address"] == "local"
    assert ray.needs == {"num_cpus": 1, "num_gpus": 0, "max_restarts": 0}
    pool.submit(0, 21)
    [result] = pool.poll()
    assert (result.worker, result.value, result.error) == (0, 42, None)
    pool.submit(1, None)
    [result] = pool.poll()
    assert result.worker == 1 and isinstance(result.error, InputError)
    pool.shutdown()
    assert len(ray.killed) == 2 and not ray.running


def test_an_actor_that_died_is_reported_and_replaced(ray):
    pool = RayPool(double)
    pool.submit(0, "die")
    [result] = pool.poll()
    assert result.died and len(ray.killed) == 1
    pool.submit(0, 4)
    assert pool.poll()[0].value == 8


def test_a_cluster_that_was_there_before_is_left_running(ray):
    ray.running, ray.resources = True, {"GPU": 2.0}
    pool = RayPool(double, on_gpu=True)
    assert pool.num_workers == 2 and ray.needs["num_gpus"] == 1 and ray.options is None
    pool.shutdown()
    assert ray.running


def test_what_is_missing_is_wrong_input(ray, monkeypatch):
    ray.resources = {"CPU": 3.0}
    with pytest.raises(InputError, match="has no GPU"):
        RayPool(double, on_gpu=True)
    assert not ray.running
    ray.error = ConnectionError()
    with pytest.raises(InputError, match="no Ray cluster answers at 'head:6379'"):
        RayPool(double, address="head:6379")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="farm"):
        RayPool(double)
