"""COCO JSON as labelling tools write it, made the lab's own: every repair counted, every doubt an error."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.photos.coco.labels import CURE, FORMAT, SECTIONS
from helpers.photos.coco.names import PhotoNames
from helpers.photos.coco.values import (
    HIGHEST,
    Numbered,
    name_of,
    number_of,
    numbered,
    outline_box,
    reading_of,
)

CROWD = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
MOST_NAMED = 5
REPAIR = "repair the entry in that file, or leave it out."
# Keys by which other tools' files are known.
OTHERS = (
    ({"shapes", "imagePath"}, "LabelMe's file of one photo"),
    ({"_via_img_metadata"}, "a project of the VGG Image Annotator"),
    ({"items", "categories"}, "Datumaro's format"),
    ({"image_id", "bbox", "score"}, "COCO's format of results: detections, not ground truth"),
    ({"data", "annotations"}, "Label Studio's own format"),
    ({"images", "categories"}, "COCO's list of a test set, which has no annotations"),
)


@dataclass
class Repairs:
    """What was repaired: ``counts`` of what, how often; ``sentences`` for what happens once."""

    counts: Counter = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)

    def told(self) -> list[str]:
        return [*self.sentences, *(f"{what}: {count}" for what, count in self.counts.items() if count)]


def repaired(labels: Any, path: Path, photos: PhotoNames) -> tuple[dict[str, list[dict]], list[str]]:
    """The lab's labels of a user's COCO JSON, and what was repaired.

    Of every entry only that is kept which the lab reads, so that no key of a tool's own gets in its way.
    Images keep ``id``, ``file_name`` (as it lies below the folder of photos), ``width``, ``height``;
    categories ``id``, ``name``; annotations ``id``, ``image_id``, ``category_id``, ``bbox``, ``area``,
    ``iscrowd``, and ``source_id``: a text, the id that they have in the user's file. Categories without
    an annotation are left out, unless there is no annotation at all.

    Args:
        labels: what the file holds.
        path: the file, for messages.
        photos: the names of the photos that are there.

    Raises:
        LabError: it is no COCO JSON, or an entry can be read in two ways or in none; it names the entry.
    """
    require_coco(labels, path)
    repairs = Repairs()
    reader = Reader(path, repairs)
    images, image_ids = reader.images(labels["images"], photos)
    categories, category_ids = reader.categories(labels["categories"], labels["annotations"])
    annotations = reader.annotations(labels["annotations"], image_ids, category_ids)
    return {"images": images, "categories": categories, "annotations": annotations}, repairs.told()


def require_coco(labels: Any, path: Path) -> None:
    held = labels if isinstance(labels, dict) else {}
    missing = [name for name in SECTIONS if not isinstance(held.get(name), list)]
    if missing:
        raise LabError(
            f"{path} has no list {', '.join(missing)}{looks_like(labels)}.",
            FORMAT,
            "export the labels in COCO's format from the tool that made them, and put that file there.",
        )
    for section in SECTIONS:
        for number, entry in enumerate(labels[section], start=1):
            if not isinstance(entry, dict):
                raise LabError(f"entry {number} of {section} in {path} is {entry!r}.", FORMAT, CURE)
    for section in ("images", "categories"):
        if not labels[section]:
            raise LabError(f"the list {section} of {path} is empty.", f"at least one of {section}", CURE)


def looks_like(labels: Any) -> str:
    """Which tool's format it seems to be."""
    first = labels[0] if isinstance(labels, list) and labels else labels
    keys = set(first) if isinstance(first, dict) else set()
    known = next((name for wanted, name in OTHERS if wanted <= keys), "")
    if known:
        return f": it looks like {known}"
    return ": it is a list" if isinstance(labels, list) else ""


def names_the_file(written: str, place: str, folder: Path) -> bool:
    """Whether a name is the file's, below its folder or from a folder around that."""
    file = (folder / place).absolute().as_posix()
    return written == place or (written.endswith(f"/{place}") and file.endswith(f"/{written}"))


def same_name(name: str) -> str:
    return " ".join(name.split()).casefold()


def both_named(first: str, second: str) -> str:
    return f"both named {first!r}" if first == second else f"named {first!r} and {second!r}"


