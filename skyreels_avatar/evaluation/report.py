"""Measure a talking video, with the figures of real speech for comparison."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyreels_avatar.errors import FaceError
from skyreels_avatar.evaluation.appearance import face_color, face_sharpness
from skyreels_avatar.evaluation.camera_accuracy import CameraAccuracy
from skyreels_avatar.evaluation.curves import Curves, curves_of
from skyreels_avatar.evaluation.lip_sync import LipSync, lip_points, lip_sync, puppet, sound_picture
from skyreels_avatar.evaluation.performance import Performance, performance_of
from skyreels_avatar.evaluation.stability import drift_windows, jitter, sample_frames, shake
from skyreels_avatar.evaluation.sync import FLOOR_DB, SyncScore, correlate, loudness_db
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face, FaceTrack
from skyreels_avatar.faces.identity import Person, embed_face
from skyreels_avatar.faces.opening import face_heights, mouth_opening
from skyreels_avatar.faces.pixel_cosine import aligned_pixels, pixel_cosine
from skyreels_avatar.faces.select import choose_face
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader

if TYPE_CHECKING:
    from rich.table import Table

logger = logging.getLogger(__name__)

PROTOCOL = 2  # grows when a measure changes, so that figures are compared with their like
# What a real person gives: 1,000 clips of GRID talker s1 (mean, and 10th to 90th percentile); of
# the sync network, GRID talkers that it was not trained on.
REAL_SPEECH: dict[str, str] = {
    "sync_c": "0.45 (0.39 to 0.56)",
    "sync_d": "0.96",
    "sync_offset": "0",
    "sync_r0": "0.36 (0.12 to 0.59)",
    "sync_lag": "0",
    "open_range": "0.060",
    "quiet_ratio": "0.18",
    "jitter": "2.2",
    "blinks_per_min": "15 to 20",
}
COMMON_SIZE = 0.8  # of the smaller of two faces: at which size their sharpness is compared
MEANING: dict[str, str] = {
    "sync_c": "confidence of our sync network (Sync-C)",
    "sync_d": "distance of lips and sound in it (Sync-D), 0 to 2, lower is better",
    "sync_offset": "frames by which the mouth comes late by it",
    "sync_r0": "mouth opening with loudness, Pearson r in the same frame",
    "sync_lag": "frames by which the mouth comes late",
    "sync_best": "r at that lag",
    "open_range": "mouth opening, 95th - 5th percentile, of the face height",
    "quiet_ratio": "mouth speed in silence / in speech",
    "jitter": "tremor inside the face, of the face height x 1000",
    "shake": "tremor of the whole head, of the face height x 1000",
    "ident": "similarity to the reference, 1 = the same picture",
    "ident_low": "the worst twentieth of the frames",
    "sharp": "detail in the face / in the reference",
    "ident_drift": "similarity at the end - at the beginning",
    "sharp_drift": "sharpness at the end / at the beginning",
    "colour_drift": "CIE Lab distance of the face's color, beginning to end",
    "av_length_error_s": "sound longer than picture, seconds",
    "face_height_px": "points 10 to 152, median",
    "found_share": "frames in which the face was found",
}
CAMERA_MEANING: dict[str, str] = {
    "achieved": "of the planned move, 1 = all of it",
    "rotation_deg_mean": "angle to the planned camera, degrees",
    "center_percent_mean": "distance to the planned camera, % of the subject distance",
    "reproduction_percent": "background points from their planned place, % of the width",
    "lost_frames": "frames with too few points to find the camera",
}


@dataclass(frozen=True)
class Report:
    """The measures of one video; None where a measure does not apply.

    `lip_sync` is None below two seconds; `puppet` has the measures of sync of the same mouth opened
    by loudness alone. `performance` is relative to the reference picture, see `Performance`; drift
    is measured in the windows of `stability.drift_windows`; `camera` only where a move was given.
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
    puppet: dict[str, float]
    jitter: float
    shake: float
    ident: float
    ident_low: float
    sharp: float
    ident_drift: float
    sharp_drift: float
    colour_drift: float
    performance: Performance
    curves: Curves
    camera: CameraAccuracy | None = None

    def to_dict(self) -> dict:
        """Return one flat dict of numbers and strings, `performance` nested, without curves."""
        values = asdict(replace(self, curves=None))
        del values["curves"]
        if self.camera is None:
            del values["camera"]
        else:
            values["camera"] = {name: values["camera"][name] for name in CAMERA_MEANING}
        sync = values.pop("sync") or dict.fromkeys(SyncScore.__dataclass_fields__)
        lips = values.pop("lip_sync") or dict.fromkeys(LipSync.__dataclass_fields__)
        return {"protocol": PROTOCOL, **lips, **sync, **values}

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
        for name, meaning in MEANING.items():
            toy = _shown(self.puppet[name]) if name in self.puppet else ""
            table.add_row(name, _shown(values[name]), REAL_SPEECH.get(name, ""), toy, meaning)
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
) -> Report:
    """Measure a talking video.

    Args:
        video: the file to measure.
        reference: the picture that it was made from; without it the video's first frame.
        face: whose face, as in `generate`: "auto", "x,y,w,h" or an index.
        analyzer: one to use again when measuring many videos.

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
        **_sync(landmarks, reader.fps, audio),
        jitter=jitter(landmarks),
        shake=shake(landmarks),
        **_likeness(reader, track, pixels, points),
        performance=performance_of(landmarks, points, reader.fps),
    )


def _sync(landmarks: np.ndarray, fps: float, audio: AudioTrack | None) -> dict[str, Any]:
    """Return the measures of lip sync, those of a puppet with the same sound, and the curves."""
    opening = mouth_opening(landmarks)
    if audio is None:
        curves = curves_of(landmarks, fps, opening, None, None)
        return {"lip_sync": None, "sync": None, "puppet": {}, "curves": curves}
    loudness = loudness_db(audio.samples, audio.sample_rate, len(landmarks), fps)
    points = lip_points(landmarks, fps)
    sound = sound_picture(audio, len(points))
    lips = lip_sync(points, sound)
    doll = correlate(loudness.clip(np.percentile(loudness, 95) - FLOOR_DB), loudness, fps)
    toy = lip_sync(puppet(points, sound), sound)
    toy = asdict(toy) if toy else {}
    return {
        "lip_sync": lips,
        "sync": correlate(opening, loudness, fps),
        "puppet": {"sync_r0": doll.sync_r0, "sync_lag": doll.sync_lag, **toy},
        "curves": curves_of(landmarks, fps, opening, loudness, (points, sound) if lips else None),
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


def _likeness(
    reader: VideoReader, track: FaceTrack, pixels: np.ndarray, landmarks: np.ndarray
) -> dict[str, float]:
    """Return the measures that need pixels, from a sample of the frames, read one by one."""
    picks = sample_frames(len(track.found), reader.fps)
    picks = picks[track.found[picks]]
    wanted = aligned_pixels(pixels, landmarks)
    height_px = float(face_heights(landmarks[None])[0])
    alike, sharp, color = [], [], []
    for index in picks:
        frame, points = reader.read(int(index), int(index) + 1)[0], track.landmarks[index]
        alike.append(pixel_cosine(aligned_pixels(frame, points), wanted))
        # All are made smaller: a picture left at its size would be sharper than one that is not.
        common_px = COMMON_SIZE * min(height_px, float(face_heights(points[None])[0]))
        base = face_sharpness(pixels, landmarks, common_px)
        sharp.append(face_sharpness(frame, points, common_px) / max(base, 1e-6))
        color.append(face_color(frame, points))
    alike, sharp, color = np.array(alike), np.array(sharp), np.array(color)
    begin, end = (
        (picks >= window.start) & (picks < window.stop)
        for window in drift_windows(len(track.found), reader.fps)
    )
    if not (begin.any() and end.any()):  # the face was lost in all of one window
        begin, end = picks == picks[0], picks == picks[-1]
    return {
        "ident": float(alike.mean()),
        "ident_low": float(np.percentile(alike, 5)),
        "sharp": float(np.median(sharp)),
        "ident_drift": float(alike[end].mean() - alike[begin].mean()),
        "sharp_drift": float(sharp[end].mean() / max(sharp[begin].mean(), 1e-6)),
        "colour_drift": float(np.linalg.norm(color[end].mean(0) - color[begin].mean(0))),
    }


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 5) if isinstance(value, float) else value


def _shown(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
