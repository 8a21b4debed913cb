"""A tier is a yaml file that is read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.folders import MODELS_VARIABLE, asset_path, config_path
from skyreels_avatar.loading.tiers import load_tier, tier_names

WEIGHTS = """weights: {vae: v.st, transformer: t.st, controlnet: c.st,
          audio_encoder: a.st, text_encoder: x.st}
"""


def _written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", tier_names())
def test_every_tier_of_the_configs_folder_is_valid(name: str) -> None:
    tier = load_tier(name)
    assert tier.name == name
    weights = tier.weights.transformer
    for path in weights if isinstance(weights, list) else [weights]:
        assert Path(path).is_absolute()


def test_public_weights_are_looked_for_in_the_models_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "weights"))
    file = tmp_path / "tier.yaml"
    file.write_text(
        "weights: {vae: models/a/b.pth, transformer: [models/c, own], controlnet: x, "
        "audio_encoder: y, text_encoder: z}"
    )
    (tmp_path / "own").mkdir()
    weights = load_tier(file).weights
    assert weights.vae == str(tmp_path / "weights" / "a" / "b.pth")
    assert weights.transformer == [str(tmp_path / "weights" / "c"), str(tmp_path / "own")]


def test_configs_and_assets_are_found_in_a_checkout(root: Path) -> None:
    assert config_path("nano.yaml") == root / "configs" / "nano.yaml"
    assert asset_path("nano/vae.safetensors") == root / "assets" / "nano" / "vae.safetensors"


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown tier 'giant'; known are .*nano"):
        load_tier("giant")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no tier file at .*absent\.yaml"):
        load_tier(tmp_path / "absent.yaml")


def test_own_file_fills_defaults_and_finds_weights_beside_it(tmp_path: Path) -> None:
    (tmp_path / "t.st").touch()
    tier = load_tier(_written(tmp_path, WEIGHTS + "num_inference_steps: 4\n"))
    assert (tier.name, tier.num_inference_steps, tier.window, tier.overlap) == ("mine", 4, 49, 9)
    assert tier.weights.transformer == str(tmp_path / "t.st")
    assert tier.weights.vae == str(asset_path("v.st"))


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    """What a file said is kept: a run asks for its tier several times."""
    first = load_tier(_written(tmp_path, WEIGHTS + "num_inference_steps: 4\n"))
    first.loras["other"] = 1.0
    assert load_tier(tmp_path / "mine.yaml").loras == {}
    changed = load_tier(_written(tmp_path, WEIGHTS + "num_inference_steps: 5\n"))
    assert changed.num_inference_steps == 5


def test_unknown_field_is_refused_with_the_allowed_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)num_steps.*fields are .*num_inference_steps"):
        load_tier(_written(tmp_path, WEIGHTS + "num_steps: 4\n"))


def test_the_shift_is_the_tier_s_or_as_the_transformer_was_published(tmp_path: Path) -> None:
    plain = load_tier(_written(tmp_path, WEIGHTS))
    assert plain.shift_of(0) == 1.0 and plain.shift_of(10**6, published=7.0) == 7.0
    own = load_tier(_written(tmp_path, WEIGHTS + "shift: 3\nlarge_shift: 5\n"))
    assert own.shift_of(400_000, published=7.0) == 3.0
    assert own.shift_of(900_000, published=7.0) == 5.0


def test_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="voice_box"):
        load_tier(_written(tmp_path, "weights: {voice_box: v.st}\n"))


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("overlap: 53\n", "overlap must be above 0 and below window"),
        ("fps: 0\n", "fps must be above 0"),
        ("num_inference_steps: 0\n", "num_inference_steps must be above 0"),
        ("shift: -1\n", "shift must be above 0"),
        ("guidance_scale: -1\n", "guidance_scale must be at least 0"),
        ("control_scale: -1\n", "control_scale must be at least 0"),
        ("control_start: 0.5\ncontrol_end: 0.2\n", "0 <= start < end <= 1, got 0.5 and 0.2"),
        ("control_end: 1.5\n", "0 <= start < end <= 1"),
        ("context_parallel: -1\n", "context_parallel must be at least 0"),
        ("quantization: int4\n", "quantization is one of '', 'int8', 'float8', got 'int4'"),
        ("tail_steps: -1\n", "tail_steps must be at least 0"),
        ("tea_cache: -0.1\n", "tea_cache must be at least 0"),
        ("memory: lots\n", "auto, full, or gigabytes like 24gb"),
        ("fps: fast\n", "not a usable tier"),
        ("fps: [\n", "not a usable tier"),
        ("- a list\n", "must hold a mapping"),
    ],
)
def test_unusable_values_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    prefix = "" if text.startswith("-") else WEIGHTS
    with pytest.raises(InputError, match=complaint):
        load_tier(_written(tmp_path, prefix + text))


@pytest.mark.parametrize("content", [b"", b"weights: {vae: a.st}\n", b"\xff\xfe\x00\x01"])
def test_incomplete_or_binary_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError):
        load_tier(path)
