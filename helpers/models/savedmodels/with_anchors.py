"""Cutting designs with anchors: at the box encodings and at the logits before sigmoid or softmax."""

import itertools
from collections.abc import Iterator

import numpy as np

from helpers.models.savedmodels.anchors import Coder, Decoding, solve
from helpers.models.savedmodels.follow import Found, above, after_network, below, sized, sized_one
from helpers.models.savedmodels.freeze import Frozen
from helpers.models.savedmodels.suppression import Suppression
from helpers.models.savedmodels.trial import Output, Plan, agrees, some_logits
from helpers.tasks.detection.tails.selection import Limits
from helpers.tasks.detection.tails.ssd import SSDTail

CONVERTERS = {"Sigmoid": "sigmoid", "Softmax": "softmax"}
MOST_TRIED = 8


def find(frozen: Frozen, photo: np.ndarray, facts: Suppression, wanted: Limits) -> Plan | None:
    """The cut, proven on random encodings and logits; ``None`` where the graph is no such design."""
    for conversion, logits, encodings in heads(frozen, photo):
        coder = solve_coder(frozen, photo, encodings, logits.shape[-2])
        if coder is None:
            continue
        for background in (False, True):
            tail = SSDTail(
                coder.anchors, facts.limits(wanted), conversion, background, coder.scales, facts.per_class
            )
            plan = Plan(outputs(encodings, logits), tail)
            if agrees(frozen, photo, facts, plan, some_heads(*logits.shape[-2:])):
                return plan
    return None


def heads(frozen: Frozen, photo: np.ndarray) -> Iterator[tuple[str, Found, Found]]:
    """Converters, their logits ``[.., N, C]``, and tensors that may be their encodings, in order."""
    operators = after_network(frozen)
    scoring = above([frozen.outputs["detection_scores"]])
    for converter in operators:
        if converter.type in CONVERTERS and converter in scoring:
            logits = sized_one(frozen, converter.inputs[0], photo)
            if len(logits.shape) < 2 or logits.size != np.prod(logits.shape[-2:]):
                continue
            after = below([converter])
            others = [op for op in operators if op not in after]
            rows = [found for found in sized(frozen, others, photo) if is_row_of_boxes(found, logits)]
            for encodings in itertools.islice(rows, MOST_TRIED):
                yield CONVERTERS[converter.type], logits, encodings


def is_row_of_boxes(found: Found, logits: Found) -> bool:
    count = logits.shape[-2]
    return found.shape[-1:] == (4,) and found.size == 4 * count and found.tensor is not logits.tensor


def solve_coder(frozen: Frozen, photo: np.ndarray, encodings: Found, count: int) -> Coder | None:
    """The coder that some tensor after ``encodings`` is decoded with."""
    after = below([encodings.tensor.op])
    operators = [op for op in after_network(frozen) if op in after and op is not encodings.tensor.op]
    decoded = [f for f in sized(frozen, operators, photo) if f.shape[-1:] == (4,) and f.size == 4 * count]
    solved = solve(decoding(frozen, photo, encodings, decoded), count) if decoded else None
    return solved[1] if solved else None


def decoding(frozen: Frozen, photo: np.ndarray, encodings: Found, decoded: list[Found]) -> Decoding:
    def decode(values: np.ndarray) -> list[np.ndarray]:
        given = {encodings.tensor.name: values.reshape(encodings.shape)}
        boxes = frozen.values([found.tensor for found in decoded], photo, given)
        return [box.reshape(-1, 4) for box in boxes]

    return decode


def outputs(encodings: Found, logits: Found) -> dict[str, Output]:
    count, classes = logits.shape[-2:]
    return {
        "box_encodings": Output(encodings, (1, count, 4)),
        "class_logits": Output(logits, (1, count, classes)),
    }


def some_heads(count: int, classes: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    encodings = generator.normal(0, 1, (1, count, 4)).astype(np.float32)
    return {"box_encodings": encodings, "class_logits": some_logits(count, classes, generator)[None]}
