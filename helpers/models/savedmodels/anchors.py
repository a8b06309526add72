"""Anchors and the box coder's scales, solved from what a graph's decoding does to chosen encodings."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.boxes import CODER_SCALES, decode_boxes

# Encodings [N, 4] -> for each of several tensors of the graph its boxes [N, 4].
Decoding = Callable[[np.ndarray], list[np.ndarray]]
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Coder:
    """Anchors float32 ``[N, 4]`` (cy, cx, h, w) and the scales of ty, tx, th, tw."""

    anchors: np.ndarray
    scales: tuple[float, float, float, float]

    def decode(self, encodings: np.ndarray) -> np.ndarray:
        return decode_boxes(encodings * np.float32(np.divide(CODER_SCALES, self.scales)), self.anchors)


def solve(decoding: Decoding, count: int) -> tuple[int, Coder] | None:
    """The last of the decoding's results that a ``Coder`` reproduces, and that coder; ``None``: no one.

    Args:
        count: N.
    """
    answers = [decoding(encodings) for encodings in chosen(count)]
    tried = some_encodings(count)
    wanted = decoding(tried)
    for place in reversed(range(len(wanted))):
        coder = from_answers([answer[place] for answer in answers])
        if coder is not None and reproduces(coder, tried, wanted[place]):
            return place, coder
    return None


def chosen(count: int) -> list[np.ndarray]:
    """Zeros, then one encoding of each kind set to 1: float32 ``[N, 4]`` each."""
    return [np.zeros((count, 4), np.float32)] + [np.tile(unit, (count, 1)) for unit in np.eye(4, dtype="f")]


def some_encodings(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1.5, (count, 4)).astype(np.float32)


def from_answers(answers: list[np.ndarray]) -> Coder | None:
    """From the boxes of ``chosen`` encodings; ``None`` where they are no boxes that move and grow as asked.

    With encodings of 0 a box is its anchor; ty = 1 moves it by h / scale; th = 1 makes it exp(1 / scale)
    times as high (Ren et al. 2015, eq. 2).
    """
    (centres, sides), *moved = [centre_and_sides(boxes.astype(float)) for boxes in answers]
    if not np.isfinite(sides).all() or (sides <= 0).any():
        return None
    steps = [((moved[axis][0] - centres) / sides)[:, axis] for axis in (0, 1)]
    with np.errstate(all="ignore"):
        steps += [np.log(moved[axis + 2][1] / sides)[:, axis] for axis in (0, 1)]
        scales = 1 / np.median(steps, axis=1)
    if not np.isfinite(scales).all() or (scales <= 0).any():
        return None
    exact = tuple(float(f"{scale:.4g}") for scale in scales)
    return Coder(np.concatenate([centres, sides], 1).astype(np.float32), exact)


def centre_and_sides(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]


def reproduces(coder: Coder, encodings: np.ndarray, boxes: np.ndarray) -> bool:
    """Whether the coder decodes ``encodings`` to ``boxes``, to ``TOLERANCE`` of the input's side."""
    return bool(np.abs(coder.decode(encodings) - boxes).max() <= TOLERANCE)
