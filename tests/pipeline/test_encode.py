"""What the windows of a shot share, and what each is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.loading.person_style import PersonStyle, vectors_of, weights_mark
from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.pipeline.open import open_shot
from skyreels_avatar.pipeline.read import read_files
from tests.samples import write_portrait, write_voice
from tests.tiny import write_tier


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A request of two windows, opened with tiny networks."""
    folder = tmp_path_factory.mktemp("files")
    shot = sa.Shot(
        image=write_portrait(folder), audio=write_voice(folder, 1.8), prompt="she smiles"
    )
    request = sa.GenerationRequest(shot, folder / "a.mp4", write_tier(folder), "64x64", 25.0)
    components = load_components(request.tier)
    return components, request, open_shot(request, read_files(request), components)


def encoded(opened, **changes) -> EncodedShot:
    components, request, shot = opened
    with torch.no_grad():
        return EncodedShot(
            components, replace(request, shot=replace(request.shot, **changes)), shot
        )


def test_a_window_is_told_its_own_piece_of_the_sound_and_what_came_before(opened):
    shot = encoded(opened)
    first, second = shot.plan.segments
    one = shot.conditions(first, {})
    latents = torch.randn(one.known_latents.shape, generator=torch.Generator().manual_seed(0))
    two = shot.conditions(second, {first.index: latents})
    assert one.known_mask[0, 0].any((1, 2)).sum() == 1  # the picture
    assert two.known_mask[0, 0].any((1, 2)).sum() == 3  # nine frames
    motion = [opened[0].vae.unpack(one)[0] for one in (latents, two.known_latents[:, :, :3])]
    torch.testing.assert_close(motion[1], motion[0][-9:])
    assert not torch.equal(one.audio_embeds[:, :3], two.audio_embeds[:, :3])
    assert torch.equal(one.prompt_embeds, two.prompt_embeds)


def test_a_window_is_told_the_part_of_the_prompt_that_is_due(opened):
    """Networks that heard of both performed the second from the first frame on, or the first."""
    shot = encoded(opened, prompt="at first she smiles, then she is sad")
    first, second = shot.plan.segments
    one = shot.conditions(first, {})
    two = shot.conditions(second, {first.index: torch.zeros_like(one.known_latents)})
    for told, prompt in ((one, "she smiles"), (two, "she is sad")):
        torch.testing.assert_close(told.prompt_embeds, encoded(opened, prompt=prompt).prompt_embeds)
    thrice = encoded(
        opened, prompt="she smiles, then nods, then laughs"
    )  # of windows there are two
    assert torch.equal(thrice.conditions(first, {}).prompt_embeds, thrice.prompt_embeds)
    assert not thrice._later_embeds


def test_more_expressive_people_raise_their_brows_further(opened):
    known = torch.zeros(1, 49, 32)
    known[:, 1:, 12:14] = 0.03
    latents = opened[0].vae.pack(known)
    brows = [
        opened[0].vae.unpack(space.finish(latents, shot.plan.segments[0]))[0, -1, 12]
        for shot in (encoded(opened), encoded(opened, expressiveness=150))
        for space in (shot.space,)
    ]
    assert brows[1] > 1.15 * brows[0] > 0


def test_words_of_light_light_the_frames_and_do_not_reach_the_transformer(opened):
    plain, lit = encoded(opened), encoded(opened, prompt="she smiles in black and white")
    spread = [np.ptp(one.reference.frames(0, 1), axis=-1).mean() for one in (plain, lit)]
    assert spread[1] < 0.2 * spread[0]  # the picture is relit before it talks
    torch.testing.assert_close(lit.prompt_embeds, plain.prompt_embeds)


def test_a_style_reaches_the_text_encoder_and_is_missed_where_it_knows_none(opened, caplog):
    calm, lively = (encoded(opened, style=style) for style in ("calm", "lively"))
    takes_style = getattr(opened[0].text_encoder, "takes_style", False)
    assert torch.equal(calm.prompt_embeds, lively.prompt_embeds) != takes_style
    assert ("style and expressiveness change nothing" in caplog.text) != takes_style


def test_the_file_of_a_person_moves_the_transformer_and_leaves_the_shared_one_alone(
    opened, tmp_path
):
    components = opened[0]
    before = {name: value.clone() for name, value in components.transformer.named_parameters()}
    moved = {name: torch.ones_like(one) for name, one in vectors_of(components.transformer).items()}
    mark = weights_mark(str(components.tier.weights.transformer))
    path = PersonStyle((2.0, 0.0, 0.0, 0.0, 0.0), moved, mark).save(tmp_path / "me.safetensors")
    shot = encoded(opened, style=str(path))
    assert shot.transformer is not components.transformer
    for name, value in shot.transformer.named_parameters():
        assert torch.allclose(value, before[name] + (name in moved), atol=1e-6)
    for name, value in components.transformer.named_parameters():
        assert torch.equal(value, before[name])
    assert encoded(opened).transformer is components.transformer


def test_the_file_of_a_person_learnt_with_other_weights_is_refused(opened, tmp_path):
    path = PersonStyle((0.0,) * 5, {}, "other").save(tmp_path / "me.safetensors")
    with pytest.raises(InputError, match="other weights"):
        encoded(opened, style=str(path))
