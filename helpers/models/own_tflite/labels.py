"""Names of a ``.tflite`` detector's classes: given, in a file beside it, or in its own zip."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.models.own_tflite.describe import Described
from helpers.runtimes.litert.metadata import zipped_labels
from helpers.tasks.detection.label_files import class_names, read_class_names
from helpers.tasks.detection.label_maps import UNNAMED, category_numbers_of, label_map

BESIDE = ("{stem}.labels.txt", "{stem}.txt", "labelmap.txt", "labels.txt")


@dataclass(frozen=True)
class Classes:
    """The classes of a file.

    Attributes:
        names: of classes 1, 2, ..., background not counted.
        background: whether the first column of the scores is background.
    """

    names: tuple[str, ...]
    background: bool


def classes_of(path: Path, facts: Described, labels: str | Sequence[str] | Path | None = None) -> Classes:
    """Names that fit a file's classes.

    Args:
        labels: one of ``label_maps.KINDS``, a list of names, or a label file; if None, the file
            ``<name>.labels.txt``, ``<name>.txt``, ``labelmap.txt`` or ``labels.txt`` beside ``path``, or the
            label file that is zipped into it.

    Raises:
        LabError: there are none, or not as many as the file has classes.
    """
    source, names = find(path, labels)
    if facts.postprocess:
        return Classes(without_background(path, source, names, facts.postprocess.num_classes), False)
    columns, first = facts.columns, names[0] == UNNAMED
    if len(names) == columns:
        return Classes(names[1:], True) if first else Classes(names, False)
    if len(names) == columns - 1 and not first:
        return Classes(names, True)
    return Classes(without_background(path, source, names, columns), False)


def without_background(path: Path, source: str, names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The names of ``count`` classes, without a placeholder for background before them."""
    if len(names) == count:
        return names
    if len(names) == count + 1 and names[0] == UNNAMED:
        return names[1:]
    raise LabError(
        f"{path.name} has {count} classes, {source} names {len(names)}.",
        "one name per class; before them one line ??? or background, if any",
        f"correct the names, or put them into {path.stem}.labels.txt beside the file, one per line.",
    )


def find(path: Path, labels: str | Sequence[str] | Path | None) -> tuple[str, tuple[str, ...]]:
    """Where the names are from, and the names."""
    if isinstance(labels, Path):
        return str(labels), label_map(read_class_names(labels).names)
    if labels is not None:
        names = label_map(labels)
        return (f"the label map {labels!r}" if isinstance(labels, str) else "the given list"), names
    if file := labels_beside(path):
        return file.name, label_map(read_class_names(file).names)
    zipped = zipped_labels(path)
    likely = {name: text for name, text in zipped.items() if "label" in name.lower()} or zipped
    if len(likely) == 1:
        name, text = next(iter(likely.items()))
        return f"{name} in the file's zip", label_map(class_names(name, text).names)
    raise LabError(
        f"nothing names the classes of {path.name} (in its zip: {', '.join(zipped) or 'no label file'}).",
        f"one of {', '.join(beside_names(path))} beside it, or one label file in its zip",
        f"write {beside_names(path)[0]}: one name per line, class after class.",
    )


def beside_names(path: Path) -> list[str]:
    return [name.format(stem=path.stem) for name in BESIDE]


def labels_beside(path: Path) -> Path | None:
    """The label file beside a file that is read; None where there is none."""
    return next((file for file in map(path.with_name, beside_names(path)) if file.is_file()), None)


def renumbering(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...]:
    """Class among ``wanted``, from 1, of each of ``names``; -1 for none."""
    places = {name: place for place, name in enumerate(wanted, 1) if name}
    return tuple(int(number) for number in category_numbers_of(names, places))
