"""A video is driven where it shows the person who was chosen, and nowhere else."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from skyreels_avatar.errors import FaceError
from skyreels_avatar.faces import scenes
from skyreels_avatar.faces.chooser import FaceChooser
from skyreels_avatar.faces.occluder_track import OccluderTrack
from skyreels_avatar.faces.scenes import Scene, _SceneRecorder, track_scenes
from skyreels_avatar.faces.template import template
from tests.faces.characters import character, crossing, mixed, shot
from tests.faces.turned import turned

ANN, BEN = character("portrait"), character("portrait_man")
OTHER = "another person"


def watched(frames: list[np.ndarray], selector: str, analyzer) -> list[Scene]:
    return track_scenes(iter(frames), analyzer, FaceChooser(selector, analyzer, frames))


def reasons(scenes: list[Scene]) -> list[tuple[str, int]]:
    """Return why nobody speaks ("" = somebody does), with the number of frames."""
    every = np.concatenate([scene.reasons for scene in scenes]).tolist()
    return [(reason, len(list(run))) for reason, run in itertools.groupby(every)]


@pytest.mark.parametrize("selector", ["0", "auto"])
def test_after_a_cut_to_somebody_else_nobody_speaks_until_the_cut_back(analyzer, selector):
    """The cosine of blurred pixels took whoever was there after a cut."""
    scenes = watched(shot(ANN, 14) + shot(BEN, 14) + shot(ANN, 14), selector, analyzer)
    assert reasons(scenes) == [("", 14), (OTHER, 14), ("", 14)]
    assert all(scene.speaks.max() == 0 for scene in scenes if scene.start == 14)


def test_the_same_person_nearer_and_mirrored_goes_on_after_a_cut(analyzer):
    nearer = shot(np.ascontiguousarray(ANN[:, ::-1]), 12, zoom=1.5)
    scenes = watched(shot(ANN, 12) + nearer, "0", analyzer)
    assert len(scenes) == 2 and reasons(scenes) == [("", 24)]


def test_who_is_only_seen_from_the_side_is_not_taken_for_the_next(analyzer, monkeypatch):
    """Nothing could be learned of the person, and the number chose anew after the cut."""
    for module in ("chooser", "identity_check"):
        name = f"skyreels_avatar.faces.{module}.is_recognizable"
        monkeypatch.setattr(name, lambda landmarks: False)
    assert reasons(watched(shot(ANN, 12) + shot(BEN, 12), "0", analyzer)) == [("", 12), (OTHER, 12)]


def test_a_swap_that_is_no_cut_is_found_in_the_very_frame(analyzer):
    """Two people before the same wall: the picture changes too little for a cut."""
    mask = np.zeros((256, 256, 1), np.float32)
    cv2.ellipse(mask, (128, 128), (60, 76), 0, 0, 360, 1.0, -1)
    ben = (ANN + mask * (BEN.astype(np.float32) - ANN)).round().astype(np.uint8)
    scenes = watched(shot(ANN, 20) + shot(ben, 30), "0", analyzer)
    assert len(scenes) == 1
    (_, before), (reason, after) = reasons(scenes)
    assert (before, after) == (20, 30) and reason == OTHER


def test_a_cross_fade_is_passed_through_and_who_comes_is_checked(analyzer):
    fade = mixed(shot(ANN, 12), shot(BEN, 12))
    scenes = watched(shot(ANN, 20) + fade + shot(BEN, 12), "0", analyzer)
    spans = reasons(scenes)
    assert [reason for reason, _ in spans] == ["", "transition", OTHER]
    assert 15 <= spans[0][1] <= 20 and 20 + 12 <= spans[0][1] + spans[1][1] <= 20 + 12 + 2


def test_a_fade_through_black_and_back_to_the_person_goes_on(analyzer):
    black = [np.zeros_like(ANN)] * 8
    frames = shot(ANN, 16) + mixed(shot(ANN, 8), black) + black[:3] + mixed(black, shot(ANN, 8))
    spans = reasons(watched(frames + shot(ANN, 16), "0", analyzer))
    assert {reason for reason, _ in spans[1:-1]} == {"transition"}
    assert spans[0][0] == spans[-1][0] == ""
    assert 14 <= spans[0][1] <= 19 and 14 <= spans[-1][1] <= 19


def test_a_flash_is_no_change_of_person(analyzer):
    frames = shot(ANN, 30)
    frames[15] = cv2.addWeighted(frames[15], 0.1, np.full_like(ANN, 255), 0.9, 0)
    assert reasons(watched(frames, "0", analyzer)) == [("", 15), ("transition", 1), ("", 14)]


@pytest.mark.parametrize(("front", "back"), [("portrait", "portrait_man")])
@pytest.mark.parametrize("start_x", [90, 422])
def test_two_who_cross_keep_their_tracks(analyzer, front, back, start_x):
    frames = crossing(front, back, 45)
    scenes = watched(frames, f"{start_x},128", analyzer)
    middle = np.concatenate([scene.landmarks[..., 0].mean(1) for scene in scenes])
    spoken = np.concatenate([scene.reasons for scene in scenes]) == ""
    own = np.linspace(start_x, 512 - start_x, 45)
    assert (np.abs(middle - own)[spoken] < 25).all()
    assert spoken[:8].all() and spoken[-8:].all()


def write(path, pixels: np.ndarray) -> str:
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return str(path)


def test_a_photo_finds_the_person_who_comes_later(analyzer, tmp_path):
    photo = write(tmp_path / "ben.png", character("portrait_man", 512))
    scenes = watched(shot(ANN, 26) + shot(BEN, 26), photo, analyzer)
    assert reasons(scenes) == [(OTHER, 26), ("", 26)]


def test_a_photo_of_somebody_who_never_comes_is_an_error_that_lists_who_does(analyzer, tmp_path):
    photo = write(tmp_path / "ben.png", BEN)
    with pytest.raises(FaceError, match=r"nobody in the video.*ben.png.*at 8\d,7\d,8\d,10\d.*same"):
        watched(shot(ANN, 12), photo, analyzer)


def test_real_people_are_told_apart(analyzer, shared):
    import skyreels_avatar as sa

    cut = list(sa.VideoReader(shared / "cases" / "cut_ab.mp4"))
    (_, before), (reason, _) = reasons(watched(cut, "0", analyzer))
    assert before == 30 and reason == OTHER
    man = sa.VideoReader(shared / "cases" / "plain.mp4")
    with pytest.raises(FaceError, match="in frame 0: another person"):
        FaceChooser(str(shared / "cases" / "v02.png"), analyzer, man)


def test_two_speakers_keep_their_own_persons_across_a_cut(analyzer):
    """Left and right change places: who was chosen at the left is then at the right."""
    first = np.concatenate([ANN, BEN], 1)
    second = np.concatenate([BEN, ANN], 1)
    frames = shot(first, 12) + shot(second, 12)
    for x, places in ((128, (128, 384)), (384, (384, 128))):
        scenes = watched(frames, f"{x},128", analyzer)
        assert reasons(scenes) == [("", 24)]
        middles = [float(scene.landmarks[..., 0].mean()) for scene in scenes]
        np.testing.assert_allclose(middles, places, atol=12)


def test_frames_that_show_the_most_teeth_are_kept_a_few_frames_apart():
    recorder, points = _SceneRecorder(None), template().copy()
    points[:, :2] = 40 + 120 * points[:, :2]
    inner = [above for above, _ in scenes._LIPS], [below for _, below in scenes._LIPS]
    points[inner[1], 1] += 12
    for index in range(60):
        pixels = np.full((200, 200, 3), 40 + 3 * min(index % 20, 10), np.uint8)
        recorder._add(index, pixels, points, 1.0)
    kept = [index for _, index, _ in recorder._teeth]
    assert sorted(kept) == [10, 16, 30, 36, 50, 56]
    crop, placed = recorder._teeth[0][2]
    assert crop.shape[0] < 200 and placed[:, :2].min() < 1


class Trusting:
    """An identity check of a track that is always on the person."""

    strangers = ()
    refused = ()

    def finish(self, transitions) -> bool:
        return True


@pytest.mark.parametrize("beyond", [0.0, 0.4])
def test_a_head_that_turns_away_hands_over_gradually(monkeypatch, beyond):
    """From 48 degrees on a video was passed through. Profiles are read as 50 degrees, too."""
    monkeypatch.setattr(scenes.SilhouetteTrack, "add", lambda self, index, *_: None)
    shares = lambda self, count: np.where(yaws[:count] > 48, beyond, 0.0)  # noqa: E731
    monkeypatch.setattr(scenes.SilhouetteTrack, "lips_beyond", shares)
    face = 110 * template().astype(np.float64)
    face -= face.mean(0)
    yaws = np.interp(np.arange(160), [0, 30, 60, 100, 130, 160], [0, 45, 63, 63, 78, 78])
    recorder, pixels = _SceneRecorder(None), np.full((240, 240, 3), 90, np.uint8)
    recorder._picture = pixels
    for index, yaw in enumerate(yaws):
        points = turned(face, yaw).astype(np.float32) + 120
        recorder._add(index, pixels, points, 1.0)
    scene = recorder.scene(0, [], Trusting())
    assert np.abs(np.diff(scene.speaks)).max() < 0.2
    assert scene.speaks[25] == 1 and scene.speaks[150] == 0
    assert scene.reasons[150] == "turned away or cut off"
    if beyond:
        assert scene.speaks[80] == 0 and scene.reasons[80] == "turned away or cut off"
    else:
        assert 0.2 < scene.speaks[80] < 0.5 and scene.reasons[80] == ""


@pytest.mark.parametrize("seen, looks", [(0.0, True), (0.9, True), (0.0, False)])
def test_a_mouth_that_only_looks_unusual_is_not_covered(rng, seen, looks):
    """A shout in an odd light was left as filmed for a second, with the lips of the old voice."""
    points = template().copy()
    points[:, :2] = 40 + 120 * points[:, :2]
    usual = cv2.GaussianBlur(rng.uniform(0, 255, (200, 200, 3)), (0, 0), 6).astype(np.uint8)
    usual = cv2.normalize(usual, None, 0, 255, cv2.NORM_MINMAX)
    network = lambda crops: np.full(crops.shape[:3], seen, np.float32)  # noqa: E731
    recorder = _SceneRecorder(OccluderTrack(network) if looks else None)
    recorder._picture = usual
    for index in range(60):
        odd = 30 <= index < 36
        recorder._add(index, 255 - usual if odd else usual, points, 1.0)
    scene = recorder.scene(0, [], Trusting())
    if looks and not seen:
        assert not scene.reasons.any() and (scene.speaks == 1).all()
    else:
        assert np.flatnonzero(scene.reasons == "mouth covered").tolist() == list(range(30, 36))
        assert (scene.speaks[30:36] == 0).all()


def test_of_two_the_one_is_chosen_whose_lips_say_what_is_heard(analyzer):
    frames = shot(np.concatenate([ANN, BEN], 1), 6)
    for speaker in (0, 256):
        said = lambda points: float(speaker < points[0, 0, 0] < speaker + 256)  # noqa: B023, E731
        face, _ = FaceChooser("auto", analyzer, frames, said)(frames[0])
        assert speaker < face.landmarks[0, 0] < speaker + 256
    heard_nothing = FaceChooser("auto", analyzer, frames, lambda points: None)(frames[0])[0]
    largest = FaceChooser("auto", analyzer, frames)(frames[0])[0]
    np.testing.assert_array_equal(heard_nothing.landmarks, largest.landmarks)
