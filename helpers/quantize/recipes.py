"""Recipes: float32 ``.tflite`` in, quantized ``.tflite`` out, by the AI Edge Quantizer."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager

from helpers.lab.errors import LabError, unknown_name
from helpers.lab.files import write_bytes
from helpers.lab.quietly import stderr_muted
from helpers.quantize.dead_channels import revive
from helpers.quantize.half_arithmetic import asking_for_half, require_half
from helpers.run.forms import FLOAT16_COMPUTE
from helpers.run.variants import Variant
from helpers.runtimes.litert.graph import FileFacts
from helpers.runtimes.litert.reader import read_facts

INPUT_NAME = "image"
SIGNATURE = "serving_default"

HALF_WEIGHTS = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
    }
]
# Every variant takes and gives float32, so that all do the same work between the same two points.
FLOAT_ENDS = [
    {"regex": ".*", "operation": end, "algorithm_key": "no_quantize", "op_config": {}}
    for end in ("INPUT", "OUTPUT")
]


def per_tensor(step: dict) -> dict:
    """A step of which all weights of a layer share one scale."""
    settings = step["op_config"]
    weights = {**settings["weight_tensor_config"], "granularity": "TENSORWISE"}
    return {**step, "op_config": {**settings, "weight_tensor_config": weights}}


RECIPES = MappingProxyType(
    {
        "none": lambda: [],
        "float16": lambda: HALF_WEIGHTS,
        FLOAT16_COMPUTE: lambda: HALF_WEIGHTS,
        "int8-dynamic": recipe.dynamic_wi8_afp32,
        "int8": lambda: recipe.static_wi8_ai8() + FLOAT_ENDS,
        "int8-per-tensor": lambda: [per_tensor(step) for step in recipe.static_wi8_ai8()] + FLOAT_ENDS,
        "int8-weights": recipe.weight_only_wi8_afp32,
        "int16x8": lambda: recipe.static_wi8_ai16() + FLOAT_ENDS,
        "int4-weights": recipe.weight_only_wi4_afp32,
        "int4-dynamic": recipe.dynamic_wi4_afp32,
    }
)


def get_recipe(name: str) -> list[dict]:
    try:
        return RECIPES[name]()
    except KeyError:
        raise unknown_name("recipe", name, RECIPES) from None


def kept_float(operators: Sequence[str]) -> list[dict]:
    """Steps that leave operators as they are; ``operators``: regular expressions of their outputs' names."""
    step = {"operation": "*", "algorithm_key": "no_quantize", "op_config": {}}
    return [{"regex": name, **step} for name in operators]


def quantize_file(
    float_file: Path,
    variant: Variant,
    photos: Iterable[np.ndarray],
    output: Path,
    float_operators: Sequence[str] = (),
) -> FileFacts:
    """Write ``variant`` of a float32 ``.tflite`` and return what the written file holds.

    Args:
        float_file: the float32 core.
        variant: which numeric form.
        photos: core inputs, float32 ``[1, H, W, 3]`` each, for calibrated variants.
        output: the file to write.
        float_operators: operators that stay float, by regular expressions of their outputs' names.

    Raises:
        LabError: the written file is not what the variant promises.
    """
    content = float_file.read_bytes()
    steps = get_recipe(variant.recipe)
    if steps:
        content = apply_recipe(float_file, [*steps, *kept_float(float_operators)], photos)
    half = variant.recipe == FLOAT16_COMPUTE
    write_bytes(output, asking_for_half(content) if half else content)
    facts = require_promised(output, variant)
    if half:
        require_half(output)
    return facts


def apply_recipe(float_file: Path, steps: list[dict], photos: Iterable[np.ndarray]) -> bytes:
    return recipe_applied(float_file.read_bytes(), steps, photos)


def recipe_applied(content: bytes, steps: list[dict], photos: Iterable[np.ndarray]) -> bytes:
    content = revive(content)
    worker = quantizer.Quantizer(content, steps)
    samples = [{INPUT_NAME: photo} for photo in photos]
    if worker.need_calibration and not samples:
        raise LabError("no calibration photos.", "at least one", "set calibration_images in the profile.")
    with chatter_dropped():
        calibration = activation_ranges(content, steps, samples) if samples else None
        result = worker.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def activation_ranges(content: bytes, steps: list[dict], samples: list[dict]) -> dict:
    """Smallest and largest value of every tensor over all samples.

    The quantizer's own way is a moving average that gives the first sample most of the weight and
    clips what is rare: large objects, whose box encodings are the extreme ones.
    """
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(steps)
    worker = calibrator.Calibrator(content, num_threads=2, qsv_update_func=widest)
    worker.calibrate({SIGNATURE: samples}, manager)
    return worker.get_model_qsvs()


def widest(known: dict, new: dict) -> dict:
    """Union of two ranges of one tensor; the first may still be empty."""
    if not known:
        return new
    return {"min": np.minimum(known["min"], new["min"]), "max": np.maximum(known["max"], new["max"])}


@contextlib.contextmanager
def chatter_dropped() -> Iterator[None]:
    """Drop the quantizer's own progress bars and its note on a debugging option that it sets itself."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), stderr_muted():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        yield


def require_promised(path: Path, variant: Variant) -> FileFacts:
    """Facts of the file, or an error where its dtypes are not those that the variant stands for."""
    facts = read_facts(path)
    found = (facts.storage_dtype, facts.compute_dtype)
    promised = (variant.storage_dtype, variant.compute_dtype)
    if found != promised:
        raise LabError(
            f"{path.name} stores {found[0]} and computes in {found[1]}.",
            f"{promised[0]} stored, {promised[1]} computed, as variant {variant.id!r} promises",
            f"check recipe {variant.recipe!r} in helpers/quantize/recipes.py against this model's operators.",
        )
    return facts
