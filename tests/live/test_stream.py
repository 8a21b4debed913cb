"""A stream: frames and sound in step, the same for the same seed, whatever the chunks."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.live.options import StreamOptions
from skyreels_avatar.live.performer import QUICK, STEADY
from skyreels_avatar.live.pictures import SETTLED_FRAMES
from skyreels_avatar.live.stream import Stream


def _open(avatar, parts, **options) -> Stream:
    return Stream(avatar, parts, StreamOptions(**options))


def _play(avatar, parts, voice, chunk: int, frames: int = 30, **options):
    """Push a voice in real time, in chunks, and read as many frames."""
    with _open(avatar, parts, **options) as stream:
        made, pushed = [], 0
        for index in range(frames):
            due = min(len(voice), round((index + 1) * 640))
            while pushed < due:
                stop = min(pushed + chunk, due)
                stream.push(voice[pushed:stop], 16000)
                pushed = stop
            made.append(stream.read())
        return made


def test_frames_and_sound_come_in_step(avatar, parts, voice):
    with _open(avatar, parts) as stream:
        stream.push(voice, 16000)
        stream.finish()
        assert stream.speaking and abs(stream.queued_s - 2) < 0.01
        frames = [stream.read() for _ in range(75)]
        assert not stream.speaking and stream.queued_s == 0
        stats = stream.stats()
    assert [frame.index for frame in frames] == list(range(75))
    assert all(frame.image.shape == (96, 128, 3) for frame in frames)
    assert all(frame.audio.shape == (1920,) for frame in frames)
    spoken = [frame.index for frame in frames if frame.speaking]
    assert spoken == list(range(50))  # it was all there when the first frame was made
    played = np.concatenate([frame.audio for frame in frames])
    expected = np.interp(np.arange(96000) / 3, np.arange(32000), voice)
    assert np.abs(played[:96000] - expected).max() < 0.02 and not played[96000:].any()
    assert stats.frames == 75 and {"motion", "face"} <= stats.core_ms.keys()


def test_sound_that_comes_as_it_is_spoken_is_delayed_by_the_lookahead(avatar, parts, voice):
    frames = _play(avatar, parts, voice, 160)
    first = next(frame.index for frame in frames if frame.speaking)
    assert STEADY.lookahead <= first <= STEADY.lookahead + 1


def test_pictures_may_be_left_out_and_the_sound_stays_as_it_was(avatar, parts, voice):
    wanted = [True] * 8 + [False, True] * 8 + [False] * 6 + [True] * 10
    played = []
    for keep in (lambda _: True, lambda index: wanted[index]):
        with _open(avatar, parts) as stream:
            stream.push(voice, 16000)
            played.append([stream.read(picture=keep(index)) for index in range(len(wanted))])
    for index, (whole, sparse) in enumerate(zip(*played)):
        assert np.array_equal(whole.audio, sparse.audio) and whole.speaking == sparse.speaking
        assert (sparse.image is not None) == wanted[index]


def test_low_latency_hears_less_ahead_unless_pictures_are_left_out(avatar, parts, voice):
    heard = []
    for every in (1, 2):
        with _open(avatar, parts, low_latency=True) as stream:
            for index in range(2 * SETTLED_FRAMES):
                stream.read(picture=index % every == 0)
            stream.push(voice, 16000)
            first = next(i for i in range(20) if stream.read(picture=i % every == 0).speaking)
            heard.append(first)
    assert heard == [QUICK.lookahead, STEADY.lookahead]


def test_the_same_seed_gives_the_same_bytes_whatever_the_chunks(avatar, parts, voice):
    first = _play(avatar, parts, voice, 100)
    for chunk, seed, same in ((640, 0, True), (9999, 0, True), (100, 1, False)):
        again = _play(avatar, parts, voice, chunk, seed=seed)
        equal = all(np.array_equal(a.image, b.image) for a, b in zip(first, again))
        assert equal is same
        assert all(np.array_equal(a.audio, b.audio) for a, b in zip(first, again))


def test_other_frame_rates_lose_no_sample(avatar, parts, voice):
    for fps in (12.5, 30.0, 29.97):
        with _open(avatar, parts, fps=fps) as stream:
            stream.push(voice, 16000)
            frames = [stream.read() for _ in range(20)]
        assert sum(len(frame.audio) for frame in frames) == round(20 * 48000 / fps)
        assert frames[3].time_s == pytest.approx(3 / fps)


def test_an_interruption_silences_what_was_pushed(avatar, parts, voice):
    with _open(avatar, parts) as stream:
        stream.push(voice, 16000)
        heard = [stream.read() for _ in range(20)]
        stream.interrupt()
        after = [stream.read() for _ in range(10)]
        assert heard[-1].speaking and not any(frame.speaking for frame in after[1:])
        assert not np.concatenate([frame.audio for frame in after])[240:].any()
        assert stream.queued_s == 0
        stream.push(voice, 16000)
        assert any(stream.read().speaking for _ in range(STEADY.lookahead + 2))


def test_frames_that_were_read_and_not_shown_are_made_again(avatar, parts, voice):
    with _open(avatar, parts) as stream:
        stream.push(voice, 16000)
        heard = [stream.read() for _ in range(20)]
        stream.interrupt(after=heard[15].index)
        after = [stream.read() for _ in range(12)]
        assert [frame.index for frame in after] == list(range(16, 28))
        assert not np.concatenate([frame.audio for frame in after])[240:].any()
        assert not any(frame.speaking for frame in after[1:])
        assert any(np.any(a.image != b.image) for a, b in zip(heard[16:], after))
        for wrong in (after[-1].index + 1, -1, "last"):
            with pytest.raises(InputError, match="last frames"):
                stream.interrupt(after=wrong)
        for _ in range(30):
            stream.read()
        with pytest.raises(InputError, match="last frames"):
            stream.interrupt(after=after[0].index)


def test_a_stream_tells_whether_the_next_picture_is_coming_and_an_interruption_waits(avatar, parts):
    with _open(avatar, parts) as stream:
        coming = []
        for _ in range(10):
            coming.append(stream.is_coming)
            stream.read()
        assert coming == [False, False, *3 * [True], False, *3 * [True], False]
        assert stream.is_coming and not stream.interrupts
        stream.interrupt(after=7)
        assert stream.interrupts and not stream.is_coming
        stream.read()
        assert not stream.interrupts


@pytest.mark.parametrize("camera", [None, "swing:30"])
def test_a_stream_is_freed_without_a_collection(avatar, parts, camera):
    """What a program that shows streams has frozen is never collected: 20 MB a stream stayed."""
    stream = _open(avatar, parts, camera=camera)
    for _ in range(12):
        stream.read()
    stream.close()
    leg = stream._scene._leg
    parts_of_it = stream, stream._painter, stream._scene, leg, leg.reference, leg.reference.video
    seen = [weakref.ref(one) for one in parts_of_it]
    gc.disable()
    del stream, leg, parts_of_it
    left = [one() for one in seen if one() is not None]
    gc.enable()
    assert not left


def test_an_interruption_does_not_wait_for_what_is_being_sampled(avatar, parts, voice):
    with _open(avatar, parts) as stream:
        stream.push(voice, 16000)
        for _ in range(9):
            stream.read()
        sampled, check = [], stream._performer.check

        def interrupted():
            if not sampled:
                stream.interrupt(after=7)
            sampled.append(stream._index)
            check()

        stream._performer.check = interrupted
        after = [stream.read() for _ in range(4)]
        assert sampled[0] == 9 and [frame.index for frame in after] == [8, 9, 10, 11]
        assert not any(frame.speaking for frame in after)


def test_an_interrupted_stream_repeats_itself(avatar, parts, voice):
    played = []
    for _ in range(2):
        with _open(avatar, parts) as stream:
            stream.push(voice, 16000)
            for _ in range(20):
                stream.read()
            stream.interrupt(after=15)
            stream.push(voice, 16000)
            played.append([stream.read() for _ in range(30)])
    assert all(np.array_equal(a.image, b.image) for a, b in zip(*played))
    assert any(frame.speaking for frame in played[0])


def test_prompt_expression_and_camera_change_while_it_runs(avatar, parts, voice):
    with _open(avatar, parts, prompt="a man talks") as stream:
        for _ in range(4):
            stream.read()
        stream.set(prompt="a man smiles", expressiveness=150, camera="push_in:60")
        before = stream.read().image.astype(int)
        for _ in range(60):
            after = stream.read().image.astype(int)
        assert np.abs(after - before)[:20].mean() > 0.5  # the background, too
        for wrong in (
            {"camera": "push_im:60"},
            {"prompt": 3},
            {"expressiveness": 900},
            {"size": 1},
        ):
            with pytest.raises(InputError):
                stream.set(**wrong)
        stream.read()


def test_a_nod_lowers_the_head_for_a_second_and_leaves_what_was_shown(avatar, parts):
    played = []
    for nods in (False, True):
        with _open(avatar, parts) as stream:
            frames = [stream.read().image for _ in range(20)]
            if nods:
                stream.nod()
            frames += [stream.read().image for _ in range(60)]
            with pytest.raises(InputError, match="depth of a nod"):
                stream.nod(2)
        played.append(frames)
    differs = [not np.array_equal(*pair) for pair in zip(*played)]
    assert not any(differs[:21]) and any(differs[21:40])
    assert sum(differs) < 40 and not any(differs[70:])


def test_other_threads_may_push_while_frames_are_read(avatar, parts, voice):
    with _open(avatar, parts) as stream:

        def speak() -> None:
            for _ in range(20):
                stream.push(voice[:800], 16000)

        threads = [threading.Thread(target=speak) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            stream.read()
        for thread in threads:
            thread.join()
        assert stream.queued_s == pytest.approx(3.0, abs=0.3)


def test_a_closed_stream_says_so(avatar, parts):
    stream = _open(avatar, parts)
    stream.close()
    for call in (stream.read, stream.interrupt, stream.finish):
        with pytest.raises(AvatarError, match="closed"):
            call()
