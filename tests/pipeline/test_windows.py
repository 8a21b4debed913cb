"""Windows can be sampled in any order, by any process: the latents are the same."""

from __future__ import annotations

import itertools
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.pipeline import windows
from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.pipeline.open import open_shot
from skyreels_avatar.pipeline.read import read_files
from skyreels_avatar.pipeline.windows import WindowSampler
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Reporter
from skyreels_avatar.shapes import TIME_FACTOR
from skyreels_avatar.workers.shot import generate_request
from tests.conftest import ROOT
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


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
    opened = open_shot(request_, read_files(request_), components)
    with torch.no_grad():
        return components, EncodedShot(components, request_, opened)


@pytest.fixture(scope="module")
def latents(shot) -> dict[int, torch.Tensor]:
    """The settled latents of all windows, made in order."""
    components, encoded = shot
    maker = WindowSampler(components, encoded, Reporter())
    with torch.no_grad():
        return {segment.index: maker.latents(segment) for segment in encoded.plan.segments}


def test_fills_made_backwards_and_alone_are_the_same(shot, latents):
    components, encoded = shot
    backwards = WindowSampler(components, encoded, Reporter())
    with torch.no_grad():
        for segment in reversed(encoded.plan.shown):
            alone = WindowSampler(components, encoded, Reporter())
            assert torch.equal(backwards.latents(segment), latents[segment.index])
            assert torch.equal(alone.latents(segment), latents[segment.index])


def test_fills_made_in_another_process_are_the_same(request_, shot, latents, tmp_path):
    code = """
import sys
import torch
import skyreels_avatar as sa
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.pipeline.open import open_shot
from skyreels_avatar.pipeline.read import read_files
from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.pipeline.windows import WindowSampler
from skyreels_avatar.progress import Reporter
from skyreels_avatar.documents import read_mapping
request = sa.GenerationRequest.from_dict(read_mapping(sys.argv[1]))
components = load_components(request.tier)
with torch.no_grad():
    encoded = EncodedShot(components, request, open_shot(request, read_files(request), components))
    maker = WindowSampler(components, encoded, Reporter())
    torch.save({s.index: maker.latents(s) for s in reversed(encoded.plan.shown)}, sys.argv[2])
"""
    from skyreels_avatar.request.plain_values import to_json

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
        assert shared == TIME_FACTOR
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


def test_a_chain_of_windows_may_be_longer_than_pythons_stack(monkeypatch):
    """The last window of an hour needs all windows before it."""
    plan = plan_shot(50.0 * sys.getrecursionlimit() / 25, 25.0)
    one = torch.zeros(1, 1, 1, 1, 1)
    given = SimpleNamespace(to=lambda *_: SimpleNamespace(persons=lambda: [None]))

    def conditions(segment, finished):
        assert all(index in finished for index in segment.needs)
        return given

    shot = SimpleNamespace(
        plan=plan, seed=0, noise_key=0, motion=None, conditions=conditions,
        sampling=lambda _: SimpleNamespace(one_pass=False),
        transformer=None, noise=lambda one, generator: generator,
        space=SimpleNamespace(finish=lambda latents, segment: latents + segment.index),
    )  # fmt: skip
    parts = SimpleNamespace(transformer=None, controlnet=None, device="cpu", dtype=torch.float32)
    monkeypatch.setattr(windows, "denoise", lambda *_: one)
    last = plan.segments[-1]
    assert last.index > sys.getrecursionlimit()
    latents = WindowSampler(parts, shot, Reporter()).latents(last)
    assert latents.item() == last.index
