"""Face mesh of turned and drawn faces, from MediaPipe's: rendered heads, cartoons, photos."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.networks import MeshNetwork
from skyreels_avatar.faces.region import Region, cut
from skyreels_avatar.folders import asset_path
from skyreels_avatar.loading.checkpoints.load import from_8_bit_rows, read_header
from skyreels_avatar.loading.tiers import FACE_NETWORKS
from skyreels_avatar.models.tensor_graph import TensorGraph
from skyreels_avatar.rig.geometry import (
    BROW_EDGES,
    EYES,
    GAP_PAIRS,
    INNER_LOWER,
    INNER_UPPER,
    OUTER_LOWER,
    OUTER_UPPER,
)
from train.config import TrainConfig
from train.data.mesh.crops import MeshPicture, teacher_landmarks, vary
from train.data.mesh.head import HeadModel
from train.data.mesh.lift import (
    SIDE,
    lift,
    plain_face,
    random_background,
    turned_picture,
)
from train.data.mesh.toon import (
    apply_warps,
    draw_toon,
    open_mouth,
    paint_over,
    random_warps,
    warp_picture,
)
from train.data.simulate.portraits import FacePicture, load_portraits
from train.loop import Run

NAME = "face_networks.safetensors"
FROZEN = 10  # operators that see edges, which are the same in every face
PLAIN_SHARE, LARGEST_MISFIT = 0.28, 0.05
BANDS_DEG = (0, 30, 45, 60, 75, 95)
# Pictures of each kind in a batch of 16; one more shows no face.
_MIX = {"photo": 2, "turned": 8, "toon": 3, "painted": 2}
_DEPTH_SCALE = 0.83  # of MediaPipe's depths, against those of fitted heads (12 photos)
_LEAST_LOGIT, _MOST_EMPTY_LOGIT = 7.0, -1.0
_LIPS = zip(INNER_UPPER[1:-1], INNER_LOWER[1:-1])
_LIDS = [pair for eye in EYES for pair in zip(eye[0][1:-1], eye[1][1:-1])]
_PAIRS = torch.tensor([*_LIPS, *_LIDS, (61, 291), (33, 133), (362, 263), (10, 152)])
_PAIR_WEIGHTS = torch.tensor([4.0] * 9 + [2.0] * 14 + [1.0] * 4)


class LearnedMesh(torch.nn.Module):
    """The operators of MediaPipe's mesh with weights that learn."""

    def __init__(self) -> None:
        super().__init__()
        config = read_header(asset_path(FACE_NETWORKS))[1]["networks"]["mesh"]
        self._graph = (TensorGraph(**config),)  # a tuple: its buffers are these parameters
        tensors = {
            key.removeprefix("mesh."): tensor
            for key, tensor in from_8_bit_rows(load_file(asset_path(FACE_NETWORKS))).items()
            if key.startswith("mesh.")
        }
        self._names = list(tensors)
        for key, tensor in tensors.items():
            layout = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
            value = torch.nn.Parameter(tensor.float().clone(memory_format=layout))
            index, _, kind = key.partition(".")
            value.requires_grad_(kind != "factor" and int(index) > FROZEN)
            self.register_parameter(key.replace(".", "_"), value)
        points = [o["points"] for o in config["operators"] if o["kind"] == "crop_matrix"]
        self._refined = torch.tensor([point for part in points for point in part])

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the weights by the names of a weight file, without a prefix."""
        return {name: getattr(self, name.replace(".", "_")) for name in self._names}

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the rough mesh (B, 468, 3), points (B, 478, 2) and logits (B,) of (B, 3, H, W)."""
        (graph,) = self._graph
        mesh, lips, right, left, right_iris, left_iris, presence = graph.fill(
            self.tensors()
        ).differentiable(crops)
        mesh = mesh.reshape(len(crops), -1, 3)
        flat = [part.reshape(len(crops), -1, 2) for part in (right_iris, left_iris)]
        refined = [part.reshape(len(crops), -1, 2) for part in (lips, right, left)]
        points = torch.cat([mesh[..., :2], *flat], 1)
        points = points.index_copy(1, self._refined, torch.cat(refined, 1))
        return mesh, points, presence.reshape(-1)


