"""Choose a person in a video, in its first frame or by a photo, and re-identify them at cuts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from skyreels_avatar.errors import FaceError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.identity import (
    SAME,
    Person,
    describe_distance,
    embed_face,
    is_recognizable,
)
from skyreels_avatar.faces.identity_check import IdentityCheck
from skyreels_avatar.faces.opening import mouth_opening
from skyreels_avatar.faces.select import (
    LOW_VISIBILITY,
    box_text,
    choose_face,
    is_photo,
    most_similar,
    person_in_photo,
)

WATCHED_S, WATCHED_STEP = 3.0, 3  # of the beginning, to find who of several speaks
LIVELIER = 1.5  # ratio of lip motion between the speaker and all others
_LOOKS = 24  # frames of a video in which the person of a photo is searched
_SPACING = 25  # frames between them, at least
_OTHERS = 3  # other people, the largest faces, who are remembered


class FaceChooser:
    """Chooses the face in the first frame of each scene of a video.

    Args:
        selector: as in `choose_face`, applied to the first frame; that person is re-identified
            later. A photo may show someone who appears later. "auto" is the speaker, else the
            largest face; if the first frame has none, the first that appears.
        analyzer: finds faces.
        video: its frames, (H, W, 3) uint8; may be read several times.
        match: how well the face (F, 478, 3) px of the first frames says what is heard then, higher
            is better, None where nothing is heard. Without it the liveliest lips speak.
    """

    def __init__(
        self,
        selector: str,
        analyzer: FaceAnalyzer,
        video: Iterable[np.ndarray],
        match: Callable[[np.ndarray], float | None] | None = None,
    ):
        self._selector, self._analyzer, self._video = selector.strip(), analyzer, video
        self._match = match
        self.person, self._others = Person(), Person()
        self._profile: np.ndarray | None = None  # where the chosen face was turned away
        if is_photo(self._selector):
            self._find_person()

    def __call__(self, pixels: np.ndarray) -> tuple[Face | None, IdentityCheck]:
        """Return the face, None if it is absent, and the check that keeps a track on the person.

        Call it first for the first frame of the video.

        Raises:
            FaceError: the first frame has no such face, and it was not left to "auto".
        """
        faces = self._analyzer.find(pixels)
        if not self.person and self._profile is not None:  # never seen better since
            self.person.learn(self._profile)
        chosen = not self.person
        if chosen:
            face = self._first(faces, pixels)
            if face is not None:
                embedding = embed_face(pixels, face.landmarks)
                if is_recognizable(face.landmarks):
                    self.person.learn(embedding)
                else:
                    self._profile = embedding
            self._see_others(pixels, [one for one in faces if one is not face])
        else:
            embeddings = [embed_face(pixels, one.landmarks) for one in faces]
            index = most_similar(embeddings, self.person, self._others)
            face = None if index is None else faces[index]
        return face, IdentityCheck(self.person, self._others, trusted=chosen)

    def _see_others(self, pixels: np.ndarray, faces: list[Face]) -> None:
        """Remember people who appear together with the person, and so are others."""
        if not self.person:
            return
        for face in [one for one in faces if is_recognizable(one.landmarks)][:_OTHERS]:
            embedding = embed_face(pixels, face.landmarks)
            if self.person.distance(embedding) > SAME:  # not a mirror image or a second screen
                self._others.learn(embedding)

    def _first(self, faces: list[Face], pixels: np.ndarray) -> Face | None:
        if self._selector.lower() != "auto":
            return choose_face(faces, self._selector, pixels, self._analyzer)
        seen = [face for face in faces if face.visibility >= LOW_VISIBILITY] or faces
        if len(seen) < 2:
            return seen[0] if seen else None
        step = WATCHED_STEP if self._match is None else 1
        count = round(WATCHED_S * getattr(self._video, "fps", 25.0))
        beginning = list(itertools.islice(self._video, 0, count, step))
        tracks = [self._analyzer.track(beginning, face) for face in seen]
        shown = [one.landmarks if one.found.mean() >= 0.5 else None for one in tracks]
        if self._match is not None:
            matches = [None if one is None else self._match(one) for one in shown]
            heard = [(score, -index) for index, score in enumerate(matches) if score is not None]
            if len(heard) > 1:
                return seen[-max(heard)[1]]
        lively = [0.0 if one is None else float(np.std(mouth_opening(one))) for one in shown]
        first, second = sorted(range(len(seen)), key=lambda index: -lively[index])[:2]
        if lively[first] > LIVELIER * lively[second]:
            return seen[first]
        return choose_face(seen, "auto", pixels, self._analyzer)

    def _find_person(self) -> None:
        """Find the person of the photo in the video.

        Raises:
            FaceError: no face matches; the message lists the faces.
        """
        wanted = person_in_photo(self._selector, self._analyzer)
        step = max(_SPACING, getattr(self._video, "num_frames", 0) // _LOOKS)
        seen: list[_Seen] = []
        for index, pixels in enumerate(self._video):
            for face in self._analyzer.find(pixels) if index % step == 0 else ():
                embedding = embed_face(pixels, face.landmarks)
                distance = wanted.distance(embedding)
                if distance <= SAME:
                    wanted.learn(embedding)
                    self.person = wanted
                    return
                known = [one for one in seen if one.person.distance(embedding) <= SAME]
                if not known:
                    known = [_Seen(f"at {box_text(face.box)} in frame {index}")]
                    seen += known
                known[0].person.learn(embedding)
                known[0].distance = min(known[0].distance, distance)
        listed = "; ".join(f"{one.place}: {describe_distance(one.distance)}" for one in seen)
        raise FaceError(
            f"nobody in the video looks like the person in {self._selector}; it shows "
            f"{listed or 'no faces'}; choose the face by its place x,y in the first frame, or "
            "give another photo",
            parameter="face",
        )


@dataclass
class _Seen:
    """A person in a video, where they were first seen, and their distance to the wanted one."""

    place: str
    person: Person = field(default_factory=Person)
    distance: float = float("inf")
