"""How a user names a ``.tflite`` file of their own, and what it is called in files, tables and figures."""

from collections.abc import Sequence
from pathlib import Path

from helpers.lab.places import lasting, path_of, require_file, split_design, stem_of
from helpers.models.designs.catalogue import DESIGN_NAMES
from helpers.run.variants import Variant
from helpers.tasks.detection.label_maps import KINDS

ENDING = ".tflite"
OWN_FILE = "own-file"


def design_of(text: str) -> str:
    """The design that is named after the path, one of ``DESIGN_NAMES``; empty for none."""
    return split_design(text, DESIGN_NAMES, tuple(KINDS))[1]


def source_of(text: str) -> tuple[Path, str | Path | None]:
    """Path and labels of ``PATH`` with ``@LABELS``, one of ``label_maps.KINDS`` or a label file; a design, as
    of ``design_of``, stands before or after them.
    """
    path, _, labels = split_design(text, DESIGN_NAMES, tuple(KINDS))
    return path_of(path), labels if labels in KINDS else path_of(labels) if labels else None


def variant_id(text: str) -> str:
    """The id of a file's variant: ``own-`` and the file's name in letters, digits, dashes and underscores."""
    return f"own-{stem_of(source_of(text)[0].name)}"


def is_own(name: str) -> bool:
    """Whether a variant is named by a file of the user's own."""
    return source_of(name)[0].suffix.lower() == ENDING


def own_variants(texts: Sequence[str]) -> tuple[Variant, ...]:
    """One variant per file; files of the same name are told apart by a number.

    Raises:
        LabError: a file, or the label file named with it, is absent.
    """
    found: dict[str, Variant] = {}
    for text in dict.fromkeys(map(lasting_source, texts)):
        name, more = variant_id(text), 1
        while name in found:
            more += 1
            name = f"{variant_id(text)}-{more}"
        found[name] = own_variant(name, text)
    return tuple(found.values())


def lasting_source(text: str) -> str:
    """The file as ``places.lasting`` names it; it must be there."""
    place, design, labels = split_design(text, DESIGN_NAMES, tuple(KINDS))
    require_file(path_of(place).absolute(), "a .tflite file")
    if labels and labels not in KINDS:
        expected = f"a file of class names, or one of {', '.join(KINDS)}"
        require_file(path_of(labels).absolute(), expected)
    return lasting(place, labels, tuple(KINDS), design)


def own_variant(name: str, text: str) -> Variant:
    meaning = f"{source_of(text)[0]}, a finished file of the user's own, as it is."
    return Variant(name, OWN_FILE, "", "", False, "", "", meaning, text)
