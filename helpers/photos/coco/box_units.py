"""Are boxes what COCO's JSON has: x, y, width and height in pixels of their photo? Asked before any work."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.units import how_many

EXPECTED = "x, y, width, height in pixels, within the photo at least in part"
REPAIR = "repair the entry in that file, or leave it out."
# Labellers and croppers leave boxes a little beyond the border; of corners read as sizes far more stick out.
MOST_STICKING_OUT, SLACK_PX = 0.2, 2.0
LEAST_CORNERS = 3  # boxes that stick out, fewer of which prove nothing
FARTHEST = 1.0  # as ``exact_coco.checks``: in sizes of the photo
LARGEST_AREA_RATIO, SMALL_PX = 2.0, 16.0  # likewise


def require_pixels(path: Path, photos: Iterable[Mapping], annotations: Iterable[Mapping]) -> None:
    """Check the objects of these photos.

    Args:
        path: the user's file, for errors.
        photos: entries of COCO's ``images``, with width and height.
        annotations: entries with four finite numbers as ``bbox``, an ``area``, and the ``source_id`` that the
            user's file has.

    Raises:
        LabError: boxes are fractions of the photo, or corners; or one lies outside its photo, is far larger,
            or has too large an area. It names the entry.
    """
    known = {photo["id"]: photo for photo in photos}
    entries = [entry for entry in annotations if entry["image_id"] in known]
    if not entries:
        return
    boxes = np.array([entry["bbox"] for entry in entries], float)
    sizes = np.array([[known[e["image_id"]][side] for side in ("width", "height")] for e in entries], float)
    require_no_fractions(path, entries, boxes, sizes)
    require_no_corners(path, entries, boxes, sizes)
    for fault, rows in faults(boxes, sizes, np.array([entry["area"] for entry in entries], float)).items():
        if rows.any():
            row = int(np.flatnonzero(rows)[0])
            photo = known[entries[row]["image_id"]]
            others = how_many(int(rows.sum()) - 1, "other")
            so_have = f"; so {'has' if rows.sum() == 2 else 'have'} {others}" if rows.sum() > 1 else ""
            raise LabError(
                f"{named(path, entries[row])} {fault.format(area=entries[row]['area'])}: its photo "
                f"{photo['file_name']} has {photo['width']} x {photo['height']} pixels{so_have}.",
                EXPECTED,
                REPAIR,
            )


def named(path: Path, entry: Mapping[str, Any]) -> str:
    return f"annotation {entry['source_id']} of {path} has the box {entry['bbox']}"


def require_no_fractions(path: Path, entries: Sequence, boxes: np.ndarray, sizes: np.ndarray) -> None:
    """Raise where no box reaches beyond 1: not one object would be larger than a pixel."""
    if (boxes.max() > 1) or (sizes.max(1) <= 2).any():
        return
    raise LabError(
        f"{named(path, entries[0])}, and none of {len(entries)} boxes reaches beyond 1: they are fractions "
        "of the photo, not pixels.",
        EXPECTED,
        "multiply x and width by the photo's width, y and height by its height (and area by both).",
    )


def require_no_corners(path: Path, entries: Sequence, boxes: np.ndarray, sizes: np.ndarray) -> None:
    """Raise where many boxes leave their photo, and all of them would fit if the last two were a corner."""
    ends = boxes[:, :2] + boxes[:, 2:]
    out = (ends > sizes + SLACK_PX).any(1)
    corners = (boxes[:, 2:] > boxes[:, :2]).all() and (boxes[:, 2:] <= sizes + SLACK_PX).all()
    if not corners or out.sum() < LEAST_CORNERS or out.mean() <= MOST_STICKING_OUT:
        return
    first = int(np.flatnonzero(out)[0])
    raise LabError(
        f"{named(path, entries[first])}, which leaves its photo, as {int(out.sum())} of {len(entries)} boxes "
        "do; read as two corners, x1, y1, x2, y2, all lie within theirs.",
        EXPECTED,
        "write x2 - x1 and y2 - y1 in the place of x2 and y2.",
    )


def faults(boxes: np.ndarray, sizes: np.ndarray, areas: np.ndarray) -> dict[str, np.ndarray]:
    """What no evaluation takes -> bool ``[n]``."""
    low, high = boxes[:, :2] / sizes, (boxes[:, :2] + boxes[:, 2:]) / sizes
    return {
        "outside its photo": (low > 1).any(1) | (high < 0).any(1),
        "far larger than its photo": (low < -FARTHEST).any(1) | (high > 1 + FARTHEST).any(1),
        "and an area of {area}, more than twice that": areas
        > LARGEST_AREA_RATIO * boxes[:, 2:].prod(1) + SMALL_PX,
    }
