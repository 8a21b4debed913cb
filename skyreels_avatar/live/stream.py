"""A stream: sound is pushed, frames and sound in step are read, and the face speaks it."""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from skyreels_avatar.camera.weak_methods import weakly
from skyreels_avatar.checks import check_choice, check_integer, check_number
from skyreels_avatar.errors import AvatarError
from skyreels_avatar.live.avatar import Avatar
from skyreels_avatar.live.drawing_process import DrawingProcess
from skyreels_avatar.live.live_frame import LiveFrame
from skyreels_avatar.live.options import StreamOptions
from skyreels_avatar.live.painter import Job, Look, Painter, Stages
from skyreels_avatar.live.performer import (
    QUICK,
    STEADY,
    Direction,
    Interrupted,
    Pace,
    Passage,
    Performer,
)
from skyreels_avatar.live.pictures import Picture, Pictures
from skyreels_avatar.live.sound_queue import SAMPLE_RATE, SoundQueue
from skyreels_avatar.live.timeline import Timeline
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.speech import DEFAULT_VOICE, speak
from skyreels_avatar.parallel import one_thread
from skyreels_avatar.provenance.watermark import NUM_BITS
from skyreels_avatar.request.camera_spec import CameraLike, parse_camera

_NOTICE_S = 0.6  # in which a camera move is prepared
_MOST_UNSHOWN_S = 1.0  # what was read and not shown, and is made again


@dataclass(frozen=True)
class StreamStats:
    """What a stream has done.

    Attributes:
        frames: that were read.
        late: of them, those that a player with eight frames in hand would have waited for: the
            frames of a window are made together.
        core_ms: milliseconds of a core that a frame took in the mean, by stage.
    """

    frames: int = 0
    late: int = 0
    core_ms: dict[str, float] = field(default_factory=dict)


