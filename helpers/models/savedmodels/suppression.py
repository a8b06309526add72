"""What a graph's own non-maximum suppression does, read from its operator."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.models.savedmodels.freeze import Frozen
from helpers.tasks.detection.tails.selection import Limits

# Places of the inputs that matter, in the operators' definitions.
INPUTS = {
    "NonMaxSuppressionV2": {"most_per_class": 2, "iou": 3},
    "NonMaxSuppressionV3": {"most_per_class": 2, "iou": 3, "score_threshold": 4},
    "NonMaxSuppressionV4": {"most_per_class": 2, "iou": 3, "score_threshold": 4},
    "NonMaxSuppressionV5": {"most_per_class": 2, "iou": 3, "score_threshold": 4, "soft_sigma": 5},
    "CombinedNonMaxSuppression": {"most_per_class": 2, "iou": 4, "score_threshold": 5},
}
LOOPS = ("While", "StatelessWhile")


@dataclass(frozen=True)
class Suppression:
    """Attributes are ``None`` where the graph has no operator that says so.

    Attributes:
        iou: of two boxes of one class that overlap more, only the better stays.
        score_threshold: lower scores are dropped.
        most_per_class: kept of one class.
        most_detections: kept in all.
    """

    iou: float | None
    score_threshold: float | None
    most_per_class: int | None
    most_detections: int

    def limits(self, wanted: Limits) -> Limits:
        """Limits that do as the graph does, except for the score threshold, which is the wanted one."""
        iou = wanted.nms_iou if self.iou is None else self.iou
        most = min(wanted.most_detections, self.most_detections)
        return dataclasses.replace(wanted, nms_iou=iou, most_detections=most)

    @property
    def per_class(self) -> int:
        """``most_per_class`` as tails have it: 0 where it is no limit."""
        binding = self.most_per_class is not None and self.most_per_class < self.most_detections
        return self.most_per_class if binding else 0


def read_suppression(frozen: Frozen, photo: np.ndarray) -> Suppression:
    """
    Raises:
        LabError: it lowers scores of overlapping boxes (soft suppression) rather than drop them.
    """
    most = frozen.values([frozen.outputs["detection_scores"]], photo)[0].shape[-1]
    places = suppression_inputs(frozen)
    known = {name: place for name, place in places.items() if place is not None}
    values = dict(zip(known, read(frozen, list(known.values()), photo), strict=True))
    if values.get("soft_sigma", 0) > 0:
        raise LabError(
            f"the SavedModel's suppression is soft (sigma {values['soft_sigma']:g}).",
            "suppression that keeps a box or drops it",
            "export the model with soft_nms_sigma: 0.",
        )
    per_class = int(values["most_per_class"]) if "most_per_class" in values else None
    # float32 thresholds such as 0.6 read back as 0.60000002.
    exact = {name: float(f"{values[name]:.7g}") for name in ("iou", "score_threshold") if name in values}
    return Suppression(exact.get("iou"), exact.get("score_threshold"), per_class, int(most))


def suppression_inputs(frozen: Frozen) -> dict[str, Any]:
    """Tensors, or values, of the first suppression operator, of the graph or of one of its loops."""
    for operator in frozen.graph.get_operations():
        if operator.type in INPUTS and frozen.graph.is_fetchable(operator):
            return {name: operator.inputs[place] for name, place in INPUTS[operator.type].items()}
    for loop in frozen.graph.get_operations():
        found = loop_inputs(frozen, loop) if loop.type in LOOPS else None
        if found:
            return found
    return {}


def loop_inputs(frozen: Frozen, loop: Any) -> dict[str, Any] | None:
    """As ``suppression_inputs``, of the suppression in a loop's body: ``None`` for what only it knows."""
    name = loop.get_attr("body").name
    body = next(
        function for function in frozen.definition.library.function if function.signature.name == name
    )
    for node in body.node_def:
        if node.op in INPUTS:
            return {fact: resolve(body, loop, node.input[at]) for fact, at in INPUTS[node.op].items()}
    return None


def resolve(body: Any, loop: Any, name: str) -> Any:
    """A constant of the body, or the tensor of the graph that the loop is given for one of its arguments."""
    arguments = [argument.name for argument in body.signature.input_arg]
    nodes = {node.name: node for node in body.node_def}
    while name not in arguments:
        node = nodes.get(name.split(":")[0])
        if node is None or node.op not in ("Const", "Identity"):
            return None
        if node.op == "Const":
            return tf.make_ndarray(node.attr["value"].tensor)
        name = node.input[0]
    return loop.inputs[arguments.index(name)]


def read(frozen: Frozen, places: list, photo: np.ndarray) -> list[float]:
    tensors = [place for place in places if isinstance(place, tf.Tensor)]
    values = iter(frozen.values(tensors, photo) if tensors else [])
    return [float(next(values) if isinstance(place, tf.Tensor) else place) for place in places]
