"""What the cures of a ``.tflite`` share: what photos show of a file, and how far a draft is from float32."""

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from helpers.lab.quietly import stderr_muted
from helpers.quantize.cures.concatenations import with_scalers
from helpers.quantize.cures.draft import Draft
from helpers.quantize.cures.equalize import equalized_with
from helpers.quantize.cures.grids import integer_operators
from helpers.quantize.cures.kernels import can_be_int8, why_float
from helpers.quantize.cures.observed import Seen, count, observe
from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.ranges import minmax
from helpers.quantize.cures.records import KeptFloat
from helpers.quantize.cures.writing import integer_content
from helpers.quantize.trained.constants import whole_model
from helpers.runtimes.litert.graph import Graph
from helpers.runtimes.litert.reader import graph_of

MOST_OPENED = 8  # files that are remembered
DISTANCE_PHOTOS = 12
COUNTED_PHOTOS = 16  # that a histogram is made of


@dataclass(eq=False)
class Opened:
    """A float32 file as the cures look at it."""

    model: Any
    graph: Graph
    seen: dict[str, Seen]


@dataclass(eq=False)
class Workshop:
    """
    Attributes:
        float_file: the model's float32 core.
        photos: core inputs by which a file is made, float32 each.
        known: the cures by name, from cheap to dear.
        float_operators: operators that stay float, by regular expressions of their outputs' names.
        why_chosen: operator that a cure left in float -> why.
    """

    float_file: Path
    photos: Sequence[np.ndarray]
    known: Mapping[str, Callable[["Workshop", Draft], Iterator[Any]]]
    float_operators: Sequence[str] = ()
    ending: str = ".tflite"
    why_chosen: dict[str, str] = field(default_factory=dict)
    _opened: dict[str, Opened] = field(default_factory=dict)
    _wanted: list[dict[int, np.ndarray]] = field(default_factory=list)

    def opened(self, content: bytes) -> Opened:
        """With extremes and means of all tensors over all photos."""
        key = hashlib.sha256(content).hexdigest()
        if key not in self._opened:
            model = whole_model(content)
            graph = graph_of(model, len(content))
            self.remember(key, Opened(model, graph, observe(content, graph, self.photos)))
        return self._opened[key]

    def remember(self, key: str, opened: Opened) -> None:
        self._opened[key] = opened
        for old in list(self._opened)[:-MOST_OPENED]:
            del self._opened[old]

    def equalized(self, content: bytes, share: float) -> Draft:
        """Of the file with scaled channels: what its tensors hold follows from the scales."""
        opened = self.opened(content)
        scaled, seen = equalized_with(content, opened.seen, share)
        model = whole_model(scaled)
        key = hashlib.sha256(scaled).hexdigest()
        self.remember(key, Opened(model, graph_of(model, len(scaled)), seen))
        return self.draft_of(scaled)

    def counted(self, content: bytes) -> Opened:
        """With histograms too, and all as the photos themselves show it: an interrupted search goes on with
        the same numbers."""
        opened = self.opened(content)
        if any(seen.counts is None for seen in opened.seen.values()):
            opened.seen = observe(content, opened.graph, self.photos)
            count(content, opened.graph, self.photos[:COUNTED_PHOTOS], opened.seen)
        return opened

    @property
    def cures(self) -> Mapping[str, Callable[[Draft], Iterator[Any]]]:
        return {name: functools.partial(cure, self) for name, cure in self.known.items()}

    def load(self, folder: Path) -> Draft:
        return Draft.load(folder)

    def start(self) -> Draft:
        """Ranges from the extremes, and every operator in 8 bits that can be."""
        return self.draft_of(self.float_file.read_bytes())

    def rescaled(self, draft: Draft, concatenations: frozenset[str]) -> Draft:
        """With layers before the inputs of these that take up scales."""
        made = self.equalized(with_scalers(draft.content, concatenations), 1.0)
        return made.with_plan(floats=draft.plan.floats)

    def draft_of(self, content: bytes) -> Draft:
        opened = self.opened(content)
        names = [operator.outputs[0].name for operator in opened.graph.operators]
        kept = {n for n in names if any(re.search(each, n) for each in self.float_operators)}
        return Draft(content, Plan({n: minmax(seen) for n, seen in opened.seen.items()}, frozenset(kept)))

    def distance(self, draft: Draft) -> float:
        """Mean over the heads of their squared error to float32's over its variance, on a few photos."""
        photos = self.photos[:DISTANCE_PHOTOS]
        if not self._wanted:
            self._wanted = heads_of(self.float_file.read_bytes(), photos)
        found = heads_of(integer_content(draft.content, draft.plan), photos)
        return distance_of(self._wanted, found)

    def floats(self, draft: Draft) -> tuple[KeptFloat, ...]:
        """Operators that are float in the draft's file, and why."""
        graph = self.opened(draft.content).graph
        whole = integer_operators(graph, draft.plan)
        found = []
        for operator in graph.operators:
            name = operator.outputs[0].name
            if operator.index not in whole and any(t.dtype == "float32" for t in operator.outputs):
                why = self.why_chosen.get(name, "")
                if not why and not can_be_int8(graph, operator):
                    why = why_float(operator)
                found.append(KeptFloat(name, operator.type, why or "the model's tail needs it in float"))
        return tuple(found)


def distance_of(
    wanted: Sequence[Mapping[Any, np.ndarray]], found: Sequence[Mapping[Any, np.ndarray]]
) -> float:
    """Mean over the heads of squared error over the variance of those wanted; infinite where it is none.

    Args:
        wanted, found: heads by name, for each photo.
    """
    ratios = []
    for name in wanted[0]:
        exact, made = (np.stack([heads[name] for heads in each]) for each in (wanted, found))
        error = np.square(exact - made, dtype=np.float64).mean()
        ratios.append(error / max(float(exact.var()), 1e-12))
    return float(np.nan_to_num(np.mean(ratios), nan=np.inf))


def heads_of(content: bytes, photos: Sequence[np.ndarray]) -> list[dict[int, np.ndarray]]:
    """Outputs by their place, for each photo."""
    with stderr_muted():
        interpreter = Interpreter(model_content=content, num_threads=2)
        interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    found = []
    for photo in photos:
        interpreter.set_tensor(given, photo)
        interpreter.invoke()
        found.append({place: interpreter.get_tensor(index) for place, index in enumerate(outputs)})
    return found
