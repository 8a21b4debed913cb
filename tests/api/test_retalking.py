"""New words for existing videos: who changes, how far, and that the rest does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import skyreels_avatar as sa
from skyreels_avatar.cli import run
from skyreels_avatar.errors import FaceError, InputError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.opening import mouth_opening
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.pipeline.open import open_footage
from skyreels_avatar.pipeline.read import read_footage
from skyreels_avatar.pipeline.run import AvatarPipeline
from skyreels_avatar.progress import Reporter
from skyreels_avatar.references.footage import REGIONS
from skyreels_avatar.rig.geometry import FaceFrame
from tests.media.videos import MS, write_video
from tests.samples import write_portrait

FPS, SECONDS = 25, 1.6
NUM_FRAMES = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("retalk")


@pytest.fixture(scope="module")
def voice(root: Path, folder: Path) -> Path:
    """1.6 s of speech."""
    path = folder / "voice.wav"
    sa.AudioTrack.load(root / "assets" / "examples" / "speech.wav").cut(0, SECONDS).save(path)
    return path


@pytest.fixture(scope="module")
def silence(folder: Path) -> Path:
    path = folder / "silence.wav"
    sa.AudioTrack(np.zeros(int(SECONDS * 16_000), np.float32), 16_000).save(path)
    return path


@pytest.fixture(scope="module")
def talker(folder: Path, voice: Path) -> Path:
    """A video of 300x240 of a drawn person who talks all the time."""
    return sa.generate(write_portrait(folder), voice, output=folder / "talker.mp4").path


@pytest.fixture(scope="module")
def pair(folder: Path, talker: Path) -> Path:
    """The same person twice, side by side: the right one says the same mirrored."""
    path = folder / "pair.mp4"
    with sa.VideoWriter(path, 240, 600, FPS) as writer:
        for frame in sa.VideoReader(talker):
            writer.write(np.concatenate([frame, frame[:, ::-1]], 1)[None])
    return path


class Frames:
    """Takes pictures in a writer's place, as they are before they are encoded."""

    def __init__(self) -> None:
        self.chunks: list[np.ndarray] = []

    def write(self, pixels: np.ndarray) -> None:
        self.chunks.append(pixels.copy())

    @property
    def num_frames(self) -> int:
        return sum(map(len, self.chunks))


def retalked(video: Path, audio: Path, **how) -> tuple[np.ndarray, object]:
    """Return the frames of a video that retalks, before encoding, and the opened shot."""
    request = sa.GenerationRequest(sa.Shot(video=video, audio=audio, **how), "unused.mp4")
    components = load_components(request.tier)
    opened = open_footage(request, read_footage(request), components)
    writer = Frames()
    AvatarPipeline(components)(request, opened, writer, Reporter())
    return np.concatenate(writer.chunks), opened


def source_of(video: Path) -> np.ndarray:
    return np.stack(list(sa.VideoReader(video)))


def inside(opened, name: str) -> np.ndarray:
    """Return (F, H, W) bool: the pixels whose centres lie in a region round the face."""
    reference = opened.references[0]
    frame = FaceFrame.of(reference.landmarks(0, reference.num_frames))
    height, width = reference.size
    y, x = np.mgrid[0:height, 0:width] + 0.5
    points = frame.from_pixels(torch.from_numpy(np.stack([x, y], -1)).float()[None]).numpy()
    left, top, right, bottom = REGIONS[name]
    return (
        (points[..., 0] > left) & (points[..., 0] < right)
        & (points[..., 1] > top) & (points[..., 1] < bottom)
    )  # fmt: skip


@pytest.mark.parametrize("keep", ["lips", "face"])
def test_outside_what_may_change_every_pixel_stays(talker, silence, keep):
    source = source_of(talker)
    made, opened = retalked(talker, silence, keep=keep)
    changed = (made != source).any(-1)
    assert changed[5:].any((1, 2)).mean() > 0.5
    assert not (changed & ~inside(opened, keep)).any()


def test_the_old_mouth_motion_does_not_shine_through(talker, silence):
    source = source_of(talker)
    made, _ = retalked(talker, silence, keep="lips")
    analyzer = FaceAnalyzer()
    before, after = (mouth_opening(analyzer.track(f).landmarks)[8:] for f in (source, made))
    assert np.ptp(before) > 0.02
    assert np.ptp(after) < 0.5 * np.ptp(before)


