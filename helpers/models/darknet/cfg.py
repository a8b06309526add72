"""The text of a Darknet ``.cfg``: sections of ``key=value`` lines, read with types."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from helpers.lab.errors import LabError

T = TypeVar("T")
NET = "net"
# Darknet's other names of sections; OpenCV knows the first ones alone.
ALIASES = MappingProxyType({"network": NET, "conv": "convolutional", "max": "maxpool", "avg": "avgpool"})
COMMENT = re.compile(r"[#;]|//")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CURE = "correct that line, or download the file again from the model's publisher."


@dataclass(frozen=True)
class Section:
    """One section of a ``.cfg``.

    Attributes:
        kind: what stands in the brackets: ``convolutional``.
        number: Darknet's number of the layer, from 0; the section ``[net]`` before them has -1.
        line: where it begins, from 1.
        values: its keys and their text, without blanks.
        lines: key -> line.
        file: name of the file, for errors.
    """

    kind: str
    number: int
    line: int
    values: Mapping[str, str]
    lines: Mapping[str, int]
    file: str

    def __str__(self) -> str:
        layer = "" if self.number < 0 else f"layer {self.number}, "
        return f"{layer}[{self.kind}] at line {self.line} of {self.file}"

    def integer(self, key: str, default: int | None = None) -> int:
        """The value of ``key``; ``default`` where it is absent, an error where there is none."""
        return self._typed(key, default, int, "a whole number")

    def decimal(self, key: str, default: float | None = None) -> float:
        return self._typed(key, default, float, "a number")

    def text(self, key: str, default: str | None = None) -> str:
        return self._typed(key, default, str, "a word")

    def integers(self, key: str) -> tuple[int, ...]:
        """A list with commas; one after the last value is allowed, as Darknet does."""
        return self._typed(key, None, listed(int), "whole numbers with commas between them")

    def decimals(self, key: str) -> tuple[float, ...]:
        return self._typed(key, None, listed(float), "numbers with commas between them")

    def positive(self, key: str, default: int | None = None) -> int:
        """A whole number of 1 or more."""
        value = self.integer(key, default)
        if value < 1:
            raise self.error(f"{key}={value}", f"{key} of 1 or more", key)
        return value

    def _typed(self, key: str, default: T | None, convert: Callable[[str], T], kind: str) -> T:
        if key not in self.values:
            if default is None:
                raise self.error(f"no {key}", f"{key}=<{kind}>")
            return default
        try:
            return convert(self.values[key])
        except ValueError:
            raise self.error(f"{key}={self.values[key]}", f"{key}: {kind}", key) from None

    def error(self, found: str, expected: str, key: str = "", cure: str = CURE) -> LabError:
        """The error of this section, at the line of ``key`` where one is given."""
        at = f" (line {self.lines[key]})" if key in self.lines else ""
        return LabError(f"{self}: {found}{at}.", expected, cure)

    def with_value(self, key: str, value: str, line: int) -> "Section":
        """The same with one more key; of a key that it has already the first value counts."""
        values, lines = {key: value} | self.values, {key: line} | self.lines
        return replace(self, values=MappingProxyType(values), lines=MappingProxyType(lines))


def listed(convert: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    return lambda text: tuple(convert(part) for part in text.removesuffix(",").split(","))


def parse_cfg(text: str, file: str) -> tuple[Section, ...]:
    """Sections of a ``.cfg``, ``[net]`` first, under the first of Darknet's names for each kind.

    As in Darknet blanks do not count, and lines that begin with ``#`` or ``;`` are comments; so is what
    follows a ``#``, ``;`` or ``//`` later in a line, which Darknet's numbers end at. Of a key that a section
    has twice the first counts, as in Darknet's ``option_find``.

    Args:
        file: name of the file, for errors.

    Raises:
        LabError: a line that is neither, a key before any section, or a file that does not begin with
            ``[net]``.
    """
    sections: list[Section] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = COMMENT.split("".join(raw.split()), maxsplit=1)[0]
        if not line:
            continue
        if line.startswith("["):
            sections.append(begin(line, number, len(sections) - 1, file))
        else:
            add_value(sections, line, number, file)
    if not sections or sections[0].kind != NET:
        raise LabError(f"{file} does not begin with a section [net].", "a Darknet .cfg", CURE)
    return tuple(map(with_mask, sections))


def begin(line: str, number: int, layer: int, file: str) -> Section:
    if not line.endswith("]"):
        raise LabError(f"line {number} of {file} is {line!r}.", "a section's name in brackets", CURE)
    return Section(ALIASES.get(line[1:-1], line[1:-1]), layer, number, {}, {}, file)


def with_mask(section: Section) -> Section:
    """A ``[yolo]`` without a mask has all of its anchors, as in Darknet; OpenCV wants to be told."""
    if section.kind != "yolo" or not section.values.get("num", "").isdecimal():
        return section
    every = ",".join(map(str, range(int(section.values["num"]))))
    return section.with_value("mask", every, section.line)


def add_value(sections: list[Section], line: str, number: int, file: str) -> None:
    key, equals, value = line.partition("=")
    if not sections or not key or not equals or not value:
        raise LabError(f"line {number} of {file} is {line!r}.", "key=value within a section", CURE)
    sections[-1] = sections[-1].with_value(key, value, number)


def plain_text(sections: Sequence[Section]) -> str:
    """The same sections without comments, blanks, and keys that do not count: every reader reads it alike."""
    lines = []
    for section in sections:
        lines += [f"[{section.kind}]", *(f"{key}={value}" for key, value in section.values.items())]
    return "\n".join(lines) + "\n"


def read_text(path: Path) -> str:
    """The text of a ``.cfg``; what is not ASCII, which only comments hold, is replaced, in any encoding.

    Raises:
        LabError: the file is absent or is no text.
    """
    try:
        content = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = content.decode("utf-16") if utf16 else content.decode("ascii", errors="replace")
        if "\0" not in text:
            return text
        found = f"{path} is no text."
    except FileNotFoundError:
        found = f"{path} does not exist."
    except (OSError, UnicodeDecodeError) as error:
        found = f"{path} cannot be read: {error}."
    raise LabError(found, "a Darknet .cfg", "give the path of the model's .cfg file.")
