"""Route voices to persons, when several talk, by rotary positions.

Each token of the video belongs to the person (or the background) whose pixels in the first frame
it attends to most. Persons have positions of their own, which voices share; a token listens to the
voice that is near. Source: MultiTalk (arXiv 2505.22647), label rotary position embedding; the
first two persons have its positions, further ones go on at the same distance.
"""

from __future__ import annotations

import torch
import torch.distributed as dist

from skyreels_avatar.models.context_parallel import extremes

DISTANCE = 20.0  # between persons
REACH = 4.0  # a person's tokens lie so far beyond the person's first position
BACKGROUND = 12.0
_EPSILON = 1e-8


def token_positions(
    attention: torch.Tensor, group: dist.ProcessGroup | None = None
) -> torch.Tensor:
    """Return (B, L) positions of the tokens of a video.

    Args:
        attention: (B, P + 1, L) to each person and, last, to the background.
        group: of the processes among which the tokens are split; None = all are here.
    """
    persons = attention[:, :-1]
    low, high = extremes(persons, group)
    starts = DISTANCE * torch.arange(persons.shape[1]).to(persons)[:, None]
    scaled = starts + REACH * (persons - low) / (high - low + _EPSILON)
    background = torch.full_like(attention[:, :1], BACKGROUND)
    belongs = attention.argmax(1, keepdim=True)
    return torch.cat([scaled, background], 1).gather(1, belongs)[:, 0]


def voice_positions(num_persons: int, num_tokens: int) -> torch.Tensor:
    """Return (P x num_tokens,) positions of the audio tokens of one latent frame."""
    middles = DISTANCE * torch.arange(num_persons) + REACH / 2
    return middles.repeat_interleave(num_tokens)


def rotary_table(
    positions: torch.Tensor, head_dim: int, theta: float = 10000.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosine and sine (..., 1, head_dim / 2) of positions (...)."""
    exponent = torch.arange(0, head_dim, 2, device=positions.device).float() / head_dim
    angle = positions.float()[..., None, None] * theta**-exponent
    return angle.cos(), angle.sin()


def listening_tables(
    positions: torch.Tensor, audio_embeds: torch.Tensor, num_persons: int, head_dim: int
) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Return the rotary tables of the tokens of latent frames, and of the voices they hear.

    Args:
        positions: (B, T h w) of the tokens, see `token_positions`.
        audio_embeds: (B, T, N_a, D), the voices one after the other in each latent frame.
    """
    batch, num_latent_frames, num_tokens = audio_embeds.shape[:3]
    voices = voice_positions(num_persons, num_tokens // num_persons)[None].to(positions.device)
    by_frame = positions.reshape(batch * num_latent_frames, -1)
    return rotary_table(by_frame, head_dim), rotary_table(voices, head_dim)
