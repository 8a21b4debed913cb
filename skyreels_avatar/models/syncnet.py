"""SyncNet of 2016, whose distances papers publish as LSE-C and LSE-D; for weights of others.

Source: Chung and Zisserman, "Out of time: automated lip sync in the wild", 2016; layers as in
joonson/syncnet_python (MIT). Our own network is in `sync_network.py`.
"""

from __future__ import annotations

import torch
from torch import nn

SIZE_PX = 224  # side of a face
WINDOW = 5  # frames of 25 a second that are seen at once
STEP, SPAN = 4, 20  # rows of 100 a second: to the next window, and in one
NUM_CEPSTRA = 13


def _layer(conv: nn.Module, pool: nn.Module | None = None) -> list[nn.Module]:
    """Return a convolution, its norm, ReLU and what pools it."""
    norm = nn.BatchNorm3d if isinstance(conv, nn.Conv3d) else nn.BatchNorm2d
    return [conv, norm(conv.out_channels), nn.ReLU(), *([pool] if pool else [])]


def _head(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, dim))


class SyncNet(nn.Module):
    """Embed faces and sound, each window of 0.2 s, into one space.

    As trained: names and order of the layers are the keys of `syncnet_v2.model`; colors are BGR in
    0 to 255, without a mean.

    Args:
        dim: length of an embedding.
    """

    def __init__(self, dim: int = 1024):
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_layer(nn.Conv2d(1, 64, 3, padding=1), nn.MaxPool2d(1)),
            *_layer(nn.Conv2d(64, 192, 3, padding=1), nn.MaxPool2d(3, (1, 2))),
            *_layer(nn.Conv2d(192, 384, 3, padding=1)),
            *_layer(nn.Conv2d(384, 256, 3, padding=1)),
            *_layer(nn.Conv2d(256, 256, 3, padding=1), nn.MaxPool2d(3, 2)),
            *_layer(nn.Conv2d(256, 512, (5, 4))),
        )
        self.netfcaud, self.netfclip = _head(dim), _head(dim)
        pool, beside = nn.MaxPool3d((1, 3, 3), (1, 2, 2)), (0, 1, 1)
        self.netcnnlip = nn.Sequential(
            *_layer(nn.Conv3d(3, 96, (WINDOW, 7, 7), (1, 2, 2)), pool),
            *_layer(
                nn.Conv3d(96, 256, (1, 5, 5), (1, 2, 2), beside),
                nn.MaxPool3d((1, 3, 3), (1, 2, 2), beside),
            ),
            *_layer(nn.Conv3d(256, 256, (1, 3, 3), padding=beside)),
            *_layer(nn.Conv3d(256, 256, (1, 3, 3), padding=beside)),
            *_layer(nn.Conv3d(256, 256, (1, 3, 3), padding=beside), pool),
            *_layer(nn.Conv3d(256, 512, (1, 6, 6))),
        )

    def embed_faces(self, faces: torch.Tensor) -> torch.Tensor:
        """Return (F - 4, D), a row for each window, of faces (F, 3, 224, 224) BGR in 0 to 255."""
        # The first layer alone sees several frames, so that it makes all windows by itself.
        seen = self.netcnnlip(faces.transpose(0, 1)[None])  # (1, 512, F - 4, 1, 1)
        return self.netfclip(seen[0, :, :, 0, 0].T)

    def embed_sound(self, cepstra: torch.Tensor) -> torch.Tensor:
        """Return (N, D), a row for each window of 20 rows, every 4, of cepstra (T, 13)."""
        windows = cepstra.unfold(0, SPAN, STEP)[:, None]  # (N, 1, 13, 20)
        return torch.cat(
            [self.netfcaud(self.netcnnaud(some).flatten(1)) for some in windows.split(64)]
        )
