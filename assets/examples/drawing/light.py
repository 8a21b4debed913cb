"""Light on a relief: normals, soft key, cool fill, rim, and light that bleeds through skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drawing.canvas import Canvas, linear


@dataclass(frozen=True)
class Light:
    """The studio: a warm key from one side, a cool fill from the other, a rim from behind."""

    key: tuple[float, float, float] = (-0.50, -0.52, 0.70)
    key_colour: tuple[float, float, float] = (1.08, 1.0, 0.90)
    fill: tuple[float, float, float] = (0.75, -0.05, 0.55)
    fill_colour: tuple[float, float, float] = (0.27, 0.235, 0.245)
    ambient: tuple[float, float, float] = (0.275, 0.225, 0.215)
    rim_colour: tuple[float, float, float] = (1.0, 0.80, 0.62)


def normals(canvas: Canvas, height: np.ndarray) -> np.ndarray:
    """Return (size, size, 3) unit normals of a relief, z to the viewer."""
    step = 1 / (canvas.unit * canvas.size)
    dy, dx = np.gradient(height, step)
    normal = np.stack([-dx, -dy, np.ones_like(dx)], -1)
    return (normal / np.linalg.norm(normal, axis=-1, keepdims=True)).astype(np.float32)


def _unit(vector: tuple[float, float, float]) -> np.ndarray:
    vector = np.asarray(vector, np.float32)
    return vector / np.linalg.norm(vector)


def irradiance(normal: np.ndarray, light: Light, wrap: float = 0.25) -> np.ndarray:
    """Return (size, size, 3): how much light falls on a surface; `wrap` softens its terminator."""
    total = np.zeros_like(normal)
    for direction, colour, soft in (
        (light.key, light.key_colour, wrap),
        (light.fill, light.fill_colour, 0.5),
    ):
        facing = np.clip((normal @ _unit(direction) + soft) / (1 + soft), 0, None)
        total += facing[..., None] * np.array(colour, np.float32)
    sky = 0.75 + 0.25 * -normal[..., 1:2]
    return total + sky * np.array(light.ambient, np.float32)


def occlusion(canvas: Canvas, height: np.ndarray, strength: float) -> np.ndarray:
    """Return 0..1: hollows are darker, at three scales."""
    dark = sum(
        np.clip(canvas.blurred(height, length) - height, 0, None) / length
        for length in (0.015, 0.04, 0.1)
    )
    return np.exp(-strength * dark).astype(np.float32)


def glossy(normal: np.ndarray, light: Light, power: float) -> np.ndarray:
    """Return (size, size): the key's reflection (Blinn), 0..1."""
    half = _unit(tuple(_unit(light.key) + np.array([0, 0, 1])))
    return np.clip(normal @ half, 0, 1) ** power


def edge_light(normal: np.ndarray, side: float = 1.0) -> np.ndarray:
    """Return (size, size): where a light behind the sitter grazes; side 1 right, -1 left."""
    grazing = (1 - np.clip(normal[..., 2], 0, 1)) ** 2.2
    return grazing * np.clip(0.15 + side * normal[..., 0] - 0.3 * normal[..., 1], 0, 1)


def bleed(canvas: Canvas, light: np.ndarray, length: float, mask: np.ndarray) -> np.ndarray:
    """Let light wander under the skin inside a mask: red far, green less, blue little."""
    out = np.empty_like(light)
    for channel, share in enumerate((1.0, 0.4, 0.2)):
        spread = canvas.blurred(light[..., channel] * mask, length * share)
        out[..., channel] = spread / np.maximum(canvas.blurred(mask, length * share), 1e-3)
    return out


SKIN_GLOW = linear(255, 120, 95)
