"""`render` and `frames` hand on what they are given; tests/film/test_render.py makes films."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import skyreels_avatar as sa
from skyreels_avatar.api import rendering
from skyreels_avatar.request.sampling import SamplingParams

SCRIPT = sa.Script(
    (sa.Shot(image="a.png", audio="a.wav"), sa.Shot(image="b.png", audio="b.wav")),
    height=64,
    width=64,
)


@pytest.fixture
def calls(monkeypatch) -> list:
    """Calls of the engine, which makes nothing here."""
    made = []

    def make_film(script, output, settings, on_progress=None, make_windows=None):
        made.append(SimpleNamespace(**locals()))
        return SimpleNamespace(shots=[SimpleNamespace(number=n) for n in (1, 2)])

    monkeypatch.setattr(rendering, "make_film", make_film)
    monkeypatch.setattr(rendering, "film_frames", lambda shots: [(s.number, None) for s in shots])
    return made


def test_render_hands_on_every_option(calls):
    options = {"seed": 3, "steps": 2, "guidance_scale": 1.5, "audio_guidance_scale": 2.5}
    sa.render(SCRIPT, "o.mp4", tier="tiny", **options, only=[2], resume=False, work="w")
    [call] = calls
    assert call.settings.sampling == SamplingParams(2, 1.5, 2.5, 3)
    assert (call.settings.tier, call.settings.only) == ("tiny", [2])
    assert call.settings.work == "w" and call.settings.resume is False
    assert call.output == "o.mp4" and call.make_windows is None


def test_an_engine_or_a_number_of_workers_makes_windows_in_parallel(calls, monkeypatch):
    given = []
    farm = SimpleNamespace(make_windows=lambda *arguments: given.append(arguments))
    monkeypatch.setitem(__import__("sys").modules, "skyreels_avatar.workers.farm", farm)
    sa.render(SCRIPT, workers=2)
    sa.render(SCRIPT, engine="ray", address="auto")
    for call in calls:
        call.make_windows(["request"], "folder", "progress")
    assert given == [
        (["request"], "folder", "local", 2, None, "progress"),
        (["request"], "folder", "ray", None, "auto", "progress"),
    ]


def test_frames_makes_one_shot_after_the_other_and_yields_only_that_one(calls, tmp_path):
    found = list(sa.frames(SCRIPT, tmp_path / "new" / "work", seed=5))
    assert found == [(1, None), (2, None)]
    assert [call.settings.only for call in calls] == [[1], [2]]
    assert all(call.settings.sampling.seed == 5 for call in calls)
    assert calls[0].settings.work == calls[0].output.parent == tmp_path / "new" / "work"


def test_frames_may_take_the_former_name_of_steps(calls, tmp_path):
    with pytest.warns(DeprecationWarning, match="use steps"):
        list(sa.frames(SCRIPT, tmp_path, num_inference_steps=7))
    assert calls[0].settings.sampling.num_inference_steps == 7
