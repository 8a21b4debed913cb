"""Learn how one person moves from the pieces of the stage `data`: a small file for `--style`.

Five numbers are fitted to how far the person moves; then what is added to the vectors of the
transformer is learnt by flow matching on the person's own head, brows and smile. Mouth, where the
eyes look, and all that landmarks tell badly are held where the shipped network puts them, so that
lips close as before; how often the eyes leave the camera is one of the numbers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from skyreels_avatar.errors import InputError
from skyreels_avatar.flow import add_noise, velocity
from skyreels_avatar.loading.components import Components, build_components
from skyreels_avatar.loading.parts import part_classes
from skyreels_avatar.loading.person_style import PersonStyle, vectors_of, weights_mark
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.pipeline.talker_style import FACTORS, FURTHEST, SPREADS
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.acting import column
from train.config import TrainConfig
from train.data.person import (
    LEARNT,
    USUAL_BLINKS,
    PersonPiece,
    amounts,
    blinks_a_minute,
    draw_windows,
    load_person,
)
from train.data.windows import WindowBatch
from train.loop import Run, start_from
from train.objective import latent_weights, prepare
from train.person_distance import compare, table
from train.rollout import roll_out
from train.stages.distill import draw_steps, told, two_steps

logger = logging.getLogger(__name__)

NAME = "style.safetensors"
_FITS = 2  # times that the numbers are corrected
_FIT_PIECES = 8  # whose sound is performed for it
_HOLD = 2.0  # weight of what must stay as it is
_LIDS = ("blink_r", "blink_l")
_SMILE_RISE = 0.6  # of the mean smile, by a shift of its noise
_SMILES = (-0.3, 0.6)


class Differences(nn.Module):
    """What is added to the vectors of a transformer; zero at first."""

    def __init__(self, transformer: nn.Module):
        super().__init__()
        vectors = vectors_of(transformer)
        self.names = tuple(vectors)
        self.values = nn.ParameterList(torch.zeros_like(one) for one in vectors.values())

    def named(self) -> dict[str, torch.Tensor]:
        """Return them by the names of the transformer's tensors."""
        return dict(zip(self.names, self.values))


class Styled:
    """A frozen transformer with differences that learn."""

    def __init__(self, transformer: nn.Module, differences: Differences):
        self.transformer, self.differences = transformer, differences
        self.config = transformer.config

    def __call__(self, **given: object) -> torch.Tensor:
        """Return the velocity, as the transformer does."""
        own = dict(self.transformer.named_parameters())
        added = {name: own[name] + value for name, value in self.differences.named().items()}
        return functional_call(self.transformer, added, kwargs=given)


