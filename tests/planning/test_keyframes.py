"""Key frames stand where it is quiet; fills cover the shot and depend on nothing but key frames."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import skyreels_avatar as sa
from skyreels_avatar.camera import CameraMove
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.pipeline.encode import open_shot, read_shot
from skyreels_avatar.pipeline.latents import EncodedShot, LatentMaker
from skyreels_avatar.planning.keyframes import (
    KEY_WINDOW,
    LAST_FRAMES,
    TRAVEL_BUDGET,
    Spacing,
    camera_travel,
    frame_loudness,
    with_keyframes,
)
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Reporter
from skyreels_avatar.request.script import CameraKeyframe
from skyreels_avatar.workers.shot import generate_request
from tests.conftest import ROOT
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


def planned(num_frames: int, loudness=None, travel=None, window=49, overlap=9, fps=25.0):
    plan = plan_shot(num_frames / fps, fps, 25.0, window, overlap)
    flat = np.zeros(plan.num_motion_frames)
    loudness = flat if loudness is None else loudness
    travel = flat if travel is None else travel
    return with_keyframes(plan, Spacing.of(window, overlap), loudness, travel)


@given(
    num_frames=st.integers(1, 1500),
    window=st.sampled_from([33, 49, 81]),
    overlap=st.sampled_from([1, 5, 9]),
    seed=st.integers(0, 9),
)
@settings(max_examples=150, deadline=None)
def test_fills_cover_the_shot_and_stay_inside_what_key_frames_make(
    num_frames, window, overlap, seed
):
    loudness = np.random.default_rng(seed).random(num_frames)
    plan = planned(num_frames, loudness, window=window, overlap=overlap)
    assert [segment.index for segment in plan.segments] == list(range(len(plan.segments)))
    assert {s.role for s in plan.segments} == (
        {"window"} if num_frames <= window else {"keyframe", "fill"}
    )
    made = 0
    for segment in plan.shown:
        assert segment.keep[0] == made < segment.keep[1] <= segment.stop
        assert (segment.num_frames - 1) % 4 == 0 and segment.num_frames <= window
        assert segment.num_frames >= 33
        made = segment.keep[1]
        if segment.role == "fill":
            ends = [segment.first_frame] * bool(segment.num_known_frames)
            ends += [segment.stop - LAST_FRAMES] * bool(segment.num_last_frames)
            keys = [plan.segments[index] for index in segment.needs]
            assert [key.keep[0] for key in keys] == ends
            for key in keys:
                assert key.role == "keyframe" and not key.needs and key.num_frames == KEY_WINDOW
                # One frame before what is taken over is packed with it.
                assert key.first_frame < key.keep[0] and key.keep[0] + overlap <= key.stop
    assert made == num_frames


@pytest.mark.parametrize("fps", [12.5, 24, 29.97, 50])
def test_every_picture_is_made_once_at_any_rate(fps):
    plan = plan_shot(10.0, fps, 25.0)
    flat = np.zeros(plan.num_motion_frames)
    plan = with_keyframes(plan, Spacing(), flat, flat)
    made = 0
    for segment in plan.shown:
        start, stop = plan.video_range(segment)
        assert start == made
        for frame in (start, stop - 1):
            assert segment.first_frame <= plan.position(frame) <= segment.stop - 1
        made = stop
    assert made == plan.num_frames


def test_borders_stand_in_the_pauses_where_they_can_be_reached():
    loudness = np.ones(500)
    pauses = list(range(37, 500, 37))
    for pause in pauses:
        loudness[pause - 2 : pause + 3] = 0
    borders = [segment.keep[0] for segment in planned(500, loudness).segments if not segment.needs]
    assert borders and all(loudness[border] == 0 for border in borders)


def test_without_pauses_windows_are_as_long_as_they_may_be():
    plan = planned(1000, np.ones(1000))
    lengths = [segment.num_frames for segment in plan.shown]
    assert np.median(lengths) == 49
    assert len(plan.shown) <= len(plan_shot(40.0, 25.0).segments)


def test_a_quick_camera_brings_key_frames_closer_together():
    num_frames = 200
    travel = np.linspace(0, 1, num_frames)  # 33 frames in a window: 0.17, 45 frames: 0.23
    assert TRAVEL_BUDGET / (1.3 * travel[1]) > 33
    slow, quick = (planned(num_frames, travel=share * travel) for share in (1.0, 1.3))
    keys = [s.keep[0] for s in quick.segments if s.role == "keyframe"]
    spans = np.diff([0, *keys]) * 1.3 * travel[1]
    assert spans.max() <= TRAVEL_BUDGET
    assert len(quick.shown) >= len(slow.shown)


def test_how_far_a_camera_goes():
    assert camera_travel(CameraMove("static"), 50, 25.0).max() == 0
    assert camera_travel(CameraMove("swing", 1.0), 50, 25.0).max() == 0
    push = camera_travel(CameraMove("push_in", 0.6), 50, 25.0)
    assert push[0] == 0 and push[-1] == pytest.approx(0.6) and (np.diff(push) >= 0).all()
    two = camera_travel(
        (
            CameraKeyframe(0.0, CameraMove("push_in", 0.6)),
            CameraKeyframe(1.0, CameraMove("pan_left", 0.2)),
        ),
        50,
        25.0,
    )
    assert two[25] == pytest.approx(0.6) and two[-1] == pytest.approx(0.8)


@given(gain=st.floats(0.001, 1.0))
def test_loudness_is_of_the_sound_itself_and_not_of_its_level(gain):
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, 32_000).astype(np.float32)
    samples[12_000:20_000] = 0
    level = frame_loudness(gain * samples, 16_000, 50, 25.0)
    assert level == pytest.approx(frame_loudness(samples, 16_000, 50, 25.0), abs=1e-6)
    assert level[22:28].max() == 0 and level[:15].min() > 0.8
    assert (frame_loudness(np.zeros(32_000, np.float32), 16_000, 60, 25.0) <= 1).all()


def test_values_must_be_there_for_every_frame():
    with pytest.raises(ValueError, match="100 frames"):
        planned(100, np.zeros(99))


@pytest.fixture(scope="module")
def request_(tmp_path_factory) -> sa.GenerationRequest:
    """Four seconds of a drawn person under a moving camera, in key frames and fills."""
    folder = tmp_path_factory.mktemp("files")
    shot = sa.Shot(
        image=write_portrait(folder), audio=write_voice(folder, 4.0), camera="push_in:60"
    )
    tier = write_tier(folder)
    return sa.GenerationRequest(
        shot, folder / "a.mp4", tier, "64x64", 25.0, sa.SamplingParams(seed=3), windows="keyframes"
    )


@pytest.fixture(scope="module")
def shot(request_):
    """Its components, plan and everything that its windows share."""
    components = load_components(request_.tier)
    opened = open_shot(request_, read_shot(request_), components)
    with torch.no_grad():
        return components, EncodedShot(components, request_, opened)


@pytest.fixture(scope="module")
def latents(shot) -> dict[int, torch.Tensor]:
    """The settled latents of all windows, made in order."""
    components, encoded = shot
    maker = LatentMaker(components, encoded, Reporter())
    with torch.no_grad():
        return {segment.index: maker.of(segment) for segment in encoded.plan.segments}


def test_fills_made_backwards_and_alone_are_the_same(shot, latents):
    components, encoded = shot
    backwards = LatentMaker(components, encoded, Reporter())
    with torch.no_grad():
        for segment in reversed(encoded.plan.shown):
            alone = LatentMaker(components, encoded, Reporter())
            assert torch.equal(backwards.of(segment), latents[segment.index])
            assert torch.equal(alone.of(segment), latents[segment.index])


def test_fills_made_in_another_process_are_the_same(request_, shot, latents, tmp_path):
    code = """
