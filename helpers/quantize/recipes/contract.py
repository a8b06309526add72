"""The contract of recipes: what one works on, and what it must turn out to make."""

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from helpers.lab.errors import LabError
from helpers.quantize.records import MadeFile
from helpers.run.variants import Variant
from helpers.runtimes.catalogue import get_runtime, runtime_of
from helpers.runtimes.file_facts import FileFacts


@dataclass(frozen=True)
class Work:
    """One file to make. What takes time to have is a function, which few recipes call.

    Attributes:
        variant: which numeric form.
        float_file: the float32 core that it is made from: a ``.tflite`` or a ``.onnx``.
        output: the file to write.
        calibration: gives core inputs to set ranges by, float32 each, of the shape that
            ``float_file`` takes; else none.
        float_operators: operators that stay float, by regular expressions of their outputs' names.
        model: the ``models.registry.Model``, None of a file that is of none. (Were its type named here, a new
            model in the registry would make every variant anew.)
        files: gives the model's own files.
        photos: gives the first ``n`` photos to check a core on, uint8 ``[H, W, 3]`` each.
        margin_points: AP points that a variant may lose.
        interface_file: where what goes before and after the core is kept, if it has one of its own.
    """

    variant: Variant
    float_file: Path
    output: Path
    calibration: Callable[[], Iterable[np.ndarray]] = tuple
    float_operators: Sequence[str] = ()
    model: Any = None
    files: Callable[[], Sequence[Path]] = tuple
    photos: Callable[[int], Sequence[np.ndarray]] = lambda most: ()
    interface_file: Path | None = None
    margin_points: float = 1.0


class Recipe(Protocol):
    """A way of making a file.

    Its variants are made anew when the code of the recipe's module changes, or what that imports.
    """

    def inputs(self, model: Any, variant: Variant) -> dict[str, Path]:
        """Files that it needs beside the model's own and the calibration photos, by names for the record."""
        return {}

    def make(self, work: Work) -> MadeFile:
        """Write ``work.output`` and say what it holds.

        Raises:
            LabError: it cannot be made, or is not what the variant promises.
        """
        ...


def made_file(work: Work, notes: Sequence[str] = ()) -> MadeFile:
    """What is recorded of the written file, if it is what the variant promises."""
    facts = require_promised(work.output, work.variant)
    return MadeFile(facts, **sizes(work.output), notes=tuple(notes))


def require_promised(path: Path, variant: Variant) -> FileFacts:
    """Facts of the file, or an error where its dtypes are not those that the variant stands for."""
    facts = get_runtime(runtime_of(path)).facts(path)
    found = (facts.storage_dtype, facts.compute_dtype)
    promised = (variant.storage_dtype, variant.compute_dtype)
    if found != promised:
        raise LabError(
            f"{path.name} stores {found[0]} and computes in {found[1]}.",
            f"{promised[0]} stored, {promised[1]} computed, as variant {variant.id!r} promises",
            f"check recipe {variant.recipe!r} in helpers/quantize/recipes/ against this model's operators.",
        )
    return facts


def sizes(file: Path) -> dict[str, int]:
    """``size_bytes`` of a core, and ``download_bytes`` of it as zipped (deflate, the usual level).

    Args:
        file: its first file; where its runtime has several for a core, all are counted.
    """
    parts, zipped = get_runtime(runtime_of(file)).files(file), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            archive.write(part, part.name)
    return {
        "size_bytes": sum(part.stat().st_size for part in parts),
        "download_bytes": len(zipped.getvalue()),
    }
