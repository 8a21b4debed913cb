"""The video service in a pipeline of Pipecat with a scripted bot."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("pipecat", reason="needs the extra pipecat")
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputImageRawFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from skyreels_avatar.apps.live.paced_face import as_pcm
from skyreels_avatar.apps.live.pipecat_service import SkyReelsVideoService
from tests.apps.live.fakes import RATE, SIDE, FakeStream, beep, is_white, read_number, until


class Seen(FrameProcessor):
    """Stands for the transport: keeps what came."""

    def __init__(self):
        super().__init__()
        self.frames = []

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)

    def of(self, kind):
        return [frame for frame in self.frames if isinstance(frame, kind)]


async def _play(bot):
    """Run a bot, which is a function of the worker and of what is seen; return that."""
    face = SkyReelsVideoService("a.png", size="128x128", open_stream=FakeStream)
    seen = Seen()
    worker = PipelineWorker(Pipeline([face, seen]), cancel_on_idle_timeout=False)
    worker.face = face
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await until(lambda: seen.of(OutputImageRawFrame))
    await bot(worker, seen)
    await worker.queue_frame(EndFrame())
    await asyncio.wait_for(running, 30)
    return seen


def _speech(seconds, tone):
    pcm, chunk = as_pcm(tone), 2 * RATE // 50
    sound = [TTSAudioRawFrame(pcm[at : at + chunk], RATE, 1) for at in range(0, len(pcm), chunk)]
    return [TTSStartedFrame(), *sound, TTSStoppedFrame()]


def test_a_bot_speaks_and_is_seen_in_step():
    async def bot(worker, seen):
        await worker.queue_frames(_speech(0.6, beep(0.6)))
        await worker.queue_frame(TextFrame("passes"))
        await until(lambda: seen.of(TTSStoppedFrame))
        await asyncio.sleep(0.3)

    seen = asyncio.run(_play(bot))
    sound = np.frombuffer(b"".join(one.audio for one in seen.of(TTSAudioRawFrame)), np.int16)
    assert np.abs(sound[: round(0.6 * RATE)] / 32767 - beep(0.6)).max() < 0.01
    pictures = [_array(one) for one in seen.of(OutputImageRawFrame)]
    numbers = [read_number(image) for image in pictures]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert sum(map(is_white, pictures)) == 15
    assert len(seen.of(TextFrame)) == 1
    order = [type(one) for one in seen.frames if not isinstance(one, OutputImageRawFrame)]
    first, last = order.index(TTSAudioRawFrame), order.index(TTSStoppedFrame)
    assert order.index(TTSStartedFrame) < first < last
    assert TTSAudioRawFrame not in order[last:]


def test_an_interruption_closes_the_mouth():
    async def bot(worker, seen):
        await worker.queue_frames(_speech(5, beep(5)))
        await until(lambda: seen.of(TTSAudioRawFrame))
        await worker.queue_frame(InterruptionFrame())
        await until(lambda: seen.of(InterruptionFrame))
        seen.at = len(seen.frames)
        await asyncio.sleep(0.5)

    seen = asyncio.run(_play(bot))
    after = [one for one in seen.frames[seen.at :] if isinstance(one, TTSAudioRawFrame)]
    assert len(after) <= 3 and not seen.of(TTSStoppedFrame)


def test_the_end_waits_for_what_was_said():
    async def bot(worker, seen):
        await worker.queue_frames(_speech(1, beep(1)))

    seen = asyncio.run(_play(bot))
    assert sum(len(one.audio) for one in seen.of(TTSAudioRawFrame)) >= 2 * RATE


def _array(frame):
    assert frame.size == (SIDE, SIDE)
    return np.frombuffer(frame.image, np.uint8).reshape(SIDE, SIDE, 3)


def test_the_face_nods_where_the_user_pauses_but_not_at_every_pause():
    streams = []

    async def pauses(worker, seen):
        streams.append(worker.face.stream)
        for _ in range(3):
            await worker.queue_frame(VADUserStoppedSpeakingFrame())
        await until(lambda: len(seen.of(VADUserStoppedSpeakingFrame)) == 3)

    asyncio.run(_play(pauses))
    assert streams[0].calls.count("nod") == 1