import sys
import torch
import skyreels_avatar as sa
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.pipeline.encode import open_shot, read_shot
from skyreels_avatar.pipeline.latents import EncodedShot, LatentMaker
from skyreels_avatar.progress import Reporter
from skyreels_avatar.documents import read_mapping
request = sa.GenerationRequest.from_dict(read_mapping(sys.argv[1]))
components = load_components(request.tier)
with torch.no_grad():
    encoded = EncodedShot(components, request, open_shot(request, read_shot(request), components))
    maker = LatentMaker(components, encoded, Reporter())
    torch.save({s.index: maker.of(s) for s in reversed(encoded.plan.shown)}, sys.argv[2])
"""
    from skyreels_avatar.request.script import to_json

    (tmp_path / "request.json").write_text(to_json(request_))
    files = [str(tmp_path / "request.json"), str(tmp_path / "latents.pt")]
    subprocess.run([sys.executable, "-c", code, *files], cwd=ROOT, check=True)
    found = torch.load(files[1], weights_only=True)
    assert found.keys() == {segment.index for segment in shot[1].plan.shown}
    for index, values in found.items():
        assert torch.equal(values, latents[index])


def test_neighbouring_fills_agree_on_the_frames_they_share(shot, latents):
    components, encoded = shot
    for one, other in itertools.pairwise(encoded.plan.shown):
        motion = [components.vae.unpack(latents[segment.index])[0] for segment in (one, other)]
        shared = one.stop - other.first_frame
        assert shared == LAST_FRAMES
        scale = components.vae.motion_std
        apart = (motion[0][-shared:] - motion[1][:shared]) / scale
        assert apart.abs().max() < 1e-4  # rounding of packing and unpacking


def test_the_first_fill_starts_from_the_photo(shot, latents):
    components, encoded = shot
    first = encoded.plan.shown[0]
    motion = components.vae.unpack(latents[first.index])[0, 0]
    assert motion.abs().max() < 1e-4  # the drawn person's mouth is shut


def test_the_video_is_the_same_whoever_makes_it_in_whatever_order(request_, tmp_path):
    """Whole, or piece by piece from the last: the same pictures."""
    first = generate_request(request_, work_folder=tmp_path / "work").path.read_bytes()
    (folder,) = (tmp_path / "work").iterdir()
    assert len(list(folder.glob("piece_*"))) == 4
    for piece in sorted(folder.glob("piece_*"))[:-1]:
        piece.unlink()
    again = generate_request(request_, work_folder=tmp_path / "work")
    assert 0 < again.num_found < 100 and again.path.read_bytes() == first


def test_unknown_ways_to_cut_are_refused(request_):
    with pytest.raises(InputError, match="overlap, keyframes"):
        sa.GenerationRequest(request_.shot, "a.mp4", windows="storyboard")
