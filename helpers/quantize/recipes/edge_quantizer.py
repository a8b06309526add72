"""What recipes ask of the AI Edge Quantizer: float32 ``.tflite`` in, quantized ``.tflite`` out."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import quantizer

from helpers.lab.errors import LabError
from helpers.lab.quietly import stderr_muted
from helpers.quantize.activations import each_photo, float_tensors
from helpers.quantize.dead_channels import revive
from helpers.quantize.recipes.contract import Work
from helpers.runtimes.litert.graph import Tensor
from helpers.runtimes.litert.reader import graph_of


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
    photos = list(photos) if worker.need_calibration else []
    if worker.need_calibration and not photos:
        raise LabError("no calibration photos.", "at least one", "set calibration_images in the profile.")
    with chatter_dropped():
        calibration = activation_ranges(content, photos) if photos else None
        result = worker.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def activation_ranges(content: bytes, photos: Iterable[np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Smallest and largest value of every tensor over all photos, as the quantizer takes them: with an axis
    for each of the tensor's.

    The quantizer's own calibrator takes a moving average, which gives the first photo most of the weight and
    clips what is rare: large objects, whose box encodings are the extreme ones. It also asks its recipe anew
    at each operator of each photo: to look here takes a sixth of its time.
    """
    found: dict[str, dict[str, np.ndarray]] = {}

    def look(tensor: Tensor, values: np.ndarray) -> None:
        low, high = values.min(keepdims=True), values.max(keepdims=True)
        known = found.setdefault(tensor.name, {"min": low, "max": high})
        known["min"], known["max"] = np.minimum(known["min"], low), np.maximum(known["max"], high)

    graph = graph_of(schema.ModelT.InitFromPackedBuf(content, 0), len(content))
    each_photo(content, float_tensors(graph), photos, look)
    return found


@contextlib.contextmanager
def chatter_dropped() -> Iterator[None]:
    """Drop the quantizer's own progress bars and its note on a debugging option that it sets itself."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), stderr_muted():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        yield
