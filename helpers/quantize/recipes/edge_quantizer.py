"""What recipes ask of the AI Edge Quantizer: float32 ``.tflite`` in, quantized ``.tflite`` out."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from ai_edge_quantizer import calibrator, quantizer, recipe_manager

from helpers.lab.errors import LabError
from helpers.lab.quietly import stderr_muted
from helpers.quantize.dead_channels import revive
from helpers.quantize.recipes.contract import Work

INPUT_NAME = "image"
SIGNATURE = "serving_default"


def kept_float(operators: Sequence[str]) -> list[dict]:
    """Steps that leave operators as they are; ``operators``: regular expressions of their outputs' names."""
    step = {"operation": "*", "algorithm_key": "no_quantize", "op_config": {}}
    return [{"regex": name, **step} for name in operators]


def quantized(work: Work, steps: list[dict]) -> bytes:
    """The float32 file after ``steps``, but for the operators that stay float."""
    steps = [*steps, *kept_float(work.float_operators)]
    return apply_recipe(work.float_file, steps, work.calibration())


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
