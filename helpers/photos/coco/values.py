"""Ids, numbers and outlines in COCO JSON, in every way in which tools write them."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HIGHEST = 2**63  # what a database takes for an integer


@dataclass(frozen=True)
class Numbered:
    """The ids of a section's entries.

    Attributes:
        read: what an id means, however it is written; None where it means nothing.
        ids: that -> the id that we give.
    """

    read: Callable[[Any], int | str | None]
    ids: Mapping[int | str, int]

    def find(self, written: Any) -> int | None:
        return self.ids.get(self.read(written))


def number_or_text(written: Any) -> int | str | None:
    """7 for 7, 7.0, "7" and "007"; a text for other texts; None where it is no id."""
    if isinstance(written, bool):
        return None
    if isinstance(written, int):
        return written
    if isinstance(written, float):
        return int(written) if written.is_integer() else None
    text = written.strip() if isinstance(written, str) else ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text or None


def text_of(written: Any) -> str | None:
    """The id as it is written, where numbers would make one of two: "7" is not "007"."""
    return None if number_or_text(written) is None else str(written)


def reading_of(written: Sequence[Any]) -> Callable[[Any], int | str | None]:
    apart = {text_of(value) for value in written}
    return number_or_text if len({number_or_text(value) for value in written}) == len(apart) else text_of


def numbered(read: Callable, keys: Sequence[int | str], least: int = 0) -> Numbered:
    """The ids themselves where a database takes them all, else 1, 2, ... in their order."""
    sound = all(type(key) is int and least <= key < HIGHEST for key in keys)
    return Numbered(read, {key: key if sound else number for number, key in enumerate(keys, start=1)})


def name_of(written: Any) -> str:
    return "" if written is None else str(written).strip()


def number_of(written: Any) -> int | float | None:
    """A finite number, also where it is written as text."""
    if isinstance(written, str):
        try:
            written = json.loads(written)
        except ValueError:
            return None
    if isinstance(written, bool) or not isinstance(written, int | float):
        return None
    try:
        return written if math.isfinite(written) else None
    except OverflowError:
        return None


def outline_box(segmentation: Any) -> list[int | float] | None:
    """The box around polygons (lists of x, y, x, y, ...); None where there are none."""
    polygons = segmentation if isinstance(segmentation, list) else []
    if polygons and not isinstance(polygons[0], list):
        polygons = [polygons]
    numbers = [[number_of(value) for value in polygon] for polygon in polygons if isinstance(polygon, list)]
    if not numbers or any(None in polygon or len(polygon) < 6 or len(polygon) % 2 for polygon in numbers):
        return None
    columns = [n for polygon in numbers for n in polygon[::2]]
    rows = [n for polygon in numbers for n in polygon[1::2]]
    return [min(columns), min(rows), max(columns) - min(columns), max(rows) - min(rows)]
