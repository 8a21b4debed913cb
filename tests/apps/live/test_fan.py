"""Many seats of one encoder: everybody begins with a whole picture, nobody holds others up."""

from __future__ import annotations

import asyncio
import time

import av
import pytest

from skyreels_avatar.apps.live import fan as module
from skyreels_avatar.apps.live.fan import Fan, Seat
from tests.apps.live.fakes import FakeStream, read_number


def _frames(packets):
    decoder = av.CodecContext.create("h264", "r")
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    return decoded + decoder.decode(None)


def _taken(waiting):
    return [waiting.get_nowait() for _ in range(waiting.qsize())]


async def _settled(fan):
    while not fan._frames.empty():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)


@pytest.fixture
def fan(monkeypatch):
    monkeypatch.setattr(module, "_MAX_WAITING", 100)  # tests take what they got in the end
    made = Fan(25.0)
    yield made
    made.close()


def test_two_seats_get_every_picture_of_one_encoding(fan):
    async def run():
        seats, stream = [Seat(asyncio.get_running_loop()) for _ in range(2)], FakeStream()
        fan.add(seats[0])
        for _ in range(10):
            fan.put(stream.read())
        await _settled(fan)
        fan.add(seats[1])
        for _ in range(30):
            fan.put(stream.read())
        await _settled(fan)
        return [_taken(seat.video) for seat in seats], [seat.audio.qsize() for seat in seats]

    videos, sounds = asyncio.run(run())
    numbers = [
        [read_number(frame.to_ndarray(format="rgb24")) for frame in _frames(video)]
        for video in videos
    ]
    assert numbers == [list(range(40)), list(range(10, 40))]
    assert sounds == [40, 30]
    assert videos[1][0] is videos[0][10]  # encoded once


def test_a_key_picture_comes_every_second(fan):
    async def run():
        seat, stream = Seat(asyncio.get_running_loop()), FakeStream()
        fan.add(seat)
        for _ in range(60):
            fan.put(stream.read())
        await _settled(fan)
        return [packet.is_keyframe for packet in _taken(seat.video)]

    keys = asyncio.run(run())
    assert [at for at, is_key in enumerate(keys) if is_key] == [0, 25, 50]


def test_pictures_that_stay_as_they_were_are_not_sent(fan):
    async def run():
        seat, stream = Seat(asyncio.get_running_loop()), FakeStream()
        fan.add(seat)
        for index in range(20):
            fan.put(stream.read(picture=index % 2 == 0))
        await _settled(fan)
        return seat.video.qsize(), seat.audio.qsize()

    assert asyncio.run(run()) == (10, 20)


def test_raw_pictures_for_who_has_no_h264(fan):
    async def run():
        seat, stream = Seat(asyncio.get_running_loop(), raw=True), FakeStream()
        fan.add(seat)
        for _ in range(5):
            fan.put(stream.read())
        await _settled(fan)
        return _taken(seat.video)

    pictures = asyncio.run(run())
    assert [read_number(one.to_ndarray(format="rgb24")) for one in pictures] == list(range(5))
    assert [round(one.time, 2) for one in pictures] == [0, 0.04, 0.08, 0.12, 0.16]


def test_a_seat_that_stood_still_goes_on_with_what_is_now(monkeypatch):
    monkeypatch.setattr(module, "_MAX_WAITING", 10)

    async def run():
        seat = Seat(asyncio.get_running_loop())
        for index in range(30):
            seat.hear(index)
            seat.see([index], is_key=index % 4 == 0)
        return _taken(seat.video), _taken(seat.audio)

    video, audio = asyncio.run(run())
    assert len(audio) <= 11 and audio[-1] == 29
    assert video[0] % 4 == 0 and video == list(range(video[0], 30))


def test_nothing_is_encoded_for_nobody(fan):
    stream, begun_s = FakeStream(), time.process_time()
    for _ in range(50):
        fan.put(stream.read())
    assert fan._frames.empty() and fan._encoder is None
    assert time.process_time() - begun_s < 2
