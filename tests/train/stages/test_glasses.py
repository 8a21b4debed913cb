"""The stage that learns who wears glasses, on a few painted faces."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.rig.glasses import edge_histograms, eye_band
from tests.rig.test_glasses import LOOK, bytes_of
from train.data.glasses import jitter, put_glasses_on
from train.stages.glasses import FOLDS, draw_samples, fit, fold_of


def test_samples_are_told_apart_after_the_fit():
    """Glasses drawn with another seed, over a band that was lit and turned otherwise."""
    bare, worn = (eye_band(bytes_of(glasses), LOOK) for glasses in ("", "clear"))
    rng = np.random.default_rng(0)
    bands = {f"bare_{i}": jitter(bare, rng) for i in range(12)} | {"worn": worn}
    rows, labels, weights = draw_samples(bands, {"worn"}, rng)
    assert rows.shape == (len(labels), 1024) and set(labels) == {0.0, 1.0}
    assert len(weights) == len(labels)
    weight, bias = fit(rows, labels, weights)
    other = np.random.default_rng(7)
    scores = [
        [edge_histograms(one) @ weight + bias for one in (band, put_glasses_on(band, other))]
        for band in (jitter(bare, other) for _ in range(20))
    ]
    without, with_glasses = np.transpose(scores)
    assert (without < 0).mean() > 0.9 and (with_glasses > 0).mean() > 0.9


def test_a_quarter_of_the_pictures_is_kept_aside_in_turn():
    folds = [fold_of(f"person_{i}.jpg") for i in range(400)]
    assert {folds.count(one) > 60 for one in range(FOLDS)} == {True}
