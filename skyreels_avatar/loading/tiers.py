"""A tier: the weights of each part, and the defaults of sampling.

A tier is a yaml file in `configs/`, or one of the user's own. Code never asks which tier it runs
in; tiers differ by the values below.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from skyreels_avatar.checks import check_fields, short_repr, user_path
from skyreels_avatar.documents import parse_mapping, read_text
from skyreels_avatar.errors import InputError
from skyreels_avatar.folders import asset_path, config_path, models_folder
from skyreels_avatar.loading.memory import parse_memory

FACE_NETWORKS = "nano/face_networks.safetensors"  # of every tier, for `asset_path`
LARGE_PIXELS = 600_000  # of a frame, between the published sizes 480p and 720p
_MODELS = "models/"
_BUCKETS = ("480p", "540p", "720p")
_INJECTIONS = ("none", "noised", "renoised", "clean")
_SCHEMES = ("overlap", "storyboard", "streaming", "continuation")


@dataclass(frozen=True)
class WeightFiles:
    """The weights of each part: absolute, beside the tier's yaml, or among the assets.

    A file of ours, or public weights: a file, a folder, or several of either laid over each other.

    Attributes:
        controlnet: leads along the path of a camera that moves; "" = cameras stand still.
        tokenizer: folder of the tokenizer of a public text encoder; "" = none.
        image_encoder: for a transformer that looks at the picture; "" = none.
        light: what reads light and colour from the prompt, for networks that move the picture
            instead of drawing it; "" = none.
        occluder: sees what stands before a face; "" = none.
    """

    vae: Any = MISSING
    transformer: Any = MISSING
    controlnet: Any = ""
    audio_encoder: Any = MISSING
    text_encoder: Any = MISSING
    tokenizer: str = ""
    image_encoder: Any = ""
    light: str = ""
    occluder: str = ""

    def paths(self) -> list[Path]:
        """Return the files and folders of all parts."""
        return [
            Path(path)
            for given in vars(self).values()
            for path in (given if isinstance(given, (list, tuple)) else [given])
            if path
        ]


@dataclass(frozen=True)
class Tier:
    """What a yaml file in `configs/` says.

    Attributes:
        name: of the tier; the file's name unless it says otherwise.
        weights: the weight file of each part.
        needs: published models, by their names in `models list`, that it uses beside its weights.
        sizes: per part, the arguments that differ from its class's defaults; for training. A
            weight file carries its own sizes.
        fps: motion frames per second, the clock of the networks.
        window: motion frames of one denoising window: 1 and a multiple of the time factor that its
            VAE has, 4 for those that are known.
        overlap: motion frames a window takes over from the one before, of the same form.
        scheme: how the networks were trained to make long shots: "overlap" = windows that go on
            from each other; "storyboard" = clips between frames of a first one that shows the whole
            shot in short (SkyReels-V3); "streaming" = clips that go on from each other and are
            shown the picture again (InfiniteTalk); "continuation" = clips of one length that go on
            from each other (LongCat-Video). See `planning/storyboard.py`.
        num_dropped: of "storyboard", frames at the end of a clip that are not shown.
        connection_prompt: of "storyboard", what all clips after it are told in the prompt's
            place, as they were trained; "" = the prompt.
        num_inference_steps: default number of denoising steps.
        guidance_scale: default guidance for text; 1 is off.
        audio_guidance_scale: default guidance for audio; 1 is off.
        projected_guidance: norm up to which guidance acts across the prediction alone (APG), 55 in
            InfiniteTalk; 0 = plain guidance.
        negative_prompt: what videos should not show where a request does not say it.
        batch_guidance: ask the network for all that guidance compares in one batch; else in turn,
            which takes as long where frames are large, and a third of the memory.
        inject_picture: what stands, in a window that starts from the picture, in the latent frames
            that are known: "none" = what is sampled, "noised" = themselves at the noise of the
            step, "renoised" = the same with other noise in each step, "clean" = themselves. The
            network sees the known frames beside them anyhow.
        inject_carried: the same in later windows, for the frames of the window before.
        shift: > 1 spends more of the steps at high noise; None = as the transformer was published.
        large_shift: the same for frames of more than 0.6 megapixels; None = as `shift`.
        sigma_smallest: noise level of the last step, before the shift; None = as far from 0 as
            the steps are long.
        tail_steps: of windows that go on from another, the number of steps, all of one length,
            below a noise level of 0.5; 0 = as the others are made, 10 in LongCat-Video.
        control_scale: how strongly the camera ControlNet leads; 0 is not at all, 1 as trained.
        control_start, control_end: shares of the steps between which it leads, 0 and 1 for all.
        device: where the networks go unless something else is asked for: "cpu", "cuda", or "auto"
            for a GPU where there is one.
        loras: LoRAs that are fused into the transformer, by their files, with their strengths.
        quantization: "int8" or "float8": weights of the transformer's blocks in 8 bits, by
            torchao; "" = as they are.
        offload: "blocks" keeps the transformer in the host's memory and brings it to the device
            block by block, and runs text and image encoders on the host; "" = all on the device.
        attention_backend: of diffusers, for example "flash" or "sage"; "" = PyTorch's own.
        compile: the repeated blocks, which makes a first run slower and later ones faster.
        first_block_cache: relative change of the first block's work up to which a step leaves out
            the others, about 0.1; 0 = never.
        tea_cache: change that is estimated from the embedding of time, summed up over steps, up to
            which a step leaves out the blocks (TeaCache); 0.2 in InfiniteTalk, 0 = never.
        memory: of a GPU that may be taken: "auto" = what is free, "full" = do not ask, or like
            "24gb"; see `memory.py` for what is done to fit.
        context_parallel: processes, each with a device, that share every pass of the transformer;
            0 = as many as torchrun has started, 1 = not shared.
        buckets: "480p", "540p" or "720p": sizes are those that public video transformers were
            trained at, this one by default; "" = any size.
    """

    name: str = MISSING
    weights: WeightFiles = field(default_factory=WeightFiles)
    needs: list[str] = field(default_factory=list)
    sizes: dict[str, dict[str, Any]] = field(default_factory=dict)
    fps: float = 25.0
    window: int = 49
    overlap: int = 9
    scheme: str = "overlap"
    num_dropped: int = 12
    connection_prompt: str = ""
    num_inference_steps: int = 8
    guidance_scale: float = 1.0
    audio_guidance_scale: float = 1.0
    projected_guidance: float = 0.0
    negative_prompt: str = ""
    batch_guidance: bool = True
    inject_picture: str = "noised"
    inject_carried: str = "noised"
    shift: float | None = None
    large_shift: float | None = None
    sigma_smallest: float | None = None
    tail_steps: int = 0
    control_scale: float = 1.0
    control_start: float = 0.0
    control_end: float = 1.0
    device: str = "cpu"
    loras: dict[str, float] = field(default_factory=dict)
    quantization: str = ""
    offload: str = ""
    attention_backend: str = ""
    compile: bool = False
    first_block_cache: float = 0.0
    tea_cache: float = 0.0
    memory: str = "auto"
    context_parallel: int = 1
    buckets: str = ""

    def shift_of(self, num_pixels: int, published: float | None = None) -> float:
        """Return the shift for frames of so many pixels.

        Args:
            published: of the transformer, where the tier says none.
        """
        large = self.large_shift is not None and num_pixels > LARGE_PIXELS
        found = self.large_shift if large else self.shift
        found = published if found is None else found
        return 1.0 if found is None else found

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 < self.overlap < self.window:
            raise InputError(
                f"overlap must be above 0 and below window, got {self.overlap} and {self.window}"
            )
        parse_memory(self.memory)
        for name in ("fps", "num_inference_steps", "shift", "large_shift"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} must be above 0, got {value}")
        for name, allowed in (
            ("offload", ("", "blocks")),
            ("quantization", ("", "int8", "float8")),
            ("buckets", ("", *sorted(_BUCKETS))),
            ("scheme", _SCHEMES),
            ("inject_picture", _INJECTIONS),
            ("inject_carried", _INJECTIONS),
        ):
            if getattr(self, name) not in allowed:
                words = ", ".join(repr(word) for word in allowed)
                raise InputError(f"{name} is one of {words}, got {getattr(self, name)!r}")
        if not 0 <= self.control_start < self.control_end <= 1:
            raise InputError(
                "control_start and control_end must be shares with 0 <= start < end <= 1, got "
                f"{self.control_start} and {self.control_end}"
            )
        zero_or_more = ("guidance_scale", "audio_guidance_scale", "control_scale", "num_dropped",
                        "tea_cache", "tail_steps")  # fmt: skip
        for name in (*zero_or_more, "context_parallel", "first_block_cache", "projected_guidance"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must be at least 0, got {getattr(self, name)}")


def load_tier(name_or_path: str | Path) -> Tier:
    """Return the tier of that name in `configs/`, or the one a yaml file describes.

    The weight files of the result are absolute paths.

    Raises:
        InputError: an unknown name (the message lists the known ones), a missing or malformed
            file, an unknown field or a value out of range.
    """
    path = _yaml_path(name_or_path)
    tier = deepcopy(_read_tier(path, read_text(path, "tier")))  # whoever asks may change it
    weights = {f.name: _weight_path(getattr(tier.weights, f.name), path.parent) for f in
               fields(WeightFiles)}  # fmt: skip
    loras = {_weight_path(name, path.parent): scale for name, scale in tier.loras.items()}
    return replace(tier, weights=WeightFiles(**weights), loras=loras)


@lru_cache(maxsize=8)
def _read_tier(path: Path, text: str) -> Tier:
    """Return the tier of a file as it is written there; a run asks for it several times."""
    given, allowed = parse_mapping(text, path, "tier"), ", ".join(f.name for f in fields(Tier))
    if not {f.name for f in fields(Tier)} & given.keys():
        raise InputError(f"{path} is not a tier; a tier's fields are {allowed}")
    try:
        _refuse_interpolation(given, path)
        merged = OmegaConf.merge(OmegaConf.structured(Tier), {"name": path.stem}, given)
        return OmegaConf.to_object(merged)
    except ConfigKeyError as error:
        raise InputError(f"{path}: {_first_line(error)}; a tier's fields are {allowed}") from error
    except (OmegaConfBaseException, TypeError) as error:
        raise InputError(f"{path} is not a usable tier: {_first_line(error)}") from error


def tier_names() -> list[str]:
    """Return the names that `load_tier` knows, sorted."""
    return sorted(path.stem for path in config_path("").glob("*.yaml"))


def _yaml_path(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        path = user_path(path)
        try:
            is_file = path.is_file()
        except OSError:  # a name of thousands of letters
            is_file = False
        if not is_file:
            raise InputError(f"no tier file at {str(path)[:500]}")
        return path.resolve()
    if str(name_or_path) not in tier_names():
        raise InputError(
            f"unknown tier {short_repr(str(name_or_path))}; known are {', '.join(tier_names())}, "
            "or give the path of a yaml file"
        )
    return config_path(f"{name_or_path}.yaml")


def _weight_path(name: Any, folder: Path) -> Any:
    """Return the absolute path of a file or folder, or of each of several.

    What begins with `models/` is in the folder of public weights.
    """
    if isinstance(name, (list, tuple)):
        return [_weight_path(one, folder) for one in name]
    if not name:
        return name
    if not isinstance(name, (str, Path)):
        raise InputError(f"weights must be paths of files or folders, got {short_repr(name)}")
    if str(name).startswith(_MODELS):
        return str(models_folder() / str(name).removeprefix(_MODELS))
    beside = folder / str(name)
    try:
        is_beside = Path(name).is_absolute() or beside.exists()
    except (OSError, ValueError) as error:  # thousands of letters, a zero byte
        raise InputError(f"weights must be paths of files, got {short_repr(str(name))}") from error
    return str(beside if is_beside else asset_path(name))


def _refuse_interpolation(value: Any, path: Path) -> None:
    """Refuse "${...}": OmegaConf would read environment variables and more in its place."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            _refuse_interpolation(item, path)
    elif isinstance(value, str) and "${" in value:
        raise InputError(f"{path}: a tier holds plain values; ${{...}} is not read in one")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
