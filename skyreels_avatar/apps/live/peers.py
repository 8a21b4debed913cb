"""Browsers that look on over WebRTC: the face and its voice out, a microphone in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from fractions import Fraction
from typing import Any

import numpy as np

from skyreels_avatar.apps.live.fan import Fan, Seat
from skyreels_avatar.apps.live.gate import VoiceGate
from skyreels_avatar.apps.live.host import LiveHost
from skyreels_avatar.errors import InputError, MissingExtraError

try:
    import av
    from aiortc import (
        MediaStreamTrack,
        RTCConfiguration,
        RTCPeerConnection,
        RTCRtpSender,
        RTCSessionDescription,
    )
    from aiortc.mediastreams import MediaStreamError
except ImportError as error:
    raise MissingExtraError("aiortc", "live") from error

logger = logging.getLogger(__name__)
MAX_VIEWERS = 16
_BLOCK_S = 0.02  # of Opus
_SILENT_S = 0.4  # a microphone of which nothing comes any more has ended what it said
_H264 = "H264/90000"


class _Pictures(MediaStreamTrack):
    kind = "video"

    def __init__(self, seat: Seat):
        super().__init__()
        self._seat = seat

    async def recv(self) -> Any:
        return await self._seat.video.get()


class _Voice(MediaStreamTrack):
    kind = "audio"

    def __init__(self, seat: Seat):
        super().__init__()
        self._seat = seat
        self._blocks: list[np.ndarray] = []
        self._rate, self._time, self._due_s = 0, 0, 0.0

    async def recv(self) -> av.AudioFrame:
        if self._blocks:  # the sound of a frame is two blocks, of which the second is not yet due
            self._due_s += _BLOCK_S
            await asyncio.sleep(self._due_s - time.monotonic())
        else:
            samples, self._rate = await self._seat.audio.get()
            self._due_s = time.monotonic()
            size = round(self._rate * _BLOCK_S)
            self._blocks = [samples[at : at + size] for at in range(0, len(samples), size)]
        block = np.clip(self._blocks.pop(0) * 32767, -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._time
        frame.time_base = Fraction(1, self._rate)
        self._time += len(block)
        return frame


class Peers:
    """All browsers that look on.

    Args:
        host: what they see; one microphone at a time speaks for it.
    """

    def __init__(self, host: LiveHost):
        self._host = host
        self._fan = Fan(host.settings.fps)
        host.add(self._fan)
        self._open: dict[str, RTCPeerConnection] = {}
        self._speaker: str | None = None
        self._tasks: set[asyncio.Task] = set()

    @property
    def count(self) -> int:
        """How many look on."""
        return self._fan.num_seats

    async def connect(self, sdp: str) -> tuple[str, str]:
        """Answer the offer of a browser; return the id of the connection and the answer.

        Raises:
            InputError: it is not an offer, or there are too many viewers.
        """
        if len(self._open) >= MAX_VIEWERS:
            raise InputError(
                f"there are already {MAX_VIEWERS} viewers; try again when one has left"
            )
        # No STUN server of others is asked: a browser reaches the addresses of this machine.
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        seat = Seat(asyncio.get_running_loop(), raw=_H264 not in sdp)
        name = secrets.token_hex(16)
        self._open[name] = peer
        try:
            self._listen(name, peer, seat)
            _add_tracks(peer, seat)
            await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            await peer.setLocalDescription(await peer.createAnswer())
        except Exception as error:  # of an offer that is none, aiortc raises whatever comes
            await self._leave(name, seat)
            raise InputError("this is not a WebRTC offer; connect again") from error
        return name, peer.localDescription.sdp

    async def disconnect(self, name: str) -> None:
        """End a connection."""
        if peer := self._open.get(name):
            await peer.close()

    async def close(self) -> None:
        """End all connections."""
        await asyncio.gather(*(peer.close() for peer in list(self._open.values())))
        for task in list(self._tasks):
            task.cancel()
        self._host.remove(self._fan)
        self._fan.close()

    def _listen(self, name: str, peer: RTCPeerConnection, seat: Seat) -> None:
        @peer.on("connectionstatechange")
        async def changed() -> None:
            if peer.connectionState == "connected":
                seat.needs_key = True
                self._fan.add(seat)
            elif peer.connectionState in ("failed", "closed"):
                await self._leave(name, seat)

        @peer.on("track")
        def heard(track: MediaStreamTrack) -> None:
            if track.kind == "audio":
                task = asyncio.ensure_future(self._hear(name, track))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _leave(self, name: str, seat: Seat) -> None:
        self._fan.remove(seat)
        peer = self._open.pop(name, None)
        if peer is not None:
            await peer.close()

    async def _hear(self, name: str, track: MediaStreamTrack) -> None:
        """Let the face say what a microphone hears, until it has gone."""
        gate, rate = None, 0
        with contextlib.suppress(MediaStreamError):
            while True:
                try:
                    frame = await asyncio.wait_for(track.recv(), _SILENT_S)
                except asyncio.TimeoutError:
                    if gate is not None and gate.is_open:
                        gate = None
                        self._release(name)
                    continue
                if gate is None or rate != frame.sample_rate:
                    gate, rate = VoiceGate(frame.sample_rate), frame.sample_rate
                samples, ended = gate.take(_mono(frame))
                if len(samples) and self._speaker in (None, name):
                    self._speaker = name
                    self._host.hear(samples, rate)
                if ended:
                    self._release(name)
        self._release(name)

    def _release(self, name: str) -> None:
        if self._speaker == name:
            self._speaker = None
            self._host.hear(np.zeros(0, np.float32), 48_000, ended=True)


def _add_tracks(peer: RTCPeerConnection, seat: Seat) -> None:
    pictures = peer.addTransceiver(_Pictures(seat), direction="sendonly")
    if not seat.raw:
        known = RTCRtpSender.getCapabilities("video").codecs
        wanted = ("video/h264", "video/rtx")
        pictures.setCodecPreferences([one for one in known if one.mimeType.lower() in wanted])
    peer.addTransceiver(_Voice(seat), direction="sendrecv")


def _mono(frame: av.AudioFrame) -> np.ndarray:
    samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
    return samples.astype(np.float32).mean(axis=1) / 32768
