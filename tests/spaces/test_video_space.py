"""Windows of generated pixels: what each is shown, given, and hands on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.spaces import video_space as pixel_space
from skyreels_avatar.spaces.colour import match_colour
from skyreels_avatar.spaces.video_space import VideoSpace

HEIGHT, WIDTH, CHANNELS = 32, 48, 2


class WholeFrames(torch.nn.Module):
    """A VAE whose latents are every fourth frame made small, and which decodes to grey ramps."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(latents_mean=[0.5, 0.0], latents_std=[2.0, 1.0])
        self.seen: list[torch.Tensor] = []

    def encode(self, video: torch.Tensor):
        self.seen.append(video[0].transpose(0, 1))
        latents = torch.nn.functional.avg_pool3d(video[:, :CHANNELS], (1, 8, 8))[:, :, ::4]
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))

    def decode(self, latents: torch.Tensor):
        count = 4 * (latents.shape[2] - 1) + 1
        ramp = torch.linspace(-1, 1, WIDTH).expand(1, 3, count, HEIGHT, WIDTH).clone()
        ramp += 0.01 * torch.arange(count)[:, None, None]
        return SimpleNamespace(sample=ramp)


class Counting:
    """A reference video whose frame i has the value i, on a ramp so that colours have a spread.

    Of frame i the first i columns show nothing.
    """

    is_still = False

    def rays(self, at: np.ndarray) -> torch.Tensor:
        rays = torch.zeros(7, len(at), HEIGHT, WIDTH)
        for index, picture in enumerate(at):
            rays[0, index, :, :picture] = 1
        rays[1:] = torch.from_numpy(at)[:, None, None]
        return rays

    def frames(self, start: int, stop: int) -> np.ndarray:
        ramp = np.linspace(0, 80, WIDTH).astype(np.uint8)
        numbers = np.arange(start, stop, dtype=np.uint8)[:, None, None, None]
        return np.broadcast_to(ramp[:, None] + numbers, (stop - start, HEIGHT, WIDTH, 3)).copy()


@pytest.fixture
def plan():
    return plan_shot(41 / 25, 25.0, 25.0, window=17, overlap=5)


@pytest.fixture
def space(plan) -> VideoSpace:
    return VideoSpace(WholeFrames(), plan, Counting(), seed=0)


