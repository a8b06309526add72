"""A ``.tflite`` file of one of the designs that exporters write whole: YOLO's rows, a DETR's queries."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.models.designs.catalogue import Design, get_design, other_design, unfit_values, unknown_design
from helpers.models.designs.shapes import Reading, fits, readings
from helpers.models.designs.whole import is_told, whole_tails
from helpers.models.interface import Interface
from helpers.models.own_tflite.beside import read_given
from helpers.models.own_tflite.describe import WHOLE, Described, pixels_of
from helpers.models.own_tflite.labels import find, renumbering, without_background
from helpers.photos.decoding import core_input
from helpers.photos.preprocessing import Preprocessing
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.label_maps import UNNAMED
from helpers.tasks.detection.limits import Limits

WHITE = 255
CLOSE = 0.2  # share by which an int8 input's range may differ from the design's
Labels = str | Sequence[str] | Path | None


def designed_interface(
    path: Path, facts: Described, labels: Labels, limits: Limits, numbered_as: Sequence[str], named: str
) -> Interface:
    """As ``interface.interface``; what shapes leave open is seen from the file's answer to noise.

    Raises:
        LabError: no design is known that fits, or several do and none is named; or the label map names
            another number of classes.
    """
    source, names = find(path, labels)
    classes, found = fitting(path, facts, source, names, named)
    numbers = renumbering(classes, numbered_as) if numbered_as else ()
    ways = [(reading, way(path, facts, reading, named, len(classes), limits)) for reading in found]
    known = [made for reading, made in ways if made and (named or is_told(reading, made.tail, len(classes)))]
    if not any(made for _, made in ways) and (named or all(reading.design for reading in found)):
        raise unfit_values(path, facts.shapes)
    if len(known) != 1:
        maybe = " or ".join(dict.fromkeys(each.design.name for each in found if each.design))
        raise unknown_design(path, facts.shapes, maybe)
    return Interface(known[0].preprocessing, dataclasses.replace(known[0].tail, numbers=numbers))


def designed_categories(path: Path, facts: Described, labels: Labels) -> tuple[str, ...]:
    """Names of classes 1, 2, ... of such a file."""
    return fitting(path, facts, *find(path, labels), "")[0]


def fitting(
    path: Path, facts: Described, source: str, names: tuple[str, ...], named: str
) -> tuple[tuple[str, ...], list[Reading]]:
    """The names of the classes, and the readings that have as many."""
    design = get_design(named).name if named else ""
    for kept in (names, names[1:] if names[0] == UNNAMED else names):
        all_of = readings(facts.shapes, facts.size, len(kept), design)
        if found := [reading for reading in all_of if fits(reading, len(kept))]:
            return kept, found
    if not all_of:
        raise other_design(path, facts.shapes, named) if named else unknown_design(path, facts.shapes)
    return without_background(path, source, names, all_of[0].classes), all_of


def way(
    path: Path, facts: Described, reading: Reading, named: str, classes: int, limits: Limits
) -> Interface | None:
    """What goes before and after it by one reading; None where the file's values contradict it."""
    design = get_design(named) if named else reading.design
    if design is None:
        return None
    before = preprocessing_of(path, facts, design)
    noise = np.random.default_rng(0).integers(0, 256, (*facts.size, 3), np.uint8)
    heads = Core(path)(core_input(noise, before))
    tails = whole_tails(reading, heads, facts.size, classes, limits)
    return Interface(before, tails[0]) if tails else None


def preprocessing_of(path: Path, facts: Described, design: Design) -> Preprocessing:
    """The design's; pixels as they are for an input of integers that has another range than the design's."""
    found, given = design.preprocessing(*facts.size, "NHWC"), read_given(path)
    ends = found.scale, found.offset
    if given.scale is not None:
        ends = given.scale, given.offset
    elif facts.image.dtype in WHOLE and not has_range(facts, found):
        ends = pixels_of(facts)
    return dataclasses.replace(found, scale=ends[0], offset=ends[1], **given.others)


def has_range(facts: Described, found: Preprocessing) -> bool:
    """Whether an input of integers ends where the design's values do."""
    grid, brightest = facts.image.grid, WHITE * max(found.scale) + max(found.offset)
    return grid is not None and abs(grid.high - brightest) <= CLOSE * brightest
