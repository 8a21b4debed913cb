"""Keep heads that the picture's edge cuts attached to it: hair stretches, no gap opens.

What lies beyond the edge is unknown. A head that leaves it would pull in the edge's pixels as
streaks, so that the part of its way that leads away from the edge fades out towards it.
"""

from __future__ import annotations

import torch

from skyreels_avatar.rig.geometry import FaceFrame, smoothstep

WIDE = 10.0  # of H: the room before an edge that cuts the head
_CUT, _CUT_SHARE = 0.3, 0.05  # of a matte, on a twentieth of H along an edge: there the head begins
LEAST_STRETCHED = 1.6  # times the way, where there is little room: with less, pixels would fold
STRETCHED = 3.0  # times the way, where there is room; more makes nods near the edge smaller


def picture_edges(
    landmarks: torch.Tensor, height: int, width: int, person: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the edges of F pictures (F, 4, 4): a, b, c, so that a x + b y + c is how far inside.

    x, y and the distance are in face coordinates. The fourth number is the room before the edge
    that may stretch in place of the head.

    Args:
        landmarks: (F, 478, 3) of the face in the pictures, in pixels.
        person: (height, width) in [0, 1] where the person is; None is everywhere.
    """
    frame = FaceFrame.of(landmarks)
    inward = landmarks.new_tensor([[1, 0], [0, 1], [-1, 0], [0, -1]])
    normals = inward @ frame.axes.transpose(1, 2)
    corners = frame.from_pixels(landmarks.new_tensor([[[0, 0], [width, height]]]))
    distances = -(normals * corners[:, [0, 0, 1, 1]]).sum(-1, keepdim=True)
    room = torch.full_like(distances, WIDE)
    if person is not None:
        face_px = float(frame.height_px.amin())
        room[:] = landmarks.new_tensor(_room(person, face_px))[:, None] / face_px
    return torch.cat([normals, distances, room], -1)


def _room(person: torch.Tensor, face_px: float) -> list[float]:
    """Return pixels before a person (height, width) at the left, upper, right and lower edge.

    `WIDE` faces where an edge cuts the person: all of it counts then.
    """
    seen, found = person > _CUT, []
    for across in (seen, seen.T, seen.flip(1), seen.T.flip(1)):
        begins = (across.sum(0) > _CUT_SHARE * face_px).float()
        before = int(begins.argmax()) if bool(begins.any()) else 0
        found.append(float(before) if before > 1 else WIDE * face_px)
    return found


def keep_inside_picture(
    move: torch.Tensor, points: torch.Tensor, edges: torch.Tensor | None
) -> torch.Tensor:
    """Return displacements (F, N, 2) of (F or 1, N, 2) points that draw nothing over an edge.

    Args:
        edges: (F or 1, 4, 4) of `picture_edges`; None is a picture without end.
    """
    if edges is None:
        return move
    if points.stride(0) == 0:  # one frame's, expanded
        points = points[:1]
    # Edges meet at right angles: what is held back from one goes no further towards another.
    normals, start, room = edges.split((2, 1, 1), 2)
    move = move.mT  # (F, 2, N)
    leaves = normals @ move  # (F, 4, N)
    count = max(len(points), len(edges))
    inside = torch.baddbmm(start, normals.expand(count, -1, -1), points.mT.expand(count, -1, -1))
    with torch.no_grad():
        reach = _reach(leaves.amax(2, keepdim=True).clamp_min(0.0), room)
        near = inside < (reach.amax(0, keepdim=True) if len(inside) == 1 else reach)
        edge, at = near.any(0).nonzero().unbind(1)
    if not len(at):
        return move.mT
    leaves = leaves[:, edge, at].clamp_min(0.0)
    held = leaves * smoothstep(1.0, 0.0, inside[:, edge, at] / _reach(leaves, room[:, edge, 0]))
    return move.index_add(2, at, normals[:, edge].mT * held[:, None], alpha=-1).mT


def _reach(leaves: torch.Tensor, room: torch.Tensor) -> torch.Tensor:
    """Return how far from an edge points are held that would go `leaves` towards it, in H."""
    reach = torch.maximum(torch.minimum(STRETCHED * leaves, room), LEAST_STRETCHED * leaves)
    return reach.clamp_min(1e-4)
