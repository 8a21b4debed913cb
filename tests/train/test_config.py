import pytest

from skyreels_avatar.errors import InputError
from train.config import CONFIG_FOLDER, load_config
from train.stages import STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_configuration_that_loads(stage):
    assert load_config(stage, []).num_steps >= 1


def test_every_configuration_belongs_to_a_stage():
    files = {path.stem for path in CONFIG_FOLDER.glob("*.yaml")}
    assert files == {stage.replace(" ", "_") for stage in STAGES}


def test_an_override_reaches_nested_values():
    config = load_config("pretrain", ["data.num_frames=33", "lr=0.5"])
    assert (config.data.num_frames, config.lr) == (33, 0.5)


@pytest.mark.parametrize("override", ["data.nonsense=1", "lr=fast", "steps=3", "verbose"])
def test_unknown_keys_and_wrong_values_are_refused_with_the_list_of_keys(override):
    with pytest.raises(InputError, match="num_steps"):
        load_config("pretrain", [override])


def test_an_unknown_stage_names_the_known_ones():
    with pytest.raises(InputError, match="pretrain"):
        load_config("pretrian", [])


def test_a_window_that_does_not_pack_is_refused():
    with pytest.raises(InputError, match="1 \\+ 4k"):
        load_config("pretrain", ["data.num_frames=50"])


@pytest.mark.parametrize(
    ("options", "used"),
    [
        ([], False),
        (["device=cuda"], True),
        (["device=cuda:1"], True),
        (["device=cuda", "bf16=false"], False),
        (["bf16=true"], True),
    ],
)
def test_a_cpu_computes_in_float32_unless_told_otherwise(options, used):
    assert load_config("pretrain", options).use_bf16 is used
