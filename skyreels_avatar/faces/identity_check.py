"""Keep a track on one person: verify the identity at intervals, and more often in doubt."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from skyreels_avatar.faces.identity import (
    OTHER,
    SAME,
    Person,
    embed_chip,
    face_chip,
    is_recognizable,
)

STEP, CROWDED_STEP = 25, 6  # frames between checks; with another face near the tracked one
_RETRY = 5  # frames after which a place with another person is searched again
_OPEN = 8  # frames after a doubt in which the identity may stay undecided
_CHANGE, _CHANGE_RATIO = (
    10.0,
    4.0,
)  # change of a face's gray (of 255), and ratio to its usual change, that raise a doubt
_CLEAR = 0.38  # distance up to which the mirror image need not be embedded, too
_MEAN = 0.42  # the same for the mean of a track: means differ less
_MOST_CHIPS = 2 * STEP
_THUMB = (16, 16)


class IdentityCheck:
    """Decides frame by frame whether a track is still on a person.

    Attributes:
        strangers: frames (start, stop) in which the track was on another person.
        refused: frames (start, stop) in which another person was found while this one was lost.

    Args:
        person: who is tracked; if no face is known yet, the first one is taken.
        others: faces of other people in the video.
        trusted: the track begins at a face that was chosen by its position, not recognized.
    """

    def __init__(self, person: Person, others: Person, trusted: bool):
        self._person, self._others, self._trusted = person, others, trusted
        self._known = person.copy()
        self._chips: list[tuple[int, np.ndarray]] = []
        self._looks: list[tuple[int, np.ndarray]] = []
        self._thumb: np.ndarray | None = None
        self._usual = _CHANGE / _CHANGE_RATIO
        self._checked, self._rejected = -STEP, -_RETRY
        self._doubt: int | None = None
        self._misses = 0
        self._crowded, self._counted = False, -STEP
        self.strangers: list[tuple[int, int]] = []
        self.refused: list[tuple[int, int]] = []

    def agrees(self, index: int, pixels: np.ndarray, landmarks: np.ndarray, moved: bool) -> bool:
        """Return whether the face tracked into frame `index` may be the person's.

        If not, `strangers` gets the frames from the switch on.

        Args:
            pixels, landmarks: as in `face_chip`.
            moved: the face moved more than is plausible between two frames.
        """
        chip = face_chip(pixels, landmarks)
        self._chips = [*self._chips[1 - _MOST_CHIPS :], (index, chip)]
        if (self._changed(chip) or moved) and self._doubt is None:
            self._doubt = index
        step = CROWDED_STEP if self._crowded else STEP
        step = step if self._doubt is None and not self._misses else 2
        if index - self._checked < step or not is_recognizable(landmarks):
            return True
        self._checked = index
        embedding = embed_chip(chip, mirror=False)
        if not self._known or self._distance(embedding) > _CLEAR:
            embedding = embed_chip(chip)
        if not self._known:
            self._known.learn(embedding)
        distance = self._distance(embedding)
        self._misses = self._misses + 1 if distance >= OTHER else 0
        if distance <= SAME:
            self._looks.append((index, embedding))
            self._chips, self._doubt = self._chips[-1:], None
            return True
        open_for = 0 if self._doubt is None else index - self._doubt
        if self._misses < 2 and open_for < _OPEN:  # one bad frame is not proof
            return True
        self.strangers.append((self._first_stranger(), index + 1))
        self._lose(index)
        return False

    def counts(self, index: int) -> bool:
        """Return whether it is time to look for other faces near the tracked one."""
        return index - self._counted >= STEP - 1

    def count(self, index: int, crowded: bool) -> None:
        """Note whether another face is near the tracked one; checks are then more frequent."""
        self._crowded, self._counted = crowded, index

    def accepts(self, index: int, pixels: np.ndarray, landmarks: np.ndarray) -> bool:
        """Return whether a newly found face is the person's; arguments as in `agrees`."""
        chip = face_chip(pixels, landmarks)
        embedding = embed_chip(chip)
        if self._known and self._distance(embedding) > SAME:
            self.refused.append((index, index + _RETRY))
            self._lose(index)
            return False
        self._known.learn(embedding)
        self._looks.append((index, embedding))
        self._chips, self._checked = [(index, chip)], index
        self._doubt, self._misses, self._thumb = None, 0, None
        return True

    def waits(self, index: int) -> bool:
        """Return whether another person was found too recently to search again."""
        return index - self._rejected < _RETRY and index != self._rejected

    def finish(self, transitions: Iterable[tuple[int, int]]) -> bool:
        """Return whether the track as a whole was the person's, and learn its faces.

        A single frame of a similar person may pass, the mean of a track does not. Frames of
        transitions, which may mix two people, are not learned.

        Args:
            transitions: frames (start, stop) of cross-fades and the like.
        """
        mixed = [*transitions, *((start - STEP, start) for start, _ in self.strangers)]
        pure = [
            embedding
            for index, embedding in self._looks
            if not any(start <= index < stop for start, stop in mixed)
        ]
        if pure and self._person and not self._trusted:
            mean = np.mean(pure, 0)
            if min(self._person.distance(mean), self._person.distance_of_mean(mean)) > _MEAN:
                return False
        for embedding in pure:
            self._person.learn(embedding)
        return True

    def _lose(self, index: int) -> None:
        self._chips, self._doubt, self._misses, self._thumb = [], None, 0, None
        self._rejected = index

    def _distance(self, embedding: np.ndarray) -> float:
        """Return the distance to the person; infinity if another known person is nearer."""
        distance = self._known.distance(embedding)
        return np.inf if self._others.distance(embedding) < min(distance, SAME) else distance

    def _changed(self, chip: np.ndarray) -> bool:
        """Return whether a face changed from the frame before by more than usual."""
        thumb = cv2.resize(chip, _THUMB, interpolation=cv2.INTER_AREA).mean(-1)
        before, self._thumb = self._thumb, thumb
        if before is None:
            return False
        change = float(np.abs(thumb - before).mean())
        if change > max(_CHANGE, _CHANGE_RATIO * self._usual):
            return True
        self._usual += 0.1 * (change - self._usual)
        return False

    def _first_stranger(self) -> int:
        """Return the frame after the last agreement in which the track switched persons."""
        low, high = -1, len(self._chips) - 1  # the last is a stranger's
        while high - low > 1:
            middle = (low + high) // 2
            if self._distance(embed_chip(self._chips[middle][1])) <= SAME:
                low = middle
            else:
                high = middle
        return self._chips[high][0]
