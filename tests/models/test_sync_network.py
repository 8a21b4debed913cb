import torch

from skyreels_avatar.models.sync_network import SyncNetwork


def test_embeddings_are_unit_vectors_one_a_frame():
    network = SyncNetwork(num_points=5, dim=16).eval()
    lips = network.embed_lips(torch.randn(2, 12, 10))
    heard = network.embed_sound(torch.randn(2, 48, 80))
    assert lips.shape == heard.shape == (2, 12, 16)
    for embedded in (lips, heard):
        torch.testing.assert_close(embedded.norm(dim=-1), torch.ones(2, 12))


def test_a_frame_sees_a_fifth_of_a_second_on_both_sides():
    """Five frames of 25 a second, but for the norms, which see their whole window."""
    network = SyncNetwork(num_points=5, dim=16).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.forward = lambda x: x
    points = torch.randn(1, 30, 10)
    changed = points.clone()
    changed[:, 15] += 1
    difference = (network.embed_lips(points) - network.embed_lips(changed)).abs().amax(-1)[0]
    assert difference[10:21].gt(0).all()
    assert not difference[:10].any() and not difference[21:].any()
