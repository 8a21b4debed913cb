"""The closure gate, on motion whose closures are known."""

import numpy as np
import pytest
import torch

from skyreels_avatar.evaluation.sync import SyncScore
from skyreels_avatar.media.speech import Phone
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train import closures
from train.data.spoken import Utterance
from train.rollout import Rollout
from train.stages import listen


def utterance() -> Utterance:
    rng = np.random.default_rng(0)
    phones = [Phone("b", 0.4, 0.48), Phone("\u02c8u", 0.6, 0.8), Phone("p", 1.2, 1.28)]
    phones += [Phone("f", 1.4, 1.48), Phone("i\u02d0", 1.6, 1.8), Phone("m", 9.0, 9.1)]
    samples = (3000 * rng.standard_normal(32000)).astype(np.int16)
    return Utterance(samples, tuple(phones), "someone", "en-us")


def judge(monkeypatch, motion: np.ndarray) -> closures.Closures:
    made = Rollout(motion, SyncScore(0.5, 0, 0.5, 0.05, None))
    monkeypatch.setattr(closures, "roll_out", lambda *_, **__: made)
    return closures.judge_voice(None, [utterance()])


def motion_with(shut_frames: list[int]) -> np.ndarray:
    motion = np.zeros((50, 32))
    motion[:, MOTION_INDEX["lip_gap"]] = 0.04
    motion[shut_frames, MOTION_INDEX["lip_gap"]] = 0.0
    motion[15:20, MOTION_INDEX["pucker"]] = 0.4
    motion[34:38, MOTION_INDEX["tuck"]] = 0.9
    return motion


@pytest.mark.parametrize(("frames", "shut"), [([], 0), ([11], 1), ([10, 32], 2), ([14, 27], 0)])
def test_lips_must_meet_within_a_frame_of_the_sound(monkeypatch, frames, shut):
    judged = judge(monkeypatch, motion_with(frames))  # b is at frame 11, p at 31, m beyond the end
    assert (judged.shut, judged.sounds) == (shut, 2)


def test_a_mouth_that_is_always_shut_shows_at_random_moments(monkeypatch):
    motion = motion_with(list(range(50)))
    judged = judge(monkeypatch, motion)
    assert judged.shut_anyway == judged.moments > 5
    assert judge(monkeypatch, motion_with([])).shut_anyway == 0


def test_it_is_known_how_often_lips_ought_to_be_shut(monkeypatch):
    judged = judge(monkeypatch, motion_with([]))
    assert judged.moments == 50  # the noise is as loud everywhere
    assert judged.due == 2 * 4  # b from frame 10 to 12, p from 30 to 32, and one beside them


def test_rounding_and_tucking_are_read_where_they_belong(monkeypatch):
    judged = judge(monkeypatch, motion_with([]))
    assert judged.pucker == pytest.approx((0.4, 0.0))
    assert judged.tuck == pytest.approx((0.9, 0.0))


def test_the_last_row_counts_all_voices(monkeypatch):
    one, two = judge(monkeypatch, motion_with([11])), judge(monkeypatch, motion_with([]))
    last = closures.table({"one": one, "two": two}).splitlines()[-1]
    assert last.startswith("| all | 4 | 0.25 | ")


def test_listening_weighs_missed_closures_more():
    true = {"mouth": torch.zeros(1, 4, 8), "active": torch.ones(1, 4)}
    open_lips = {"mouth": torch.full((1, 4, 8), 0.05), "active": torch.ones(1, 4)}
    heard = torch.zeros(1, 4, 8)
    heard[..., 0] = 0.2
    missed = listen.mouth_error(heard, true)
    silent = listen.mouth_error(heard, {**true, "active": torch.zeros(1, 4)})
    assert missed > 1.5 * silent and listen.mouth_error(heard, open_lips) > 0


def test_the_stage_teaches_the_encoder_alone(tiny_config, corpus, tmp_path):
    import shutil

    from train.stages import pretrain

    pretrain.run(tiny_config)
    folder = tmp_path / "natural"
    shutil.copytree(corpus, folder)
    for name in ("natural", "held-natural"):
        shutil.copy(corpus / "synthetic-000.npz", folder / f"{name}-000.npz")
    tiny_config.start_from = str(tmp_path / "run" / "export")
    tiny_config.run, tiny_config.train = str(tmp_path / "listen"), ["audio_encoder"]
    tiny_config.data.cache, tiny_config.data.natural_share = str(folder), 0.5
    listen.run(tiny_config)
    exported = sorted(path.name for path in (tmp_path / "listen" / "export").iterdir())
    assert exported == ["audio_encoder.safetensors"]
