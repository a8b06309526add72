"""Where a form's training begins: at the float32 weights, or where another form's has ended."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import atomic_file
from helpers.quantize.trainable.rounded_layer import LayerStart, largest_code
from helpers.quantize.trained.constants import WeightLayer
from helpers.run.forms import TRAINED

# Forms whose weights move too much for biases to follow: their outputs are normalized in training.
NORMALIZED = ("int2-qat", "ternary-qat", "binary-qat")
Moments = Mapping[int, tuple[np.ndarray, np.ndarray]]


def is_normalized(layer: WeightLayer, form: str) -> bool:
    """The last layers are not: their outputs are the answer. Nor are those that several operators share, and
    those of vectors."""
    return form in NORMALIZED and not layer.ends and len(layer.convolutions) == 1 and layer.weights.ndim == 4


def save_reached(path: Path, source_sha256: str, form: str, reached: Sequence[LayerStart]) -> None:
    arrays = {}
    for n, layer in enumerate(reached):
        arrays |= {f"{n} weights": layer.weights, f"{n} steps": layer.steps}
        arrays |= {f"{n} bias {k}": bias for k, bias in enumerate(layer.biases or ())}
        if layer.outputs:
            arrays |= {f"{n} shift": layer.outputs[0], f"{n} gain": layer.outputs[1]}
    facts = json.dumps({"source": source_sha256, "form": form, "layers": len(reached)})
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, facts=facts, **arrays)


def load_reached(path: Path, source_sha256: str, form: str, cure: str) -> list[LayerStart]:
    """
    Raises:
        LabError: there is none, or that of another network.
    """
    if not path.is_file():
        raise LabError(f"{form} of this model was not trained here.", "its training to start from", cure)
    with np.load(path) as stored:
        facts = json.loads(str(stored["facts"]))
        if (facts["source"], facts["form"]) != (source_sha256, form):
            raise LabError(f"{path} was trained for other float32 weights.", f"{form} of this model", cure)
        return [start_in(stored, n) for n in range(facts["layers"])]


def start_in(stored: Mapping[str, np.ndarray], n: int) -> LayerStart:
    biases = sorted(name for name in stored if name.startswith(f"{n} bias"))
    outputs = (stored[f"{n} shift"], stored[f"{n} gain"]) if f"{n} gain" in stored else None
    return LayerStart(
        stored[f"{n} weights"], stored[f"{n} steps"], tuple(stored[name] for name in biases) or None, outputs
    )


def begun(
    layers: Sequence[WeightLayer], form: str, moments: Moments, other: str, reached: Sequence[LayerStart]
) -> list[LayerStart]:
    """What each layer begins with; ``other``: the form whose training ``reached`` these, if any.

    Steps are taken over where both forms have the same codes; else the kind chooses them anew.
    """
    known = reached or [LayerStart()] * len(layers)
    same = bool(other) and largest_code(TRAINED[form]) == largest_code(TRAINED[other])
    starts = []
    for n, (layer, before) in enumerate(zip(layers, known, strict=True)):
        outputs = (before.outputs or moments[n]) if is_normalized(layer, form) else None
        biases = None if outputs else before.biases
        starts.append(LayerStart(before.weights, before.steps if same else None, biases, outputs))
    return starts
