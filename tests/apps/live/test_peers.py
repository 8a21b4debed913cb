"""A browser's part is played by aiortc, over the loopback: what arrives, and when."""

from __future__ import annotations

import asyncio
import itertools
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("aiortc", reason="needs the extra live")
import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from skyreels_avatar.apps.live import peers as module
from skyreels_avatar.apps.live.host import LiveHost, LiveSettings
from skyreels_avatar.apps.live.peers import Peers
from skyreels_avatar.errors import InputError
from tests.apps.live.fakes import RATE, FakeStream, beep, is_white, read_number, until


class Microphone(MediaStreamTrack):
    """A tone of half a second in every two."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self._count, self._begun_s = 0, time.monotonic()

    async def recv(self):
        at = np.arange(self._count * 960, (self._count + 1) * 960)
        on = (self._count // 25) % 4 == 1
        samples = (12000 * on * np.sin(2 * np.pi * 300 * at / 48_000)).astype(np.int16)
        self._count += 1
        await asyncio.sleep(max(0, self._begun_s + self._count / 50 - time.monotonic()))
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, int(at[0]), Fraction(1, 48_000)
        return frame


class Browser:
    """Looks on, and keeps when what came."""

    def __init__(self, microphone=None, without_h264=False):
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peer.addTransceiver("video", direction="recvonly")
        self.peer.addTransceiver(microphone or "audio", direction="sendrecv")
        self._without_h264 = without_h264
        self.pictures, self.sounds, self._tasks = [], [], []
        self.peer.on("track", self._follow)

    async def connect(self, peers):
        self.name, answer = await peers.connect(await self.offer())
        await self.take_answer(answer)

    async def offer(self):
        await self.peer.setLocalDescription(await self.peer.createOffer())
        offer = self.peer.localDescription.sdp
        return offer.replace("H264/90000", "H263/90000") if self._without_h264 else offer

    async def take_answer(self, answer):
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def _follow(self, track):
        self._tasks.append(asyncio.ensure_future(self._take(track)))

    async def _take(self, track):
        while True:
            frame = await track.recv()
            now_s = time.monotonic()
            if track.kind == "video":
                image = frame.to_ndarray(format="rgb24")
                self.pictures.append((now_s, read_number(image), is_white(image)))
            else:
                self.sounds.append((now_s, float(np.abs(frame.to_ndarray()).max()) > 3000))

    async def close(self):
        for task in self._tasks:
            task.cancel()
        await self.peer.close()


def _onsets(events):
    """Return when what was off came on."""
    return [now[0] for before, now in itertools.pairwise(events) if now[-1] and not before[-1]]


@pytest.fixture
def host():
    with LiveHost(LiveSettings(Path("a.png")), FakeStream) as made:
        yield made


def test_two_viewers_see_every_picture_and_hear_the_sound(host):
    async def run():
        peers, browsers = Peers(host), [Browser(), Browser()]
        for browser in browsers:
            await browser.connect(peers)
        await until(lambda: all(browser.pictures for browser in browsers))
        asked_s = []
        for _ in range(3):
            await asyncio.sleep(1.2)
            asked_s.append(time.monotonic())
            host.hear(beep(0.3), RATE, True)
        await asyncio.sleep(1.2)
        assert peers.count == 2
        for browser in browsers:
            await browser.close()
        await until(lambda: peers.count == 0)
        await peers.close()
        return browsers, asked_s

    browsers, asked_s = asyncio.run(run())
    for browser in browsers:
        numbers = [number for _, number, _ in browser.pictures]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert len(numbers) > 100
        seen, heard = _onsets(browser.pictures), _onsets(browser.sounds)
        assert len(seen) == 3 and heard
        assert np.median(np.array(seen) - asked_s) < 0.6  # of a machine with other work


def test_who_has_no_h264_gets_vp8(host):
    async def run():
        peers, browser = Peers(host), Browser(without_h264=True)
        await browser.connect(peers)
        await until(lambda: len(browser.pictures) > 20)
        await browser.close()
        await peers.close()
        return [number for _, number, _ in browser.pictures]

    assert np.diff(asyncio.run(run())).max() <= 2


def test_a_microphone_is_said_while_somebody_speaks(host):
    async def run():
        peers, browser = Peers(host), Browser(Microphone())
        await browser.connect(peers)
        await until(lambda: len(_onsets(browser.pictures)) >= 2)
        await browser.close()
        await peers.close()
        return browser

    browser = asyncio.run(run())
    seen = _onsets(browser.pictures)
    assert np.diff(seen)[0] == pytest.approx(2.0, abs=0.8)
    stream = host._pacer.stream
    assert stream.calls.count("finish") >= 1


def test_one_microphone_at_a_time(host):
    async def run():
        peers, browsers = Peers(host), [Browser(Microphone()), Browser(Microphone())]
        for browser in browsers:
            await browser.connect(peers)
        await until(lambda: peers._speaker is not None)
        speaker = peers._speaker
        await asyncio.sleep(0.2)
        assert peers._speaker == speaker
        await asyncio.sleep(2.0)
        for browser in browsers:
            await browser.close()
        await peers.close()

    asyncio.run(run())
    assert host._pacer.stream.queued_s < 1.0  # two would pile up


def test_what_is_no_offer_and_too_many_are_refused(host, monkeypatch):
    async def run():
        peers = Peers(host)
        with pytest.raises(InputError, match="not a WebRTC offer"):
            await peers.connect("v=0 nonsense")
        assert not peers._open
        monkeypatch.setattr(module, "MAX_VIEWERS", 0)
        with pytest.raises(InputError, match="there are already"):
            await peers.connect("v=0")
        await peers.close()

    asyncio.run(run())
