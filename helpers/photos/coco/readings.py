"""Other ways to read the boxes of a labels file: what they are if its numbers mean something else."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Rule = Callable[..., tuple]
TURN = "turn the photos, or their boxes, so that both agree (01 says how, where EXIF turns them)."
SLACK_PX, LEAST_WITHIN = 2.0, 0.9
# What photos are made smaller by before they are labelled, and sides of squares that they are pressed into.
FACTORS = (0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.25, 4 / 3, 1.5, 2.0, 3.0, 4.0)
SQUARES = (224, 256, 300, 320, 416, 512, 640, 800, 1024)


@dataclass(frozen=True)
class Reading:
    """One way to read boxes.

    Attributes:
        meaning: what the labels then are.
        cure: what makes them what COCO's are.
        rule: takes a box's four numbers and the photo's width and height, arrays ``[G]``; gives x, y, width
            and height in pixels.
    """

    meaning: str
    cure: str
    rule: Rule

    def boxes(self, given: np.ndarray, sizes: np.ndarray) -> np.ndarray | None:
        """The boxes ``[G, 4]`` read so, or None where they cannot be that.

        Args:
            given: as they are in the file, float ``[G, 4]``.
            sizes: width and height of each box's photo, ``[G, 2]``.
        """
        boxes = np.stack(np.broadcast_arrays(*self.rule(*given.T, *sizes.T)), 1)
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        within = ((low >= -SLACK_PX) & (high <= sizes + SLACK_PX) & (boxes[:, 2:] >= 0)).all(1)
        return boxes if within.mean() >= LEAST_WITHIN else None


def scaled(factor: float) -> Reading:
    return Reading(
        f"boxes of photos {1 / factor:.3g} times as large as these",
        f"multiply them by {factor:.3g}.",
        lambda x, y, w, h, *_: (x * factor, y * factor, w * factor, h * factor),
    )


def pressed(side: float, meaning: str = "", cure: str = "") -> Reading:
    """Boxes of photos that were pressed into a square."""
    return Reading(
        meaning or f"boxes of photos resized to {side} x {side}",
        cure or f"multiply x and width by the photo's width / {side}, y and height by its height / {side}.",
        lambda x, y, w, h, width, height: (
            x * width / side, y * height / side, w * width / side, h * height / side,
        ),
    )  # fmt: skip


READINGS = (
    Reading(
        "of the photos upside down", TURN, lambda x, y, w, h, wide, tall: (wide - x - w, tall - y - h, w, h)
    ),
    Reading("of the photos mirrored", TURN, lambda x, y, w, h, wide, tall: (wide - x - w, y, w, h)),
    Reading(
        "of the photos mirrored top to bottom", TURN, lambda x, y, w, h, wide, tall: (x, tall - y - h, w, h)
    ),
    Reading(
        "of the photos turned to the right", TURN, lambda x, y, w, h, wide, tall: (y, tall - x - w, h, w)
    ),
    Reading("of the photos turned to the left", TURN, lambda x, y, w, h, wide, tall: (wide - y - h, x, h, w)),
    Reading(
        "boxes whose x and y are exchanged",
        "exchange them, and width and height.",
        lambda x, y, w, h, wide, tall: (y, x, h, w),
    ),
    Reading(
        "of the photos turned and mirrored",
        TURN,
        lambda x, y, w, h, wide, tall: (wide - y - h, tall - x - w, h, w),
    ),
    Reading(
        "two corners, x1, y1, x2, y2",
        "write x2 - x1 and y2 - y1 in the place of x2 and y2.",
        lambda x, y, w, h, wide, tall: (x, y, w - x, h - y),
    ),
    Reading(
        "two corners, y1, x1, y2, x2",
        "write x1, y1, x2 - x1, y2 - y1.",
        lambda x, y, w, h, wide, tall: (y, x, h - y, w - x),
    ),
    Reading(
        "centre, width and height",
        "subtract half of width and height from x and y.",
        lambda x, y, w, h, wide, tall: (x - w / 2, y - h / 2, w, h),
    ),
    Reading(
        "centre, width and height as fractions of the photo",
        "multiply by the photo's width and height, then subtract half of width and height from x and y.",
        lambda x, y, w, h, wide, tall: ((x - w / 2) * wide, (y - h / 2) * tall, w * wide, h * tall),
    ),
    pressed(1, "fractions of the photo", "multiply by the photo's width and height."),
    pressed(100, "percent of the photo", "multiply by the photo's width and height, divide by 100."),
    pressed(1000, "thousandths of the photo", "multiply by the photo's width and height, divide by 1000."),
    *map(pressed, SQUARES),
    *map(scaled, FACTORS),
)
