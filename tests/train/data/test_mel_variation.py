import torch

from skyreels_avatar.models.audio_encoder import SILENCE
from train.data.mel_variation import record_mel, vary_mel


def pictures() -> torch.Tensor:
    """Return four pictures with a formant at a bin of its own and a silent second half."""
    mel = torch.full((4, 40, 80), SILENCE)
    for index in range(4):
        mel[index, :20, 20 + 5 * index : 24 + 5 * index] = 1.0
    return mel


def test_time_and_silence_stay():
    varied = vary_mel(pictures(), torch.Generator().manual_seed(0), share=1.0)
    assert (varied[:, 20:] == SILENCE).all() and (varied >= SILENCE).all()
    assert (varied[:, :20].amax(2) > 0).all()
    assert torch.equal(varied[:, :19], varied[:, 1:20])


def test_formants_move_both_ways():
    where = []
    for seed in range(20):
        varied = vary_mel(pictures(), torch.Generator().manual_seed(seed), share=1.0)
        where.append(varied[3, 0].argmax().item() - 36.5)
    assert min(where) < -1 and max(where) > 1


def test_a_share_is_left_as_it_is():
    mel = pictures().repeat(50, 1, 1)
    varied = vary_mel(mel, torch.Generator().manual_seed(0), share=0.7)
    alike = (varied == mel).all(2).all(1).float().mean()
    assert 0.2 < alike < 0.4


def test_recorders_differ_in_noise_and_band_and_keep_the_time():
    mel = pictures().repeat(50, 1, 1)
    heard = record_mel(mel, torch.Generator().manual_seed(0))
    silent = (heard[:, 20:] == SILENCE).all(2).all(1).float().mean()
    assert 0.35 < silent < 0.75  # the rest has noise in its pauses
    assert torch.isfinite(heard).all() and (heard >= SILENCE).all()
    assert (heard[:, :20].mean((1, 2)) > heard[:, 20:].mean((1, 2))).float().mean() > 0.8
    assert ((heard[:, 5, 75:] == SILENCE).all(1) & (heard[:, 5] > 0).any(1)).any()
