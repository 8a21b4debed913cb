"""Measure a talking video, with the figures of real speech for comparison."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyreels_avatar.errors import FaceError, MissingExtraError
from skyreels_avatar.evaluation.camera_accuracy import CameraAccuracy
from skyreels_avatar.evaluation.curves import Curves, curves_of
from skyreels_avatar.evaluation.likeness import Likeness, likeness_of
from skyreels_avatar.evaluation.lip_sync import (
    POINTS,
    LipSync,
    lip_places,
    lip_sync,
    places_of,
    points_of,
    puppet,
    sound_picture,
)
from skyreels_avatar.evaluation.lse import LSE_MEANING, LipSyncError, lip_sync_error
from skyreels_avatar.evaluation.motion_statistics import (
    MotionDistance,
    motion_distance,
    motion_windows,
    shipped_table,
)
from skyreels_avatar.evaluation.performance import Performance, performance_of
from skyreels_avatar.evaluation.phonemes import phonemes_of
from skyreels_avatar.evaluation.spoken_lips import SpokenLips, spoken_lips
from skyreels_avatar.evaluation.stability import jitter, shake
from skyreels_avatar.evaluation.sync import FLOOR_DB, SyncScore, correlate, loudness_db
from skyreels_avatar.evaluation.video_distance import VideoDistance, VideoFeatures, video_features
from skyreels_avatar.faces.alignment import RIGID
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.identity import Person, embed_face
from skyreels_avatar.faces.opening import face_heights, mouth_opening
from skyreels_avatar.faces.select import choose_face
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader

if TYPE_CHECKING:
    from rich.table import Table

logger = logging.getLogger(__name__)

PROTOCOL = 3  # grows when a measure changes, so that figures are compared with their like
# What a real person gives: 1,000 clips of GRID talker s1 (mean, and 10th to 90th percentile); of
# the sync network, GRID talkers that it was not trained on; of sounds, ten clips of nine people.
REAL_SPEECH: dict[str, str] = {
    "sync_c": "0.45 (0.39 to 0.56)",
    "sync_d": "0.96",
    "sync_offset": "0",
    "closures": "1.00",
    "closures_chance": "0.33",
    "closures_gain": "0.67",
    "rounding": "1.2",
    "tuck": "1.8",
    "sync_r0": "0.36 (0.12 to 0.59)",
    "sync_lag": "0",
    "open_range": "0.060",
    "quiet_ratio": "0.18",
    "jitter": "2.2",
    "blinks_per_min": "15 to 20",
}
MEANING: dict[str, str] = {
    "sync_c": "confidence of our sync network (Sync-C), higher is better",
    "sync_d": "distance of lips and sound in it (Sync-D), 0 to 2, lower is better",
    "sync_offset": "frames by which the mouth comes late, by the sync network",
    "sync_r0": "mouth opening with loudness, Pearson r; describes, does not rank",
    "sync_lag": "frames by which the mouth comes late, by the loudness",
    "sync_best": "r at that lag",
    "closures": "share of p, b, m with lips shut",
    "closures_chance": "share of other moments as loud with lips shut",
    "closures_gain": "closures less closures_chance; ranks",
    "rounding": "narrower mouth on w, o, u than in moments as loud, in its standard deviations",
    "tuck": "raised lower lip on f, v, in its standard deviations",
    "num_closures": "sounds p, b, m that were found",
    "open_range": "mouth opening, 95th - 5th percentile, of the face height",
    "quiet_ratio": "mouth speed in silence / in speech",
    "jitter": "tremor inside the face, of the face height x 1000",
    "shake": "tremor of the whole head, of the face height x 1000",
    "identity": "distance of face embeddings; up to 0.45 the same person, from 0.6 another",
    "identity_high": "the worst twentieth of the frames",
    "likeness": "similarity of pixels to the reference, 1 = the same picture",
    "likeness_low": "the worst twentieth of the frames",
    "sharp": "detail in the face / in the reference",
    "identity_drift": "distance at the end - at the beginning",
    "sharp_drift": "sharpness at the end / at the beginning",
    "colour_drift": "CIE Lab distance of the face's color, beginning to end",
    "head_distance": "turning of the head from that of speakers, in their spreads",
    "gaze_distance": "movement of the gaze from that of speakers, in their spreads",
    "brow_distance": "movement of the brows from that of speakers, in their spreads",
    "av_length_error_s": "sound longer than picture, seconds",
    "face_height_px": "points 10 to 152, median",
    "found_share": "frames in which the face was found",
}
# Of each filmed person of the table against all others: median, and 10th to 90th percentile.
REAL_SPEECH |= {
    name: f"{middle:.2f} ({low:.2f} to {high:.2f})"
    for name, (middle, low, high) in shipped_table()["real"].items()
}
CAMERA_MEANING: dict[str, str] = {
    "achieved": "of the planned move, 1 = all of it",
    "rotation_deg_mean": "angle to the planned camera, degrees",
    "center_percent_mean": "distance to the planned camera, % of the subject distance",
    "reproduction_percent": "background points from their planned place, % of the width",
    "lost_frames": "frames with too few points to find the camera",
}


_FLAT = {
    "lip_sync": LipSync, "sync": SyncScore, "spoken_lips": SpokenLips, "likeness": Likeness,
    "motion": MotionDistance,
}  # fmt: skip
"""Parts of a report whose figures stand beside its own."""

DISTANCE_MEANING: dict[str, str] = {
    "distance": "mean of the three below; 0 = one distribution, 1 = no overlap",
    "lips": "lips in the embedding of the sync network",
    "motion": "head, gaze, brows and lids in windows of two seconds",
    "face": "how the face embedding moves in a clip",
    "floor": "random halves of the second set",
    "puppet": "lips of the first set's loudness puppets, to compare with lips",
}


@dataclass(frozen=True)
class Report:
    """The measures of one video; None where a measure does not apply.

    `lip_sync` is None below two seconds; `puppet` has the measures of sync of the same mouth opened
    by loudness alone. `performance` is relative to the reference picture, see `Performance`; drift
    is measured in the windows of `stability.drift_windows`; `camera` only where a move was given.
    `spoken_lips` is None where `spoken_lips_skipped` says why; `lse` without SyncNet's weights.
    """

    video: str
    reference: str
    num_frames: int
    fps: float
    height: int
    width: int
    duration_s: float
    av_length_error_s: float | None
    found_share: float
    face_height_px: float
    lip_sync: LipSync | None
    sync: SyncScore | None
    spoken_lips: SpokenLips | None
    spoken_lips_skipped: str
    puppet: dict[str, float]
    jitter: float
    shake: float
    likeness: Likeness
    motion: MotionDistance
    performance: Performance
    curves: Curves
    features: VideoFeatures
    lse: LipSyncError | None = None
    camera: CameraAccuracy | None = None

    def to_dict(self) -> dict:
        """Return one flat dict of numbers and strings, `performance` nested, without curves."""
        values = asdict(replace(self, curves=None, features=None))
        del values["curves"], values["features"]
        if self.camera is None:
            del values["camera"]
        else:
            values["camera"] = {name: values["camera"][name] for name in CAMERA_MEANING}
        flat = {}
        for name, kind in _FLAT.items():
            flat |= values.pop(name) or dict.fromkeys(kind.__dataclass_fields__)
        flat |= values.pop("lse") or {}
        return {"protocol": PROTOCOL, **flat, **values}

    def to_json(self) -> str:
        """Return the measures as JSON, numbers rounded to five digits after the point."""
        return json.dumps(_rounded(self.to_dict()), indent=2)

    def table(self) -> Table:
        """Return a table for a terminal, with the values of real speech."""
        from rich.table import Table
        from rich.text import Text

        size = f"{self.width}x{self.height}, {self.num_frames} frames at {self.fps:g}"
        name = Path(self.video).name.encode("utf-8", "replace").decode()
        table = Table(title=Text(f"{name}: {size}"), title_justify="left")
        table.add_column("measure", no_wrap=True)
        table.add_column("value", justify="right")
        table.add_column("real speech", justify="right")
        table.add_column("puppet", justify="right", no_wrap=True)
        table.add_column("what")
        values = self.to_dict()
        for name, meaning in (MEANING | (LSE_MEANING if self.lse else {})).items():
            toy = _shown(self.puppet[name]) if name in self.puppet else ""
            table.add_row(name, _shown(values[name]), REAL_SPEECH.get(name, ""), toy, meaning)
        if self.spoken_lips_skipped:
            table.caption = Text(f"Sounds were not looked at: {self.spoken_lips_skipped}")
        table.add_section()
        reference = Path(self.reference).name.encode("utf-8", "replace").decode()
        for name, value in values["performance"].items():
            real = REAL_SPEECH.get(name, "")
            table.add_row(name, _shown(value), real, "", Text(f"against {reference}"))
        if self.camera is not None:
            table.add_section()
            for name, meaning in CAMERA_MEANING.items():
                table.add_row(f"camera {name}", _shown(values["camera"][name]), "", "", meaning)
        return table


def evaluate(
    video: str | Path,
    reference: str | Path | None = None,
    face: str = "auto",
    analyzer: FaceAnalyzer | None = None,
    text: str | None = None,
) -> Report:
    """Measure a talking video.

    Args:
        video: the file to measure.
        reference: the picture that it was made from; without it the video's first frame.
        face: whose face, as in `generate`: "auto", "x,y,w,h" or an index.
        analyzer: one to use again when measuring many videos.
        text: what is said, in English, for closures and rounding; None = as a recognizer hears it.

    Raises:
        FaceError: no face in the reference, or in fewer than half of the frames.
        MediaError: a file cannot be read.
    """
    analyzer = analyzer or FaceAnalyzer()
    reader = VideoReader(video)
    first = reader.read(0, 1)[0]
    portrait = Portrait(first, reader.path) if reference is None else Portrait.load(reference)
    pixels = portrait.pixels
    chosen = choose_face(analyzer.find(pixels), face, pixels, analyzer)
    start = chosen if reference is None else _start(first, pixels, chosen, analyzer)
    pixels, points = _fitted(portrait, chosen.landmarks, reader.height, reader.width)
    track = analyzer.track(reader, start)
    found = float(track.found.mean())
    if found < 0.5:
        raise FaceError(
            f"the face was found in {found:.0%} of the frames of {video}; at least half is "
            "needed; choose another face by its box x,y,w,h",
            parameter="face",
        )
    landmarks = track.landmarks
    audio = reader.audio()
    error_s = None if audio is None else audio.duration_s - reader.duration_s
    windows = motion_windows(landmarks, reader.fps)
    places = lip_places(landmarks[:, RIGID], landmarks[:, POINTS], reader.fps)
    likeness, embeddings = likeness_of(reader, track, pixels, points)
    lips = _sync(landmarks, reader.fps, audio, places, text)
    doll = lips.pop("doll")
    return Report(
        video=str(video),
        reference="first frame" if reference is None else str(reference),
        num_frames=len(landmarks),
        fps=reader.fps,
        height=reader.height,
        width=reader.width,
        duration_s=reader.duration_s,
        av_length_error_s=error_s,
        found_share=found,
        face_height_px=float(np.median(face_heights(landmarks))),
        **lips,
        jitter=jitter(landmarks),
        shake=shake(landmarks),
        likeness=likeness,
        motion=motion_distance(windows),
        performance=performance_of(landmarks, points, reader.fps),
        features=video_features(points_of(places), windows, embeddings, doll),
        lse=None if audio is None else lip_sync_error(reader, track.boxes, audio),
    )


def distance_table(distance: VideoDistance, against: str) -> Table:
    """Return a distance of two sets of videos as a table for a terminal.

    Args:
        against: what the second set is called.
    """
    from rich.table import Table
    from rich.text import Text

    sizes = f"{distance.num_videos} videos against {distance.num_against} of {against}"
    table = Table(title=Text(sizes), title_justify="left")
    table.add_column("distance", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("what")
    for name, meaning in DISTANCE_MEANING.items():
        found = getattr(distance, name)
        if found is not None:
            value, low, high = found
            table.add_row(name, f"{value:.3f}", f"{low:.3f} to {high:.3f}", meaning)
    return table


def _sync(
    landmarks: np.ndarray,
    fps: float,
    audio: AudioTrack | None,
    places: np.ndarray,
    text: str | None,
) -> dict[str, Any]:
    """Return measures of lip sync, those of a puppet with the same sound, its lips, and curves."""
    opening = mouth_opening(landmarks)
    if audio is None:
        curves = curves_of(landmarks, fps, opening, None, None)
        none = {"lip_sync": None, "sync": None, "spoken_lips": None, "puppet": {}, "doll": None}
        return {**none, "spoken_lips_skipped": "no sound", "curves": curves}
    loudness = loudness_db(audio.samples, audio.sample_rate, len(landmarks), fps)
    points, sound = points_of(places), sound_picture(audio, len(places))
    doll = puppet(points, sound)
    lips, toy_lips = lip_sync(points, sound), lip_sync(doll, sound)
    toy = correlate(loudness.clip(np.percentile(loudness, 95) - FLOOR_DB), loudness, fps)
    figures = {"sync_r0": toy.sync_r0, "sync_lag": toy.sync_lag}
    figures |= asdict(toy_lips) if toy_lips else {}
    said, skipped = None, ""
    try:
        phones = phonemes_of(audio, text)
    except MissingExtraError as error:
        skipped = str(error)
    else:
        said = spoken_lips(places, sound, phones)
        figures |= asdict(spoken_lips(places_of(doll, places.mean(0)), sound, phones))
    return {
        "lip_sync": lips,
        "sync": correlate(opening, loudness, fps),
        "spoken_lips": said,
        "spoken_lips_skipped": skipped,
        "puppet": {name: value for name, value in figures.items() if value is not None},
        "curves": curves_of(landmarks, fps, opening, loudness, (points, sound) if lips else None),
        "doll": doll,
    }


def _start(
    first: np.ndarray, pixels: np.ndarray, chosen: Face, analyzer: FaceAnalyzer
) -> Face | None:
    """Return the face of the first frame that is most probably the chosen person's."""
    faces = analyzer.find(first)
    if not faces:
        return None
    if len(faces) == 1:
        return faces[0]
    person = Person()
    person.learn(embed_face(pixels, chosen.landmarks))
    return min(faces, key=lambda face: person.distance(embed_face(first, face.landmarks)))


def _fitted(
    portrait: Portrait, landmarks: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Bring the reference to the video's size as generation does, so that detail compares.

    A face that this would cut, as in a video with another framing, leaves the picture as it is.
    """
    source = np.array(portrait.pixels.shape[1::-1])
    scale = max(width / source[0], height / source[1])
    points = landmarks * np.float32(scale)
    points[:, :2] -= (source * scale - (width, height)) / 2
    if (points[:, :2] < 0).any() or (points[:, :2] > (width, height)).any():
        return portrait.pixels, landmarks
    return portrait.resized_to(height, width).pixels, points


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 5) if isinstance(value, float) else value


def _shown(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
