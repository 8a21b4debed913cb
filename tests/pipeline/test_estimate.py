"""What a shot will take is counted before any network runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from PIL import Image

from skyreels_avatar.folders import config_path
from skyreels_avatar.pipeline.estimate import ShotEstimate, estimate
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot
from tests.tiny import write_tier


def test_memory_does_not_grow_with_the_length_and_time_does(picture_file, sound_file, tmp_path):
    shot = Shot(image=picture_file, audio=sound_file)
    half = Shot(image=picture_file, audio=sound_file, end_s=0.5)
    whole, part = (estimate(GenerationRequest(s, tmp_path / "o.mp4")) for s in (shot, half))
    assert (whole.num_frames, part.num_frames) == (25, 13)
    assert whole.memory_mb == part.memory_mb
    assert whole.seconds > part.seconds


def _estimate(files, tier: str | Path = "nano", **changes) -> ShotEstimate:
    image, audio = files
    shot = Shot(image=image, audio=audio, negative_prompt=changes.pop("negative_prompt", ""))
    sampling = SamplingParams(**changes)
    return estimate(GenerationRequest(shot, "o.mp4", str(tier), sampling=sampling))


@pytest.fixture
def files(picture_file, sound_file) -> tuple[Path, Path]:
    return picture_file, sound_file


def test_a_tier_without_sizes_costs_the_same(files, tmp_path):
    """Sizes are for training: without them the distilled network counted as three passes a step."""
    values = yaml.safe_load(config_path("nano.yaml").read_text())
    del values["sizes"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(values))
    usual, own = _estimate(files), _estimate(files, tmp_path / "own.yaml")
    assert own.seconds == usual.seconds and own.memory_mb == usual.memory_mb


def test_sizes_that_the_weights_do_not_have_change_nothing(files, tmp_path):
    tier = Path(write_tier(tmp_path))
    scales = {"guidance_scale": 2.0, "audio_guidance_scale": 1.4}
    before = _estimate(files, tier, **scales)
    tier.write_text(tier.read_text() + "\nsizes: {transformer: {distilled: true}}")
    assert _estimate(files, tier, **scales).seconds == before.seconds


def test_every_condition_that_is_left_out_costs_a_pass_unless_the_network_is_distilled(
    files, tmp_path
):
    tier = write_tier(tmp_path)
    alone, text, both = (
        _estimate(files, tier, guidance_scale=one, audio_guidance_scale=other).seconds
        for one, other in ((1.0, 1.0), (2.0, 1.0), (2.0, 2.0))
    )
    assert text - alone == pytest.approx(both - text) and text > alone
    assert _estimate(files, guidance_scale=1.0).seconds == _estimate(files).seconds
    assert _estimate(files, negative_prompt="blur").seconds > _estimate(files).seconds


def test_what_cards_need_is_told_where_pixels_are_generated(files):
    """From the published sizes: no weights are here."""
    assert not _estimate(files).cards
    small, large, h100 = _estimate(files, "studio").cards
    assert small.device_gb < 24 < 48 < large.host_gb
    assert "blocks streamed" in small.policy and h100.policy == "all there"
    assert small.seconds > large.seconds > h100.seconds > 0
    guided = _estimate(files, "studio", guidance_scale=3.0, audio_guidance_scale=2.0).cards
    assert guided[2].seconds > 2 * h100.seconds and guided[2].device_gb > h100.device_gb


def test_a_plan_says_what_is_wrong_with_the_picture(sound_file, picture_file, tmp_path, root):
    """Only `doctor --image` looked, and `generate` when it had begun."""
    portrait = Image.open(root / "assets" / "examples" / "portrait.png").convert("RGB")
    assert _estimate((root / "assets" / "examples" / "portrait.png", sound_file)).picture == ()
    small = tmp_path / "small.png"
    portrait.resize((portrait.width // 6, portrait.height // 6)).save(small)
    assert [one.code for one in _estimate((small, sound_file)).picture] == ["small"]
    nobody = _estimate((picture_file, sound_file)).picture
    assert [(one.code, one.fatal) for one in nobody] == [("no-face", True)]
