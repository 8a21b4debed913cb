"""Own footage: faces between cuts, why pieces are thrown out, notes that a run goes on from."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.template import template
from skyreels_avatar.folders import asset_path
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader, VideoWriter
from train.__main__ import main
from train.config import FootageConfig
from train.data.footage import find_jumps, follow_faces
from train.data.footage_caption import describe
from train.data.footage_pieces import Features, Piece, judge
from train.data.footage_report import name_people, read_table, summary, write_page, write_table
from train.stages import data

GOOD = Piece(
    "a.mp4", "a-0.npz", 0.0, 4.0, "", 120.0, 90.0, 5.0, 0.0, 0.06, 0.8, 0.5, 0, "en", "a person", ""
)


@pytest.fixture(scope="module")
def footage(tmp_path_factory) -> Path:
    """A folder of two videos: a face that cuts to a plain picture, and something unreadable."""
    folder = tmp_path_factory.mktemp("footage")
    examples = asset_path("examples")
    picture = Portrait.load(examples / "portrait.png").resized_to(256, 192).pixels
    audio = AudioTrack.load(examples / "speech.wav").cut(0, 2.4)
    with VideoWriter(folder / "talk.mp4", 256, 192, 10, audio) as writer:
        for frame in range(22):
            writer.write(np.roll(picture, frame % 2, 1)[None])
        writer.write(np.full((6, 256, 192, 3), 230, np.uint8))
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def test_a_face_is_followed_to_the_cut_and_again_from_where_it_was_left(footage):
    reader, blocks = VideoReader(footage / "talk.mp4"), []

    def segment(crops):
        return np.zeros(crops.shape[:3], np.float32)

    follow_faces(reader, FaceAnalyzer(), segment, 0, lambda *block: blocks.append(block))
    stops = [stop for stop, _ in blocks]
    assert stops == [22, 28] and [len(spans) for _, spans in blocks] == [1, 0]
    span = blocks[0][1][0]
    assert span.start == 0 and len(span.landmarks) == 22 and span.fps == 10
    assert span.face_px > 60 and span.yaw_deg < 30 and span.covered == 0 and span.embedding.any()
    again = []
    follow_faces(reader, FaceAnalyzer(), segment, 22, lambda *block: again.append(block))
    assert [stop for stop, _ in again] == [28]


def test_a_cut_within_one_scene_ends_a_span(tmp_path):
    """The picture hardly changes, so that it is not a cut; half a second later on, it jumps."""
    picture = Portrait.load(asset_path("examples") / "portrait.png").resized_to(256, 192).pixels
    with VideoWriter(tmp_path / "talk.mp4", 256, 192, 10, None) as writer:
        for frame in range(30):
            writer.write(np.roll(picture, frame % 2 + (12 if frame >= 14 else 0), 1)[None])
    blocks = []
    follow_faces(
        VideoReader(tmp_path / "talk.mp4"), FaceAnalyzer(), lambda c: np.zeros(c.shape[:3]), 0,
        lambda *block: blocks.append(block),
    )  # fmt: skip
    ((stop, spans),) = blocks
    assert stop == 30 and [(s.start, len(s.landmarks)) for s in spans] == [(0, 14), (14, 16)]


def test_heads_that_turn_fast_do_not_jump_and_joined_moments_do():
    """A nod of a fifth of the face in five frames, filmed 25 and, frames repeated, 12 times a s."""
    face = template().astype(np.float32)
    height = np.linalg.norm(face[10, :2] - face[152, :2])
    tremble = 0.003 * height * np.random.default_rng(0).standard_normal((80, 478, 3))
    way = height * 0.2 * np.clip((np.arange(80) - 40) / 5, 0, 1)
    nod = face + tremble
    nod[:, :, 1] += way[:, None]
    assert not find_jumps(nod).any()
    assert not find_jumps(nod[np.arange(80) // 2 * 2]).any()
    joined = np.concatenate([nod[:30], nod[50:]])
    assert np.flatnonzero(find_jumps(joined)).tolist() == [29]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"duration_s": 1.0}, "shorter than 2 s"),
        ({"face_px": 30.0}, "face smaller than 60 pixels"),
        ({"sharpness": 3.0}, "blurred"),
        ({"yaw_deg": 60.0}, "turned away"),
        ({"covered": 0.9}, "face covered"),
        ({"open_range": 0.001}, "mouth does not move"),
        ({"speech": 0.0}, "no speech"),
        ({"sync_c": 0.05}, "lips say something else"),
        ({"sync_c": float("nan")}, "lips say something else"),
        ({"sync_offset": -9}, "sound and picture are apart"),
    ],
)
def test_a_piece_is_thrown_out_for_a_reason(change, reason):
    assert judge(replace(GOOD, **change), FootageConfig()) == reason


def test_words_say_what_is_seen():
    still = np.zeros((100, 32))
    assert describe(still) == "a person is talking, keeps the head still"
    nodding = still.copy()
    nodding[:, 17] = np.radians(4) * np.sin(np.arange(100) / 25 * 2 * np.pi * 1.5)
    nodding[:, 24] = 0.8
    assert "nods" in describe(nodding) and "smiles" in describe(nodding)


def test_a_run_throws_out_with_reasons_reports_and_goes_on_where_it_was(
    footage, tmp_path, capsys, monkeypatch
):
    told = ["data", str(footage), f"run={tmp_path}", "footage.sync_c=-1", "footage.open_range=0",
            "footage.max_offset=15", "footage.least_s=0.5"]  # fmt: skip
    assert main(told) == 0
    said = capsys.readouterr().out
    assert "1 of 1 pieces kept" in said and "broken.mp4 could not be read" in said
    assert f"python -m train style style.footage={tmp_path}" in said
    rows = list(csv.DictReader((tmp_path / "pieces.csv").open()))
    assert [row["source"] for row in rows] == ["talk.mp4"] and rows[0]["person"] == "p1"
    features = Features.load(tmp_path / "pieces" / rows[0]["name"])
    assert features.motion.shape == (55, 32) and len(features.samples) == 55 * 640
    assert np.abs(features.motion[:, 16:19]).max() < 0.2
    assert "data:image/jpeg" in (tmp_path / "report.html").read_text()

    def never(*_):
        raise AssertionError("the video was examined again")

    monkeypatch.setattr(data, "follow_faces", never)
    notes = next((tmp_path / "sources").glob("talk-*.jsonl"))
    notes.write_text(notes.read_text() + '\n{"stop": 9')  # cut off by a kill
    assert main(told) == 0 and "1 of 1 pieces kept" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="again"):
        main([*told[:-1], "footage.least_s=0.6"])  # other limits are another question


@pytest.mark.parametrize("folder", ["", "nowhere", "empty"])
def test_a_folder_without_videos_is_told(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="videos"):
        data.find_videos(folder and str(tmp_path / folder))


def test_people_are_told_apart_and_the_table_is_read_as_it_was_written(tmp_path):
    faces = {"a": 0.0, "b": 0.9, "c": 0.02}
    pieces = []
    for name, place in faces.items():
        stored = {"motion": np.zeros((2, 32)), "samples": np.zeros(9, np.int16)}
        embedding = np.eye(1, 128, dtype=np.float32)[0] * place
        thumb = np.zeros((8, 8, 3), np.uint8)
        np.savez(tmp_path / f"{name}.npz", **stored, embedding=embedding, thumb=thumb)
        pieces.append(replace(GOOD, name=f"{name}.npz"))
    pieces.append(replace(GOOD, name="", reason="blurred"))
    named = name_people(pieces, tmp_path)
    assert [piece.person for piece in named] == ["p1", "p2", "p1", ""]
    write_table(named, tmp_path / "pieces.csv")
    assert read_table(tmp_path / "pieces.csv") == named
    said = summary(named, {"x.mp4": "damaged"})
    assert "3 of 4 pieces" in said and "blurred" in said and "p1: 2 pieces, 8 s" in said
    write_page(named, {}, tmp_path, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().count("<tr") == 5
