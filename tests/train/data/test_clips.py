import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from train.data.clips import load_grid

pytest.importorskip("espeakng_loader")
pytest.importorskip("soundfile")


@pytest.fixture(scope="module")
def clips(shared):
    folder = shared / "speech" / "grid_s1"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    return load_grid(folder, 900, 930)


def test_measured_lips_reach_the_mouth_numbers(clips):
    for clip in clips:
        assert clip.mouth.shape == (75, 8) and clip.samples.shape == (48000,)
        assert np.corrcoef(clip.mouth[:, 0], clip.lip_gap)[0, 1] > 0.99
    assert np.concatenate([clip.mouth[:, 0] for clip in clips]).min() == 0


def test_lips_are_pressed_only_where_the_camera_saw_them_meet(clips):
    mouth = np.concatenate([clip.mouth for clip in clips])
    seen = np.concatenate([clip.lip_gap for clip in clips])
    assert seen[mouth[:, 5] > 0.05].max() < 0.0081 + 0.0012  # mediapipe's gap bias


def test_syllables_lie_where_he_speaks(clips):
    for clip in clips:
        assert clip.stress[clip.active > 0].mean() > clip.stress[clip.active == 0].mean()


def test_a_folder_without_clips_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no GRID clips"):
        load_grid(tmp_path)
