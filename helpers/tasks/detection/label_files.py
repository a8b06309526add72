"""Files of class names as tools write them: one per line, numbered lines, or a ``.pbtxt`` of TensorFlow's."""

import re
from dataclasses import dataclass
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.lab.files import decoded
from helpers.lab.places import require_file

NUMBERED = re.compile(r"(\d+)[\s:,]+(\S.*)")
ITEM = re.compile(r"\bitem\s*:?\s*\{(.*?)\}", re.DOTALL)
FIELD = re.compile(r"""\b(id|name|display_name)\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?\d+)""")
COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
MOST_CLASSES = 10_000
EXPECTED = "a text file with one class name per line, with or without its number, or a .pbtxt label map"


@dataclass(frozen=True)
class ClassNames:
    """What a label file says.

    Attributes:
        names: in the file's order; if ``numbered``, that of number 0 first. Empty where none is given.
        numbered: whether the file gives each name a number.
    """

    names: tuple[str, ...]
    numbered: bool


def read_class_names(path: Path) -> ClassNames:
    """Read a label file.

    Raises:
        LabError: it is absent, no text, or names no class.
    """
    return class_names(str(path), read_text(path))


def read_text(path: Path) -> str:
    """Text in UTF-8 or UTF-16 with or without a byte order mark, else in Windows' Western encoding.

    Raises:
        LabError: the file cannot be read, or is no text.
    """
    require_file(path, EXPECTED)
    try:
        return decoded(path.read_bytes())
    except UnicodeDecodeError as error:
        raise LabError(f"{path} is no text file.", EXPECTED, "name the file of class names.") from error


def class_names(source: str, text: str) -> ClassNames:
    """Names in a label file's text; ``source`` names it in errors."""
    if items := ITEM.findall(COMMENT.sub("", text)):
        return from_items(source, items)
    lines = [line.strip() for line in text.rstrip().splitlines()]
    found = [NUMBERED.fullmatch(line) for line in lines if line]
    if found and all(found):
        pairs = [(int(match[1]), match[2].strip()) for match in found]
        if len(dict(pairs)) == len(pairs) and max(pairs)[0] < MOST_CLASSES:
            return ClassNames(by_number(dict(pairs)), True)
    if not any(lines):
        raise LabError(f"{source} names no class.", EXPECTED, "write the names into it.")
    return ClassNames(tuple(lines), False)


def from_items(source: str, items: list[str]) -> ClassNames:
    """Of ``item { id: 1 name: "/m/01g317" display_name: "person" }``; the name for people is taken."""
    places: dict[int, str] = {}
    for item in items:
        fields = {name: value.strip("\"'") for name, value in FIELD.findall(item)}
        name, number = fields.get("display_name") or fields.get("name"), fields.get("id", "")
        if not name or not number.isdigit() or int(number) >= MOST_CLASSES or int(number) in places:
            said = " ".join(item.split())[:80]
            raise LabError(
                f"{source} has the item {{ {said} }}.",
                f"an id of its own below {MOST_CLASSES} and a name in every item",
                "repair that item.",
            )
        places[int(number)] = name
    return ClassNames(by_number(places), True)


def by_number(places: dict[int, str]) -> tuple[str, ...]:
    return tuple(places.get(number, "") for number in range(max(places) + 1))
