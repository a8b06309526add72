"""The categories: each draws its silhouette and its inner details in the square ``[-1, 1]^2``.

A category is told by its form alone; colour, texture, size and turn vary freely. Drawing uses
OpenCV's integer rasterizer, so that masks are the same on every processor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

SUBPIXEL_BITS = 4


class Canvas:
    """Two uint8 layers ``[side, side]``: ``mask`` (the object) and ``detail`` (its darker parts)."""

    def __init__(self, side: int, turn: float, stretch: float):
        self.side = side
        self.mask = np.zeros((side, side), np.uint8)
        self.detail = np.zeros((side, side), np.uint8)
        cos, sin = np.cos(turn), np.sin(turn)
        # The turned unit square must fit the canvas, whatever the turn.
        scale = side / 2 * 0.94 / max(stretch, 1 / stretch) ** 0.5 / (abs(cos) + abs(sin)) ** 0.6
        self._matrix = scale * np.array([[cos, -sin], [sin, cos]]) @ np.diag([stretch**0.5, stretch**-0.5])

    def _points(self, points) -> np.ndarray:
        pixels = np.asarray(points, float) @ self._matrix.T + self.side / 2
        return np.round(pixels * 2**SUBPIXEL_BITS).astype(np.int32)

    def polygon(self, points, layer: str = "mask", value: int = 255) -> None:
        cv2.fillPoly(getattr(self, layer), [self._points(points)], value, cv2.LINE_AA, SUBPIXEL_BITS)

    def line(self, points, width: float, layer: str = "detail", value: int = 255) -> None:
        pixels = max(1, round(width * self.side / 2))
        cv2.polylines(
            getattr(self, layer), [self._points(points)], False, value, pixels, cv2.LINE_AA, SUBPIXEL_BITS
        )

    def disc(self, x: float, y: float, radius: float, layer: str = "mask", value: int = 255) -> None:
        self.polygon(arc(x, y, radius), layer, value)


def arc(x: float, y: float, radius: float, start: float = 0, stop: float = 2 * np.pi, squash: float = 1):
    angles = np.linspace(start, stop, 40)
    return np.stack([x + radius * np.cos(angles), y + squash * radius * np.sin(angles)], 1)


def box(left: float, top: float, right: float, bottom: float):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def ball(c: Canvas) -> None:
    c.disc(0, 0, 0.95)
    c.line(arc(-0.9, 0, 0.95, -0.85, 0.85), 0.1)
    c.line(arc(0.9, 0, 0.95, np.pi - 0.85, np.pi + 0.85), 0.1)


def crate(c: Canvas) -> None:
    c.polygon(box(-0.85, -0.85, 0.85, 0.85))
    for y in (-0.42, 0, 0.42):
        c.line([(-0.85, y), (0.85, y)], 0.07)
    c.line([(-0.8, -0.8), (0.8, 0.8)], 0.16)


def cone(c: Canvas) -> None:
    c.polygon([(-0.12, -0.95), (0.12, -0.95), (0.62, 0.7), (-0.62, 0.7)])
    c.polygon(box(-0.9, 0.7, 0.9, 0.93))
    c.polygon([(-0.27, -0.45), (0.27, -0.45), (0.39, -0.05), (-0.39, -0.05)], "detail")


def star(c: Canvas) -> None:
    angles = np.arange(10) * np.pi / 5 - np.pi / 2
    radii = np.where(np.arange(10) % 2, 0.4, 1.0)
    c.polygon(np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1))


def ring(c: Canvas) -> None:
    c.disc(0, 0, 0.95)
    c.disc(0, 0, 0.5, value=0)


def cross(c: Canvas) -> None:
    c.polygon(box(-0.95, -0.32, 0.95, 0.32))
    c.polygon(box(-0.32, -0.95, 0.32, 0.95))


def mug(c: Canvas) -> None:
    c.disc(0.5, 0.05, 0.45)
    c.disc(0.5, 0.05, 0.24, value=0)
    c.polygon(box(-0.8, -0.75, 0.45, 0.85))
    c.polygon(arc(-0.175, -0.72, 0.6, squash=0.22), "detail")


def leaf(c: Canvas) -> None:
    upper = arc(0, 0.75, 1.2, np.pi + 0.675, 2 * np.pi - 0.675)
    lower = arc(0, -0.75, 1.2, 0.675, np.pi - 0.675)
    c.polygon(np.concatenate([upper, lower]))
    c.line([(-0.9, 0), (0.95, 0)], 0.08)
    for x in (-0.4, 0, 0.4):
        c.line([(x, 0), (x + 0.22, -0.26)], 0.05)
        c.line([(x, 0), (x + 0.22, 0.26)], 0.05)


def key(c: Canvas) -> None:
    c.disc(-0.52, 0, 0.43)
    c.disc(-0.58, 0, 0.18, value=0)
    c.polygon(box(-0.2, -0.12, 0.98, 0.12))
    c.polygon(box(0.45, 0.1, 0.6, 0.42))
    c.polygon(box(0.78, 0.1, 0.95, 0.5))


def bottle(c: Canvas) -> None:
    right = [(0.14, -0.95), (0.14, -0.4), (0.42, -0.1), (0.42, 0.95)]
    c.polygon([(-0.14, -0.95), *right, (-0.42, 0.95), (-0.42, -0.1), (-0.14, -0.4)])
    c.polygon(box(-0.42, 0.2, 0.42, 0.65), "detail")


def bow(c: Canvas) -> None:
    c.polygon([(-0.95, -0.65), (0, -0.1), (0.95, -0.65), (0.95, 0.65), (0, 0.1), (-0.95, 0.65)])
    c.polygon(box(-0.2, -0.24, 0.2, 0.24))
    c.line([(-0.16, -0.24), (-0.16, 0.24)], 0.06)
    c.line([(0.16, -0.24), (0.16, 0.24)], 0.06)


def moon(c: Canvas) -> None:
    c.disc(0, 0, 0.95)
    c.disc(0.45, -0.1, 0.72, value=0)


@dataclass(frozen=True)
class Category:
    """``max_turn``: largest turn from upright, in radians."""

    name: str
    draw: Callable[[Canvas], None]
    max_turn: float


_ENTRIES = (
    Category("ball", ball, np.pi),
    Category("crate", crate, 0.5),
    Category("cone", cone, 0.4),
    Category("star", star, np.pi),
    Category("ring", ring, np.pi),
    Category("cross", cross, 0.4),
    Category("mug", mug, 0.4),
    Category("leaf", leaf, np.pi),
    Category("key", key, 0.8),
    Category("bottle", bottle, 0.6),
    Category("bow", bow, 0.5),
    Category("moon", moon, 0.8),
)

CATEGORIES = MappingProxyType({category.name: category for category in _ENTRIES})
