"""The recipe of a file of the user's own: it is copied, and what goes before and after it is its own."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.units import how_many
from helpers.models.own_tflite.beside import files_beside
from helpers.models.own_tflite.sentences import cap_sentence, timing_sentence
from helpers.photos.decoding import core_input
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.adopt import adopt
from helpers.quantize.recipes.contract import Recipe, Work, sizes
from helpers.quantize.records import MadeFile
from helpers.run.own_files import OWN_FILE, source_of
from helpers.run.variants import Variant
from helpers.runtimes.contract import is_finite
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.reader import read_facts

NUMBER_PHOTOS = 4  # tell a file that never gives a number


class OwnFile(Recipe):
    def inputs(self, model: Any, variant: Variant) -> dict[str, Path]:
        """The user's file and what lies beside it, as far as it is there."""
        path, labels = source_of(variant.own)
        found = {f"own/{file.name}": file for file in [path, *files_beside(path)] if file.is_file()}
        return found | ({"labels": labels} if isinstance(labels, Path) else {})

    def make(self, work: Work) -> MadeFile:
        variant, output = work.variant, work.output
        interface = adopt(variant.own, work.model.categories, work.model.limits, output)
        photos = work.photos(NUMBER_PHOTOS)
        require_numbers(source_of(variant.own)[0], Core(output), photos, interface.preprocessing)
        interface.save(work.interface_file)
        notes = tuple(filter(None, (sentence(output) for sentence in (cap_sentence, timing_sentence))))
        return MadeFile(read_facts(output), **sizes(output), meaning=variant.meaning, notes=notes)


def require_numbers(
    path: Path, core: Core, photos: Sequence[np.ndarray], preprocessing: Preprocessing
) -> None:
    """Raise if a file of the user's own gives NaN or infinity for each of the photos."""
    if photos and not any(is_finite(core(core_input(photo, preprocessing))) for photo in photos):
        raise LabError(
            f"{path} gives NaN or infinity for each of the first {how_many(len(photos), 'photo')}.",
            "finite numbers",
            "look at the file (a layer overflows, or its weights are not whole), and at what "
            f"{path.stem}.json beside it says of its input, if it is there.",
        )


RECIPES = MappingProxyType({OWN_FILE: OwnFile()})
