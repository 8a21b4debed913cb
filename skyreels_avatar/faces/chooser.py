"""Who is meant in a video: chosen in its first frame or by a photo, known again after every cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from skyreels_avatar.errors import FaceError
from skyreels_avatar.faces.analyzer import Face, FaceAnalyzer
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

WATCHED_FRAMES, WATCHED_STEP = 50, 2  # of the beginning, to see who of several speaks
LIVELIER = 1.5  # lips of who speaks move so much more than anybody else's
_LOOKS = 24  # frames of a video in which the person of a photo is looked for
_SPACING = 25  # frames between them, at least
_OTHERS = 3  # people beside the person, the largest, who are remembered


class FaceChooser:
    """Says which face is meant in the first frame of each scene of a video.

    Args:
        selector: as in `choose_face`; who is chosen so in the first frame is known again later. A
            photo may be of somebody who comes later. "auto" is the one who speaks, else the
            largest; if nobody is there at first, the first who comes.
        analyzer: finds faces.
        video: its frames, (H, W, 3) uint8; may be read several times.
    """

    def __init__(self, selector: str, analyzer: FaceAnalyzer, video: Iterable[np.ndarray]):
        self._selector, self._analyzer, self._video = selector.strip(), analyzer, video
        self.person, self._others = Person(), Person()
        self._profile: np.ndarray | None = None  # where the chosen face was turned away
        if is_photo(self._selector):
            self._find_person()

    def __call__(self, pixels: np.ndarray) -> tuple[Face | None, IdentityCheck]:
        """Return the face, None where it is not there, and what keeps a track on the person.

        The first call is for the first frame of the video.

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
        """Remember people who are beside the person, and hence are not the person."""
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
        beginning = list(itertools.islice(self._video, 0, WATCHED_FRAMES, WATCHED_STEP))
        lively = sorted(
            ((self._liveliness(beginning, face), index) for index, face in enumerate(seen)),
            reverse=True,
        )
        if lively[0][0] > LIVELIER * lively[1][0]:
            return seen[lively[0][1]]
        return choose_face(seen, "auto", pixels, self._analyzer)

    def _liveliness(self, frames: list[np.ndarray], face: Face) -> float:
        """Return how much the lips of a face move, of its height."""
        track = self._analyzer.track(frames, face)
        if track.found.mean() < 0.5:
            return 0.0
        return float(np.std(mouth_opening(track.landmarks)))

    def _find_person(self) -> None:
        """Find the person of the photo in the video.

        Raises:
            FaceError: nobody in the video is; it lists who is there.
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
    """Somebody in a video, where they were seen first, and how far they are from who is wanted."""

    place: str
    person: Person = field(default_factory=Person)
    distance: float = float("inf")
