"""What TFLite's metadata say of a file: label files in its zip, and how its input is normalized.

Source of the layout: tflite-support's metadata_schema.fbs.
"""

import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from helpers.lab.files import decoded

ENTRY = "TFLITE_METADATA"
# Places of fields in their tables.
SUBGRAPHS, INPUTS, UNITS, UNIT_TYPE, UNIT_VALUE, MEAN, STD = 3, 2, 4, 0, 1, 0, 1
NORMALIZATION = 1


@dataclass(frozen=True)
class Normalization:
    """``(pixel - mean) / std``, for pixels 0..255; one value for all channels, or one for each."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def zipped_labels(path: Path) -> dict[str, str]:
    """Name -> text of the ``.txt`` files in the zip at the end of the file; none where it has no zip."""
    try:
        with zipfile.ZipFile(path) as files:
            names = [name for name in files.namelist() if name.lower().endswith(".txt")]
            return {name: decoded(files.read(name)) for name in names}
    except (zipfile.BadZipFile, UnicodeDecodeError):
        return {}


def read_normalization(metadata: Mapping[str, bytes]) -> Normalization | None:
    """Of the first input; None where a file's metadata (``Graph.metadata``) do not say, or cannot be read."""
    try:
        return find_normalization(metadata[ENTRY]) if ENTRY in metadata else None
    except (struct.error, IndexError, TypeError, ValueError):
        return None


def find_normalization(content: bytes) -> Normalization | None:
    root = Table(content, encode.Get(packer.uoffset, content, 0))
    for graph in tables(root, SUBGRAPHS):
        for image in tables(graph, INPUTS):
            for unit in tables(image, UNITS):
                if unit_type(unit) == NORMALIZATION:
                    options = Table(content, unit.Indirect(place(unit, UNIT_VALUE)))
                    return Normalization(floats(options, MEAN), floats(options, STD))
    return None


def place(table: Table, field: int) -> int:
    """Where a field lies; 0 for an absent one."""
    offset = table.Offset(4 + 2 * field)
    return offset + table.Pos if offset else 0


def tables(table: Table, field: int) -> Iterator[Table]:
    """The tables of a vector of tables."""
    offset = table.Offset(4 + 2 * field)
    if offset:
        start = table.Vector(offset)
        for number in range(table.VectorLen(offset)):
            yield Table(table.Bytes, table.Indirect(start + 4 * number))


def floats(table: Table, field: int) -> tuple[float, ...]:
    offset = table.Offset(4 + 2 * field)
    if not offset:
        return ()
    start, count = table.Vector(offset), table.VectorLen(offset)
    return tuple(table.Get(number_types.Float32Flags, start + 4 * number) for number in range(count))


def unit_type(unit: Table) -> int:
    at = place(unit, UNIT_TYPE)
    return unit.Get(number_types.Uint8Flags, at) if at else 0
