"""How the diffusion model is sampled: steps, guidance, seed."""

from __future__ import annotations

from dataclasses import dataclass

from skyreels_avatar.checks import MAX_SEED, check_fields, check_integer, check_number

MAX_STEPS = 1000
MAX_GUIDANCE = 100.0


@dataclass(frozen=True)
class SamplingParams:
    """Sampling settings of the diffusion model; None takes the tier's default.

    Args:
        num_inference_steps: 1 to 1000.
        guidance_scale: classifier-free guidance for the prompt, 1 = off.
        audio_guidance_scale: the same for the voice.
        seed: same seed, same machine, same version: the same frames.
    """

    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    audio_guidance_scale: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.num_inference_steps is not None:
            check_integer("steps", self.num_inference_steps, 1, MAX_STEPS)
        for name in ("guidance_scale", "audio_guidance_scale"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), 0, MAX_GUIDANCE)
        check_integer("seed", self.seed, 0, MAX_SEED)
