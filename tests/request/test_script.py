"""Requests, shots and scripts: checked values that survive JSON and YAML."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from skyreels_avatar.camera import MOVES, CameraMove
from skyreels_avatar.documents import read_mapping
from skyreels_avatar.errors import InputError
from skyreels_avatar.request.script import (
    CameraKeyframe,
    GenerationRequest,
    SamplingParams,
    Script,
    Shot,
    parse_camera,
    to_json,
)


def _request(**changes) -> GenerationRequest:
    shot = Shot(image="p.png", audio="a.wav", **changes.pop("shot", {}))
    return GenerationRequest(shot, **{"output": "o.mp4", **changes})


@pytest.mark.parametrize("move", MOVES)
def test_every_move_is_read_in_each_way_of_writing_it(move):
    expected = CameraMove(move, 0.6)
    assert parse_camera(f"{move}:60") == expected
    assert parse_camera({"move": move, "strength": 0.6}) == expected
    assert parse_camera(expected) is expected


def test_keyframes_are_read_in_each_way_of_writing_them():
    expected = (
        CameraKeyframe(0, CameraMove("push_in", 0.6)),
        CameraKeyframe(2.5, CameraMove("swing", 0.3)),
    )
    assert parse_camera(list(expected)) == expected
    assert parse_camera([(0, "push_in:60"), (2.5, "swing", 0.3)]) == expected
    assert (
        parse_camera(
            [
                {"time_s": 0, "move": "push_in", "strength": 0.6},
                {"time_s": 2.5, "move": "swing", "strength": 0.3},
            ]
        )
        == expected
    )


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ("pushin:60", "did you mean push_in"),
        ("Push-In", "did you mean push_in"),
        ("zoom", "static, push_in"),
        ("push_in:140", "140%"),
        ("push_in:-1", "-1%"),
        ("push_in:fast", "fast"),
        ("push_in:nan", "nan"),
        ("", "unknown camera move"),
        ([], "list of keyframes"),
        (7, "got 7"),
        ([(1, "static"), (1, "swing")], "must rise"),
        ([(-1, "static")], "at least 0"),
        ([("a", "static")], "must be a number"),
        ([(math.nan, "static")], "must be a number"),
        (["static"], "time_s"),
        ({"move": "push_in", "speed": 3}, "strength, ease, seed"),
        ({"move": ["push_in"]}, "unknown camera move"),
        ({"move": "push_in", "strength": "much"}, "much"),
        ({"move": "push_in", "ease": "bouncy"}, "bouncy"),
    ],
)
def test_impossible_cameras_are_refused_with_what_was_given(camera, said):
    with pytest.raises(InputError, match=said):
        parse_camera(camera)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output": "o.avi"}, r"\.mp4"),
        ({"output": "."}, r"\.mp4"),
        ({"size": "0x0"}, "0x0"),
        ({"size": "513x512"}, "even"),
        ({"fps": 0}, "between 1 and 120"),
        ({"fps": -1}, "between 1 and 120"),
        ({"fps": 1000}, "between 1 and 120"),
        ({"fps": math.nan}, "must be a number"),
        ({"fps": "25"}, "must be a number"),
        ({"tier": ""}, "tier"),
        ({"shot": {"start_s": -1}}, "start_s"),
        ({"shot": {"start_s": 2, "end_s": 1}}, "end after it starts"),
        ({"shot": {"end_s": math.nan}}, "end after it starts"),
        ({"shot": {"face": "left"}}, "x,y,w,h"),
        ({"shot": {"face": "1,2,3"}}, "x,y,w,h"),
        ({"shot": {"face": "1,2,0,4"}}, "x,y,w,h"),
        ({"shot": {"prompt": 3}}, "prompt must be text"),
        ({"shot": {"seed": -1}}, "seed"),
        ({"shot": {"video": "v.mp4"}}, "not both"),
    ],
)
def test_impossible_requests_are_refused_with_what_was_given(changes, said):
    with pytest.raises(InputError, match=said):
        _request(**changes)


@pytest.mark.parametrize(
    "values",
    [
        {"num_inference_steps": 0},
        {"num_inference_steps": 2.5},
        {"num_inference_steps": True},
        {"guidance_scale": -1.0},
        {"guidance_scale": math.inf},
        {"audio_guidance_scale": math.nan},
        {"seed": -1},
        {"seed": 2**63},
    ],
)
def test_impossible_sampling_is_refused(values):
    with pytest.raises(InputError, match=next(iter(values)).removeprefix("num_inference_")):
        SamplingParams(**values)


def test_a_shot_needs_something_to_start_from_and_a_request_a_voice():
    with pytest.raises(InputError, match="image or a video"):
        Shot(audio="a.wav")
    with pytest.raises(InputError, match="no sound"):
        GenerationRequest(Shot(image="p.png"), "o.mp4")


def test_the_shots_own_seed_wins():
    assert _request(sampling=SamplingParams(seed=3)).seed == 3
    assert _request(sampling=SamplingParams(seed=3), shot={"seed": 4}).seed == 4


# PyYAML folds NEL and its like into spaces.
PRINTABLE = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))


@given(
    move=st.sampled_from(MOVES),
    strength=st.floats(0, 1),
    prompt=st.text(PRINTABLE, max_size=40),
    seed=st.integers(0, 2**63 - 1),
    fps=st.floats(1, 120),
    steps=st.none() | st.integers(1, 1000),
    keyframed=st.booleans(),
)
def test_a_request_survives_json_and_yaml(move, strength, prompt, seed, fps, steps, keyframed):
    camera = CameraMove(move, strength, ease="smooth", seed=5, absolute=True)
    if keyframed:
        camera = (CameraKeyframe(0.5, camera), CameraKeyframe(2, CameraMove("static")))
    request = GenerationRequest(
        Shot(image="p.png", audio="a.wav", prompt=prompt, camera=camera, face="2"),
        Path("o.mp4"),
        size="480p",
        fps=fps,
        sampling=SamplingParams(steps, 1.5, None, seed),
    )
    assert GenerationRequest.from_dict(json.loads(to_json(request))) == request
    text = yaml.safe_dump(request.to_dict(), allow_unicode=True)
    assert GenerationRequest.from_dict(yaml.safe_load(text)) == request


def test_a_script_survives_yaml_in_a_file(tmp_path):
    shots = [Shot(image="p.png", start_s=0, end_s=2), Shot(image="q.png", start_s=2, end_s=4)]
    script = Script(shots, soundtrack="song.wav", height=720, width=1280)
    (tmp_path / "film.yaml").write_text(yaml.safe_dump(script.to_dict()))
    assert Script.from_dict(read_mapping(tmp_path / "film.yaml")) == script


def test_unknown_and_missing_keys_are_named():
    with pytest.raises(InputError, match=r"color.*known are shot"):
        GenerationRequest.from_dict({"shot": {}, "output": "o.mp4", "color": 1})
    with pytest.raises(InputError, match="needs output"):
        GenerationRequest.from_dict({"shot": {"image": "p.png", "audio": "a.wav"}})
    with pytest.raises(InputError, match="mapping"):
        GenerationRequest.from_dict({"shot": 3, "output": "o.mp4"})
    with pytest.raises(InputError, match="at least one shot"):
        Script.from_dict({"shots": []})
    with pytest.raises(InputError, match="no soundtrack"):
        Script.from_dict({"shots": [{"image": "p.png"}]})


@pytest.mark.parametrize("content", ["- a\n- b", "a: [", "\x00", ""])
def test_a_file_that_holds_no_mapping_is_refused(tmp_path, content):
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(InputError, match=r"a\.yaml"):
        read_mapping(tmp_path / "a.yaml")
