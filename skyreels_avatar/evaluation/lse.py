"""LSE-C and LSE-D: lip sync by the SyncNet of 2016, where its published weights are on disk.

They are an extra beside `lip_sync`. Faces come from this project's detector and not from S3FD, so
that figures are near those of papers and not identical with them.

Source: joonson/syncnet_python (MIT): crops, cepstra, the padded distances and the confidence;
names of Prajwal et al. (arXiv 2008.10010).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dct
from scipy.signal import medfilt

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.evaluation.lip_sync import FPS, MAX_OFFSET
from skyreels_avatar.folders import models_folder
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.models.syncnet import NUM_CEPSTRA, SIZE_PX, WINDOW, SyncNet

FILE = "syncnet_v2.model"
SAMPLE_RATE = 16000
LSE_MEANING: dict[str, str] = {
    "lse_c": "confidence of the SyncNet of 2016 (LSE-C), higher is better",
    "lse_d": "distance of faces and sound in it (LSE-D), lower is better",
    "lse_offset": "frames by which the mouth comes late, by it",
}
_FRAME, _HOP, _FFT = 400, 160, 512  # samples: 25 ms every 10
_NUM_FILTERS, _LIFTER, _PREEMPHASIS = 26, 22, 0.97
_MARGIN = 0.4  # round a face, of half its size
_BORDER = 110  # gray beyond the picture
_MEDIAN = 13  # frames that a box is smoothed over
_CHUNK = 16  # frames at once: the network's first layer takes 4.6 MB for each


@dataclass(frozen=True)
class LipSyncError:
    """How a face and a sound belong together for the SyncNet of 2016.

    Attributes:
        lse_c: confidence: median distance over all offsets - least distance. Higher is better.
        lse_d: least mean distance of the embeddings of face and sound. Lower is better.
        lse_offset: frames of 1/25 s by which the mouth comes late, where that least is.
    """

    lse_c: float
    lse_d: float
    lse_offset: int


def find_weights() -> Path | None:
    """Return the path of the published weights; None where they are not on disk.

    They are `syncnet/syncnet_v2.model` in the models folder, or as `models pull syncnet` puts them.
    """
    folder = models_folder() / "syncnet"
    paths = folder / FILE, folder / "auxiliary" / FILE
    return next((path for path in paths if path.is_file()), None)


@cache
def load_syncnet(path: Path) -> SyncNet:
    """Return the network with published weights.

    Raises:
        CheckpointError: the file is damaged, or not SyncNet's.
    """
    network = SyncNet()
    try:
        network.load_state_dict(dict(WeightFile(path)))
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not hold SyncNet's weights: {error}") from error
    return network.eval()


@torch.no_grad()
def lip_sync_error(
    reader: VideoReader, boxes: np.ndarray, audio: AudioTrack, network: SyncNet | None = None
) -> LipSyncError | None:
    """Return LSE-C and LSE-D of a video; None without weights, and for less than two seconds.

    Args:
        boxes: (F, 4) px, x, y, width, height of the face, as in `FaceTrack`.
        network: None = with the weights that are found.
    """
    path = find_weights() if network is None else None
    if network is None and path is None:
        return None
    picks = frames_at_25(len(boxes), reader.fps)
    samples = audio.resampled(SAMPLE_RATE).samples
    num_frames = min(len(picks), int(len(samples) * FPS / SAMPLE_RATE))
    if num_frames < 2 * FPS:
        return None
    network = network or load_syncnet(path)
    squares = face_squares(boxes[picks])
    # As published: the last window is left out.
    faces = _embed_faces(network, reader, picks[: num_frames - 1], squares)
    heard = network.embed_sound(torch.from_numpy(cepstra(samples)).float())
    return of_distances(offset_distances(faces, heard[: len(faces)]))


def of_distances(distance: np.ndarray) -> LipSyncError:
    """Return the measures of distances (31,) at offsets -15 to +15."""
    best = int(distance.argmin())
    return LipSyncError(
        lse_c=float(np.median(distance) - distance[best]),
        lse_d=float(distance[best]),
        lse_offset=MAX_OFFSET - best,
    )


def offset_distances(faces: torch.Tensor, sound: torch.Tensor) -> np.ndarray:
    """Return (31,): mean distance of faces (N, D) to the sound (N, D) -15 to +15 frames later.

    As published: beyond its ends a sound is zeros, which count.
    """
    padded = F.pad(sound, (0, 0, MAX_OFFSET, MAX_OFFSET))
    return np.array([
        float(F.pairwise_distance(faces, padded[start : start + len(faces)]).mean())
        for start in range(2 * MAX_OFFSET + 1)
    ])  # fmt: skip


def frames_at_25(num_frames: int, fps: float) -> np.ndarray:
    """Return the frames of a video that stand for 25 a second: the nearest in time."""
    times = np.arange(max(1, round(num_frames / fps * FPS))) / FPS
    return np.minimum(np.round(times * fps).astype(int), num_frames - 1)


def face_squares(boxes: np.ndarray) -> np.ndarray:
    """Return (F, 4) int px, left, top, right, bottom: what the network sees of boxes (F, 4).

    A square 1.4 times the longer side of the box, lower than it by a fifth of that side: from its
    top edge to below the chin.
    """
    half = boxes[:, 2:].max(1) / 2
    center = boxes[:, :2] + boxes[:, 2:] / 2
    x, y, half = (medfilt(one.astype(float), _MEDIAN) for one in (*center.T, half))
    wide, low = half * (1 + _MARGIN), half * (1 + 2 * _MARGIN)
    return np.floor(np.stack([x - wide, y - half, x + wide, y + low], 1)).astype(int)


def crop_face(pixels: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Return (224, 224, 3) uint8 of a picture (H, W, 3); gray beyond its edges."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = (int(one) for one in square)
    beyond = max(0, -left, -top, right - width, bottom - height)
    if beyond:
        gray = (_BORDER,) * 3
        pixels = cv2.copyMakeBorder(pixels, *(beyond,) * 4, cv2.BORDER_CONSTANT, value=gray)
    face = pixels[top + beyond : bottom + beyond, left + beyond : right + beyond]
    return cv2.resize(face, (SIZE_PX, SIZE_PX))


def _embed_faces(
    network: SyncNet, reader: VideoReader, picks: np.ndarray, squares: np.ndarray
) -> torch.Tensor:
    """Return (F - 4, D) of F frames of a video, of which few are in memory."""
    rows, faces = [], []
    for start in range(0, len(picks), _CHUNK):
        faces = faces[1 - WINDOW :]
        for place in range(start, min(start + _CHUNK, len(picks))):
            frame = reader.read(int(picks[place]), int(picks[place]) + 1)[0]
            faces.append(crop_face(frame, squares[place])[..., ::-1])
        if len(faces) >= WINDOW:
            pixels = torch.from_numpy(np.stack(faces).astype(np.float32))
            rows.append(network.embed_faces(pixels.permute(0, 3, 1, 2)))
    return torch.cat(rows)


def cepstra(samples: np.ndarray) -> np.ndarray:
    """Return (T, 13): mel-frequency cepstral coefficients, 100 a second.

    Args:
        samples: (S,) at 16 kHz in [-1, 1]; the network knows them as 16-bit integers.

    Source: the defaults of python_speech_features (MIT): no window, the log energy of the frame in
    place of the first coefficient, a lifter of 22.
    """
    signal = np.round(np.asarray(samples, np.float64) * 32768).clip(-32768, 32767)
    signal = np.append(signal[:1], signal[1:] - _PREEMPHASIS * signal[:-1])
    count = 1 + max(0, -(-(len(signal) - _FRAME) // _HOP))
    signal = np.pad(signal, (0, max(0, (count - 1) * _HOP + _FRAME - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(signal, _FRAME)[::_HOP][:count]
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2 / _FFT
    energy, mel = power.sum(1), power @ _mel_filters().T
    tiny = np.finfo(float).eps  # in place of zeros
    energy, mel = (np.where(one == 0, tiny, one) for one in (energy, mel))
    found = dct(np.log(mel), type=2, axis=1, norm="ortho")[:, :NUM_CEPSTRA]
    found *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(NUM_CEPSTRA) / _LIFTER)
    found[:, 0] = np.log(energy)
    return found


def _mel_filters() -> np.ndarray:
    """Return (26, 257): triangles between whole bins, evenly over the mel scale to 8 kHz."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    hz = 700 * (10 ** (np.linspace(0, top, _NUM_FILTERS + 2) / 2595) - 1)
    edges = np.floor((_FFT + 1) * hz / SAMPLE_RATE)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.arange(_FFT // 2 + 1)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.where(bins < middle, rising, falling).clip(0)
