"""How a user names a ``.tflite`` file of their own, and what it is called in files, tables and figures."""

import re
from collections.abc import Sequence
from pathlib import Path

from helpers.label_maps import KINDS
from helpers.variants import Variant


def source_of(text: str) -> tuple[Path, str | Path | None]:
    """Path and labels of ``PATH`` or ``PATH@LABELS``: one of ``label_maps.KINDS``, or a label file."""
    path, _, labels = text.partition("@")
    return Path(path), labels if labels in KINDS else Path(labels) if labels else None


def variant_id(text: str) -> str:
    """The id of a file's variant: ``own-`` and the file's name in letters, digits, dashes and underscores."""
    stem = source_of(text)[0].stem
    return f"own-{re.sub(r'[^A-Za-z0-9_-]+', '_', stem).strip('_') or 'tflite'}"


def is_own(name: str) -> bool:
    """Whether a variant is named by a file of the user's own."""
    return source_of(name)[0].suffix == ".tflite"


def own_variants(texts: Sequence[str]) -> tuple[Variant, ...]:
    """One variant per file; files of the same name are told apart by a number."""
    found: dict[str, Variant] = {}
    for text in texts:
        name, more = variant_id(text), 1
        while name in found:
            more += 1
            name = f"{variant_id(text)}-{more}"
        found[name] = own_variant(name, text)
    return tuple(found.values())


def own_variant(name: str, text: str) -> Variant:
    path, labels = source_of(text)
    if isinstance(labels, Path):
        labels = labels.resolve()
    lasting = f"{path.resolve()}@{labels}" if labels else str(path.resolve())
    meaning = f"{path.name}, a finished file of the user's own, as it is."
    return Variant(name, "none", "", "", False, "", "", meaning, lasting)
