"""SyncNet of 2016: the layout of its file, and that windows do not see each other."""

import pytest
import torch

from skyreels_avatar.models.syncnet import SPAN, STEP, WINDOW, SyncNet


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SyncNet(dim=8).eval()


def test_names_and_shapes_are_those_of_the_published_file():
    tensors = SyncNet().state_dict()
    shapes = {name: tuple(one.shape) for name, one in tensors.items() if one.dim() > 1}
    assert list(shapes.items()) == [
        ("netcnnaud.0.weight", (64, 1, 3, 3)),
        ("netcnnaud.4.weight", (192, 64, 3, 3)),
        ("netcnnaud.8.weight", (384, 192, 3, 3)),
        ("netcnnaud.11.weight", (256, 384, 3, 3)),
        ("netcnnaud.14.weight", (256, 256, 3, 3)),
        ("netcnnaud.18.weight", (512, 256, 5, 4)),
        ("netfcaud.0.weight", (512, 512)),
        ("netfcaud.3.weight", (1024, 512)),
        ("netfclip.0.weight", (512, 512)),
        ("netfclip.3.weight", (1024, 512)),
        ("netcnnlip.0.weight", (96, 3, 5, 7, 7)),
        ("netcnnlip.4.weight", (256, 96, 1, 5, 5)),
        ("netcnnlip.8.weight", (256, 256, 1, 3, 3)),
        ("netcnnlip.11.weight", (256, 256, 1, 3, 3)),
        ("netcnnlip.14.weight", (256, 256, 1, 3, 3)),
        ("netcnnlip.18.weight", (512, 256, 1, 6, 6)),
    ]
    assert "netcnnaud.19.running_var" in tensors and "netfclip.1.running_mean" in tensors


@torch.no_grad()
def test_a_row_for_each_window_is_that_of_the_window_alone(network):
    faces, rows = 255 * torch.rand(7, 3, 224, 224), 9 * torch.randn(31, 13)
    together, heard = network.embed_faces(faces), network.embed_sound(rows)
    assert together.shape == heard.shape == (3, 8)
    alone = torch.cat([network.embed_faces(faces[at : at + WINDOW]) for at in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    starts = range(0, 3 * STEP, STEP)
    alone = torch.cat([network.embed_sound(rows[at : at + SPAN]) for at in starts])
    torch.testing.assert_close(heard, alone, atol=1e-5, rtol=1e-4)
    assert (together[0] - together[2]).abs().max() > 1e-4 < (heard[0] - heard[2]).abs().max()
