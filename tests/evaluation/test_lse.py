"""LSE-C and LSE-D: cepstra, crops, offsets, and the layout of the published file."""

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.evaluation import lse
from skyreels_avatar.loading.model_hub import find_model
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.video import VideoReader, VideoWriter
from skyreels_avatar.models.syncnet import SPAN, STEP, SyncNet

# Rows 0, 5 and 10 of python_speech_features.mfcc of `chirp()` at 16 kHz.
PUBLISHED = (
    (
        17.9804, -8.3670, 33.8537, 20.3733, -19.5357, 5.6185, -22.0710,
        -38.5753, 6.9870, -48.0712, 2.5466, -9.5079, -14.0956,
    ),
    (
        19.3279, 5.5201, 20.4058, -10.3415, -44.0995, -11.5489, -33.6173,
        -30.8332, 30.9774, -15.4997, 34.0867, 15.2957, -2.9953,
    ),
    (
        18.4309, -5.4474, 6.5337, -17.6867, -53.2326, -7.7994, 1.2844,
        0.0930, 49.1179, -15.6401, 21.2688, -18.9370, -23.6882,
    ),
)  # fmt: skip


def chirp() -> np.ndarray:
    """Return (2000,) int16: a rising tone with a rasp."""
    at = np.arange(2000)
    tone = 8000 * np.sin(2 * np.pi * (200 + at / 8) * at / 16000) * np.sin(np.pi * at / 2000)
    return np.round(tone + ((at * 7919) % 401 - 200) * 3).astype(np.int16)


def test_cepstra_are_those_of_python_speech_features():
    found = lse.cepstra(chirp() / 32768)
    assert found.shape == (11, 13)
    np.testing.assert_allclose(found[[0, 5, 10]], PUBLISHED, atol=1e-4)


def test_cepstra_of_silence_are_finite_and_a_hundred_a_second():
    found = lse.cepstra(np.zeros(32000))
    assert found.shape == (199, 13) and np.isfinite(found).all()


@pytest.mark.parametrize("late", [0, 4, -7])
def test_the_offset_is_by_how_much_the_face_is_late(late):
    sound = torch.randn(60, 16, generator=torch.Generator().manual_seed(0))
    distance = lse.offset_distances(torch.roll(sound, late, 0), sound)
    found = lse.of_distances(distance)
    assert found.lse_offset == late and found.lse_d == distance.min()
    assert found.lse_c == pytest.approx(np.sort(distance)[15] - distance.min())
    assert distance.shape == (31,) and found.lse_c > 3


def test_beyond_its_ends_a_sound_is_zeros():
    distance = lse.offset_distances(torch.full((20, 1), 3.0), torch.full((20, 1), 3.0))
    np.testing.assert_allclose(distance[[0, 5, 15, 30]], [2.25, 1.5, 0, 2.25], atol=1e-5)


def test_frames_are_the_nearest_of_25_a_second():
    assert lse.frames_at_25(4, 25.0).tolist() == [0, 1, 2, 3]
    assert lse.frames_at_25(6, 50.0).tolist() == [0, 2, 4]
    assert lse.frames_at_25(3, 12.5).tolist() == [0, 0, 1, 2, 2, 2]


def test_a_square_is_1_4_faces_wide_and_begins_at_the_top_of_the_face():
    boxes = np.tile([100.0, 50.0, 80.0, 100.0], (20, 1))
    boxes[9] += 40  # a detection that jumps
    squares = lse.face_squares(boxes)
    assert squares.shape == (20, 4)
    np.testing.assert_array_equal(squares[6:14], np.tile([70, 50, 210, 190], (8, 1)))


def test_a_crop_is_gray_beyond_the_picture(rng):
    pixels = rng.integers(120, 255, (300, 400, 3), np.uint8)
    inside = lse.crop_face(pixels, np.array([50, 20, 274, 244]))
    np.testing.assert_array_equal(inside, pixels[20:244, 50:274])
    beyond = lse.crop_face(pixels, np.array([-24, 150, 200, 374]))
    assert (beyond[:, :24] == 110).all() and (beyond[150:] == 110).all()
    np.testing.assert_array_equal(beyond[:150, 24:], pixels[150:, :200])


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SKYREELS_AVATAR_MODELS", str(tmp_path))
    return tmp_path / "syncnet"


@pytest.mark.parametrize("place", ["syncnet_v2.model", *find_model("syncnet").files])
def test_a_file_as_published_is_found_and_fills_the_network(folder, place):
    """It is of a PyTorch that neither zipped its files nor counted batches."""
    assert lse.find_weights() is None
    torch.manual_seed(1)
    tensors = SyncNet().state_dict()
    kept = {name: one for name, one in tensors.items() if not name.endswith("tracked")}
    path = folder / place
    path.parent.mkdir(parents=True)
    torch.save(kept, path, _use_new_zipfile_serialization=False)
    assert lse.find_weights() == path
    network = lse.load_syncnet(path)
    assert not network.training and len(kept) == 88
    for name, one in kept.items():
        assert torch.equal(network.state_dict()[name], one), name


def test_weights_of_another_network_and_pickles_are_refused(folder):
    folder.mkdir()
    path = folder / "syncnet_v2.model"
    torch.save({"netcnnaud.0.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(CheckpointError, match="does not hold SyncNet's weights"):
        lse.load_syncnet(path)
    torch.save(torch.nn.ReLU(), path)
    with pytest.raises(CheckpointError, match="could run code"):
        lse.load_syncnet(path)


class _Levels:
    """A network that compares how bright a face is with how loud its sound is."""

    def embed_faces(self, faces: torch.Tensor) -> torch.Tensor:
        assert faces.shape[1:] == (3, 224, 224)
        assert (faces[:, 0] > faces[:, 2] + 20).all()  # blue comes first
        return (faces.mean((1, 2, 3)).unfold(0, 5, 1).mean(-1, keepdim=True) - 107) / 16

    def embed_sound(self, cepstra: torch.Tensor) -> torch.Tensor:
        loud = cepstra[:, :1].unfold(0, SPAN, STEP).mean(-1)
        return (loud - loud.mean()) / loud.std()


@pytest.mark.parametrize(("late", "fps"), [(0, 25), (3, 25), (0, 50)])
def test_a_video_is_measured_by_its_face_and_its_sound(tmp_path, rng, late, fps):
    level = np.repeat(rng.random(20), 4)  # of 80 frames
    loud = np.repeat(0.01 * np.exp(3 * level), 640)
    audio = AudioTrack((loud * rng.standard_normal(len(loud))).clip(-1, 1), 16000)
    light = np.repeat(np.roll(level, late), fps // 25)
    frames = np.zeros((len(light), 128, 128, 3))
    frames[:, 30:110, 20:110] = light[:, None, None, None] * (80, 80, 80) + (40, 60, 100)
    path = tmp_path / "level.mp4"
    with VideoWriter(path, 128, 128, fps, audio) as writer:
        writer.write(frames.astype(np.uint8))
    boxes = np.tile([40.0, 40.0, 40.0, 45.0], (len(light), 1))
    found = lse.lip_sync_error(VideoReader(path), boxes, audio, _Levels())
    assert found.lse_offset == late and found.lse_c > 0.5
    short = AudioTrack(audio.samples[:31000], 16000)
    assert lse.lip_sync_error(VideoReader(path), boxes, short, _Levels()) is None


def test_without_weights_nothing_is_measured(folder):
    audio = AudioTrack(np.zeros(48000), 16000)
    assert lse.lip_sync_error(None, np.zeros((75, 4)), audio) is None
