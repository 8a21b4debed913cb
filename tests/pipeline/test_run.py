"""The pass: every frame once, in order; a window is denoised while the one before is written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import skyreels_avatar as sa
from skyreels_avatar.errors import Cancelled
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.pipeline import run
from skyreels_avatar.pipeline.open import open_shot
from skyreels_avatar.pipeline.read import read_files
from skyreels_avatar.pipeline.run import AvatarPipeline
from skyreels_avatar.pipeline.windows import LatentsInMemory
from skyreels_avatar.progress import Reporter
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


class Sink:
    """A writer that keeps the frames."""

    def __init__(self):
        self.chunks, self.num_frames = [], 0

    def write(self, frames):
        self.chunks.append(frames)
        self.num_frames += len(frames)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    shot = sa.Shot(image=write_portrait(folder), audio=write_voice(folder, 2.6))
    request = sa.GenerationRequest(
        shot, folder / "a.mp4", write_tier(folder), "64x64", 25.0,
        save_motion=folder / "motion.json",
    )  # fmt: skip
    components = load_components(request.tier)
    return AvatarPipeline(components), request, open_shot(request, read_files(request), components)


def test_all_frames_are_written_once_and_the_performance_is_saved(opened):
    pipeline, request, shot = opened
    sink, reporter = Sink(), Reporter()
    reference = pipeline(request, shot, sink, reporter)
    assert sink.num_frames == shot.plan.num_frames == 65 and len(shot.plan.segments) == 3
    frames = np.concatenate(sink.chunks)
    still = reference.frames(0, 65)
    assert frames.shape == still.shape and (frames != still).any()
    assert (frames[:, :2, :2] == still[:, :2, :2]).all()  # far from the face nothing changes
    assert {"encode", "denoise", "decode", "write"} <= reporter.seconds.keys()
    assert request.save_motion.is_file()


def test_windows_that_were_sampled_before_are_not_sampled_again(opened, monkeypatch):
    pipeline, request, shot = opened
    encoded, cache = pipeline.encode(request, shot, Reporter()), LatentsInMemory()
    pipeline.sample_latents(encoded, cache, Reporter(), shot.plan.segments)
    kept = [cache.latents(segment) for segment in shot.plan.segments]
    assert all(latents is not None for latents in kept)
    monkeypatch.setattr("skyreels_avatar.pipeline.windows.denoise", None)
    windows = pipeline._windows(encoded, shot.plan.segments, Reporter(), cache)
    with torch.no_grad():
        assert sum(len(chunk) for _, chunks in windows for chunk in chunks) == 65


def test_who_stops_taking_frames_stops_the_denoising_beside_it(opened, monkeypatch):
    pipeline, request, shot = opened
    stops = []
    monkeypatch.setattr(
        run, "_stop_when", lambda stopped: stops.append(stopped) or (lambda _: None)
    )
    encoded = pipeline.encode(request, shot, Reporter())
    windows = pipeline._windows(encoded, shot.plan.segments, Reporter())
    with torch.no_grad():
        next(windows)
        assert not stops[0].is_set()
        windows.close()
    assert stops[0].is_set()
    monkeypatch.undo()
    with pytest.raises(Cancelled, match="stopped during denoise"):
        run._stop_when(stops[0])(0)
