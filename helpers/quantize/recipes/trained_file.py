"""Recipes of trained forms, simulated or deployable: of a float32 file and the trained codes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from helpers.quantize.recipes.contract import Recipe, Work, made_file
from helpers.quantize.records import MadeFile
from helpers.quantize.trained.trained_codes import (
    TrainedCodes,
    require_codes,
    require_codes_file,
    train_command,
)
from helpers.quantize.trained.weight_file import write_trained
from helpers.run.forms import INT8_TRAINED, SIMULATED_TRAINED
from helpers.run.variants import Variant


@dataclass(frozen=True)
class Trained(Recipe):
    """Raises ``LabError`` where nothing was trained for the model, or for another network.

    Attributes:
        written: writes the file; it is given the codes, and what helps if they do not fit.
    """

    written: Callable[[Work, TrainedCodes, str], MadeFile]

    def inputs(self, model: Any, variant: Variant) -> dict[str, Path]:
        return {"codes": require_codes_file(model, variant.id)}

    def make(self, work: Work) -> MadeFile:
        codes = require_codes(work.model, work.variant.id, work.files())
        return self.written(work, codes, f"train it again: {train_command(work.model, work.variant.id)}.")


def trained_weights(work: Work, codes: TrainedCodes, cure: str) -> MadeFile:
    return write_trained(work.float_file, work.variant, codes, cure, work.output)


def trained_int8(work: Work, codes: TrainedCodes, cure: str) -> MadeFile:
    from helpers.quantize.trained.int8_file import write_int8

    write_int8(work.float_file, codes, work.float_operators, cure, work.output)
    return made_file(work)


RECIPES = MappingProxyType({
    SIMULATED_TRAINED: Trained(trained_weights),
    INT8_TRAINED.recipe: Trained(trained_int8),
})  # fmt: skip
