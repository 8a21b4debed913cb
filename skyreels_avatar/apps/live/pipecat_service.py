"""A face for Pipecat: a video service between the one that speaks and the transport.

    face = SkyReelsVideoService("portrait.png", size="384x384")
    Pipeline([transport.input(), stt, llm, tts, face, transport.output()])

The transport needs `video_out_enabled=True, video_out_is_live=True`, the size of the face as
`video_out_width` and `video_out_height`, and `video_out_framerate=25`.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

from skyreels_avatar.apps.live.paced_face import PacedFace, as_pcm
from skyreels_avatar.errors import MissingExtraError

try:
    from pipecat.frames.frames import (
        CancelFrame,
        EndFrame,
        Frame,
        InterruptionFrame,
        OutputImageRawFrame,
        StartFrame,
        TTSAudioRawFrame,
        TTSStoppedFrame,
        VADUserStoppedSpeakingFrame,
    )
    from pipecat.processors.frame_processor import FrameDirection
    from pipecat.services.ai_service import AIService
except ImportError as error:
    raise MissingExtraError("pipecat-ai", "pipecat") from error

_BETWEEN_NODS_S = 2.5


class SkyReelsVideoService(AIService):
    """Shows a face that says what the speech service of a pipeline speaks.

    It takes the sound of speech and sends it on again, in step with the pictures; an interruption
    closes the mouth. Between utterances the face is alive and silent, and nods where the user
    pauses.

    Args:
        image: a portrait, or an avatar that was saved.
        size: WIDTHxHEIGHT of the pictures.
        fps: pictures per second; the transport's `video_out_framerate`.
        settings: of the stream, as `open_stream` takes them: prompt, camera, seed, expressiveness.
    """

    def __init__(self, image: Any, *, size: str = "384x384", fps: float = 25.0, **settings: Any):
        super().__init__()
        self._face = PacedFace(image, fps, size=size, **settings)
        self._task: asyncio.Task | None = None
        self._stopped: TTSStoppedFrame | None = None
        self._nodded_s = -math.inf

    @property
    def stream(self) -> Any:
        """The stream, to change prompt, camera and expressiveness while it runs."""
        return self._face.stream

    async def start(self, frame: StartFrame) -> None:
        """Prepare the portrait; pictures come from then on."""
        await super().start(frame)
        await self._face.start()
        self._task = self.create_task(self._send())

    async def stop(self, frame: EndFrame) -> None:
        """End after what was said."""
        await super().stop(frame)
        await self._face.finish_speaking()
        await self._end()

    async def cancel(self, frame: CancelFrame) -> None:
        """End at once."""
        await super().cancel(frame)
        await self._end()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take the sound of speech; let everything else pass."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self._face.push(frame.audio, frame.sample_rate, frame.num_channels)
            return
        if isinstance(frame, TTSStoppedFrame):  # it follows the last sound, which waits still
            self._stopped = frame
            self._face.end()
            return
        if isinstance(frame, InterruptionFrame):
            self._stopped = None
            self._face.interrupt()
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self._nod()
        await self.push_frame(frame, direction)

    def _nod(self) -> None:
        """Nod where the user pauses, but not at every pause."""
        now = time.monotonic()
        if now - self._nodded_s > _BETWEEN_NODS_S:
            self._nodded_s = now
            self._face.nod()

    async def _send(self) -> None:
        async for frame, ended in self._face.frames():
            if frame.image is not None:
                height, width = frame.image.shape[:2]
                picture = OutputImageRawFrame(frame.image.tobytes(), (width, height), "RGB")
                picture.pts = round(frame.time_s * 1e9)
                await self.push_frame(picture)
            if frame.speaking or frame.audio.any():
                await self.push_frame(
                    TTSAudioRawFrame(as_pcm(frame.audio), frame.sample_rate, num_channels=1)
                )
            if ended and self._stopped is not None:
                stopped, self._stopped = self._stopped, None
                await self.push_frame(stopped)

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await self.cancel_task(task)
        await self._face.close()
