"""What goes before and after a ``.tflite`` detector of the user's own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.models.interface import Interface
from helpers.models.own_tflite.beside import CHANNELS, FINISHED, Given, read_anchors, read_given
from helpers.models.own_tflite.describe import WHOLE, Described, describe, pixels_of
from helpers.models.own_tflite.designed import designed_categories, designed_interface
from helpers.models.own_tflite.labels import classes_of, renumbering
from helpers.photos.preprocessing import Preprocessing
from helpers.runtimes.litert.metadata import Normalization
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.postprocessed import PostprocessedTail
from helpers.tasks.detection.tails.raw_heads import RawHeadsTail
from helpers.tasks.detection.tails.ssd import CONVERSIONS


def interface(
    path: Path,
    labels: str | Sequence[str] | Path | None,
    limits: Limits,
    numbered_as: Sequence[str] = (),
    design: str = "",
) -> Interface:
    """What goes before and after a file, for ``core.Core``, which gives and takes real numbers.

    Args:
        labels: as for ``labels.classes_of``.
        limits: what is kept; suppression is the file's own where it ends in TFLite_Detection_PostProcess.
        numbered_as: names of classes 1, 2, ... that the detections shall have, and no others; the file's own
            if empty.
        design: as the user names it, one of ``designs.catalogue.DESIGN_NAMES``; empty where the file shall
            tell. Files with box encodings and scores apart are an SSD's unless another is named.

    Raises:
        LabError: as ``describe``; or classes, anchors, the design or the preparation of photos are not known;
            or not one class is among ``numbered_as``.
    """
    facts, given = describe(path), read_given(path)
    if design or facts.designed:
        return designed_interface(path, facts, labels, limits, numbered_as, design)
    classes, preprocessing, anchors = all_of(
        lambda: classes_of(path, facts, labels),
        lambda: preprocessing_of(path, facts, given),
        lambda: None if facts.postprocess else read_anchors(path, facts),
    )
    numbers = renumbering(classes.names, numbered_as) if numbered_as else ()
    if facts.postprocess:
        options = facts.postprocess
        rows = options.rows_per_count, options.filled_rows
        return Interface(preprocessing, PostprocessedTail(limits, dict(facts.names), *rows, numbers))
    names = facts.names["boxes"], facts.names["scores"]
    about = conversion_of(facts, given), classes.background, given.coder_scales, numbers
    return Interface(preprocessing, RawHeadsTail(anchors, limits, *names, *about))


def conversion_of(facts: Described, given: Given) -> str:
    """From the file's numbers to scores; empty where they are scores."""
    finished = facts.finished or given.conversion == FINISHED
    return "" if finished else given.conversion or CONVERSIONS[0]


def all_of(*steps: Callable[[], Any]) -> list[Any]:
    """What the steps give.

    Raises:
        LabError: some fail; it says what all of them lack, so that nobody is told one thing per run.
    """
    found, faults = [], []
    for step in steps:
        try:
            found.append(step())
        except LabError as fault:
            faults.append(fault)
    if len(faults) > 1:
        parts = zip(*((each.found, each.expected, each.cure) for each in faults), strict=True)
        raise LabError(*("; ".join(text.rstrip(".") for text in part) + "." for part in parts))
    if faults:
        raise faults[0]
    return found


def categories(path: Path, labels: str | Sequence[str] | Path | None = None) -> tuple[str, ...]:
    """Names of classes 1, 2, ... of a file's ``Detections``; empty for a number without a category."""
    facts = describe(path)
    if facts.designed:
        return designed_categories(path, facts, labels)
    return classes_of(path, facts, labels).names


def preprocessing_of(path: Path, facts: Described, given: Given) -> Preprocessing:
    """As the user says; else whole pixels for an input of integers, and for float32 as the metadata say."""
    whole = facts.image.dtype in WHOLE
    resize = {"resize": "half-pixel-rounded" if whole else "half-pixel"}
    if given.scale is not None:
        ends = given.scale, given.offset
    else:
        ends = pixels_of(facts) if whole else normalized(facts.normalization)
    if ends is None:
        raise LabError(
            f"{path} takes float32, and does not say how pixels 0..255 become its input.",
            "normalization in the file's metadata, or scale and offset beside it",
            f"write {path.stem}.json beside the file; for an input of -1..1 it is "
            '{"scale": 0.00784313725, "offset": -1.0}.',
        )
    return Preprocessing(*facts.image.shape[1:3], *ends, **(resize | given.others))


def normalized(metadata: Normalization | None) -> tuple[tuple, tuple] | None:
    """Scale and offset of each channel; None where the metadata do not say."""
    if metadata is None or not metadata.mean or not metadata.std or 0 in metadata.std:
        return None
    means, stds = spread(metadata.mean), spread(metadata.std)
    return tuple(1 / std for std in stds), tuple(-m / s for m, s in zip(means, stds, strict=True))


def spread(values: tuple[float, ...]) -> tuple[float, ...]:
    return values if len(values) == CHANNELS else values[:1] * CHANNELS