class Reader:
    """Reads the entries of one file."""

    def __init__(self, path: Path, repairs: Repairs):
        self.path, self.repairs = path, repairs

    def fault(self, found: str, expected: str, cure: str = REPAIR) -> LabError:
        return LabError(f"{found}, in {self.path}.", expected, cure)

    def images(self, entries: Sequence[dict], photos: PhotoNames) -> tuple[list[dict], Numbered]:
        """Images, each file once, and the ids by which annotations name them."""
        read, kept = reading_of([entry.get("id") for entry in entries]), {}
        for number, entry in enumerate(entries, start=1):
            key, name = read(entry.get("id")), entry.get("file_name")
            if not isinstance(name, str) or not name.strip():
                raise self.fault(
                    f"image {entry.get('id')!r} (entry {number}) has the file_name {name!r}", "a text"
                )
            if key is None:
                raise self.fault(
                    f"image {name!r} (entry {number}) has the id {entry.get('id')!r}", "an integer or a text"
                )
            if key in kept and kept[key]["file_name"] != name:
                both = f"{kept[key]['file_name']!r} and {name!r}"
                raise self.fault(f"images {both} have one id, {entry['id']!r}", "an id for every image")
            kept.setdefault(key, {"file_name": name, **self.size(entry)})
        numbers = numbered(read, list(kept))
        self.note_renumbered("image", kept, numbers, [entry.get("id") for entry in entries])
        return self.by_file(kept, numbers, photos)

    def size(self, entry: Mapping) -> dict[str, int]:
        """Width and height as far as they are stated; the rest is taken from the photo."""
        stated = {}
        for name in ("width", "height"):
            number = number_of(entry.get(name))
            if number is None or not number >= 1 or not float(number).is_integer():
                self.repairs.counts[f"{name} of an image taken from its photo"] += 1
                continue
            self.repairs.counts[f"{name} of an image as text"] += isinstance(entry[name], str)
            stated[name] = int(number)
        return stated

    def by_file(self, kept: Mapping, numbers: Numbered, photos: PhotoNames) -> tuple[list[dict], Numbered]:
        """The images by the files that they name; entries of one file are joined."""
        places = photos.places([image["file_name"] for image in kept.values()])
        first: dict[str, dict] = {}
        joined = {}
        for key, image in kept.items():
            place = places[image["file_name"]]
            otherwise = not names_the_file(image["file_name"], place, photos.folder)
            self.repairs.counts["file names written otherwise than the file's"] += otherwise
            self.repairs.counts["entries of a photo that has one already, joined"] += place in first
            entry = first.setdefault(place, {"id": numbers.ids[key], **image, "file_name": place})
            joined[key] = entry["id"]
        return list(first.values()), Numbered(numbers.read, joined)

    def note_renumbered(self, what: str, kept: Iterable, numbers: Numbered, written: Iterable[Any]) -> None:
        odd = sum(type(value) is not int for value in written)
        if any(numbers.ids[key] != key for key in kept):
            self.repairs.sentences.append(f"ids of {what} entries were numbered anew")
        elif odd:
            self.repairs.counts[f"ids of {what} entries that were no integers"] += odd

    def categories(self, entries: Sequence[dict], annotations: Sequence[dict]) -> tuple[list[dict], Numbered]:
        """Categories that occur, each name once, and the ids by which annotations name them."""
        read = reading_of([entry.get("id") for entry in entries])
        named: dict[int | str, str] = {}
        for number, entry in enumerate(entries, start=1):
            key, name = read(entry.get("id")), name_of(entry.get("name"))
            if key is None:
                raise self.fault(
                    f"category {name!r} (entry {number}) has the id {entry.get('id')!r}", "an integer"
                )
            if named.setdefault(key, name) != name:
                both = f"{named[key]!r} and {name!r}"
                raise self.fault(f"categories {both} have one id, {key!r}", "an id for every category")
        used = {read(entry.get("category_id")) for entry in annotations} & set(named)
        for key in used:
            if not named[key]:
                raise self.fault(f"category {key!r} has annotations and no name", "a name for every category")
        kept = [key for key in named if key in used] or [key for key in named if named[key]]
        self.note_unused({key: name for key, name in named.items() if key not in kept})
        numbers = numbered(read, kept)
        written = [entry["id"] for entry in entries if read(entry["id"]) in kept]
        self.note_renumbered("category", kept, numbers, written)
        return self.by_name(named, kept, numbers)

    def by_name(self, named: Mapping, kept: Sequence, numbers: Numbered) -> tuple[list[dict], Numbered]:
        """A model's classes are matched by name, case aside: two that differ in no more are one category."""
        first: dict[str, Any] = {}
        for key in kept:
            before = first.setdefault(same_name(named[key]), key)
            if before != key:
                self.repairs.sentences.append(
                    f"categories {before} and {key} are {both_named(named[before], named[key])} and are "
                    "evaluated as one"
                )
        categories = [{"id": numbers.ids[key], "name": named[key]} for key in first.values()]
        joined = {key: numbers.ids[first[same_name(named[key])]] for key in kept}
        return categories, Numbered(numbers.read, joined)

    def note_unused(self, unused: Mapping[Any, str]) -> None:
        if unused:
            named = ", ".join(f"{key} {name!r}" for key, name in [*unused.items()][:MOST_NAMED])
            more = ", ..." if len(unused) > MOST_NAMED else ""
            self.repairs.sentences.append(
                f"categories without an annotation, not evaluated: {len(unused)} ({named}{more})"
            )

    def annotations(self, entries: Sequence[dict], images: Numbered, categories: Numbered) -> list[dict]:
        ids = self.annotation_ids([entry.get("id") for entry in entries])
        return [
            self.annotation(number, entry, identifier, images, categories)
            for number, (entry, identifier) in enumerate(zip(entries, ids, strict=True), start=1)
        ]

    def annotation_ids(self, written: Sequence[Any]) -> list[int]:
        """Nothing names an annotation, so that its id may be any: kept where all are sound, else 1, 2, ..."""
        given = [value for value in written if value is not None]
        self.repairs.counts["annotations without an id"] += len(written) - len(given)
        sound = all(type(value) is int and 0 <= value < HIGHEST - len(written) for value in given)
        if not sound or len(set(given)) < len(given):
            self.repairs.sentences.append("ids of annotations were numbered anew")
            return list(range(1, len(written) + 1))
        free = iter(range(1 + max(given, default=0), HIGHEST))
        return [next(free) if value is None else value for value in written]

    def annotation(
        self, number: int, entry: Mapping, identifier: int, images: Numbered, categories: Numbered
    ) -> dict[str, Any]:
        written = entry.get("id")
        named = (
            f"annotation {written!r} (entry {number})"
            if written is not None
            else f"annotation entry {number}"
        )
        image, category = images.find(entry.get("image_id")), categories.find(entry.get("category_id"))
        if image is None or category is None:
            raise self.fault(
                f"{named} names image {entry.get('image_id')!r} and category {entry.get('category_id')!r}, "
                "of which one does not exist",
                "ids of the lists images and categories",
            )
        named += f" of image {entry['image_id']!r}"
        box = self.box(named, entry)
        return {
            "id": identifier,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": self.area(named, entry.get("area"), box),
            "iscrowd": self.crowd(named, entry.get("iscrowd")),
            "source_id": f"entry {number}" if written is None else str(written),
        }

    def box(self, named: str, entry: Mapping) -> list[int | float]:
        written = entry.get("bbox")
        if written is None or written == []:
            around = outline_box(entry.get("segmentation"))
            if around is None:
                raise self.fault(f"{named} has no bbox", "a bbox: x, y, width, height in pixels")
            self.repairs.counts["boxes computed from the outline"] += 1
            return around
        numbers = [number_of(value) for value in written] if isinstance(written, list) else []
        expected = "four finite numbers: x, y, width, height in pixels, the last two not negative"
        if len(numbers) != 4 or None in numbers or min(numbers[2:]) < 0:
            raise self.fault(f"{named} has the box {written!r}", expected)
        self.repairs.counts["boxes as text"] += any(isinstance(value, str) for value in written)
        return numbers

    def area(self, named: str, written: Any, box: Sequence[float]) -> int | float:
        if written is None or written == "":
            self.repairs.counts["areas taken from the box"] += 1
            return box[2] * box[3]
        number = number_of(written)
        if number is None or number < 0:
            expected = "an area in pixels, or none: it is then taken from the box"
            raise self.fault(f"{named} has the area {written!r}, an area that is no number", expected)
        self.repairs.counts["areas as text"] += isinstance(written, str)
        return number

    def crowd(self, named: str, written: Any) -> int:
        if type(written) is int and written in (0, 1):
            return written
        self.repairs.counts[
            "iscrowd missing, read as 0" if written in (None, "") else "iscrowd not as 0 or 1"
        ] += 1
        number = 0 if written in (None, "") else CROWD.get(str(written).strip().lower())
        if number is None:
            raise self.fault(f"{named} has iscrowd {written!r}", "0 for a single object, 1 for a crowd")
        return number
