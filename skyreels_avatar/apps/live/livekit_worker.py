"""A face for LiveKit Agents: what an `AvatarRunner` asks for pictures.

    face = SkyReelsVideoGenerator("portrait.png", size="384x384")
    audio = QueueAudioOutput(sample_rate=24_000)
    runner = AvatarRunner(room, audio_recv=audio, video_gen=face, options=face.options)
    await face.start(); await runner.start()
    session.output.audio = audio

A worker of its own takes `DataStreamAudioReceiver(room)` as `audio_recv`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from skyreels_avatar.apps.live.paced_face import PacedFace, as_pcm
from skyreels_avatar.errors import MissingExtraError

try:
    from livekit import rtc
    from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarOptions, VideoGenerator
except ImportError as error:
    raise MissingExtraError("livekit-agents", "livekit") from error

SAMPLE_RATE = 48_000  # of the sound of a stream


class SkyReelsVideoGenerator(VideoGenerator):
    """Makes the pictures and the sound, in step, of what an agent says.

    Args:
        image: a portrait, or an avatar that was saved.
        size: WIDTHxHEIGHT of the pictures.
        fps: pictures per second.
        settings: of the stream, as `open_stream` takes them: prompt, camera, seed, expressiveness.
    """

    def __init__(self, image: Any, *, size: str = "384x384", fps: float = 25.0, **settings: Any):
        self._face = PacedFace(image, fps, size=size, **settings)
        width, height = (int(side) for side in size.lower().split("x"))
        self.options = AvatarOptions(
            video_width=width, video_height=height, video_fps=fps,
            audio_sample_rate=SAMPLE_RATE, audio_channels=1,
        )  # fmt: skip

    @property
    def stream(self) -> Any:
        """The stream, to change prompt, camera and expressiveness while it runs."""
        return self._face.stream

    async def start(self) -> None:
        """Prepare the portrait.

        Raises:
            InputError: it or a setting cannot be used.
        """
        await self._face.start()

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        """Say sound, or end an utterance."""
        if isinstance(frame, AudioSegmentEnd):
            self._face.end()
        else:
            self._face.push(bytes(frame.data), frame.sample_rate, frame.num_channels)

    def clear_buffer(self) -> None:
        """Drop what waits, and close the mouth."""
        self._face.interrupt()

    def __aiter__(self) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        return self._frames()

    async def _frames(self) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        async for frame, ended in self._face.frames():
            if ended:
                yield AudioSegmentEnd()
            if frame.image is not None:
                height, width = frame.image.shape[:2]
                yield rtc.VideoFrame(
                    width, height, rtc.VideoBufferType.RGB24, frame.image.tobytes()
                )
            if frame.speaking or frame.audio.any():
                samples = as_pcm(frame.audio)
                yield rtc.AudioFrame(samples, frame.sample_rate, 1, len(frame.audio))

    async def aclose(self) -> None:
        """End."""
        await self._face.close()