class Stream:
    """A face that speaks what is pushed; a context manager. Made by `open_stream`.

    One thread reads; any thread may push, say, set and interrupt. Nothing is made but in `read`.

    Args:
        avatar: whose face it is.
        parts: the networks.
        start_process: starts one that draws as a painter does; None = `read` draws.
    """

    def __init__(
        self,
        avatar: Avatar,
        parts: Components,
        options: StreamOptions,
        start_process: Callable[[Painter], DrawingProcess] | None = None,
    ):
        self.avatar, self.fps = avatar, float(options.fps)
        self.sample_rate = SAMPLE_RATE
        self._motion_fps = parts.tier.fps
        self._options, self._waiting = options, []
        self._reading, self._telling = threading.RLock(), threading.Lock()
        self._planning, self._next_move = threading.Lock(), None
        self._queue = SoundQueue()
        self._timeline = Timeline(round(SAMPLE_RATE / self._motion_fps))
        self._index, self._late, self._behind_s = 0, 0, 0.0
        self._begun_s = self._drawing_s = 0.0
        self._stages = Stages()
        self._closed = self._hurries = False
        digest = hashlib.sha256(avatar.picture.tobytes() + str(options.seed).encode()).digest()
        number = int.from_bytes(digest[:8], "big") >> (64 - NUM_BITS)
        look = Look(self.fps, options.seed, number if options.watermark else None, options.label)
        with torch.no_grad(), one_thread():
            self._painter = Painter(avatar, parts, look)
            self._drawer: Painter | DrawingProcess = self._painter
            self._scene = self._painter.scene
            reference = self._scene.at(0)[0].reference
            photo = reference.first_motion()
            self._performer = Performer(parts, photo, options.seed, avatar.key)
            self._performer.check = weakly(self._check_wanted)
            self._pictures = Pictures(weakly(self._draw))
            self._change(vars(options))
            self._film(options.camera, 0)
            if start_process is not None:
                self._drawer = start_process(self._painter)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Stream({self.avatar.size}, {self.fps:g} fps, {self._index} frames)"

    @property
    def queued_s(self) -> float:
        """Seconds of pushed sound that have not been read."""
        heard = self._first_sample(self._index)
        ahead, block = 0, self._timeline.block
        for start in range(heard, self._timeline.num_blocks * block, block):
            ahead += block * self._timeline.speaks(start, start + 1)
        return self._queue.queued_s + ahead / SAMPLE_RATE

    @property
    def speaking(self) -> bool:
        """Whether pushed sound waits or is being heard."""
        return self.queued_s > 0

    def push(self, samples: np.ndarray, sample_rate: int) -> None:
        """Append sound to what is spoken; returns at once.

        Args:
            samples: (S,) or (S, channels) float32 in [-1, 1] or int16, any number of them.
            sample_rate: Hz, any.

        Raises:
            InputError: samples of another kind, or more than ten minutes would wait.
        """
        self._check_open()
        self._queue.push(samples, sample_rate)

    def finish(self) -> None:
        """Say that what was pushed is complete, so that nothing waits for more of it.

        Where it is not said, the last fragment is spoken after a moment. More may be pushed.
        """
        self._check_open()
        self._queue.finish()

    def say(self, text: str, voice: str | None = None) -> float:
        """Speak a text; return how many seconds it lasts.

        Args:
            voice: as in `generate`; None = American English.

        Raises:
            InputError: nothing to say, an unknown voice, or too much sound waits.
            MissingExtraError: the voice's package is not installed.
        """
        self._check_open()
        audio = speak(text, voice or DEFAULT_VOICE).audio.mono()
        self.push(audio.samples, audio.sample_rate)
        self.finish()
        return audio.duration_s

    def interrupt(self, after: int | None = None) -> None:
        """Forget all sound that was pushed; the mouth is closed in the second frame from here.

        Args:
            after: the index of the last frame that is shown, where frames were read ahead: those
                beyond it are made again, and `read` goes on with them. None = all are shown.

        Raises:
            InputError: no such frame was read, or more than a second was read after it.
        """
        self._check_open()
        if after is not None:
            last = max(0, self._index - 1)
            first = max(0, last - round(_MOST_UNSHOWN_S * self.fps))
            check_integer("after, which must be one of the last frames,", after, first, last)
        self._queue.drop()
        with self._telling:
            self._waiting.append({"interrupt": after})

    def nod(self, depth: float = 1.0) -> None:
        """Nod as listeners do, a third of a second later; a depth of 1 is about 4 degrees.

        Raises:
            InputError: a depth beyond these.
        """
        self._check_open()
        check_number("depth of a nod", depth, 0, 1)
        with self._telling:
            self._waiting.append({"nod": depth})

    def set(self, **changes: Any) -> None:
        """Change `prompt`, `camera`, `style` or `expressiveness`, from the next window on.

        A camera move begins 0.6 s later where the camera is, takes six seconds and stays there;
        "swing" sways until something else is set, "static" goes back to the picture as it is.

        Raises:
            InputError: an unknown name or value.
        """
        self._check_open()
        for name in changes:
            check_choice("what a stream can change", name, _CHANGES)
        options = replace(self._options, **changes)
        with self._telling:
            self._options = options
            self._waiting.append(changes)
        if "camera" in changes:  # takes longer than a frame: made here, and begun when it is ready
            with self._planning, torch.no_grad(), one_thread():
                self._next_move = self._index + round(_NOTICE_S * self.fps)
                self._film(options.camera, self._next_move)

    @property
    def draws_ahead(self) -> bool:
        """Whether another process draws, so that `read` need not wait."""
        return self._drawer is not self._painter

    @property
    def drawing_s(self) -> float:
        """How long it probably takes that process to draw what was asked for last.

        0 where `read` drew: it does where the process is further behind than itself.
        """
        return self._drawing_s

    @property
    def is_coming(self) -> bool:
        """Whether the picture of the next frame is drawn already, or being drawn."""
        return not self.interrupts and self._pictures.is_asked(self._index)

    @property
    def interrupts(self) -> bool:
        """Whether an interruption was asked for that no frame obeys yet."""
        return any("interrupt" in changes for changes in self._waiting)

    @property
    def drew_s(self) -> float:
        """How long that process has drawn so far, by the clock."""
        return self._drawer.busy_s

    def read(self, picture: bool = True, wait: bool = True, every: int | None = None) -> LiveFrame:
        """Return the next frame and its sound; the person is idle while nothing is to be said.

        Args:
            picture: False leaves out the picture, where it would come too late: the image is None,
                and the sound and the performance go on.
            wait: False returns a `Picture` as the image, which another process may still draw.
            every: pictures of which frames will be read: 1 = all, 2 = every second one; None = told
                by those that were. After two seconds of fewer, motion is made for half the cost,
                and 0.12 s more of the sound are heard before.
        """
        with self._reading, torch.no_grad(), one_thread():
            self._check_open()
            self._begun_s = time.perf_counter()
            passage = None
            if not picture:
                self._pictures.leave_out(every)
            while passage is None:
                self._obey()
                index = self._index
                with self._stages("sound"):
                    reach = int((index + 1) * self._motion_fps / self.fps + 1e-6)
                    reach += self._pace.lookahead
                    while self._timeline.num_blocks < reach:
                        self._timeline.append(self._queue.take(self._timeline.block))
                with contextlib.suppress(Interrupted):
                    passage = self._passage(index)
            image = None
            if picture:
                image = self._pictures.read(index, self._stop(index), passage, every)
            frame = self._frame(image.result() if image and wait else image, index)
            self._index += 1
            took_s = time.perf_counter() - self._begun_s
            self._behind_s = max(0.0, self._behind_s + took_s - 1 / self.fps)
            self._late += self._behind_s > self._pace.hop / self._motion_fps
            return frame

    @property
    def _pace(self) -> Pace:
        """How early to know what is said: a machine that is too slow has no time for more."""
        is_quick = self._options.low_latency and not self._pictures.stay_sparse
        return QUICK if is_quick else STEADY

    def _passage(self, index: int) -> Passage:
        """Return the motion of a frame, sampled if it has to be."""
        position = self._position(index)
        if self._performer.made <= math.ceil(position):
            self._performer.hop = self._pace.hop
            beyond = index + round(self._pace.hop * self.fps / self._motion_fps) + 1
            if self._next_move is not None and beyond >= self._next_move:
                with self._planning:
                    self._next_move = None
            self._scene.at(index)
        with self._stages("motion"):
            return self._performer.passage(position, self._timeline, self._scene)

    def _stop(self, index: int) -> int:
        """Return the first frame after one whose motion is not made yet."""
        stop = index + 1
        while self._position(stop) <= self._performer.made - 1:
            stop += 1
        return stop

    def _draw(self, frames: Sequence[int], passage: Passage) -> Future[dict[int, np.ndarray]]:
        """Have some pictures drawn."""
        latents = self._performer.drawn(passage).float().cpu().numpy()
        at = [self._position(frame) - passage.first for frame in frames]
        job = Job(list(frames), latents, at)
        behind_s = self._behind_s + time.perf_counter() - self._begun_s
        # Who draws elsewhere may be in the middle of what was dropped, or may not keep up.
        if self._hurries or self._drawer.left_s > behind_s:
            self._hurries, self._drawing_s = False, 0.0
            self._drawer.advance(job.frames)
            return self._painter.submit(job)
        drawn = self._drawer.submit(job)
        self._drawing_s = self._drawer.left_s
        return drawn

    def _film(self, camera: CameraLike | None, frame: int) -> None:
        """Let the camera make a move from a frame on, here and where pictures are drawn."""
        move = parse_camera(camera or "static")
        self._drawer.film(move, frame)
        self._scene.film(move, frame)

    def _position(self, index: int) -> float:
        """Return where a frame lies on the motion clock."""
        return max(0.0, (index + 0.5) * self._motion_fps / self.fps - 0.5)

    def stats(self) -> StreamStats:
        """Return what the stream has done so far."""
        count = max(self._index, 1)
        spent = [*self._stages.items(), *self._painter.stages.items()]
        core_ms = {name: 1000 * seconds / count for name, seconds in spent}
        return StreamStats(self._index, self._late, core_ms)

    def close(self) -> None:
        """End the stream; what waits is dropped."""
        if not self._closed:
            self._drawer.close()
        self._closed = True
        self._queue.drop()

    def _frame(self, image: np.ndarray | Picture | None, index: int) -> LiveFrame:
        first, stop = self._first_sample(index), self._first_sample(index + 1)
        audio = self._timeline.read(first, stop - first)
        speaking = self._timeline.speaks(first, stop)
        return LiveFrame(image, audio, SAMPLE_RATE, index, index / self.fps, speaking)

    def _first_sample(self, index: int) -> int:
        return round(index * SAMPLE_RATE / self.fps)

    def _obey(self) -> None:
        """Do what was asked for since the last frame."""
        with self._telling:
            waiting, self._waiting = self._waiting, []
        for changes in waiting:
            if "interrupt" in changes:
                if changes["interrupt"] is not None:
                    self._index = min(self._index, changes["interrupt"] + 1)
                self._timeline.silence_from(self._first_sample(self._index))
                shown = (self._index - 0.5) * self._motion_fps / self.fps - 0.5
                shown = int(np.ceil(max(shown, 0.0)))
                self._performer.interrupt(shown, at_once=self._pictures.are_sparse)
                self._pictures.drop()
                self._drawer.drop(self._index - 1)
                self._hurries = True
            elif "nod" in changes:
                self._performer.nod(changes["nod"])
            else:
                with self._stages("changes"):
                    self._change(changes)

    def _check_wanted(self) -> None:
        """Sample no further when an interruption waits."""
        if self.interrupts:
            raise Interrupted

    def _change(self, changes: dict[str, Any]) -> None:
        options = self._options
        if {"prompt", "style", "expressiveness"} & changes.keys():
            self._drawer.light(options.prompt or "")
            with self._planning:  # a move that is being made stands in the light that it began in
                prompt = self._scene.light(options.prompt or "")
            self._performer.direct(Direction(prompt, options.style, options.expressiveness))

    def _check_open(self) -> None:
        if self._closed:
            raise AvatarError("the stream is closed; open another")


_CHANGES = ("prompt", "camera", "style", "expressiveness")
