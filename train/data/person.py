"""One person's pieces of footage as windows for training, and how much that person moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter1d, median_filter

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.sync import loudness_db
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.audio_encoder import SAMPLE_RATE, SILENCE, log_mel
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.acting import away_share, column, spread
from train.data.cache import MEL_PER_FRAME
from train.data.footage_pieces import Features
from train.data.footage_report import read_table
from train.data.simulate.articulation import FPS
from train.data.simulate.chance import Chance, draw_noise
from train.data.simulate.eye_motion import blinks
from train.data.windows import BESIDE, OVERLAP_LATENTS, WindowBatch, ease_from_photo, stack_windows

# What landmarks tell well enough to be learnt; lids are drawn at the person's own rate instead.
LEARNT = (
    "brow_r", "brow_l", "yaw", "pitch", "roll", "shift_x", "shift_y", "zoom", "smile",
)  # fmt: skip
# What landmarks take for a smile while lips speak, and how slowly real ones come and go.
_SPEAKING = ("lip_gap", "jaw_drop", "width", "pucker", "upper_raise", "press")
_SMILE_FRAMES = 8.0
_NEUTRAL = 10  # percentile of a piece's smile: the face without one
_LID_FRAMES = 2  # on both sides of low lids
_LEAST_AWAY = 0.01  # share of the time, which few seconds cannot tell from none
DRIFTING = ("shift_x", "shift_y", "zoom")  # a camera moves them, too
USUAL_BLINKS = 17.0  # a minute, of the median talker
KEPT_BACK = 4  # every so many pieces one is kept back
_SMOOTH = 1.2  # frames: landmarks tremble
_QUIET_DB = 26.0  # under the loudest twentieth
_PLAIN = "a person is talking"
_OWN_CAPTION, _NO_CAPTION = 0.3, 0.15  # shares of windows
_PHOTO_SHARE = 0.4


@dataclass(frozen=True)
class PersonPiece:
    """Some seconds of the person, F frames at 25 a second.

    Attributes:
        motion: (F, 32) rig coefficients; of LEARNT and gaze the way from what is usual in the
            piece, of the smile that from the face without one.
        samples: (S,) float32 at 16 kHz. mel: (4 F, 80) of them.
        active: (F,) 1 where somebody speaks.
        caption: what can be seen.
    """

    motion: np.ndarray
    samples: np.ndarray
    mel: np.ndarray
    active: np.ndarray
    caption: str

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.motion) / FPS


def load_person(folder: Path, person: str, least: int) -> tuple[list[PersonPiece], ...]:
    """Return the pieces of a person that are learnt from, and those that are kept back.

    Args:
        folder: of the stage `data`.
        person: as its table names them; "all" = everybody.
        least: frames of a piece.

    Raises:
        InputError: no such folder or person, or too few pieces.
    """
    table = folder / "pieces.csv"
    if not table.is_file():
        raise InputError(f"no pieces in {folder}; make them with: python -m train data FOLDER")
    kept = [piece for piece in read_table(table) if not piece.reason]
    people = sorted({piece.person for piece in kept})
    if person != "all" and person not in people:
        raise InputError(f"style.person must be one of {', '.join(people)} or all, got {person!r}")
    chosen = [piece for piece in kept if person in (piece.person, "all")]
    pieces = [
        make_piece(Features.load(folder / "pieces" / piece.name), piece.caption) for piece in chosen
    ]
    pieces = [piece for piece in pieces if len(piece.motion) >= least]
    if len(pieces) < 2:
        raise InputError(
            f"a style needs two pieces of {least / FPS:.1f} s or more, one of which is kept back; "
            f"{person} has {len(pieces)}. See the report in {folder}, or give style.person=all"
        )
    back = set(range(KEPT_BACK // 2, len(pieces), KEPT_BACK)) or {len(pieces) - 1}
    return (
        [piece for index, piece in enumerate(pieces) if index not in back],
        [piece for index, piece in enumerate(pieces) if index in back],
    )


def make_piece(features: Features, caption: str) -> PersonPiece:
    """Return a piece for training of stored features."""
    motion = features.motion.astype(np.float64)
    frames = np.arange(len(motion))
    for name in LEARNT:
        curve = gaussian_filter1d(motion[:, MOTION_INDEX[name]], _SMOOTH, mode="nearest")
        if name in DRIFTING:
            curve = curve - np.polyval(np.polyfit(frames, curve, 1), frames)
        motion[:, MOTION_INDEX[name]] = curve - np.median(curve)
    motion = at_rest(motion)
    motion[:, MOTION_INDEX["smile"]] = find_smile(features.motion)
    loudness = loudness_db(features.samples, SAMPLE_RATE, len(motion), FPS)
    active = loudness > np.percentile(loudness, 95) - _QUIET_DB
    heard = AudioTrack(features.samples, SAMPLE_RATE).normalized().samples
    mel = log_mel(heard)[: MEL_PER_FRAME * len(motion)].numpy()
    missing = MEL_PER_FRAME * len(motion) - len(mel)
    mel = np.pad(mel, ((0, missing), (0, 0)), constant_values=SILENCE)
    return PersonPiece(motion, features.samples, mel, active.astype(np.float64), caption)


def find_smile(motion: np.ndarray) -> np.ndarray:
    """Return (F,) how far a face smiles in (F, 32) tracked motion, 0 where it does not.

    Lips that speak pull the corners of the mouth, and landmarks read that as smiles of a few
    frames. How much of each movement of the lips is read so is what quick changes of both have in
    common, since no smile is quick; that share is taken off, and what is left is slow.
    """
    smile = column(motion, "smile").astype(np.float64)
    lips = np.stack([column(motion, name) for name in _SPEAKING], 1).astype(np.float64)
    quick = [one - gaussian_filter1d(one, _SMILE_FRAMES, axis=0, mode="nearest")
             for one in (smile, lips)]  # fmt: skip
    share = np.linalg.lstsq(quick[1], quick[0], rcond=1e-6)[0]
    slow = gaussian_filter1d(smile - lips @ share, _SMILE_FRAMES, mode="nearest")
    return slow - np.percentile(slow, _NEUTRAL)


def blink_frames(motion: np.ndarray) -> np.ndarray:
    """Return the frames in which both lids begin to shut: a rise over what is usual round it."""
    lids = np.minimum(column(motion, "blink_r"), column(motion, "blink_l"))
    shut = lids - median_filter(lids, 51, mode="nearest") > 0.3
    return np.flatnonzero(shut[1:] & ~shut[:-1]) + 1


def near_blinks(motion: np.ndarray) -> np.ndarray:
    """Return (F,) bool, where lids are so low that landmarks of the iris are guesses."""
    lids = np.minimum(column(motion, "blink_r"), column(motion, "blink_l"))
    low = lids - median_filter(lids, 51, mode="nearest") > 0.15
    return binary_dilation(low, iterations=_LID_FRAMES)


def blinks_a_minute(pieces: Sequence[PersonPiece]) -> float:
    """Return how often the person blinks."""
    seconds = sum(piece.seconds for piece in pieces)
    return 60 * sum(len(blink_frames(piece.motion)) for piece in pieces) / max(seconds, 1e-6)


def amounts(motions: Sequence[np.ndarray]) -> dict[str, float]:
    """Return how far mouth, head and face move, medians over pieces of motion, and gaze.

    Of gaze it is the share of all time with open eyes in which they are off where they rest.
    """
    seen = np.concatenate([at_rest(m)[~near_blinks(m)] for m in motions])
    return {
        "gaze": max(away_share(seen), _LEAST_AWAY) if len(seen) else _LEAST_AWAY,
        "mouth": float(np.median([spread(column(m, "lip_gap")) for m in motions])),
        "head": float(
            np.median([np.mean([spread(column(m, n)) for n in ("yaw", "pitch", "roll")])
                       for m in motions])
        ),
        "face": float(
            np.median([spread((column(m, "brow_r") + column(m, "brow_l")) / 2) for m in motions])
        ),
    }  # fmt: skip


def at_rest(motion: np.ndarray) -> np.ndarray:
    """Return motion (F, 32) whose gaze is the way from where the eyes rest."""
    gaze = [MOTION_INDEX["gaze_x"], MOTION_INDEX["gaze_y"]]
    rested = motion.copy()
    rested[:, gaze] -= np.median(motion[:, gaze], axis=0)
    return rested


def draw_windows(
    pieces: Sequence[PersonPiece],
    count: int,
    num_frames: int,
    numbers: np.ndarray,
    rng: np.random.Generator,
) -> WindowBatch:
    """Return random windows of the person; longer pieces are drawn more often.

    Args:
        numbers: (5,) of the person's style.
    """
    lengths = np.array([len(piece.motion) - num_frames + 1 for piece in pieces], float)
    rate = max(blinks_a_minute(pieces) / USUAL_BLINKS, 0.1)
    windows, captions = [], []
    for _ in range(count):
        piece = pieces[rng.choice(len(pieces), p=lengths / lengths.sum())]
        first = int(rng.integers(len(piece.motion) - num_frames + 1))
        windows.append(_window(piece, first, num_frames, rate, rng))
        windows[-1]["style"] = numbers
        kind = rng.random()
        own = kind < _OWN_CAPTION
        captions.append(
            piece.caption if own else "" if kind < _OWN_CAPTION + _NO_CAPTION else _PLAIN
        )
    return stack_windows(windows, captions)


def _window(
    piece: PersonPiece, first: int, num_frames: int, rate: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    frames = slice(first, first + num_frames)
    motion, active = piece.motion[frames].copy(), piece.active[frames]
    noise = draw_noise(num_frames, rng)
    lids = blinks(active, np.zeros(0, int), rng, Chance.of(noise), rate)
    motion[:, [MOTION_INDEX["blink_r"], MOTION_INDEX["blink_l"]]] = lids
    known = np.zeros(1 + (num_frames - 1) // 4)
    if rng.random() < _PHOTO_SHARE:
        known[0] = 1
        ease_from_photo(motion, np.zeros(32), (0.12, 0.25, rng.uniform(0.5, 0.9), 0.5))
    else:
        known[:OVERLAP_LATENTS] = 1
    given = np.flatnonzero(known)
    noise[:, given] = rng.standard_normal((32, len(given), 1, 4))
    mel = np.full((MEL_PER_FRAME * (num_frames + 2 * BESIDE), 80), SILENCE, np.float32)
    start, stop = MEL_PER_FRAME * (first - BESIDE), MEL_PER_FRAME * (first + num_frames + BESIDE)
    inside = piece.mel[max(start, 0) : max(stop, 0)]
    mel[max(-start, 0) : max(-start, 0) + len(inside)] = inside
    return {
        "mel": mel, "motion": motion, "known": known, "active": active, "noise": noise,
        "apparent": np.zeros((num_frames, 32)), "seen": np.ones(num_frames),
    }  # fmt: skip
