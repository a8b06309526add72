"""Textures and light: uint8 fields that make flat shapes look photographed."""

import cv2
import numpy as np


def smooth_noise(random: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """uint8 ``[height, width]``: noise with about ``cells`` blobs along the longer side."""
    step = max(height, width) / cells
    shape = (max(2, round(height / step)), max(2, round(width / step)))
    grid = random.integers(0, 256, shape, dtype=np.uint8)
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)


def fractal_noise(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """uint8 ``[height, width]``: three octaves of smooth noise."""
    total = np.zeros((height, width), np.int32)
    for cells, weight in ((3, 8), (10, 5), (40, 3)):
        total += weight * smooth_noise(random, height, width, cells).astype(np.int32)
    return (total // 16).astype(np.uint8)


def stripes(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """uint8 ``[height, width]``, 0 or 255: parallel bars of random pitch and direction."""
    pitch = int(random.integers(4, max(5, min(height, width) // 3)))
    a, b = random.integers(-8, 9, 2)
    y, x = np.mgrid[0:height, 0:width]
    phase = (a * x + b * y) // max(1, int(np.hypot(a, b))) // max(1, pitch // 2)
    return np.where(phase % 2, 255, 0).astype(np.uint8)


def tiles(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """uint8 ``[height, width]``, 0 or 255: the grid of joints between tiles."""
    pitch = int(random.integers(14, 60))
    field = np.zeros((height, width), np.uint8)
    field[:: max(8, int(pitch * random.uniform(0.5, 1)))] = 255
    field[:, ::pitch] = 255
    return cv2.dilate(field, np.ones((2, 2), np.uint8)) if random.random() < 0.5 else field


def ramp(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """int32 ``[height, width]`` in -128..128: light that falls off in a random direction."""
    a, b = random.integers(-100, 101, 2)
    y, x = np.mgrid[0:height, 0:width]
    field = a * (2 * x - width) * height + b * (2 * y - height) * width
    return (field // max(1, (abs(a) + abs(b)) * width * height // 128)).astype(np.int32)


def tint(layer: np.ndarray, field: np.ndarray, strength: int) -> np.ndarray:
    """Add ``strength/128`` of a signed field ``[H, W]`` to an int32 image ``[H, W, 3]``."""
    return layer + (strength * field.astype(np.int32) // 128)[..., None]


def centred(field: np.ndarray) -> np.ndarray:
    """uint8 field -> int32 in -128..127."""
    return field.astype(np.int32) - 128
