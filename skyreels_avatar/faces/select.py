"""Choose a face in a picture by a selector: automatic, a number, a point, a box or a photo."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from skyreels_avatar.errors import FaceError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.identity import SAME, Person, describe_distance, embed_face
from skyreels_avatar.faces.region import Box, overlap
from skyreels_avatar.media.image_decoding import PHOTO_SUFFIXES

logger = logging.getLogger(__name__)

MIN_BOX_PX = 16
LOW_VISIBILITY = 0.3
SELECTORS = (
    "'auto' (the largest face that looks at the camera), a number counted from 0 (largest first), "
    "x,y or x,y,width,height in pixels from the top left corner, or the file of a photo"
)


def choose_face(
    faces: Sequence[Face], selector: str, pixels: np.ndarray, analyzer: FaceAnalyzer
) -> Face:
    """Return the face that a selector names.

    Args:
        faces: what `analyzer.find(pixels)` returned.
        selector: "auto", an index such as "0", a point "x,y" of the face, or a box
            "x,y,width,height" in pixels. In a box where no face is recognized, the average face
            is placed, with confidence 0. Or the file of a photo of the person.
        pixels: (H, W, 3) uint8 sRGB, the picture of the faces.
        analyzer: looks again inside a box.

    Raises:
        FaceError: no face, no such face, or a selector of another form.
    """
    wanted = str(selector).strip().lower()
    if wanted == "auto":
        face = _most_prominent(faces, pixels)
    elif wanted.isdecimal():
        face = _numbered(faces, int(wanted), pixels)
    elif is_photo(wanted):
        face = _like_photo(faces, selector.strip(), pixels, analyzer)
    elif wanted.count(",") == 1:
        face = _at_point(faces, wanted, pixels)
    else:
        face = _in_box(faces, parse_box(wanted, pixels), pixels, analyzer)
    if face.visibility < LOW_VISIBILITY:
        logger.warning(
            "the face at %s is turned away or cut off (visibility %.0f%%): expect weak lip "
            "movement; choose another face (%s)",
            box_text(face.box),
            100 * face.visibility,
            describe_faces(faces),
        )
    return face


def find_faces(
    pixels: np.ndarray, selectors: Sequence[str], analyzer: FaceAnalyzer
) -> tuple[Face, ...]:
    """Return the faces that selectors name, all different.

    Raises:
        FaceError: see `choose_face`; or two selectors mean the same face.
    """
    found = analyzer.find(pixels)
    chosen = tuple(choose_face(found, selector, pixels, analyzer) for selector in selectors)
    for index, face in enumerate(chosen):
        for before in range(index):
            if overlap(face.box, chosen[before].box) > 0.6:
                raise FaceError(
                    f"{selectors[before]!r} and {selectors[index]!r} mean the same face; the "
                    f"picture shows {describe_faces(found)}"
                )
    return chosen


def describe_faces(faces: Sequence[Face]) -> str:
    """Return "2 faces: 0 at 10,20,80,90; 1 at ..." for messages."""
    if not faces:
        return "no faces"
    listed = "; ".join(f"{index} at {box_text(face.box)}" for index, face in enumerate(faces))
    return f"{len(faces)} face{'s' if len(faces) > 1 else ''}: {listed}"


def parse_box(text: str, pixels: np.ndarray) -> Box:
    """Return x, y, width, height from "x,y,w,h", checked against the picture."""
    height, width = pixels.shape[:2]
    try:
        x, y, box_width, box_height = (float(part) for part in text.split(","))
    except ValueError:
        raise FaceError(f"cannot read the face selector {text!r}; give {SELECTORS}") from None
    if not np.isfinite([x, y, box_width, box_height]).all():
        raise FaceError(f"the face box must be four finite numbers, got {text!r}")
    if min(box_width, box_height) < MIN_BOX_PX:
        raise FaceError(
            f"the face box must be at least {MIN_BOX_PX} x {MIN_BOX_PX} pixels, got {text!r}; "
            "the order is x,y,width,height"
        )
    if x < 0 or y < 0 or x + box_width > width or y + box_height > height:
        raise FaceError(
            f"the face box {text!r} reaches beyond the picture of {width} x {height} pixels; "
            "the order is x,y,width,height, counted from the top left corner"
        )
    return x, y, box_width, box_height


def _most_prominent(faces: Sequence[Face], pixels: np.ndarray) -> Face:
    if not faces:
        raise FaceError(
            f"no face was found in the picture of {_size_text(pixels)}; use a picture in which "
            "a face is clearly visible, or say where it is: face x,y,width,height (pixels "
            "from the top left corner)",
            parameter="face",
        )
    return max(faces, key=lambda face: face.box[2] * face.box[3] * (0.2 + face.visibility))


def _numbered(faces: Sequence[Face], index: int, pixels: np.ndarray) -> Face:
    if index >= len(faces):
        raise FaceError(
            f"there is no face {index} in the picture of {_size_text(pixels)}, which shows "
            f"{describe_faces(faces)}; choose one of them, or say where it is: face "
            "x,y,width,height",
            parameter="face",
        )
    return faces[index]


def _at_point(faces: Sequence[Face], text: str, pixels: np.ndarray) -> Face:
    height, width = pixels.shape[:2]
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise FaceError(f"cannot read the face selector {text!r}; give {SELECTORS}") from None
    if not (0 <= x <= width and 0 <= y <= height):
        raise FaceError(
            f"the point {text} lies outside the picture of {_size_text(pixels)}; it is counted "
            "from the top left corner"
        )
    reached = [face for face in faces if _holds(face.box, x, y)]
    if not reached:
        raise FaceError(f"there is no face at {text}; the picture shows {describe_faces(faces)}")
    return min(reached, key=lambda face: face.box[2] * face.box[3])


def _holds(box: Box, x: float, y: float) -> bool:
    """Return whether a point lies in a box, with a tolerance for pointing at a head."""
    left, top, width, height = box
    return abs(x - left - width / 2) <= 0.75 * width and abs(y - top - height / 2) <= 0.75 * height


def _like_photo(
    faces: Sequence[Face], name: str, pixels: np.ndarray, analyzer: FaceAnalyzer
) -> Face:
    person = person_in_photo(name, analyzer)
    embeddings = [embed_face(pixels, face.landmarks) for face in faces]
    nearest = most_similar(embeddings, person)
    if nearest is None:
        shown = "; ".join(
            f"{index} at {box_text(face.box)}: {describe_distance(person.distance(embedding))}"
            for index, (face, embedding) in enumerate(zip(faces, embeddings))
        )
        raise FaceError(
            f"nobody in the picture looks like the person in {name}; it shows "
            f"{shown or 'no faces'}; choose a face by its number",
            parameter="face",
        )
    return faces[nearest]


def is_photo(selector: str) -> bool:
    """Return whether a selector is the file of a photo."""
    return selector.strip().lower().endswith(PHOTO_SUFFIXES)


def person_in_photo(name: str, analyzer: FaceAnalyzer) -> Person:
    """Return the person whose face is the largest in a photo.

    Raises:
        FaceError: the photo cannot be read, or shows no face.
    """
    photo = read_photo(name)
    shown = analyzer.find(photo)
    if not shown:
        raise FaceError(f"no face was found in {name}; give a photo that shows the person's face")
    person = Person()
    person.learn(embed_face(photo, shown[0].landmarks))
    return person


def most_similar(
    embeddings: Sequence[np.ndarray], person: Person, others: Person | None = None
) -> int | None:
    """Return the index of the face that is a person's; None if none surely is.

    Args:
        embeddings: of `embed_face`.
        others: faces of other people, who may look alike.
    """
    distances = [person.distance(embedding) for embedding in embeddings]
    for index in sorted(range(len(distances)), key=distances.__getitem__):
        other = float("inf") if others is None else others.distance(embeddings[index])
        if distances[index] <= SAME and distances[index] <= other:
            return index
    return None


def read_photo(name: str) -> np.ndarray:
    """Return the pixels (H, W, 3) uint8 of a picture."""
    pixels = cv2.imread(name) if Path(name).is_file() else None
    if pixels is None:
        raise FaceError(f"the photo {name} of the face cannot be read")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _in_box(faces: Sequence[Face], box: Box, pixels: np.ndarray, analyzer: FaceAnalyzer) -> Face:
    inside = [face for face in faces if _fits(face.box, box)]
    if inside:
        return max(inside, key=lambda face: face.box[2] * face.box[3])
    face = analyzer.find_in_box(pixels, box)
    if face.confidence == 0:
        logger.warning(
            "no face is recognized in the box %s: an average face is placed there, so that lips "
            "and eyes may be off; draw the box from the hairline to the chin",
            box_text(box),
        )
    return face


def _fits(face: Box, box: Box) -> bool:
    """Return whether a box was drawn round a face: they overlap and are of similar size."""
    areas = face[2] * face[3], box[2] * box[3]
    return overlap(face, box) > 0.6 and min(areas) > 0.2 * max(areas)


def box_text(box: Box) -> str:
    """Return "x,y,width,height", as selectors are written."""
    return ",".join(f"{value:.0f}" for value in box)


def _size_text(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
