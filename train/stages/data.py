"""Turn a folder of videos into training material: what speaks, is seen well and belongs together.

Every video is worked on block by block and noted down, so that a run that was stopped goes on where
it was, and several processes share the videos.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
import zlib
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from pathlib import Path

import torch

from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.media.files import open_container
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.media.voice_activity import SAMPLE_RATE
from train.config import FootageConfig, StyleConfig, TrainConfig
from train.data.footage import Span, follow_faces
from train.data.footage_pieces import Piece, examine
from train.data.footage_report import name_people, summary, write_page, write_table

logger = logging.getLogger(__name__)

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".ts")
REPORT, TABLE = "report.html", "pieces.csv"
_REPORT_EVERY_S = 5.0


def run(config: TrainConfig) -> None:
    """Examine the videos under `footage.folder`; pieces and report go to `run`."""
    videos = find_videos(config.footage.folder)
    folder = Path(config.run)
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = {}
    lengths: dict[Path, int] = {}
    for video in videos:
        try:
            lengths[video] = VideoReader(video).num_frames
        except AvatarError as error:
            failed[video.name] = str(error)
            logger.warning("%s: %s", video.name, error)
    with _executor(config.footage.workers) as pool:
        tasks = {
            video: pool.submit(examine_video, video, config.footage, folder, config.tier)
            for video in lengths
        }
        _watch(tasks, lengths, config, folder)
        for video, task in tasks.items():
            if (error := task.exception()) is None:
                continue
            if not isinstance(error, AvatarError):
                raise error
            failed[video.name] = str(error)
            logger.warning("%s: %s", video.name, error)
    pieces = [
        piece
        for video in lengths
        if video.name not in failed
        for piece in read_notes(_notes(video, config.footage, folder))[1]
    ]
    pieces = name_people(pieces, folder / "pieces")
    write_table(pieces, folder / TABLE)
    write_page(pieces, failed, folder / "pieces", folder / REPORT)
    print(summary(pieces, failed))
    print(f"report: {folder / REPORT}, {folder / TABLE}")
    if any(not piece.reason for piece in pieces):
        told = "" if config.run == StyleConfig.footage else f" style.footage={folder}"
        print(f"how p1 moves: python -m train style{told} (style.person=NAME for another)")


def find_videos(folder: str) -> list[Path]:
    """Return the videos under a folder, at any depth.

    Raises:
        InputError: no folder, or none in it.
    """
    if not folder or not Path(folder).is_dir():
        raise InputError(
            f"give a folder of videos: python -m train data FOLDER, got {folder or 'nothing'!r}"
        )
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"no videos under {folder}; known are {', '.join(SUFFIXES)}")
    return found


def examine_video(video: Path, limits: FootageConfig, folder: Path, tier: str) -> None:
    """Examine one video from where its notes end, and note down every block.

    Args:
        folder: of the run.
        tier: whose rig reads the coefficients.
    """
    notes = _notes(video, limits, folder)
    after, _, done = read_notes(notes)
    if done:
        return
    torch.set_num_threads(1)
    reader, parts = VideoReader(video), load_components(tier)
    audio = reader.audio()
    audio = None if audio is None else audio.mono().resampled(SAMPLE_RATE)
    limits = replace(limits, language=limits.language or spoken_language(video))

    def note(stop: int, spans: list[Span]) -> None:
        pieces = examine(spans, audio, parts.vae, limits, video.name, folder / "pieces")
        _append(notes, {"stop": stop, "pieces": [asdict(piece) for piece in pieces]})

    follow_faces(reader, FaceAnalyzer(), parts.occluder.look, after, note)
    _append(notes, {"done": True})


def read_notes(path: Path) -> tuple[int, list[Piece], bool]:
    """Return up to which frame a video was examined, its pieces, and whether that is all of it."""
    after, pieces, done = 0, [], False
    if path.is_file():
        for line in path.read_text().splitlines():
            try:
                noted = json.loads(line)
            except json.JSONDecodeError:  # cut off when the run was killed
                continue
            done = done or noted.get("done", False)
            after = noted.get("stop", after)
            pieces += [Piece(**values) for values in noted.get("pieces", [])]
    return after, pieces, done


def spoken_language(video: Path) -> str:
    """Return the language that a video's sound track is labelled with, "" where it is not."""
    with open_container(video, "video") as container:
        streams = container.streams.audio
        return str(streams[0].metadata.get("language", "")) if streams else ""


def _notes(video: Path, limits: FootageConfig, folder: Path) -> Path:
    """Return the notes of a video; a changed file, or other limits, starts over."""
    state = video.stat()
    told = asdict(replace(limits, folder="", workers=0))
    mark = f"{video.resolve()} {state.st_size} {state.st_mtime_ns} {sorted(told.items())}"
    return folder / "sources" / f"{video.stem}-{zlib.crc32(mark.encode()):08x}.jsonl"


def _append(path: Path, noted: dict) -> None:
    with open(path, "a") as file:
        file.write("\n" + json.dumps(noted))
        file.flush()


def _executor(workers: int) -> Executor:
    if workers == 1:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _watch(
    tasks: dict[Path, Future], lengths: dict[Path, int], config: TrainConfig, folder: Path
) -> None:
    """Say how far the videos are, until all are done or one failed in a way that nobody expects."""
    start, every = time.monotonic(), sum(lengths.values())
    told = before = _frames_done(lengths, config.footage, folder)
    pending = set(tasks.values())
    while pending:
        _, pending = wait(pending, _REPORT_EVERY_S)
        done = _frames_done(lengths, config.footage, folder)
        if done > told:
            left_s = (time.monotonic() - start) / (done - before) * (every - done)
            told = done
            logger.info(
                "%d of %d videos, %.0f %% of the frames, %.1f min left",
                len(tasks) - len(pending), len(tasks), 100 * done / every, left_s / 60,
            )  # fmt: skip


def _frames_done(lengths: dict[Path, int], limits: FootageConfig, folder: Path) -> int:
    """Return how many frames of all videos were examined."""
    total = 0
    for video, length in lengths.items():
        after, _, done = read_notes(_notes(video, limits, folder))
        total += length if done else min(after, length)
    return total
