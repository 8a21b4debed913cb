"""Make the cache of speech tracks: simulated and natural voices, GRID where it is there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from train.config import TrainConfig
from train.data.cache import make_shards, natural_track, real_track, synthetic_track
from train.data.clips import NUM_TRAINING_CLIPS, load_grid
from train.data.simulate.speech import HELD_OUT_VOICES, VOICES
from train.data.spoken import by_speaker, read_banks


def run(config: TrainConfig) -> None:
    """Write the shards that are missing; voices for validation are never used for training.

    Natural voices, and people who spoke, are taken where the stage `voices` has left its banks.
    """
    data, folder = config.data, Path(config.data.cache)
    size = data.tracks_per_shard
    held = partial(synthetic_track, voices=HELD_OUT_VOICES)
    make_shards(folder, "held-out", 1, min(size, 100), 1, held)
    if any(folder.glob("spoken-held-*.npz")):
        speakers = by_speaker(read_banks(folder, "spoken-held"))
        kept_back = partial(natural_track, speakers=speakers, degrade=False)
        make_shards(folder, "held-natural", 1, min(size, 48), 1, kept_back)
    if any(folder.glob("recorded-held-*.npz")):
        people = by_speaker(read_banks(folder, "recorded-held"))
        kept_back = partial(natural_track, speakers=people, degrade=False)
        make_shards(folder, "held-recorded", 1, min(size, 48), 1, kept_back)
    if data.grid:
        clips = load_grid(Path(data.grid), 0, NUM_TRAINING_CLIPS)
        real = partial(_real, clips=clips)
        make_shards(folder, "real", data.real_shards, size, config.seed, real)
    if any(folder.glob("spoken-[0-9]*.npz")):
        speakers = by_speaker(read_banks(folder, "spoken"))
        natural = partial(natural_track, speakers=speakers)
        make_shards(folder, "natural", data.natural_shards, size, config.seed, natural)
    if any(folder.glob("recorded-[0-9]*.npz")):
        people = by_speaker(read_banks(folder, "recorded"))
        recorded = partial(natural_track, speakers=people)
        make_shards(folder, "natural-recorded", data.recorded_shards, size, config.seed, recorded)
    simulated = partial(synthetic_track, voices=VOICES)
    make_shards(folder, "synthetic", data.synthetic_shards, size, config.seed, simulated)


def _real(rng, clips):
    return real_track(clips, rng)
