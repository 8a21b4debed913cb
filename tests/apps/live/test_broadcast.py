"""Broadcasts: what is sent can be read again, in step; what may be named is a short list."""

from __future__ import annotations

import socket

import av
import numpy as np
import pytest

from skyreels_avatar.apps.live.broadcast import Broadcast, parse_target
from skyreels_avatar.errors import InputError
from tests.apps.live.fakes import RATE, FakeStream, beep, is_white, read_number, wait_until


@pytest.mark.parametrize(
    ("text", "address", "container"),
    [
        ("rtmp://live.example/app/key", "rtmp://live.example/app/key", "flv"),
        ("UDP://127.0.0.1:5000", "udp://127.0.0.1:5000", "mpegts"),
        ("srt://127.0.0.1:5000?mode=caller", "srt://127.0.0.1:5000?mode=caller", "mpegts"),
        ("out.mkv", "file:out.mkv", "matroska"),
        ("-", "pipe:1", "mpegts"),
    ],
)
def test_targets_are_addresses_files_or_the_standard_output(text, address, container):
    target = parse_target(text)
    assert (target.address, target.container) == (address, container)


@pytest.mark.parametrize(
    "text", ["", "out.avi", "http://x/y", "concat:a|b", "file:///etc/x", "rtmp://", "tee:a|b.ts"]
)
def test_anything_else_is_refused(text):
    if text == "tee:a|b.ts":  # a file of that name, and nothing that FFmpeg would take apart
        assert parse_target(text).protocols == "file"
        return
    with pytest.raises(InputError) as refused:
        parse_target(text)
    assert refused.value.parameter == "push"


def test_the_key_of_a_stream_is_not_told():
    assert str(parse_target("rtmp://user:secret@live.example/app/key")) == "rtmp://live.example/..."


def _play(broadcast, stream, num_frames, pictures=1):
    for index in range(num_frames):
        broadcast.put(stream.read(picture=index % pictures == 0))
        wait_until(lambda: broadcast._frames.qsize() < 50)


@pytest.mark.parametrize(("name", "pictures"), [("out.ts", 1), ("out.mp4", 1), ("out.mkv", 2)])
def test_a_file_holds_every_picture_and_the_sound_in_step(tmp_path, name, pictures):
    stream = FakeStream()
    broadcast = Broadcast(parse_target(str(tmp_path / name)), 25.0)
    _play(broadcast, stream, 40, pictures)
    stream.push(beep(0.4), RATE)
    _play(broadcast, stream, 60, pictures)
    broadcast.close()
    numbers, white, loud = [], [], []
    with av.open(str(tmp_path / name)) as container:
        start = min(float(one.start_time * one.time_base) for one in container.streams)
        for frame in container.decode():
            if isinstance(frame, av.VideoFrame):
                image = frame.to_ndarray(format="rgb24")
                numbers.append(read_number(image))
                if is_white(image):
                    white.append(frame.time - start)
            else:
                samples = frame.to_ndarray()
                if np.abs(samples).max() > 0.2:
                    loud.append(frame.time - start)
    assert numbers == list(range(0, 100, pictures))
    assert white[0] == pytest.approx(1.6, abs=0.05)
    assert loud[0] == pytest.approx(white[0], abs=0.04)
    assert loud[-1] == pytest.approx(white[-1], abs=0.08)


def test_it_is_sent_over_the_network(tmp_path):
    """What leaves by UDP is a transport stream with both."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(20)
        port = listening.getsockname()[1]
        stream = FakeStream()
        broadcast = Broadcast(parse_target(f"udp://127.0.0.1:{port}?pkt_size=1316"), 25.0)
        _play(broadcast, stream, 50)
        broadcast.close()
        received = b""
        listening.settimeout(0.5)
        try:
            while True:
                received += listening.recv(65536)
        except TimeoutError:
            pass
    (tmp_path / "got.ts").write_bytes(received)
    with av.open(str(tmp_path / "got.ts")) as container:
        kinds = {one.type for one in container.streams}
        assert kinds == {"video", "audio"}
        assert sum(1 for _ in container.decode(video=0)) > 30


def test_it_comes_back_after_the_network_has_failed(monkeypatch):
    from skyreels_avatar.apps.live import broadcast as module

    monkeypatch.setattr(module, "_FIRST_WAIT_S", 0.1)
    stream = FakeStream()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    broadcast = Broadcast(parse_target(f"tcp://127.0.0.1:{port}"), 25.0)
    _play(broadcast, stream, 30)
    wait_until(lambda: broadcast.restarts > 1)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()
        listening.settimeout(30)
        for _ in range(300):
            broadcast.put(stream.read())
        with listening.accept()[0] as client:
            assert client.recv(188)[0] == 0x47  # the first byte of a transport stream
            broadcast.close()
    assert broadcast.left_out > 0  # the newest seconds wait, and no more


def test_a_file_that_cannot_be_written_ends_it(tmp_path):
    failed = []
    broadcast = Broadcast(parse_target(str(tmp_path / "no" / "out.ts")), 25.0, failed.append)
    broadcast.put(FakeStream().read())
    wait_until(lambda: failed)
    assert "out.ts" in str(failed[0])


def test_a_protocol_that_this_ffmpeg_lacks_is_told():
    failed = []
    broadcast = Broadcast(parse_target("srt://127.0.0.1:9"), 25.0, failed.append)
    broadcast.put(FakeStream().read())
    wait_until(lambda: failed or broadcast.restarts)
    if broadcast.restarts:
        broadcast.close()
        pytest.skip("this FFmpeg has SRT")
    assert "cannot send by srt" in str(failed[0])