def run(config: TrainConfig) -> None:
    """Learn the style of `style.person`; the file goes to `export/style.safetensors`."""
    tier = load_tier(config.tier)
    shipped = Path(str(tier.weights.transformer)).parent
    folder = Path(config.start_from) if config.start_from else shipped
    weights = folder / "transformer.safetensors"
    if not weights.is_file():
        raise InputError(f"a style goes on from the weights of a tier: no {weights}")
    num_frames = config.data.num_frames
    learnt, back = load_person(Path(config.style.footage), config.style.person, num_frames)
    logger.info(
        "%d pieces, %.0f s, to learn from; %d, %.0f s, kept back",
        len(learnt), sum(p.seconds for p in learnt), len(back), sum(p.seconds for p in back),
    )  # fmt: skip
    config.train = []
    torch.manual_seed(config.seed)
    base = build_components(tier, config.device)
    start_from(base, folder)
    for name in part_classes():
        getattr(base, name).eval().requires_grad_(False)
    differences = Differences(base.transformer)
    learning = Run(config, heads={"differences": differences})
    differences.requires_grad_(True)
    if not base.transformer.config.distilled:
        raise InputError("a style is learnt with a transformer that is distilled")
    numbers = _numbers(base, learnt, learning.folder, [len(piece.motion) for piece in learnt])
    styled = replace(base, transformer=Styled(base.transformer, differences))

    def step_loss(_: Components, step: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([config.seed, 97, step])
        batch = draw_windows(learnt, config.batch_size, num_frames, numbers, rng)
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        return style_loss(styled, base, batch, config, generator)

    def validate(_: Components) -> dict[str, float]:
        kept = {name: value.detach().clone() for name, value in differences.named().items()}
        smile = fit_smile(styled, learnt, numbers)
        style = PersonStyle(tuple(numbers.tolist()), kept, weights_mark(weights), smile)
        style.save(learning.folder / "export" / NAME)
        found = compare(base, style, weights, learnt, back)
        print(table(found))
        (learning.folder / "style.json").write_text(json.dumps(found, indent=1))
        return {name: found[name]["all"] for name in ("default", "style")}

    learning.train(step_loss, validate)
    path = learning.folder / "export" / NAME
    print(
        f"style: {path}; skyreels-avatar generate --image ME.jpg --audio VOICE.wav --style {path}"
    )


def style_loss(
    styled: Components,
    base: Components,
    batch: WindowBatch,
    config: TrainConfig,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Return "loss" and its parts: what is learnt against the person, the rest against the base.

    Half of the windows learn infinitely short steps from the person's motion, the others the long
    steps of the sampler from two of their own halves, as in the stage `distill`.
    """
    tier = base.tier
    usual = torch.tensor([tier.guidance_scale, tier.audio_guidance_scale])
    with torch.no_grad():
        prepared = prepare(base, batch, use_control=False)
        count = prepared.clean.shape[0]
        num_long = round(config.distill.long_share * count)
        steps = draw_steps(count, num_long, config, generator).to(prepared.clean.device)
        guidance = usual.to(prepared.clean).expand(count, -1)
        noise = batch.noise.to(prepared.clean)
        noisy = add_noise(prepared.clean, noise, steps.sigma)
        wanted = velocity(prepared.clean, noise)
        long = two_steps(styled, prepared, noise, guidance, steps)
        is_long = torch.arange(count, device=wanted.device) < num_long
        wanted = torch.where(is_long[:, None, None, None, None], long, wanted)
        held = told(base, prepared, noisy, steps.sigma, steps.end, guidance)
    made = told(styled, prepared, noisy, steps.sigma, steps.end, guidance)
    own = learnt_latents().to(made.device)
    unknown = (1 - prepared.mask[:, :1]).expand_as(made)
    losses = {
        "own": ((made - wanted).square() * own * unknown).sum() / (own * unknown).sum(),
        "rest": ((made - held).square() * (1 - own) * unknown).sum() / ((1 - own) * unknown).sum(),
    }
    return {"loss": losses["own"] + _HOLD * losses["rest"], **losses}


def learnt_latents() -> torch.Tensor:
    """Return (1, 32, 1, 1, 4): 1 where a latent holds a coefficient that is learnt, else 0."""
    names = [MOTION_INDEX[name] for name in (*LEARNT, *_LIDS)]
    return latent_weights((names, 2.0)) - 1


def fit_numbers(parts: Components, pieces: Sequence[PersonPiece]) -> np.ndarray:
    """Return the five numbers with which the network moves as far as the person does."""
    wanted = amounts([piece.motion for piece in pieces])
    numbers = np.zeros(len(FACTORS))
    rate = blinks_a_minute(pieces) / USUAL_BLINKS
    numbers[FACTORS.index("blink")] = np.log(max(rate, 0.1)) / SPREADS[FACTORS.index("blink")]
    furthest = np.array(FURTHEST)
    numbers = numbers.clip(-furthest, furthest)
    heard = sorted(pieces, key=lambda piece: -piece.seconds)[:_FIT_PIECES]
    for _ in range(_FITS):
        style = torch.from_numpy(numbers).float()[None]
        made = [
            roll_out(parts, AudioTrack(piece.samples, 16000), key=index, style=style).motion
            for index, piece in enumerate(heard)
        ]
        found = amounts(made)
        for name, amount in wanted.items():
            index = FACTORS.index(name)
            numbers[index] += np.log(max(amount, 1e-4) / max(found[name], 1e-4)) / SPREADS[index]
        numbers = numbers.clip(-furthest, furthest)
    return numbers


def fit_smile(parts: Components, pieces: Sequence[PersonPiece], numbers: np.ndarray) -> float:
    """Return what noise needs for the person's mean smile, for `FaceRig.lean_noise`.

    The transformer goes on with the smiles that it is given, and each shot begins without one.
    """
    told = torch.from_numpy(numbers).float()[None]
    heard = sorted(pieces, key=lambda piece: -piece.seconds)[:_FIT_PIECES]

    def smiles(shift: float) -> float:
        made = [
            roll_out(parts, AudioTrack(p.samples, 16000), key=index, style=told, smile=shift).motion
            for index, p in enumerate(heard)
        ]
        return float(np.mean([column(motion, "smile").mean() for motion in made]))

    wanted = float(np.mean([column(piece.motion, "smile").mean() for piece in heard]))
    shift, before = 0.0, smiles(0.0)
    for _ in range(_FITS):
        shift = float(np.clip(shift + (wanted - before) / _SMILE_RISE, *_SMILES))
        before = smiles(shift)
    return shift


def _numbers(
    parts: Components, pieces: Sequence[PersonPiece], folder: Path, lengths: list[int]
) -> np.ndarray:
    """Return the fitted numbers, from the run's folder where they are.

    Raises:
        InputError: they are those of other pieces.
    """
    path = folder / "numbers.json"
    if not path.is_file():
        fitted = {"numbers": fit_numbers(parts, pieces).tolist(), "lengths": lengths}
        path.write_text(json.dumps(fitted))
    kept = json.loads(path.read_text())
    if kept["lengths"] != lengths:
        raise InputError(f"{folder} is the run of other pieces; give another run=FOLDER")
    numbers = np.array(kept["numbers"])
    told_as = ", ".join(f"{name} {one:+.2f}" for name, one in zip(FACTORS, numbers))
    logger.info("numbers of the style, in spreads over talkers: %s", told_as)
    return numbers
