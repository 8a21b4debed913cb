"""Schedules, sizes, windows, clips and colours are those of the published pipeline."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from skyreels_avatar.flow import make_sigmas
from skyreels_avatar.media.image import _covering
from skyreels_avatar.models.audio_projector import first_rows, later_rows
from skyreels_avatar.models.speech_encoder import ProjectedSound
from skyreels_avatar.planning.segments import ShotPlan
from skyreels_avatar.planning.storyboard import END_FRAMES, plan_clips
from skyreels_avatar.shapes import nearest_bucket
from skyreels_avatar.spaces.colour import match_colour
from skyreels_avatar.spaces.known import known_frames_mask

STORYBOARD, PICTURE, EMPTY = 1000, 0, -1


@pytest.fixture(scope="module")
def folder(golden_dir: Path) -> Path:
    return golden_dir / "skyreels_v3_a2v"


def cases(folder: Path, pattern: str) -> list[dict[str, torch.Tensor]]:
    found = [load_file(path) for path in sorted(folder.glob(pattern))]
    if not found:
        pytest.skip(f"no case {pattern} in {folder}")
    return found


def test_schedules(folder: Path) -> None:
    """Bound 1e-3 in units of t, as the golden case asks."""
    for case in cases(folder, "case5*.safetensors"):
        for key, expected in case.items():
            shift, steps, kind = re.fullmatch(r".*shift([\d.]+)\.steps(\d+)\.(t|dt)", key).groups()
            sigmas = make_sigmas(int(steps), float(shift), smallest=0.001)
            made = 1000 * sigmas if kind == "t" else -sigmas.diff()
            bound = 1e-3 if kind == "t" else 1e-6
            torch.testing.assert_close(made, expected, atol=bound, rtol=0)


def test_sizes(folder: Path) -> None:
    for case in cases(folder, "case13*.safetensors"):
        for height, width, *expected in case["bucket_table"].tolist():
            made = [*nearest_bucket(height, width, "480p"), *nearest_bucket(height, width, "720p")]
            assert made == expected, (height, width)


def test_pictures_are_resized_alike(folder: Path) -> None:
    """One level is allowed between versions of Pillow."""
    for case in cases(folder, "case13*.safetensors"):
        for name in {key.split(".")[1] for key in case if key.startswith("resize.")}:
            expected = case[f"resize.{name}.out_uint8"][0, :, 0].permute(1, 2, 0).numpy()
            pixels = case[f"resize.{name}.in"].numpy()
            made = _covering(pixels, *expected.shape[:2])
            assert np.abs(made.astype(int) - expected).max() <= 1


def test_colours(folder: Path) -> None:
    """Bound 5e-5: an independent implementation is 4e-6 away."""
    for case in cases(folder, "case12*.safetensors"):
        source, reference = case["in.source"][0], case["in.reference"][0, :, 0]
        for key, expected in case.items():
            if match := re.fullmatch(r"out\.strength([\d.]+)", key):
                made = match_colour(source.transpose(0, 1), reference, float(match[1]))
                expected = expected[0].transpose(0, 1)
                torch.testing.assert_close(made, expected, atol=5e-5, rtol=0)


def heard(num_rows: int, clips, rows: torch.Tensor) -> list:
    """Return which rows of a sound are heard where a clip asks for these."""
    plan = ShotPlan(num_rows, 25.0, num_rows, 25.0, clips, 4)
    sound = ProjectedSound(torch.arange(num_rows)[:, None, None], None)
    if plan.num_heard_frames:
        sound = sound.continued(plan.num_heard_frames)
    return sound._features[rows.clamp(0, len(sound._features) - 1), 0, 0].tolist()


def test_rows_of_sound_in_every_pass(folder: Path) -> None:
    for case in cases(folder, "case4*.safetensors"):
        num_rows = len(case["example.raw"])
        for tag in sorted({key.split(".")[0] for key in case if re.match(r"f\d", key)}):
            window = int(tag[1:])
            clips = plan_clips(num_rows, window, 5, 4)
            passes = sorted(key for key in case if key.startswith(f"{tag}.") and "first" in key)
            assert len(passes) == len(clips)
            for number, clip in enumerate(clips):
                for name, rows in (
                    ("first_index", first_rows(clip.first_frame)),
                    ("latter_index", later_rows(clip.first_frame, 1 + (window - 1) // 4)),
                ):
                    made = heard(num_rows, clips, rows)
                    assert made == case[f"{tag}.pass{number}.{name}"].tolist()


def test_clips_of_long_shots(folder: Path) -> None:
    """Which frames every pass is shown, which of them are given, and where the video's are from."""
    window = 81
    for case in cases(folder, "case4*.safetensors"):
        for plan in sorted({key.rpartition(".")[0] for key in case if key.startswith("plan.")}):
            length, motion, dropped = map(int, re.findall(r"\d+", plan))
            clips = plan_clips(length, window, motion, dropped)
            made = [tags_of(clips, number, window) for number in range(len(clips))]
            expected = case[f"{plan}.pixel_condition"]
            assert torch.equal(torch.tensor(made).int(), expected), plan
            masks = known_frames_mask(expected != EMPTY)[..., 0, 0]
            assert torch.equal(masks.to(torch.int8), case[f"{plan}.mask"]), plan
            assert [tags[0] for tags in made] == case[f"{plan}.clip_image"].tolist()
            shown = [
                STORYBOARD * (number + 1) + frame - clip.first_frame
                for number, clip in enumerate(clips)
                for frame in range(*clip.keep)
            ]
            assert shown == case[f"{plan}.output"].tolist(), plan
            starts = torch.tensor([clip.first_frame for clip in clips])
            centers = heard(length, clips, starts[:, None] + torch.arange(window))
            assert centers == case[f"{plan}.audio_center"].tolist(), plan


def tags_of(clips, number: int, window: int) -> list[int]:
    """Return where each frame that a pass is shown comes from."""
    clip, tags = clips[number], [EMPTY] * window
    tags[0] = PICTURE
    if clip.num_known_frames:
        before = clips[clip.needs[0]]
        stop = before.keep[1] - before.first_frame
        tags[: clip.num_known_frames] = [
            STORYBOARD * number + frame for frame in range(stop - clip.num_known_frames, stop)
        ]
    if clip.role == "clip":
        tags[-END_FRAMES:] = [STORYBOARD + clips[0].frame_at(clip.stop - 1)] * END_FRAMES
    return tags
