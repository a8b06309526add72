"""From a model's class numbers to a data set's categories, and a check that they fit.

A label map is a sequence of names: that of class 1, of class 2, and so on, empty where a number stands for no
category (background, a gap among COCO's ids).
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from helpers.lab.errors import LabError, unknown_name
from helpers.tasks.detection.coco_names import HIGHEST_ID, NAMES, OTHER_NAMES
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns

UNNAMED = ""
PLACEHOLDERS = ("", "???", "n/a", "none", "background", "__background__", "unlabeled")
ABSENT = -1
NAMES_FILE = "MODEL@/path/to/names.txt"  # how it is typed

_COCO80 = tuple(NAMES.values())
_COCO91 = tuple(NAMES.get(number, UNNAMED) for number in range(1, HIGHEST_ID + 1))
# "-background": the model's first class is background, so that "person" is its class 2.
KINDS = MappingProxyType(
    {
        "coco80": _COCO80,
        "coco80-background": (UNNAMED, *_COCO80),
        "coco91": _COCO91,
        "coco91-background": (UNNAMED, *_COCO91),
    }
)
NUMBERINGS = (
    ("COCO's 80 categories without gaps", _COCO80),
    ("COCO's 91 ids with their gaps", _COCO91),
)
FROM = MappingProxyType({0: "", 1: ", after background", -1: ", from 0 instead of 1"})

SAME_PLACE = 0.5  # IoU from which a detection has found an object, whatever its class
LEAST_KAPPA = 0.25  # agreement beyond chance that another reading must reach
LEAST_RATIO = 3  # how many times as many classes must be right under it
LEAST_OBJECTS = 20  # on which two readings differ
LEAST_CATEGORIES = 3  # of which it must be right: one category proves no numbering
MOST_CHANCE = 1e-5


def label_map(labels: str | Sequence[str]) -> tuple[str, ...]:
    """Names of classes 1, 2, ...

    Args:
        labels: one of ``KINDS``, or a model's own list of names; placeholders in it (``???``, ``background``)
            become empty.

    Raises:
        LabError: an unknown kind.
    """
    if isinstance(labels, str):
        if labels not in KINDS:
            raise unknown_kind(labels)
        return KINDS[labels]
    stripped = (name.strip() for name in labels)
    return tuple(UNNAMED if name.lower() in PLACEHOLDERS else name for name in stripped)


def unknown_kind(labels: str) -> LabError:
    unknown = unknown_name("label map", labels, KINDS)
    return LabError(
        unknown.found,
        f"a file of class names, or {unknown.expected}",
        f"name the file in which the model's classes stand, one per line ({NAMES_FILE}); only a model with "
        "COCO's classes takes @coco80 or @coco91.",
    )


def require_names(names: Sequence[str], classes: int, source: str, network: str) -> None:
    """Raise unless a label map names as many classes as a network has: else a class has another's name.

    Empty names at the end, which stand for no class, do not count.

    Args:
        names: of classes 1, 2, ..., as ``label_map`` has them.
        source: what names them, for people; ``network``: what has the classes.
    """
    count = counted(names, classes)
    if count == classes:
        return
    if count == classes + 1 and names[0] == UNNAMED:
        cure = "take the first of them out, which names no class: this network counts none for background."
    else:
        cure = f"write its {classes} names into a file, in their order, and name that: {NAMES_FILE}."
    raise LabError(
        f"{source} has {count} names, and {network} has {classes} classes.",
        "a name for each class, in the network's own order; ??? for one that is none",
        cure,
    )


def counted(names: Sequence[str], classes: int) -> int:
    """How many names there are, without empty ones at the end that ``classes`` has no use for."""
    count = len(names)
    while count > classes and names[count - 1] == UNNAMED:
        count -= 1
    return count


def require_names_for_columns(names: Sequence[str], columns: int, source: str, network: str) -> None:
    """As ``require_names``, where only the columns of a network's scores are known: its classes, and perhaps
    background before them. With 0 columns nothing is known.
    """
    count = counted(names, columns)
    if columns and count not in (columns - 1, columns):
        raise LabError(
            f"{source} has {count} names, and the scores of {network} have {columns} columns.",
            "a name for each column but that of background, in their order; ??? for one that is no class",
            f"write the names into a file, and name that: {NAMES_FILE}.",
        )


def plain(name: str) -> str:
    """A name as it is compared: without case, spaces, dashes or underscores; COCO's word for a synonym."""
    words = re.sub(r"[\s_-]+", " ", name.strip().lower())
    return OTHER_NAMES.get(words, words).replace(" ", "")


