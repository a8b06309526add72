"""The recipes by name: what ``Variant.recipe`` names."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from helpers.lab.errors import LabError, unknown_name
from helpers.quantize.recipes import (
    as_it_is,
    cured_file,
    cured_weights,
    float16,
    integers,
    onnxruntime_files,
    openvino_files,
    own_file,
    simulated_file,
    trained_file,
)
from helpers.quantize.recipes.contract import Recipe, Work
from helpers.run.forms import INT8_TRAINED, SIMULATED, SIMULATED_TRAINED
from helpers.run.own_files import OWN_FILE
from helpers.run.variants import AT, Variant
from helpers.runtimes.catalogue import LITERT, ONNXRUNTIME, get_runtime
from helpers.runtimes.contract import Runtime
from helpers.runtimes.file_facts import FileFacts

_FILES = (
    as_it_is, float16, integers, cured_file, cured_weights, simulated_file, trained_file, own_file,
    openvino_files, onnxruntime_files,
)  # fmt: skip
RECIPES: Mapping[str, Recipe] = MappingProxyType({
    name: recipe for file in _FILES for name, recipe in file.RECIPES.items()
})  # fmt: skip


def recipe_name(recipe: str, home: str) -> str:
    """Name of what makes a variant of a model.

    Args:
        recipe: as the variant names it; after ``@`` stands the runtime that it is for.
        home: id of the model's home runtime, which the recipe is for if it names none.
    """
    return recipe if AT in recipe or home == LITERT.id or recipe == OWN_FILE else f"{recipe}{AT}{home}"


def get_recipe(name: str) -> Recipe:
    """A recipe by its name; raises ``LabError`` for one that there is not."""
    if name in RECIPES:
        return RECIPES[name]
    form, _, runtime = name.partition(AT)
    if (runtime and form in RECIPES) or f"{form}{AT}{ONNXRUNTIME.id}" in RECIPES:
        raise not_made(form, get_runtime(runtime or LITERT.id))
    raise unknown_name("recipe", name, RECIPES)


def not_made(form: str, home: Runtime) -> LabError:
    """The error for a form of a runtime in another one."""
    if home is LITERT:
        return LabError(
            f"no {form} is made for {home.title}.",
            f"an ONNX model: {form} is {ONNXRUNTIME.title}'s",
            f"leave {form} out, or name an ONNX model.",
        )
    there = [name.partition(AT)[0] for name in RECIPES if name.endswith(f"{AT}{home.id}")]
    made = [{"none": "float32", SIMULATED: "the simulated forms"}.get(name, name) for name in there]
    form = {SIMULATED_TRAINED: "trained form", INT8_TRAINED.recipe: INT8_TRAINED.id}.get(form, form)
    return LabError(
        f"no {form} is made for {home.title}.", f"one of: {', '.join(made)}", f"leave {form} out."
    )


def module_of(name: str) -> str:
    """The module that a recipe is in: its code, and all that this imports, is what makes a file."""
    return next(file.__name__ for file in _FILES if name in file.RECIPES)


def quantize_file(
    float_file: Path,
    variant: Variant,
    photos: Iterable[np.ndarray],
    output: Path,
    float_operators: Sequence[str] = (),
    home: str = LITERT.id,
) -> FileFacts:
    """Write ``variant`` of a float32 core, of whatever model, and return what the written file holds.

    Args:
        variant: one that is made of this file and photos alone: neither trained nor the user's own.
        photos: as ``Work.calibration`` gives them; ``float_operators``: as there.
        home: id of the home runtime, for which the core is.

    Raises:
        LabError: the written file is not what the variant promises.
    """
    work = Work(variant, float_file, output, lambda: photos, float_operators)
    return get_recipe(recipe_name(variant.recipe, home)).make(work).facts