def test_a_new_voice_moves_a_still_face(folder, talker, voice):
    still, pixels = folder / "still.mp4", source_of(talker)[:1]
    with sa.VideoWriter(still, *pixels.shape[1:3], FPS) as writer:
        writer.write(np.repeat(pixels, NUM_FRAMES, 0))
    made, _ = retalked(still, voice, keep="lips")
    assert np.ptp(mouth_opening(FaceAnalyzer().track(made).landmarks)) > 0.02


def test_where_no_face_is_seen_the_video_is_passed_through(folder, talker, voice):
    pixels = source_of(talker)
    pixels[12:28] = 90
    gone = folder / "gone.mp4"
    with sa.VideoWriter(gone, *pixels.shape[1:3], FPS) as writer:
        writer.write(pixels)
    result = sa.retalk(gone, voice, keep="lips", output=folder / "out.mp4")
    assert [span.reason for span in result.unseen] == ["no face"]
    assert result.unseen[0].start_s == pytest.approx(12 / FPS, abs=0.081)
    assert result.unseen[0].end_s == pytest.approx(28 / FPS, abs=0.081)
    said = json.loads((folder / "out.unseen.json").read_text())
    assert said["unseen"][0]["reason"] == "no face"
    made, _ = retalked(gone, voice, keep="lips")
    assert (made[12:28] == source_of(gone)[12:28]).all()


def test_scenes_are_told_apart_at_a_cut(folder, talker, voice):
    pixels = source_of(talker)
    pixels[20:] = np.flip(pixels[20:], 2) // 2 + 100
    cut = folder / "cut.mp4"
    with sa.VideoWriter(cut, *pixels.shape[1:3], FPS) as writer:
        writer.write(pixels)
    _, opened = retalked(cut, voice, keep="lips")
    reference = opened.references[0]
    assert [reference.scene_at(frame) for frame in (0, 19, 20, 39)] == [0, 0, 1, 1]
    assert (20, 24) in reference.chunks(16, 24) or (20, 28) in reference.chunks(16, 32)


def test_only_the_chosen_face_changes(folder, pair, talker, silence):
    from PIL import Image

    source, photo = source_of(pair), folder / "right.png"
    Image.fromarray(source[0][:, 300:]).save(photo)
    for face in ("450,100", "400,40,90,110"):
        made, _ = retalked(pair, silence, keep="lips", face=face)
        changed = (made != source).any((0, 1, 3))
        assert changed[300:].any() and not changed[:300].any(), face
    made, _ = retalked(pair, silence, keep="lips", face="150,100")
    changed = (made != source).any((0, 1, 3))
    assert changed[:300].any() and not changed[300:].any()


def test_a_face_that_is_not_there_is_an_error(pair, silence):
    with pytest.raises(FaceError, match="no face at 300,5"):
        retalked(pair, silence, face="300,5")
    with pytest.raises(FaceError, match="no face 7"):
        retalked(pair, silence, face="7")


def test_several_voices_make_several_videos(folder, talker, voice, silence, capsys):
    command = ["retalk", "--video", str(talker), "--audio", str(voice), "--keep", "lips"]
    output = ["--output", str(folder / "film.mp4")]
    assert run([*command, "--audio", str(silence), *output]) == 0
    for name in ("film_voice.mp4", "film_silence.mp4"):
        video = sa.VideoReader(folder / name)
        assert (video.height, video.width, video.num_frames) == (240, 300, NUM_FRAMES)
    assert run([*command, "--audio", str(voice), *output]) == 2
    assert "different file names" in capsys.readouterr().err


def test_a_long_video_is_followed_as_far_as_the_output_needs_it(folder, voice):
    """Every frame of an hour was decoded and looked at for two seconds of sound."""
    path = folder / "long.mp4"
    with sa.VideoWriter(path, 64, 64, FPS) as writer:
        for level in range(60):
            writer.write(np.full((10, 64, 64, 3), level, np.uint8))
    shot = sa.Shot(video=path, audio=voice)
    for length, frames in (("audio", 250), ("bounce", 250), ("video", 600), ("remap", 600)):
        request = sa.GenerationRequest(replace(shot, length=length), folder / "unused.mp4")
        files = read_footage(request)
        assert sum(1 for _ in files.video) == frames == files.video.num_frames
        assert files.source.max() < frames


def test_a_text_is_said_by_the_person_in_the_video(folder, talker):
    pytest.importorskip("espeakng_loader", reason="the voice extra is not installed")
    output = folder / "said.mp4"
    command = ["retalk", "--video", str(talker), "--text", "Guten Tag.", "--voice", "de"]
    assert run([*command, "--keep", "lips", "--subtitles", "srt", "--output", str(output)]) == 0
    assert "Guten Tag." in output.with_suffix(".srt").read_text(encoding="utf-8")
    assert sa.VideoReader(output).audio().samples.any()


