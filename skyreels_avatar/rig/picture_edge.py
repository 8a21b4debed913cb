"""Keep heads that the picture's edge cuts attached to it: hair stretches, no gap opens.

What lies beyond the edge is unknown. A head that leaves it would pull in the edge's pixels as
streaks, so that the part of its way that leads away from the edge fades out towards it.
"""

from __future__ import annotations

import torch

from skyreels_avatar.rig.geometry import FaceFrame, smoothstep

FREE = 10.0  # of H, inside an edge that does not cut the head
_CUT, _CUT_SHARE = 0.3, 0.05  # of a matte, on a twentieth of H along an edge: it cuts the head
STRETCHED = 3.0  # times the way; with 1.5 pixels would fold, more makes nods near the edge smaller


def picture_edges(
    landmarks: torch.Tensor, height: int, width: int, person: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the edges of F pictures (F, 4, 3): a, b, c, so that a x + b y + c is how far inside.

    x, y and the distance are in face coordinates.

    Args:
        landmarks: (F, 478, 3) of the face in the pictures, in pixels.
        person: (height, width) in [0, 1] where the person is: edges that do not cut them are as
            good as far away. None is everywhere.
    """
    frame = FaceFrame.of(landmarks)
    inward = landmarks.new_tensor([[1, 0], [0, 1], [-1, 0], [0, -1]])
    normals = inward @ frame.axes.transpose(1, 2)
    corners = frame.from_pixels(landmarks.new_tensor([[[0, 0], [width, height]]]))
    distances = -(normals * corners[:, [0, 0, 1, 1]]).sum(-1, keepdim=True)
    if person is not None:
        distances[:, ~_cuts(person, float(frame.height_px.amin()))] = FREE
    return torch.cat([normals, distances], -1)


def _cuts(person: torch.Tensor, face_px: float) -> torch.Tensor:
    """Return (4,) bool: whether the left, upper, right, lower edge cuts (height, width)."""
    borders = person[:, :2], person[:2].T, person[:, -2:], person[-2:].T
    seen = torch.stack([(border.amax(1) > _CUT).sum() for border in borders])
    return seen > _CUT_SHARE * face_px


def keep_inside_picture(
    move: torch.Tensor, points: torch.Tensor, edges: torch.Tensor | None
) -> torch.Tensor:
    """Return displacements (F, N, 2) of (F or 1, N, 2) points that draw nothing over an edge.

    Args:
        edges: (F or 1, 4, 3) of `picture_edges`; None is a picture without end.
    """
    if edges is None:
        return move
    if points.stride(0) == 0:  # one frame's, expanded
        points = points[:1]
    x, y = points.unbind(-1)
    to_x, to_y = move.unbind(-1)
    # How far anything goes along each axis, lowest and highest (F, 1). Edges meet at right angles:
    # what is held back from one goes no further towards another.
    with torch.no_grad():
        ranges = [torch.aminmax(way, dim=1, keepdim=True) for way in (to_x, to_y)]
    for edge in edges.unbind(1):
        across, down, start = edge.split(1, 1)
        parts = zip((across, down), ranges)
        most = sum(torch.maximum(part * way.min, part * way.max) for part, way in parts)
        inside = x * across + y * down + start
        near = (inside < (STRETCHED * most).clamp_min(1e-4)).any(0).nonzero()[:, 0]
        if not len(near):
            continue
        near_x, near_y = to_x[:, near], to_y[:, near]
        leaves = (near_x * across + near_y * down).clamp_min(0.0)
        reach = (STRETCHED * leaves).clamp_min(1e-4)
        held = leaves * smoothstep(1.0, 0.0, inside[:, near] / reach)
        to_x = to_x.index_copy(1, near, near_x - held * across)
        to_y = to_y.index_copy(1, near, near_y - held * down)
    return torch.stack([to_x, to_y], 1).transpose(1, 2)