def run(config: TrainConfig) -> None:
    """Train; `export/face_networks.safetensors` is what ships with these weights in it."""
    if not config.data.portraits or not config.data.head:
        raise InputError("give data.portraits=FOLDER and data.head=FOLDER")
    teacher = MeshNetwork()
    cache = Path(config.data.cache)
    faces = load_portraits(Path(config.data.portraits), cache / "portraits.npz")
    head = HeadModel.load(Path(config.data.head), partial(_look, teacher))
    pictures = {
        kept: make_pictures([face for face in faces if face.kept_out == kept], head, teacher, seed)
        for kept, seed in ((False, config.seed), (True, config.seed + 1))
    }
    network, before = LearnedMesh(), LearnedMesh()
    config.train = []
    learning = Run(config, heads={"mesh": network})
    network.train()

    def step_loss(_, step: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([config.seed, 61, step])
        return losses(network, before, *draw(pictures[False], rng))

    def validate(_) -> dict[str, float]:
        export(network, learning.folder / "export" / NAME)
        figures = errors(network, pictures[True])
        return figures | {f"before, {k}": v for k, v in errors(before, pictures[True]).items()}

    learning.train(step_loss, validate)


def _look(teacher: MeshNetwork, pixels: np.ndarray) -> np.ndarray:
    """Return landmarks of the frontal face of `HeadModel`."""
    height, width = pixels.shape[:2]
    region = Region(0.5 * width, 0.44 * height, 0.62 * width)
    for _ in range(2):
        region = Region.of_landmarks(teacher_landmarks(teacher, pixels, region))
    return teacher_landmarks(teacher, pixels, region)


def make_pictures(
    faces: list[FacePicture], head: HeadModel, teacher: MeshNetwork, seed: int
) -> dict[str, list[MeshPicture]]:
    """Return pictures by their kind: of each photo itself, four turned, one toon, one painted."""
    rng, made = np.random.default_rng(seed), {kind: [] for kind in _MIX}
    seen = np.ones(478, np.float32)
    for face in faces:
        region = Region.of_landmarks(face.landmarks)
        wide = Region(region.x, region.y, region.side * 4 / 3, region.angle)
        points = teacher_landmarks(teacher, face.pixels(), region)
        to_picture = wide.matrix() * SIDE / 192
        points[:, :2] = points[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        points[:, 2] *= SIDE / wide.side
        pixels = cv2.resize(cut(face.pixels(), wide), (SIDE, SIDE))
        made["photo"].append(MeshPicture(pixels, points, seen))
        photos = [one.pixels for one in made["photo"][-150:]]
        plain = rng.random() < PLAIN_SHARE
        person = plain_face(head, rng) if plain else lift(head, pixels, points)
        for _ in range(4 if person.error < LARGEST_MISFIT else 0):
            yaw_deg = rng.uniform(-95, 95) if rng.random() < 0.65 else rng.normal(0, 22)
            background = random_background(photos, rng)
            turned = turned_picture(head, person, background, yaw_deg, rng)
            made["turned"].append(MeshPicture(*turned, seen, yaw_deg, is_rendered=True))
        toon = apply_warps(random_warps(points, rng.uniform(0.6, 1.9), rng), points)
        toon = open_mouth(toon, rng.uniform(0, 0.12)) if rng.random() < 0.5 else toon
        drawn, weights = draw_toon(toon, SIDE, rng)
        made["toon"].append(MeshPicture(drawn, toon, weights))
        warps = random_warps(points, rng.uniform(0, 1.2), rng)
        painted = paint_over(warp_picture(pixels, warps), rng)
        made["painted"].append(MeshPicture(painted, apply_warps(warps, points), seen))
    return made


def draw(
    pictures: dict[str, list[MeshPicture]], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return crops (B + 1, 3, H, W), landmarks (B, 478, 3), weights and depth weights (B,).

    The last crop is the corner of a photo.
    """
    crops, points, weights, depths = [], [], [], []
    for kind, count in _MIX.items():
        for _ in range(count):
            for _ in range(6):  # mostly those that are turned
                one = pictures[kind][rng.integers(len(pictures[kind]))]
                if not one.is_rendered or abs(one.yaw_deg) > 25 or rng.random() < 0.35:
                    break
            crop, landmarks, seen = vary(one, rng)
            if one.is_rendered:
                landmarks[:, 2] *= _DEPTH_SCALE
            crops.append(crop)
            points.append(landmarks)
            weights.append(seen)
            depths.append(0.3 if one.is_rendered else float(kind == "photo"))
    photo = pictures["photo"][rng.integers(len(pictures["photo"]))].pixels
    side = int(rng.integers(30, 75))
    top, left = rng.choice([0, SIDE - side]), rng.integers(0, SIDE - side)
    crops.append(cv2.resize(photo[top : top + side, left : left + side], crops[0].shape[:2]))
    stacked = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    arrays = (np.stack(points), np.stack(weights), np.float32(depths))
    return stacked, *(torch.from_numpy(array) for array in arrays)


def _importance() -> torch.Tensor:
    weights = torch.ones(478)
    for rows, weight in (
        ([row for pair in BROW_EDGES for row in pair], 1.3), ((OUTER_UPPER, OUTER_LOWER), 2.0),
        ([row for eye in EYES for row in eye[:2]], 2.5), ((INNER_UPPER, INNER_LOWER), 3.5),
        (((152,),), 2.0), ((range(468, 478),), 1.5),
    ):  # fmt: skip
        for row in rows:
            weights[list(row)] = weight
    return weights


def losses(
    network: LearnedMesh,
    before: LearnedMesh,
    crops: torch.Tensor,
    goal: torch.Tensor,
    seen: torch.Tensor,
    depth_weights: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Return Huber losses of points, of gaps between lips and lids, of depths, and of presence.

    Depths of rendered heads have another origin than MediaPipe's, which is left out.
    """
    mesh, points, presence = network(crops)
    count = len(goal)
    with torch.no_grad():
        empty = before(crops[count:])[2].clamp(max=_MOST_EMPTY_LOGIT)
    weights = seen * _importance()

    def huber(off: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
        distance = torch.where(off.abs() < 1, off**2 / 2, off.abs() - 0.5).sum(-1)
        return ((distance * among).sum(1) / among.sum(1)).mean()

    one, other = _PAIRS.T
    gaps = points[:count, one] - points[:count, other] - (goal[:, one, :2] - goal[:, other, :2])
    depth = mesh[:count, :, 2] - goal[:, :468, 2]
    rendered = (depth_weights == 0.3)[:, None]
    depth = torch.where(rendered, depth - depth.mean(1, keepdim=True), depth)
    parts = {
        "points": huber(points[:count] - goal[..., :2], weights),
        "rough": huber(mesh[:count, :, :2] - goal[:, :468, :2], weights[:, :468]),
        "gaps": huber(gaps, _PAIR_WEIGHTS * torch.minimum(seen[:, one], seen[:, other])),
        "depth": (depth.abs().mean(1) * depth_weights).mean(),
        "presence": (_LEAST_LOGIT - presence[:count]).relu().mean()
        + (presence[count:] - empty).relu().mean(),
    }
    loss = parts["points"] + 0.4 * parts["rough"] + 0.7 * parts["gaps"]
    return {"loss": loss + 0.15 * parts["depth"] + 0.03 * parts["presence"], **parts}


@torch.no_grad()
def errors(network: LearnedMesh, pictures: dict[str, list[MeshPicture]]) -> dict[str, float]:
    """Return mean errors of visible landmarks, and of lip gaps, in % of the eye distance."""
    figures: dict[str, float] = {}
    for low, high in itertools.pairwise(BANDS_DEG):
        chosen = [one for one in pictures["turned"] if low <= abs(one.yaw_deg) < high]
        figures |= _errors_of(network, chosen, f"turned {low} to {high}")
    for kind in ("photo", "toon", "painted"):
        figures |= _errors_of(network, pictures[kind], kind)
    return figures


def _errors_of(network: LearnedMesh, pictures: list[MeshPicture], name: str) -> dict[str, float]:
    points_off, gaps_off = [], []
    one, other = torch.tensor(GAP_PAIRS).T
    gap: Callable = lambda flat: (flat[one] - flat[other]).norm(dim=-1).mean()  # noqa: E731
    for picture in pictures:
        region = Region.of_landmarks(picture.landmarks)
        crop, matrix = cut(picture.pixels, region), region.matrix()
        goal = picture.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        crop = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
        found, goal = network(crop)[1][0], torch.from_numpy(goal).float()
        across = picture.landmarks[33] - picture.landmarks[263]
        across = across if picture.is_rendered else across[:2]
        unit = 100 / float(np.linalg.norm(across)) / float(np.hypot(*matrix[:, 0]))
        shown = torch.from_numpy(picture.weights >= 0.5)
        points_off.append(float((found - goal).norm(dim=-1)[shown].mean()) * unit)
        gaps_off.append(float((gap(found) - gap(goal)).abs()) * unit)
    if not pictures:
        return {}
    return {name: float(np.mean(points_off)), f"{name}, gap": float(np.mean(gaps_off))}


def export(network: LearnedMesh, path: Path) -> None:
    """Write all face networks that ship, with these weights as the mesh of turned faces."""
    shipped = asset_path(FACE_NETWORKS)
    class_name, config = read_header(shipped)
    tensors = load_file(shipped)
    config["networks"]["turned_mesh"] = config["networks"]["mesh"]
    for name, tensor in network.tensors().items():
        kept = tensors[f"mesh.{name}"]
        tensors[f"turned_mesh.{name}"] = tensor.detach().to(kept.dtype).contiguous().clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"_class_name": class_name, **config}, sort_keys=True)
    save_file(tensors, path, {"config": header})