def test_the_command_says_what_is_wrong(talker, voice, capsys):
    for options, message in (
        (["--keep", "hair"], "keep must be one of lips, face, none"),
        (["--length", "longest"], "length must be one of audio"),
        (["--face", "nose"], "face must be auto"),
    ):
        code = run(["retalk", "--video", str(talker), "--audio", str(voice), *options])
        assert code == 2 and message in capsys.readouterr().err
    assert run(["retalk", "--video", "none.mp4", "--audio", str(voice)]) == 2


def test_a_person_without_a_voice_stays_as_in_the_video(folder, pair, voice):
    source = source_of(pair)
    speakers = [sa.Speaker("ann", "150,100"), sa.Speaker("ben", "450,100", voice)]
    request = sa.GenerationRequest(
        sa.Shot(video=pair, speakers=speakers, keep="lips"), folder / "unused.mp4"
    )
    components = load_components(request.tier)
    opened = open_footage(request, read_footage(request), components)
    writer = Frames()
    AvatarPipeline(components)(request, opened, writer, Reporter())
    changed = (np.concatenate(writer.chunks) != source).any((0, 1, 3))
    assert changed[300:].any() and not changed[:300].any()


@pytest.mark.parametrize(("length", "frames"), [("video", NUM_FRAMES), ("loop", 60), ("audio", 60)])
def test_lengths_are_those_of_the_policy(folder, talker, length, frames):
    longer = folder / "longer.wav"
    if not longer.exists():
        sa.AudioTrack(np.full(38_400, 0.01, np.float32), 16_000).save(longer)
    path = folder / f"{length}.mp4"
    result = sa.retalk(talker, longer, keep="lips", length=length, output=path)
    video = sa.VideoReader(result.path)
    assert video.num_frames == frames == result.num_frames
    assert abs(video.audio().duration_s - frames / FPS) < 1 / FPS


def test_odd_footage_of_a_variable_rate_is_retalked_at_the_rate_asked_for(folder, talker, voice):
    """Odd sides were refused, and pictures came at their numbers in place of their times."""
    frames = source_of(talker)[:, :239, :299]
    stamps = [*range(0, 800, 40), *range(800, 2400, 80)]
    path = write_video(
        folder / "odd.mkv", frames, stamps, MS, pixel_format="yuv444p", options={"bf": "0"}
    )
    output = folder / "odd.mp4"
    command = ["retalk", "--video", str(path), "--audio", str(voice), "--length", "video"]
    assert run([*command, "--keep", "lips", "--fps", "20", "--output", str(output)]) == 0
    made = sa.VideoReader(output)
    assert (made.height, made.width, made.fps, made.num_frames) == (238, 298, 20, 48)
    assert abs(made.audio().duration_s - 2.4) < 0.01
    brows = slice(0, 40)  # above what lips change
    for index, picture in enumerate(made):
        shown = np.searchsorted(stamps, (index + 0.5) * 50, side="right") - 1
        apart = np.abs(picture[brows].astype(int) - frames[:, brows, :298]).mean((1, 2, 3))
        assert abs(int(apart.argmin()) - shown) <= 1


def test_subtitles_and_spans_have_names_of_their_own_and_no_file_of_others_is_lost(
    talker, voice, tmp_path
):
    """`--subtitles json` and the spans had one name, and went over any JSON of the user."""
    output = tmp_path / "out.mp4"
    mine = tmp_path / "out.json"
    mine.write_text('{"mine": 1}')
    sa.retalk(talker, voice, output=output)
    sa.retalk(talker, voice, output=output)  # its own list may be replaced
    assert mine.read_text() == '{"mine": 1}'
    spans = tmp_path / "out.unseen.json"
    assert json.loads(spans.read_text()) == {"video": "out.mp4", "unseen": []}
    spans.write_text('{"mine": 2}')
    made = output.read_bytes()
    with pytest.raises(InputError, match="holds something else"):
        sa.retalk(talker, voice, output=output)
    assert spans.read_text() == '{"mine": 2}' and output.read_bytes() == made


def test_a_video_is_not_written_over_itself(talker, voice):
    before = talker.read_bytes()
    command = ["retalk", "--video", str(talker), "--audio", str(voice), "--overwrite"]
    assert run([*command, "--output", str(talker)]) == 2
    assert talker.read_bytes() == before
