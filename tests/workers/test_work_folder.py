"""A run that was stopped goes on where it was, and its video is the same to the byte."""

from __future__ import annotations

import importlib
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import skyreels_avatar as sa
from skyreels_avatar.errors import Cancelled, InputError
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.workers.fingerprint import fingerprint_of
from skyreels_avatar.workers.shot import generate_request
from skyreels_avatar.workers.work_folder import WorkFolder
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 4.0
CODE = """
import sys
import skyreels_avatar as sa
image, audio, tier, output, work = sys.argv[1:]
sa.generate(
    image, audio, "a person smiles", camera="push_in:60", output=output, tier=tier, size="96x96",
    work_folder=work, on_progress=lambda p: print(p.stage, p.done, flush=True),
)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A portrait, four seconds of a voice, and a tiny tier."""
    folder = tmp_path_factory.mktemp("files")
    return write_portrait(folder), write_voice(folder, SECONDS), write_tier(folder)


def request_of(files, output: Path, **changes) -> sa.GenerationRequest:
    image, audio, tier = files
    options = {"size": "96x96", "fps": 25.0, "sampling": sa.SamplingParams()} | changes
    shot = sa.Shot(image=image, audio=audio, prompt="a person smiles", camera="push_in:60")
    return sa.GenerationRequest(shot, output, tier, **options)


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory) -> bytes:
    """The video of a run that nobody stopped, in a process like those that are killed."""
    folder = tmp_path_factory.mktemp("whole")
    with _started(files, folder / "a.mp4", folder / "work") as process:
        process.stdout.read()
    assert process.returncode == 0
    return (folder / "a.mp4").read_bytes()


