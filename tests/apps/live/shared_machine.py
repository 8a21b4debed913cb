"""Streams that share the cores of a machine, in a time of their own."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from skyreels_avatar.apps.live.pacer import Pacer
from skyreels_avatar.apps.live.shared_cores import SharedCores
from skyreels_avatar.live.backlog import Backlog
from skyreels_avatar.live.pictures import Picture, Rhythm
from tests.apps.live.fakes import FakeStream

_STEP_S = 0.01
_PATIENCE_S, _LOOK_S = 0.02, 0.002  # of who hands out


class Machine:
    """Threads that run one at a time, while a clock stands still; it moves when all wait.

    Work of several is done at once: what there is of cores is shared equally.
    """

    def __init__(self, cores: float):
        self.now_s, self._cores = 100.0, cores
        self._sleeping, self._working = [], []
        self._count, self._handed_back = itertools.count(), threading.Event()
        self._ready = []

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        """Wait; in a thread of this machine."""
        wakes = self.now_s + max(0.0, seconds), next(self._count), threading.current_thread()
        heapq.heappush(self._sleeping, wakes)
        self._wait()

    def work(self, seconds):
        """Keep a core busy; in a thread of this machine."""
        thread = threading.current_thread()
        self.begin(seconds, lambda: self._ready.append(thread))
        self._wait()

    def begin(self, seconds, done):
        """Keep a core busy, and call a function then."""
        self._working.append([seconds, done])

    def run(self, *functions):
        """Run them until all have returned."""
        threads = [threading.Thread(target=self._run, args=(one,)) for one in functions]
        for thread in threads:
            thread.may_go = threading.Event()
            thread.start()
        self._ready += threads
        while any(thread.is_alive() for thread in threads):
            while self._ready:
                thread = self._ready.pop(0)
                self._handed_back.clear()
                thread.may_go.set()
                self._handed_back.wait()
                if thread.has_ended:
                    thread.join()
            if self._sleeping or self._working:
                self._advance()

    def _run(self, function):
        thread = threading.current_thread()
        thread.has_ended = False
        thread.may_go.wait()
        try:
            function()
        finally:
            thread.has_ended = True
            self._handed_back.set()

    def _wait(self):
        thread = threading.current_thread()
        thread.may_go.clear()
        self._handed_back.set()
        thread.may_go.wait()

    def _advance(self):
        rate = min(1.0, self._cores / max(1, len(self._working)))
        step_s = min([_STEP_S, *(left_s / rate for left_s, _ in self._working)])
        if self._sleeping:
            step_s = min(step_s, max(0.0, self._sleeping[0][0] - self.now_s))
        self.now_s += step_s
        for job in self._working:
            job[0] -= step_s * rate
        ended = [job for job in self._working if job[0] < 1e-9]
        self._working = [job for job in self._working if job[0] >= 1e-9]
        for _, done in ended:
            done()
        while self._sleeping and self._sleeping[0][0] <= self.now_s + 1e-9:
            self._ready.append(heapq.heappop(self._sleeping)[2])


class Drawn(FakeStream):
    """A stream that samples when it is read; another process draws, or who reads it."""

    draws_ahead = True
    SAMPLES_S, DRAWS_S, PICTURE_S = 0.058, 0.045, 0.011

    def __init__(self, machine, slower):
        super().__init__()
        self._machine, self._slower = machine, slower
        self.drawing_s, self._behind_s = 0.0, 0.0
        self._made, self._asked, self._rhythm = 1, [], Rhythm()
        self._backlog, self._jobs, self.drawn = Backlog(machine), [], set()

    @property
    def drew_s(self):
        return self._backlog.busy_s

    def read(self, picture=True, wait=True, every=1):
        begun_s, at = self._machine(), self.index
        self._rhythm.follow(every)
        if at >= self._made:
            self._made = at + (8 if self._rhythm.stays_sparse else 4)
            self._machine.work(self._slower * self.SAMPLES_S)
        frame = super().read(picture=False)
        if picture:
            is_first = at not in self._asked
            if is_first:
                self._asked = list(range(at, max(at + 1, self._made), every))[:4]
                self._draw(self._behind_s + self._machine() - begun_s)
            frame = replace(frame, image=Picture(at, is_first, Future()))
        self._behind_s = max(0.0, self._behind_s + self._machine() - begun_s - 0.04)
        return frame

    def _draw(self, behind_s):
        cost_s = self._slower * (self.DRAWS_S + self.PICTURE_S * len(self._asked))
        if self._backlog.left_s > behind_s:
            self._machine.work(cost_s)
            self.drawing_s = 0.0
            self.drawn.update(self._asked)
            return
        self._backlog.ask()
        self._jobs.append((self._asked, cost_s))
        if len(self._jobs) == 1:
            self._machine.begin(cost_s, self._end_first)
        self.drawing_s = self._backlog.left_s

    def _end_first(self):
        frames, _ = self._jobs.pop(0)
        self._backlog.end()
        self.drawn.update(frames)
        if self._jobs:
            self._machine.begin(self._jobs[0][1], self._end_first)


class Host:
    """A stream, its pacer, and who hands out frames.

    Attributes:
        seen: when frames were handed out, and whether with a picture.
    """

    def __init__(self, machine: Machine, shared: SharedCores, slower: float, begins_s: float):
        self._machine, self._begins_s = machine, begins_s
        self.stream = Drawn(machine, slower)
        self.pacer = Pacer(self.stream, 25.0, machine, machine.sleep, shared)
        self.seen: list[tuple[float, bool]] = []
        self._made, self._ended = [], False

    def runs(self, until_s: float) -> tuple[Callable[[], None], ...]:
        """Return what its two threads run."""
        return (lambda: self._read(until_s), self._hand_out)

    def _read(self, until_s):
        self._machine.sleep(self._begins_s)
        self.pacer._rate.begin()
        for made in self.pacer.scheduled():
            self._made.append(made)
            if self._machine() > until_s:
                break
        self._ended = True

    def _hand_out(self):
        while self._made or not self._ended:
            if not self._made:
                self._machine.sleep(_LOOK_S)
                continue
            due_s, frame = self._made[0]
            until_s = max(due_s, self._machine()) + _PATIENCE_S
            has_picture = frame.image is not None
            while has_picture and frame.index not in self.stream.drawn:
                if self.seen and self._machine() >= until_s:
                    self.pacer._counts["missing"] += 1
                    has_picture = False
                self._machine.sleep(_LOOK_S)
            self._machine.sleep(due_s - self._machine())
            del self._made[0]
            self.seen.append((self._machine(), has_picture))