def test_every_window_is_shown_its_own_piece_of_the_camera_move(space, plan):
    assert len(plan.segments) == 3
    for segment in plan.segments:
        control = space.control(segment)
        shown = space._vae.seen[-1]
        expected = Counting().frames(segment.first_frame, segment.stop)
        expected = torch.from_numpy(expected).permute(0, 3, 1, 2).float() / 127.5 - 1
        holes = Counting().rays(np.arange(segment.first_frame, segment.stop))[0]
        torch.testing.assert_close(shown, expected * (1 - holes[:, None]))
        assert control.shape == (1, CHANNELS, 5, HEIGHT // 8, WIDTH // 8)


def test_latents_are_normalised(space, plan):
    latents = space.control(plan.segments[0])
    video = space._vae.seen[-1]
    pooled = torch.nn.functional.avg_pool2d(video[0], 8)
    torch.testing.assert_close(latents[0, 0, 0], (pooled[0] - 0.5) / 2)
    torch.testing.assert_close(latents[0, 1, 0], pooled[1])


def test_the_first_window_starts_from_what_the_camera_sees(space, plan):
    known = space.known(plan.segments[0], ())
    known, mask, given = known.latents, known.mask, space._vae.seen[-1]
    assert given[0].abs().sum() > 0 and given[1:].abs().sum() == 0
    assert known.shape[2] == 5 and mask.shape == (1, 4, 5, HEIGHT // 8, WIDTH // 8)
    assert mask[:, :, 0].all() and not mask[:, :, 1:].any()


def test_later_windows_start_from_frames_that_were_made(space, plan):
    first, second = plan.segments[:2]
    latents = torch.zeros(1, CHANNELS, 5, 4, 6)
    mask = space.known(second, [(first, latents)]).mask
    carried = space._vae.seen[-1][:5]
    pictures = np.concatenate(list(space.frames(latents, first)))
    last = torch.from_numpy(pictures[-5:]).permute(0, 3, 1, 2).float() / 127.5 - 1
    torch.testing.assert_close(carried, last, atol=1 / 127, rtol=0)
    assert mask[:, :, :2].all() and not mask[:, :, 2:].any()


def test_colours_follow_the_reference_frame_by_frame(space, plan):
    latents = torch.zeros(1, CHANNELS, 5, 4, 6)
    space.finish(latents, plan.segments[0])
    pictures = np.concatenate(list(space.frames(latents, plan.segments[0])))
    seen = Counting().frames(0, len(pictures))
    means = pictures.mean((1, 2, 3)), seen.mean((1, 2, 3))
    assert np.abs(means[0] - means[1]).max() < 4


def test_all_pictures_are_made_once(space, plan):
    made = 0
    for segment in plan.segments:
        latents = torch.zeros(1, CHANNELS, (segment.num_frames + 3) // 4, 4, 6)
        space.finish(latents, segment)
        made += sum(len(chunk) for chunk in space.frames(latents, segment))
    assert made == plan.num_frames == 41
    assert not space._decoded


def test_only_the_frames_handed_over_are_held_before_the_next_window(space, plan, monkeypatch):
    """The others wait until they are taken, which is beside the denoising of the next window."""
    held = []

    def match(frames, seen):
        held.append(len(frames))
        return match_colour(frames, seen)

    monkeypatch.setattr(pixel_space, "match_colour", match)
    latents = torch.zeros(1, CHANNELS, 5, 4, 6)
    space.known(plan.segments[1], [(plan.segments[0], latents)])
    assert sum(held) == 5
    assert sum(len(chunk) for chunk in space.frames(None, plan.segments[0])) == 17
    assert sum(held) == 5 + 17


def test_the_controlnet_is_shown_grey_holes_their_mask_and_rays(space, plan):
    """As it was trained. It was shown filled holes, and neither mask nor rays."""
    segment = plan.segments[1]
    first, stop = segment.first_frame, segment.stop
    space.control(segment)
    shown, rays = space._vae.seen[-1], space.control_rays(segment)
    assert rays.shape == (1, 7, segment.num_frames, HEIGHT, WIDTH)
    for index, picture in enumerate(range(first, stop)):
        picture = min(picture, plan.num_frames - 1)
        assert rays[0, 0, index, 0].sum() == picture and rays[0, 1, index].min() == picture
        assert shown[index, :, :, :picture].abs().max() == 0
        whole = Counting().frames(picture, picture + 1)[0, :, picture:].transpose(2, 0, 1)
        expected = torch.from_numpy(whole).float() / 127.5 - 1
        torch.testing.assert_close(shown[index, :, :, picture:], expected)


def test_the_controlnet_is_not_asked_where_the_camera_rests(space, plan):
    """It was, for the default camera, which nobody trained it for."""
    space._reference.is_still = True
    assert space.control(plan.segments[0]) is None
    assert space.control_rays(plan.segments[0]) is None
    assert not space._vae.seen


@pytest.mark.parametrize("pictures_first", [True, False])
def test_a_window_is_decoded_once_for_its_pictures_and_the_next_one(
    space, plan, monkeypatch, pictures_first
):
    first, second = plan.segments[:2]
    latents, decode, decoded = torch.zeros(1, CHANNELS, 5, 4, 6), space._vae.decode, []
    monkeypatch.setattr(space._vae, "decode", lambda one: decoded.append(one) or decode(one))
    for wanted in (pictures_first, not pictures_first):
        if wanted:
            assert sum(len(chunk) for chunk in space.frames(latents, first)) == 17
        else:
            space.known(second, [(first, latents)])
    assert len(decoded) == 1
