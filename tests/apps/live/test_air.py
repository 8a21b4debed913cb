"""A host, its script and its broadcasts together."""

from __future__ import annotations

import itertools

import av
import pytest
import soundfile

from skyreels_avatar.apps.live.air import OnAir, read_air
from skyreels_avatar.apps.live.broadcast import parse_target
from skyreels_avatar.errors import InputError
from tests.apps.live.fakes import RATE, FakeStream, beep, is_white


@pytest.fixture
def script(tmp_path):
    soundfile.write(tmp_path / "tone.wav", beep(0.4), RATE)
    (tmp_path / "a.png").write_bytes(b"a picture")
    path = tmp_path / "host.yaml"
    path.write_text(
        "image: a.png\nsize: 256x256\nrounds: 2\nsteps: [{sound: tone.wav, pause_s: 0.3}]"
    )
    return path


def test_what_was_named_counts_over_the_script(script, tmp_path):
    settings, plan = read_air({"size": "512x512", "seed": 3}, script)
    assert settings.size == "512x512" and settings.seed == 3
    assert settings.image == tmp_path / "a.png" and plan.rounds == 2


def test_somebody_must_be_shown(tmp_path):
    with pytest.raises(InputError) as refused:
        read_air({}, None)
    assert refused.value.parameter == "image"


def test_a_script_is_played_into_a_file_to_its_end(script, tmp_path):
    settings, plan = read_air({}, script)
    targets = (parse_target(str(tmp_path / "out.ts")),)
    with OnAir(settings, plan, targets, FakeStream) as air:
        air.wait()
    with av.open(str(tmp_path / "out.ts")) as container:
        white = [is_white(one.to_ndarray(format="rgb24")) for one in container.decode(video=0)]
    assert sum(now and not before for before, now in itertools.pairwise(white)) == 2


def test_a_broadcast_that_fails_ends_it(script, tmp_path):
    settings, _ = read_air({}, script)
    targets = (parse_target(str(tmp_path / "no" / "out.ts")),)
    with OnAir(settings, None, targets, FakeStream) as air, pytest.raises(InputError):
        air.wait()
