"""A program of somebody who uses the package, for type checkers to read; it is never run.

`assert_type` makes a checker complain if a name has another type, or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from typing_extensions import assert_type

import skyreels_avatar as sa
from skyreels_avatar.api.doctor import MachineReport
from skyreels_avatar.evaluation.report import Report
from skyreels_avatar.film.film_plan import FilmPlan
from skyreels_avatar.media.speech import SpokenText, Voice
from skyreels_avatar.pipeline.estimate import ShotEstimate


def on_progress(progress: sa.Progress) -> bool:
    """Show how far it is."""
    assert_type(progress.stage, str)
    return progress.done < 100


result = sa.generate(
    image="p.png",
    audio=Path("a.wav"),
    prompt="a woman smiles",
    camera=sa.CameraMove("push_in", 0.6),
    output="o.mp4",
    steps=4,
    audio_end=2.0,
    work="kept",
    on_progress=on_progress,
)
assert_type(result, sa.GenerationResult)
assert_type(result.path, Path)
assert_type(result.num_frames, int)
assert_type(sa.retalk("v.mp4", "a.wav", keep="lips"), sa.GenerationResult)

shot = sa.Shot(
    image="p.png",
    camera=[(0, "static"), sa.CameraKeyframe(2.0, sa.CameraMove("swing", 0.3))],
    speakers=[sa.Speaker("anna", "0", "anna.wav")],
)
script = sa.Script([shot], soundtrack="song.wav")
film = sa.render(script, "film.mp4", seed=3, steps=4, only=[1], engine="local", workers=2)
assert_type(film, sa.FilmResult)
assert_type(film.path, Path | None)
assert_type(sa.read_script("film.yaml"), sa.Script)
for number, picture in sa.frames(script, "work", tier="nano"):
    assert_type(number, int)
    print(picture.shape)

request = sa.GenerationRequest(shot, "o.mp4", sampling=sa.SamplingParams(seed=1))
assert_type(sa.plan(request, workers=2), ShotEstimate)
assert_type(sa.plan(script, steps=4), FilmPlan)
assert_type(sa.plan(image="p.png", audio="a.wav", size="480p"), ShotEstimate)

assert_type(sa.speak("hello", "hello.wav"), SpokenText)
assert_type(sa.voices("de"), tuple[Voice, ...])
assert_type(sa.evaluate("o.mp4", reference="p.png"), Report)
assert_type(sa.doctor(), MachineReport)
assert_type(sa.doctor().ok, bool)
assert_type(sa.MOVES, tuple[str, ...])

assert_type(sa.AudioTrack.load("a.wav"), sa.AudioTrack)
assert_type(sa.Portrait.load("p.png").width, int)
reader = sa.VideoReader("v.mp4")
pictures: Iterator[object] = iter(reader)

try:
    sa.generate("p.png", "a.wav")
except sa.InputError as error:
    assert_type(error.parameter, str | None)

sa.generate(image=3, audio="a.wav")  # the only mistake here, which has to be reported