def category_numbers_of(labels: str | Sequence[str], dataset_categories: Mapping[str, int]) -> np.ndarray:
    """The data set's id of each of the model's classes: int64 ``[classes]``, -1 where it has none.

    Entry ``c - 1`` is that of class ``c``.

    Args:
        labels: as for ``label_map``.
        dataset_categories: category name -> id.

    Raises:
        LabError: not one category has a class.
    """
    names = label_map(labels)
    numbers = {plain(name): number for name, number in dataset_categories.items()}
    exact = [dataset_categories.get(name, numbers.get(plain(name), ABSENT)) for name in names]
    found = np.array([i if name else ABSENT for i, name in zip(exact, names, strict=True)], np.int64)
    if not (found != ABSENT).any():
        raise LabError(
            f"not one of the model's {len(names)} classes ({', '.join(filter(None, names[:5]))}, ...) is a "
            f"category of the data set ({', '.join([*dataset_categories][:5])}, ...).",
            "a model and a data set with categories in common",
            "name the model's classes in their order: @names.txt after the model, one name per line; or use "
            "another data set.",
        )
    return found


def unknown_among(
    labels: str | Sequence[str], dataset_categories: Mapping[str, int], used: Collection[str]
) -> list[str]:
    """Categories among ``used`` that the model has no class for, or one class for two of them.

    Args:
        labels, dataset_categories: as for ``category_numbers_of``; all are unknown where that finds none.
    """
    try:
        known = set(category_numbers_of(labels, dataset_categories).tolist())
    except LabError:
        known = set()
    return [name for name, number in dataset_categories.items() if number not in known and name in used]


@dataclass(frozen=True)
class Reading:
    """One way to read class numbers: class ``c`` is ``names[c - 1 - shift]``."""

    names: tuple[str, ...]
    shift: int
    meaning: str

    def categories(self, classes: np.ndarray, numbers: Mapping[str, int]) -> np.ndarray:
        """Category numbers ``[n]`` of class numbers ``[n]``; -1 for those that it gives no category."""
        try:
            known = category_numbers_of(self.names, numbers)
        except LabError:
            return np.full(len(classes), ABSENT)
        place = classes.astype(int) - 1 - self.shift
        inside = (place >= 0) & (place < len(known))
        return np.where(inside, known[np.clip(place, 0, len(known) - 1)], ABSENT)


def readings(names: tuple[str, ...]) -> Iterator[Reading]:
    """Other ways to read the numbers than ``names``."""
    yield Reading(
        names, 1, "the classes are off by one: the model counts background first, its label map does not"
    )
    yield Reading(
        names, -1, "the classes are off by one: the label map counts a class before the model's first"
    )
    for meaning, others in NUMBERINGS:
        for shift, start in FROM.items():
            yield Reading(others, shift, f"the model counts {meaning}{start}, its label map does not")


def detect_mismatch(
    found: DetectionColumns,
    objects: ObjectColumns,
    labels: str | Sequence[str],
    dataset_categories: Sequence[str],
) -> LabError | None:
    """The error that names how a label map is wrong, if another reading is clearly better; None otherwise.

    Looked at are the detections that found an object, whatever their class: of each photo the best-scored
    ones, as many as it has objects. Among those where the two differ, another reading must be right at least
    ``LEAST_RATIO`` times as often as the given one, and as any third one; be right in several categories;
    agree beyond chance (Cohen's kappa) by ``LEAST_KAPPA`` or more; and be less likely than ``MOST_CHANCE``
    for classes drawn at random. A model that is merely bad has no such reading. 40 photos suffice for a
    model that gives half of what it finds the right class.

    Args:
        found: ``category`` holds the model's class numbers, from 1; ``image`` counts as in ``objects``.
        objects: as of ``dataset.read_objects``: ``category`` is the place among ``dataset_categories``.
        labels: the label map to be checked, as for ``label_map``.
        dataset_categories: the data set's category names.
    """
    places = {name: place for place, name in enumerate(dataset_categories)}
    classes, truth = found_classes(found, objects)
    names = label_map(labels)
    given = Reading(names, 0, "").categories(classes, places)
    others = [(reading, reading.categories(classes, places)) for reading in readings(names)]
    best, read = max(others, key=lambda other: int((other[1] == truth).sum()))
    unrivalled = all(outdoes(truth, rival, read) for _, rival in others)
    if not (unrivalled and clearly_better(truth, given, read)):
        return None
    most = int((read == truth).sum())
    return LabError(
        f"{best.meaning}. Of {len(truth)} objects that were found, {most} have the right class when read so, "
        f"and {int((given == truth).sum())} as they are read now.",
        "a label map that names class 1, 2, ... as the model counts them",
        cure(best),
    )


