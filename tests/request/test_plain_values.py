"""Requests and scripts survive JSON and YAML; unknown and missing keys are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from skyreels_avatar.camera import MOVES, CameraMove
from skyreels_avatar.errors import InputError
from skyreels_avatar.request.camera_spec import CameraKeyframe
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.plain_values import to_json
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot

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
