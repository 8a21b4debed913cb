"""The avatar of LiveKit Agents: its own runner and queues, with a room that stands for a server."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("livekit.agents", reason="needs the extra livekit")
from livekit import rtc
from livekit.agents.voice.avatar import AvatarRunner, QueueAudioOutput

from skyreels_avatar.apps.live.livekit_worker import SkyReelsVideoGenerator
from skyreels_avatar.apps.live.paced_face import as_pcm
from tests.apps.live.fakes import RATE, SIDE, FakeStream, beep, is_white, read_number, until


class Room(rtc.EventEmitter):
    """A room without a server: it keeps the tracks that are published."""

    def __init__(self):
        super().__init__()
        self.local_participant, self.tracks = self, []

    def isconnected(self):
        return True

    async def publish_track(self, track, options):
        self.tracks.append(track)
        return self

    async def wait_for_subscription(self):
        return None


class Heard:
    """Reads the tracks as a client would."""

    def __init__(self):
        self.pictures, self.sound = [], []

    async def follow(self, room):
        while len(room.tracks) < 2:
            await asyncio.sleep(0.02)
        sound, video = room.tracks
        await asyncio.gather(
            self._watch(rtc.VideoStream(video)), self._hear(rtc.AudioStream(sound))
        )

    async def _watch(self, stream):
        async for event in stream:
            frame = event.frame.convert(rtc.VideoBufferType.RGB24)
            image = np.frombuffer(frame.data, np.uint8).reshape(frame.height, frame.width, 3)
            self.pictures.append((read_number(image), is_white(image)))

    async def _hear(self, stream):
        async for event in stream:
            self.sound.append(np.frombuffer(event.frame.data, np.int16))


async def _play(bot):
    face = SkyReelsVideoGenerator("a.png", size=f"{SIDE}x{SIDE}", open_stream=FakeStream)
    room, audio, heard = Room(), QueueAudioOutput(sample_rate=RATE), Heard()
    finished = []
    audio.on("playback_finished", finished.append)
    runner = AvatarRunner(room, audio_recv=audio, video_gen=face, options=face.options)
    await face.start()
    await runner.start()
    following = asyncio.create_task(heard.follow(room))
    await bot(audio, heard, finished)
    following.cancel()
    await runner.aclose()
    await face.aclose()
    return heard, finished


async def _say(audio, seconds):
    pcm, chunk = as_pcm(beep(seconds)), 2 * RATE // 50
    for at in range(0, len(pcm), chunk):
        part = pcm[at : at + chunk]
        await audio.capture_frame(rtc.AudioFrame(part, RATE, 1, len(part) // 2))
    audio.flush()


def test_an_agent_speaks_and_is_told_when_it_was_said():
    async def bot(audio, heard, finished):
        await until(lambda: len(heard.pictures) > 10)
        await _say(audio, 0.6)
        await until(lambda: finished)
        await asyncio.sleep(0.5)

    heard, finished = asyncio.run(_play(bot))
    assert not finished[0].interrupted
    assert finished[0].playback_position == pytest.approx(0.6, abs=0.05)
    numbers = [number for number, _ in heard.pictures]
    assert np.diff(numbers).min() == 1 and np.median(np.diff(numbers)) == 1
    assert sum(white for _, white in heard.pictures) == pytest.approx(15, abs=2)
    assert np.abs(np.concatenate(heard.sound)).max() > 10_000


def test_an_interruption_is_told_with_how_far_it_came():
    async def bot(audio, heard, finished):
        await until(lambda: heard.pictures)
        await _say(audio, 10)
        await until(lambda: any(white for _, white in heard.pictures))
        audio.clear_buffer()
        await until(lambda: finished)
        await until(lambda: not any(white for _, white in heard.pictures[-5:]), 8)

    _, finished = asyncio.run(_play(bot))
    assert finished[0].interrupted and finished[0].playback_position < 6
