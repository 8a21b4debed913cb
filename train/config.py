"""What a training run is told: dataclasses are the schema, configs/train/<stage>.yaml the values.

A yaml file may only set what the dataclass knows, and `key=value` on the command line may only
override it; anything else is an error that lists what is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from skyreels_avatar.errors import InputError

CONFIG_FOLDER = Path(__file__).resolve().parent.parent / "configs" / "train"


@dataclass
class DataConfig:
    """Where training material comes from and how windows are drawn.

    Args:
        cache: folder of the shards, git-ignored.
        grid: folder of GRID talker s1; "" = simulated speech only.
        portraits: folder of portraits, for the encoder of the VAE.
        wearers: text file, the names of the portraits whose faces wear glasses, one a line.
        head: folder of a head with expressions, for the shapes of the mouth.
        talkers: folder of talking clips with landmarks, for the sync network.
        kokoro: folder of natural voices, for the stage `voices`.
        readers: folder of recordings that only the closure gate hears.
        recordings: folder of recordings of other people, for the stage `voices`.
        num_banks: banks of utterances of natural voices, about two minutes each.
        real_share: share of windows from real speech.
        natural_share: share of windows from natural voices.
        camera_share: share of windows under a moving camera.
        retalk_share: share of windows whose reference video already talks.
        num_frames: frames of a window, 1 + 4k.
        synthetic_shards, real_shards, natural_shards, recorded_shards, tracks_per_shard: size of
            the cache.
    """

    cache: str = "runs/corpus"
    grid: str = ""
    portraits: str = ""
    wearers: str = ""
    head: str = ""
    talkers: str = ""
    kokoro: str = ""
    readers: str = ""
    recordings: str = ""
    num_banks: int = 50
    real_share: float = 0.3
    natural_share: float = 0.0
    camera_share: float = 0.0
    retalk_share: float = 0.0
    num_frames: int = 49
    synthetic_shards: int = 20
    real_shards: int = 4
    natural_shards: int = 20
    recorded_shards: int = 8
    tracks_per_shard: int = 200


@dataclass
class FootageConfig:
    """Own videos: where they are, and what is thrown out of them.

    Args:
        folder: of the videos.
        workers: processes that share the videos.
        language: of all of them; "" = as their sound tracks say.
        least_s: seconds of a piece.
        face_px: least face height in the video.
        sharpness: least variance of the Laplacian at a face height of 100 px.
        yaw_deg: furthest turn of the head, 90th percentile.
        covered: largest share of frames with something before the face.
        open_range: least range of the mouth's opening, / H.
        speech: least share of the time in which somebody speaks.
        sync_c: least confidence of the sync network; of 25 talking clips the least is 0.23, of the
            same lips with another clip's sound two in a hundred reach 0.2.
        max_offset: frames of 1/25 s between lips and sound that are mended.
    """

    folder: str = ""
    workers: int = 1
    language: str = ""
    least_s: float = 2.0
    face_px: float = 60.0
    sharpness: float = 15.0
    yaw_deg: float = 35.0
    covered: float = 0.3
    open_range: float = 0.015
    speech: float = 0.3
    sync_c: float = 0.2
    max_offset: int = 5


@dataclass
class StyleConfig:
    """Whose style is learnt.

    Args:
        footage: folder of the stage `data`.
        person: as its report names them, "p1" is seen longest; "all" = everybody in it.
    """

    footage: str = "runs/footage"
    person: str = "p1"


@dataclass
class VideoConfig:
    """Training of a transformer that draws pixels: `lora`, and `distill` of such a tier.

    Args:
        size: of the windows: "480p", "720p" or like "512x512".
        windows: folder of the encoded windows, which `lora` and `distill` share.
        rank: of a LoRA; its alpha is the same.
        targets: layers that a LoRA changes, by the ends of their names.
        text_dropout, audio_dropout: shares of windows that are learnt without, for guidance.
        dry_run: count memory, operations and hours at the real sizes, and train nothing.
        cards, card_gb, card_tflops: of the dry run: how many GPUs, their memory in 10^9 bytes, and
            what they reach in bfloat16, about half of their data sheet.
    """

    size: str = "480p"
    windows: str = "runs/windows"
    rank: int = 32
    targets: list[str] = field(default_factory=lambda: ["to_q", "to_k", "to_v", "to_out.0"])
    text_dropout: float = 0.1
    audio_dropout: float = 0.1
    dry_run: bool = False
    cards: int = 8
    card_gb: float = 80.0
    card_tflops: float = 400.0


@dataclass
class LossConfig:
    """Weights of the parts of the loss; see objective.py.

    Args:
        lids: of those two of the 32 numbers within the flow, which are rarely anything but 0.
    """

    lids: float = 3.0
    mouth: float = 1.0
    speed: float = 0.5
    smooth: float = 0.4
    viseme: float = 0.5
    text: float = 0.5
    sigma_shift: float = 0.4
    audio_dropout: float = 0.10


@dataclass
class DistillConfig:
    """The guidance and the long steps that a student learns to do in one pass.

    Args:
        usual: scales of text and audio that most samples will be asked with.
        largest: scales up to which others are learnt.
        usual_share, plain_share: share of windows with the usual scales, and with none (1, 1).
        long_steps: numbers of steps that are learnt, each from two of twice as many.
        long_share: share of windows that learn them.
        mouth, lids: weights of those numbers.
        shiver: weight of the second differences of what the student misses.
    """

    usual: tuple[float, float] = (2.0, 1.4)
    largest: tuple[float, float] = (3.5, 2.0)
    usual_share: float = 0.5
    plain_share: float = 0.1
    long_steps: list[int] = field(default_factory=lambda: [4, 8])
    long_share: float = 0.5
    mouth: float = 2.0
    lids: float = 4.0
    shiver: float = 0.3


@dataclass
class GroupConfig:
    """Samples in groups, that learn which of them are better; see group_policy.py.

    Args:
        size: samples of each window; 0 = the gradients of the penalties are followed instead.
        updates: steps that learn from the samples of one batch of windows.
        noise: share of a step's noise that is drawn anew, 0 to 1: how far samples are apart.
        clip: how far from 1 the ratio of probabilities, a number's mean, earns anything.
        kl: weight of the divergence from the weights before, a number's mean.
        missed, untimely: closures that are missed, and lips that shut where they are apart.
        alike, nods, unnatural, critic: see group_reward.py.
    """

    size: int = 0
    updates: int = 2
    noise: float = 0.5
    clip: float = 1e-3
    kl: float = 0.2
    missed: float = 3.0
    untimely: float = 3.0
    alike: float = 2.0
    nods: float = 0.5
    unnatural: float = 2.0
    critic: float = 1.0


@dataclass
class RewardConfig:
    """Weights of the penalties that samples are judged by; see reward.py.

    Args:
        closures, open: lips apart on p, b, m; lips that meet in other speech. A mean over ten times
            as many frames: here a missed closure costs what two false ones do.
        rounding, tuck: too little of them on w, o, u and f, v. leaks: of both elsewhere.
        lips: the sync network. loudness, pauses: lips and the loudness of the sound.
        opening, ranges, tremor: bands of statistics. expression: what the prompt asks for.
        alike: heads of different windows that move together. head_pauses: heads that go on moving.
        follow, spread: what head, brows and face of few steps miss of many, and how much less they
            differ between frames and between noises.
        opening_factor: the mouth's spread that is asked for, by that of the windows.
        teacher: folder of the transformer that is followed; "" = `start_from`.
        many_steps: of its sampler. num_pairs: windows that follow it, each with
            two noises.
        leash: to the weights before. mouth_leash: of the mouth in it, 1 = like the rest.
        num_steps: of the sampler.
        control_every: each so many batches have moving cameras and talking references.
        group: how samples in groups are judged and learnt from.
    """

    closures: float = 5.0
    open: float = 15.0
    rounding: float = 0.5
    tuck: float = 0.5
    leaks: float = 0.5
    lips: float = 0.5
    loudness: float = 0.3
    pauses: float = 1.0
    opening: float = 2.0
    ranges: float = 0.3
    tremor: float = 0.1
    expression: float = 1.0
    alike: float = 1.0
    head_pauses: float = 0.0
    follow: float = 0.0
    spread: float = 0.0
    opening_factor: float = 1.0
    teacher: str = ""
    many_steps: int = 20
    num_pairs: int = 0
    leash: float = 10.0
    mouth_leash: float = 0.05
    num_steps: int = 4
    control_every: int = 4
    group: GroupConfig = field(default_factory=GroupConfig)


@dataclass
class TrainConfig:
    """One run of one stage.

    Args:
        run: folder of the run, git-ignored: log, checkpoint, exported weights.
        tier: whose networks are trained.
        start_from: folder of exported weights to start from; "" = fresh networks.
        recipe: which file that ships the stage `recipe` makes.
        publish_to: folder of the weights that ship, for the stage `publish`.
        train: which networks learn; the others are frozen.
        num_steps, batch_size: length of the run and windows per step.
        lr, warmup_steps, final_lr: AdamW's rate rises linearly, then falls as a cosine to
            final_lr x lr.
        ema_decay: of the exported weights; early steps use less.
        log_every, validate_every, save_every: steps.
        max_minutes: stop cleanly after this time; 0 = no limit.
        device, threads: where to compute.
        bf16: mixed precision. Not given: on, but float32 on a CPU, where bfloat16 may cost ten
            times as much (18.7 against 1.9 core-seconds a step without AVX-512).
    """

    run: str = "runs/pretrain"
    tier: str = "nano"
    start_from: str = ""
    recipe: str = ""
    publish_to: str = "assets/nano"
    train: list[str] = field(default_factory=lambda: ["transformer"])
    num_steps: int = 6000
    batch_size: int = 32
    lr: float = 1.0e-3
    final_lr: float = 0.05
    warmup_steps: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    log_every: int = 20
    validate_every: int = 400
    save_every: int = 200
    max_minutes: float = 0.0
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    bf16: bool | None = None
    data: DataConfig = field(default_factory=DataConfig)
    footage: FootageConfig = field(default_factory=FootageConfig)
    style: StyleConfig = field(default_factory=StyleConfig)
    video: VideoConfig = field(default_factory=VideoConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)

    @property
    def use_bf16(self) -> bool:
        """Whether to compute in bfloat16: what was given, else only off the CPU."""
        return self.device.split(":")[0] != "cpu" if self.bf16 is None else self.bf16


def load_config(stage: str, overrides: list[str]) -> TrainConfig:
    """Return the configuration of a stage: defaults, its yaml file, then `key=value` overrides.

    Raises:
        InputError: an unknown stage, an unknown key, or a value of the wrong type.
    """
    path = CONFIG_FOLDER / f"{stage.replace(' ', '_')}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in CONFIG_FOLDER.glob("*.yaml")))
        raise InputError(f"there is no stage {stage!r}; stages are {known}")
    for override in overrides:
        if "=" not in override:
            raise InputError(f"options are key=value, got {override!r}; keys are {_keys()}")
    schema = OmegaConf.structured(TrainConfig)
    try:
        merged = OmegaConf.merge(schema, OmegaConf.load(path), OmegaConf.from_dotlist(overrides))
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"stage {stage}: {reason}; keys are {_keys()}") from error
    config = OmegaConf.to_object(merged)
    if config.footage.workers < 1:
        raise InputError(f"footage.workers must be 1 or more, got {config.footage.workers}")
    if (config.data.num_frames - 1) % 4:
        raise InputError(f"data.num_frames must be 1 + 4k, got {config.data.num_frames}")
    return config


def _keys(schema: type = TrainConfig, prefix: str = "") -> str:
    default = schema()
    names = []
    for item in fields(schema):
        value = getattr(default, item.name)
        if is_dataclass(value):
            names.append(_keys(type(value), f"{prefix}{item.name}."))
        else:
            names.append(prefix + item.name)
    return ", ".join(names)
