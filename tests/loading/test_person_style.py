"""A person's style: a file that moves the vectors of one transformer, and refuses all others."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.load import save_module
from skyreels_avatar.loading.person_style import PersonStyle, vectors_of, weights_mark
from skyreels_avatar.models.text_encoder import TextEncoder


@pytest.fixture
def network(tmp_path):
    torch.manual_seed(0)
    module = TextEncoder(8, 6, 32, 1, 2)
    return module, save_module(module, tmp_path / "transformer.safetensors")


def made_for(network) -> PersonStyle:
    module, weights = network
    moved = {name: torch.full_like(one, 0.5) for name, one in vectors_of(module).items()}
    return PersonStyle((0.5, -1.0, 0.0, 0.25, 2.0), moved, weights_mark(weights), 0.25)


def test_a_style_is_what_was_saved_and_adds_to_a_copy(network, tmp_path):
    module, weights = network
    style = PersonStyle.load(made_for(network).save(tmp_path / "me.safetensors"))
    assert style.numbers == (0.5, -1.0, 0.0, 0.25, 2.0) and style.smile == 0.25
    before = {name: value.clone() for name, value in module.named_parameters()}
    styled = style.applied(module, weights)
    for name, value in styled.named_parameters():
        assert torch.allclose(value - before[name], torch.tensor(0.5 * (name in style.differences)))
        assert torch.equal(dict(module.named_parameters())[name], before[name])
    assert len(style.differences) > 5 and all(v.dim() == 1 for v in style.differences.values())


def test_other_weights_are_refused(network, tmp_path):
    module, style = network[0], made_for(network)
    other = save_module(TextEncoder(8, 6, 32, 1, 2), tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="other weights"):
        style.applied(module, other)
    with pytest.raises(InputError, match="other weights"):
        style.applied(module, tmp_path)  # a folder of a tier with larger networks


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no style at"), (b"nonsense", "damaged"), ("weights", "no style")]
)
def test_what_is_no_style_is_told(network, tmp_path, content, words):
    path = tmp_path / "me.safetensors"
    if content == "weights":
        path = network[1]
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        PersonStyle.load(path)
    assert caught.value.parameter == "style"