def _started(files, output: Path, work: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", CODE, *map(str, files), str(output), str(work)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _killed_once(files, output: Path, work: Path, dice: random.Random) -> None:
    """Kill a run without warning, some moments after some frame."""
    after = dice.randrange(100)
    with _started(files, output, work) as process:
        for line in process.stdout:
            if int(line.split()[1]) >= after:
                time.sleep(dice.random() * 0.3)
                break
        process.send_signal(signal.SIGKILL)


def _survives_kills(files, tmp_path: Path, seed: int, num_kills: int) -> bytes:
    dice, output, work = random.Random(seed), tmp_path / "a.mp4", tmp_path / "work"
    for _ in range(num_kills):
        _killed_once(files, output, work, dice)
        # The film is there whole or not at all; a kill after it was finished leaves it.
        assert not output.exists() or sa.VideoReader(output).num_frames == 100
    with _started(files, output, work) as process:
        process.stdout.read()
    assert process.returncode == 0
    (folder,) = work.iterdir()
    assert not list(folder.glob(".*")), "what was half written is swept away"
    return output.read_bytes()


def test_a_run_killed_at_any_moment_goes_on_to_the_same_bytes(files, whole, tmp_path):
    assert _survives_kills(files, tmp_path, seed=1, num_kills=2) == whole


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_runs_killed_at_random_moments_give_the_same_bytes(files, whole, tmp_path, seed):
    assert _survives_kills(files, tmp_path, seed=100 + seed, num_kills=1) == whole


def test_only_what_is_missing_is_made_again(files, tmp_path):
    work, output = tmp_path / "work", tmp_path / "a.mp4"

    def stop_late(progress: sa.Progress) -> bool:
        return progress.done < 60

    with pytest.raises(Cancelled):
        generate_request(request_of(files, output), stop_late, work_folder=work)
    assert not output.exists()
    (folder,) = work.iterdir()
    kept = {file.name: file.stat().st_mtime_ns for file in folder.glob("piece_*")}
    assert 1 <= len(kept) < 4
    reports = []
    result = generate_request(request_of(files, output), reports.append, work_folder=work)
    assert 33 <= result.num_found < 60 and result.num_frames == 100
    assert kept.items() <= {f.name: f.stat().st_mtime_ns for f in folder.glob("piece_*")}.items()
    assert max(report.done for report in reports) == 100
    first = output.read_bytes()
    output.unlink()
    again = generate_request(request_of(files, output), work_folder=work)
    assert again.num_found == 100 and "encode" not in again.seconds
    assert output.read_bytes() == first


def test_a_damaged_piece_and_lost_latents_are_made_again(files, tmp_path):
    work, output = tmp_path / "work", tmp_path / "a.mp4"
    generate_request(request_of(files, output), work_folder=work)
    first = output.read_bytes()
    (folder,) = work.iterdir()
    piece = folder / "piece_00002.mp4"
    piece.write_bytes(piece.read_bytes()[:-100])
    (folder / "latents_00001.safetensors").unlink()
    (folder / "latents_00002.safetensors").write_bytes(b"broken")
    result = generate_request(request_of(files, output), work_folder=work)
    assert result.num_found == 100 - 24  # of the third window
    assert any("made again" in message for message in result.warnings)
    assert output.read_bytes() == first


def test_the_pictures_are_those_of_a_run_without_a_folder(files, tmp_path, monkeypatch):
    """Only the places of key frames in the H.264 stream differ."""
    written, write = [], sa.VideoWriter.write

    def note(writer, frames):
        written.append(frames.copy())
        write(writer, frames)

    monkeypatch.setattr(sa.VideoWriter, "write", note)
    lengths = []
    for work in (None, tmp_path / "work"):
        result = generate_request(request_of(files, tmp_path / "a.mp4"), work_folder=work)
        video = sa.VideoReader(result.path)
        lengths.append((video.num_frames, video.audio().duration_s))
    written = np.concatenate(written)
    assert len(written) == 200 and np.array_equal(written[:100], written[100:])
    assert lengths[0] == lengths[1]


def test_a_slow_video_has_windows_without_pictures(files, tmp_path):
    request = request_of(files, tmp_path / "a.mp4", fps=1.0)
    result = generate_request(request, work_folder=tmp_path / "work")
    assert sa.VideoReader(result.path).num_frames == 4


def test_another_shot_has_a_folder_of_its_own_and_nothing_is_lost(files, tmp_path):
    work = tmp_path / "work"
    for name, changes in (("a", {}), ("b", {"sampling": sa.SamplingParams(seed=5)}), ("c", {})):
        generate_request(request_of(files, tmp_path / f"{name}.mp4", **changes), work_folder=work)
    assert len(list(work.iterdir())) == 2
    contents = [(tmp_path / f"{name}.mp4").read_bytes() for name in "abc"]
    assert contents[0] == contents[2] != contents[1]


def test_a_picture_that_is_swapped_while_it_is_in_use_is_not_kept_under_its_name(
    files, tmp_path, monkeypatch
):
    """The fingerprint was made of the file after it was read: the wrong person's frames stayed."""
    generation = importlib.import_module("skyreels_avatar.workers.shot")
    image, work = tmp_path / "p.png", tmp_path / "work"
    image.write_bytes(files[0].read_bytes())
    read = generation.read_files

    def swap_after_reading(request):
        found = read(request)
        image.write_bytes(files[0].read_bytes() + b"\0")
        return found

    monkeypatch.setattr(generation, "read_files", swap_after_reading)
    request = request_of((image, *files[1:]), tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"p\.png was changed"):
        generate_request(request, work_folder=work)
    assert not work.exists() and not (tmp_path / "a.mp4").exists()


def test_threads_give_the_bytes_of_serial_runs_and_each_its_own_warnings(files, tmp_path):
    """Three threads with one Components broke the face networks, and mix up their warnings."""
    components = load_components(files[2])
    voices = []
    for number in range(3):
        audio, rate = sa.AudioTrack.load(files[1]), 16_000
        voices.append(tmp_path / f"{number}.wav")
        sa.AudioTrack(audio.samples[: rate + 2000 * number], rate).save(voices[-1])

    def make(number: int, name: str) -> tuple[bytes, tuple[str, ...]]:
        shot = sa.Shot(image=files[0], audio=voices[number], end_s=5.0 + number)
        output = tmp_path / f"{name}{number}.mp4"
        request = sa.GenerationRequest(shot, output, files[2], size="96x96")
        result = generate_request(request, components=components)
        return output.read_bytes(), result.warnings

    settings = torch.get_num_threads(), cv2.getNumThreads()
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda number: make(number, "t"), range(3)))
    assert (torch.get_num_threads(), cv2.getNumThreads()) == settings
    assert together == [make(number, "s") for number in range(3)]
    for number, (_, warnings) in enumerate(together):
        (said,) = [warning for warning in warnings if "the end of the sound" in warning]
        assert f"{5 + number} s" in said and voices[number].name in said


def test_folders_that_cannot_be_used_are_named(files, tmp_path):
    components = load_components(files[2])
    fingerprint = fingerprint_of(request_of(files, tmp_path / "a.mp4"), components)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="work folder"):
        WorkFolder(tmp_path / "file", fingerprint)
    folder = WorkFolder(tmp_path / "work", fingerprint).path
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        WorkFolder(tmp_path / "work", fingerprint)
    (folder / "manifest.json").write_text('{"fingerprint": "other"}')
    with pytest.raises(InputError, match="another shot"):
        WorkFolder(tmp_path / "work", fingerprint)


def test_processes_that_share_a_pass_have_no_work_folder(files, tmp_path):
    components = load_components(files[2])
    shared = replace(components, tier=replace(components.tier, context_parallel=2))
    with pytest.raises(InputError, match="belongs to one process"):
        generate_request(
            request_of(files, tmp_path / "a.mp4"), None, shared, work_folder=tmp_path / "work"
        )
    assert not (tmp_path / "a.mp4").exists()


def test_latents_come_back_exactly(files, tmp_path):
    components = load_components(files[2])
    fingerprint = fingerprint_of(request_of(files, tmp_path / "a.mp4"), components)
    work, segment = WorkFolder(tmp_path, fingerprint), plan_shot(2.0, 25.0).segments[0]
    assert work.latents(segment) is None
    latents = torch.randn(1, 32, 9, 1, 4, generator=torch.Generator().manual_seed(0))
    work.save_latents(segment, latents)
    assert torch.equal(work.latents(segment), latents)
