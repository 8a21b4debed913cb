"""A paced face in an event loop: sound comes back whole, its end is told, and it can be cut off."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from skyreels_avatar.apps.live.paced_face import PacedFace, as_pcm
from skyreels_avatar.errors import AvatarError, MediaError
from tests.apps.live.fakes import RATE, FakeStream, beep, until


def _face(**given):
    return PacedFace("a.png", 25.0, FakeStream, **given)


async def _until_end(face, seconds=20.0):
    async def take():
        frames = []
        async for frame, ended in face.frames():
            frames.append(frame)
            if ended:
                return frames

    return await asyncio.wait_for(take(), seconds)


def test_sound_comes_back_whole_and_then_its_end():
    async def run():
        face = _face(size="256x256")
        await face.start()
        face.push(as_pcm(beep(0.5)), RATE)
        face.end()
        frames = await _until_end(face)
        await face.close()
        return frames

    frames = asyncio.run(run())
    heard = np.concatenate([frame.audio for frame in frames if frame.speaking])
    assert np.allclose(heard[: RATE // 2], beep(0.5), atol=1e-3)
    assert not frames[-1].speaking and frames[-2].speaking


def test_stereo_is_taken():
    async def run():
        face = _face()
        await face.start()
        stream = face.stream
        stream.push = lambda samples, rate: stream.calls.append((samples.shape, rate))
        face.push(bytes(400), 48_000, 2)
        await face.close()
        return stream.calls

    assert asyncio.run(run()) == [((100, 2), 48_000)]


def test_an_interruption_has_no_end():
    async def run():
        face = _face()
        await face.start()
        face.push(as_pcm(beep(5)), RATE)
        face.end()
        await asyncio.sleep(0.2)
        face.interrupt()
        with pytest.raises(asyncio.TimeoutError):
            await _until_end(face, 0.5)
        quiet = not face.stream.queued_s
        await face.close()
        return quiet

    assert asyncio.run(run())


def test_a_face_that_speaks_does_not_nod():
    async def run():
        face = _face()
        face.nod()  # not on air yet
        await face.start()
        face.push(as_pcm(beep(5)), RATE)
        face.nod()
        spoke = face.stream.calls.count("nod")
        face.interrupt()
        await until(lambda: not face.stream.speaking)
        face.nod()
        calls = face.stream.calls.count("nod")
        await face.close()
        return spoke, calls

    assert asyncio.run(run()) == (0, 1)


def test_who_reads_too_slowly_misses_pictures_and_no_sound(monkeypatch):
    monkeypatch.setattr("skyreels_avatar.apps.live.paced_face._MAX_WAITING", 5)

    async def run():
        face = _face()
        await face.start()
        face.push(as_pcm(beep(0.8)), RATE)
        face.end()
        await asyncio.sleep(1.2)
        frames = await _until_end(face)
        await face.close()
        return frames

    frames = asyncio.run(run())
    assert any(frame.image is None for frame in frames)
    assert sum(len(frame.audio) for frame in frames if frame.speaking) >= 0.8 * RATE


def test_what_has_not_begun_or_cannot_says_so():
    with pytest.raises(AvatarError, match="start"):
        _face().push(b"", RATE)
    with pytest.raises(MediaError):
        asyncio.run(PacedFace("bad.png", 25.0, FakeStream).start())
