import numpy as np
import pytest

from skyreels_avatar.models.audio_encoder import SILENCE
from train.data.cache import TRACK_FRAMES, read_shards
from train.data.simulate.chance import Chance
from train.data.windows import (
    BESIDE,
    PRESSED_GAP,
    WindowOptions,
    WindowSampler,
    cut_track,
    ease_from_photo,
    hold_open,
    press_lips,
)


@pytest.fixture
def tracks(corpus):
    return read_shards(corpus, "synthetic")


def sampler_of(tracks, **options):
    return WindowSampler(tracks, None, WindowOptions(num_frames=17, real_share=0, **options))


def test_a_batch_is_a_function_of_its_seed(tracks):
    first, again = (sampler_of(tracks).batch(4, np.random.default_rng(7)) for _ in range(2))
    assert first.captions == again.captions
    assert np.array_equal(first.motion, again.motion) and np.array_equal(first.mel, again.mel)


def test_shapes_follow_the_window(tracks):
    batch = sampler_of(tracks, camera_share=1.0).batch(3, np.random.default_rng(0))
    assert batch.mel.shape == (3, 4 * (17 + 2 * BESIDE), 80)
    assert batch.motion.shape == batch.apparent.shape == (3, 17, 32)
    assert batch.known.shape == (3, 5) and len(batch.captions) == 3
    assert batch.apparent[..., 16:24].abs().sum() > 0


def test_a_reference_that_talks_does_not_talk_the_same(tracks):
    still = sampler_of(tracks).batch(30, np.random.default_rng(0))
    batch = sampler_of(tracks, retalk_share=1.0).batch(30, np.random.default_rng(0))
    assert all((shown[:, :8].std(0) > 0).any() for shown in batch.apparent.numpy())
    assert batch.seen.min() == 1
    head, lids = slice(16, 24), slice(8, 10)
    assert batch.motion[..., head].std() < 0.5 * still.motion[..., head].std()
    assert not batch.motion[..., lids].any()


def test_a_talking_reference_is_left_from_its_own_first_mouth(tracks):
    batch = sampler_of(tracks, retalk_share=1.0).batch(60, np.random.default_rng(0))
    started = [
        (motion, shown)
        for motion, shown, known in zip(batch.motion, batch.apparent, batch.known)
        if known.sum() == 1
    ]
    assert len(started) > 5
    for motion, shown in started:
        assert np.allclose(motion[0, :8], shown[0, :8]) and not motion[0, 8:].any()


def test_sound_and_mouth_of_a_window_come_from_the_same_place(tracks):
    for first in (0, 50, TRACK_FRAMES - 17):
        window = cut_track(tracks, 1, first, 17)
        heard = window["mel"][4 * BESIDE : 4 * (BESIDE + 17)].reshape(17, 4, 80)[:, 2].mean(1)
        assert np.corrcoef(heard, window["mouth"][:, 0])[0, 1] > 0.9


def test_beyond_a_track_there_is_silence(tracks):
    window = cut_track(tracks, 0, 0, 17)
    assert (window["mel"][: 4 * BESIDE] == np.float32(SILENCE)).all()


def test_all_kinds_of_known_frames_occur_and_photos_start_at_rest(tracks):
    batch = sampler_of(tracks).batch(200, np.random.default_rng(0))
    kinds = {tuple(row) for row in batch.known.int().tolist()}
    assert {(0,) * 5, (1, 0, 0, 0, 0), (1, 1, 1, 0, 0), (1, 0, 0, 0, 1)} <= kinds
    photos = [m for m, k in zip(batch.motion, batch.known) if k.sum() == 1]
    assert all(not motion[0, 1:].any() for motion in photos)
    assert 0.2 < np.mean([float(motion[0, 0]) > 0 for motion in photos]) < 0.65


def test_some_prompts_are_dropped(tracks):
    batch = sampler_of(tracks).batch(400, np.random.default_rng(0))
    assert 0.10 < np.mean([text == "" for text in batch.captions]) < 0.22


def test_easing_starts_at_the_photo_and_ends_free_of_it():
    motion, photo = np.ones((49, 32)), np.full(32, 5.0)
    ease_from_photo(motion, photo, (0.1, 0.2, 0.5, 1.0))
    assert (motion[0] == 5).all() and np.allclose(motion[26:], 1)
    assert (np.diff(motion, axis=0) <= 1e-9).all()


def test_an_open_rest_leaves_closures_shut():
    mouth = np.zeros((40, 8))
    active = np.zeros(40)
    active[10:30] = 1
    hold_open(mouth, active, 0.03)
    assert mouth[0, 0] == pytest.approx(0.03) and mouth[20, 0] < 0.001


def test_noise_tells_where_lids_fall_but_not_in_what_is_known(tracks):
    """Known frames were sampled before, so the noise that is laid over them decides nothing."""
    batch = sampler_of(tracks).batch(400, np.random.default_rng(1))
    lids = batch.motion[..., 8].numpy()
    found = {True: [], False: []}
    for noise, curve, known in zip(batch.noise.numpy(), lids, batch.known.numpy()):
        for latent in range(1, 5):
            first = 4 * (latent - 1) + 1
            if curve[first + 3] > curve[first - 1] + 0.4:  # lids fall within these four frames
                found[bool(known[latent])].append(Chance.of(noise).blink[latent])
    assert batch.noise.shape == (400, 32, 5, 1, 4) and len(found[True]) > 5
    assert np.mean(found[False]) > 1.0 and abs(np.mean(found[True])) < 0.8


def test_pressed_lips_aim_beyond_where_they_meet():
    mouth = np.zeros((3, 8))
    mouth[:, 0], mouth[:, 5] = [0.0, 0.0, 0.05], [0.8, 0.0, 0.0]
    press_lips(mouth)
    assert mouth[:, 0].tolist() == pytest.approx([PRESSED_GAP, 0.0, 0.05])
    assert PRESSED_GAP < 0