def cure(reading: Reading) -> str:
    wanted = (UNNAMED,) * reading.shift + reading.names[max(0, -reading.shift) :]
    kind = next((kind for kind, names in KINDS.items() if names == wanted), None)
    if kind:
        return f"give it the label map {kind!r} (helpers/tasks/detection/label_maps.py)."
    if reading.shift > 0:
        return "put an empty name before the first of its label map."
    if reading.names[0] == UNNAMED:
        return "take the empty name at the beginning out of its label map."
    return "add 1 to the class numbers that its tail gives: they count from 1."


def found_classes(found: DetectionColumns, objects: ObjectColumns) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers of detections and categories of the objects that they found, int64 ``[n]`` each.

    A photo's many sheep count once: equal pairs of one photo are one.
    """
    pairs = set()
    for image in np.unique(objects.image):
        truth = np.flatnonzero((objects.image == image) & ~objects.crowd)
        rows = np.flatnonzero(found.image == image)
        rows = rows[np.argsort(-found.score[rows], kind="stable")][: len(truth)]
        if not len(rows) or not len(truth):
            continue
        iou = overlaps(found.box[rows], objects.box[truth])
        for i in np.unique(iou.argmax(1)):
            finders = np.flatnonzero((iou.argmax(1) == i) & (iou[:, i] >= SAME_PLACE))
            if len(finders):
                pairs.add(
                    (int(image), int(found.category[rows[finders[0]]]), int(objects.category[truth[i]]))
                )
    columns = np.array(sorted(pairs), np.int64).reshape(-1, 3)
    return columns[:, 1], columns[:, 2]


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of boxes (x, y, width, height) ``[n, 4]`` and ``[m, 4]``: ``[n, m]``."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    shared = np.clip(high - low, 0, None).prod(2)
    union = first[:, 2:].prod(1)[:, None] + second[:, 2:].prod(1)[None] - shared
    return shared / np.maximum(union, 1e-9)


def clearly_better(truth: np.ndarray, given: np.ndarray, other: np.ndarray) -> bool:
    """Whether ``other`` explains ``truth`` clearly better; see ``detect_mismatch``. All int ``[n]``."""
    differing = given != other
    truth, given, other = truth[differing], given[differing], other[differing]
    right = other == truth
    categories = len(np.unique(truth[right]))
    if len(truth) < LEAST_OBJECTS or not outdoes(truth, given, other):
        return False
    if categories < max(2, min(LEAST_CATEGORIES, len(np.unique(truth)))):
        return False
    share, by_chance = float(right.mean()), chance_agreement(truth, other)
    kappa = (share - by_chance) / max(1 - by_chance, 1e-9)
    return kappa >= LEAST_KAPPA and tail_bound(len(truth), share, by_chance) <= MOST_CHANCE


def outdoes(truth: np.ndarray, one: np.ndarray, other: np.ndarray) -> bool:
    """Whether ``other`` is right ``LEAST_RATIO`` times as often as ``one`` where they differ."""
    differing = one != other
    return (other == truth)[differing].sum() >= LEAST_RATIO * (one == truth)[differing].sum()


def chance_agreement(truth: np.ndarray, other: np.ndarray) -> float:
    """Share that would agree if the same values were dealt out at random (Cohen 1960)."""
    values = np.unique(truth)
    return float(sum((truth == value).mean() * (other == value).mean() for value in values))


def tail_bound(count: int, share: float, chance: float) -> float:
    """Bound of the probability of ``share`` or more successes in ``count`` trials (Chernoff 1952)."""
    if share <= chance or chance == 0:
        return 1.0 if share <= chance else 0.0
    missed = (1 - share) * np.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return float(np.exp(-count * (share * np.log(share / chance) + missed)))
