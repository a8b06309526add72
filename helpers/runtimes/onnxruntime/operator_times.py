"""Time by operator of ONNX Runtime, by its own profiler.

``python -m helpers.runtimes.onnxruntime.operator_times FILE INVOCATIONS THREADS`` takes it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helpers.runtimes.ends import image_for
from helpers.runtimes.kinds_of_operators import kind_of_convolution, kind_of_type
from helpers.runtimes.onnxruntime.core import OnnxCore
from helpers.runtimes.onnxruntime.graph import OnnxGraph
from helpers.runtimes.onnxruntime.reader import optimized
from helpers.runtimes.operator_profile import (
    alternately,
    mean_times,
    profile_apart,
    profile_told,
    run_as_program,
)

MODULE = "helpers.runtimes.onnxruntime.operator_times"
TITLE = "ONNX Runtime"
# Events of its profiler: an inference, and an operator in it.
WHOLE, OPERATOR, ENDING = "model_run", "Node", "_kernel_time"
Event = Mapping[str, Any]


def profile_file(path: Path, invocations: int, threads: int) -> dict[str, Any]:
    """As ``litert.operator_times.profile_file``; an operator with others fused into it has their time."""
    return profile_told(profile_apart(MODULE, path, invocations, threads), invocations, threads)


def take(path: Path, invocations: int, threads: int) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        timed = OnnxCore(path, threads, profile=Path(folder) / "times")
        timed.set_input(image_for(timed))
        _, plain_us = alternately(timed.invoke, OnnxCore(path, threads), invocations)
        events = json.loads(Path(timed.session.end_profiling()).read_text())
    # Of two invocations in a row the first is kept, as ``alternately`` does.
    runs = split_by_inference(events, kinds_of(path))[-2 * invocations :: 2]
    return {"plain_us": plain_us, **mean_times([told for _, told in runs], [whole for whole, _ in runs])}


def kinds_of(path: Path) -> dict[str, str]:
    """Name of every convolution that is run -> its kind; the profiler does not tell the shape of weights."""
    convolutions = OnnxGraph(optimized(path, layouts=True)).convolutions()
    return {node.name: kind_of(weights.shape, groups_of(node)) for node, weights in convolutions}


def groups_of(node: Any) -> int:
    return next((item.i for item in node.attribute if item.name == "group"), 1)


def kind_of(weights: tuple[int, ...], groups: int) -> str:
    """One of ``kinds_of_operators.KINDS``; ``weights``: shape, ``[out, in, ...]`` of a convolution."""
    return kind_of_convolution(groups, weights[1] if len(weights) > 2 else weights[0], weights[2:])


def split_by_inference(
    events: Sequence[Event], kinds: Mapping[str, str]
) -> list[tuple[float, list[dict[str, Any]]]]:
    """Time of every inference in µs and its operators; the event of the whole follows those of its parts."""
    found, operators = [], []
    for event in events:
        if event.get("cat") == OPERATOR and event["name"].endswith(ENDING):
            operators.append(operator_of(event, kinds))
        elif event.get("name") == WHOLE:
            found.append((event["dur"], operators))
            operators = []
    return found


def operator_of(event: Event, kinds: Mapping[str, str]) -> dict[str, Any]:
    name, kind = event["name"].removesuffix(ENDING), event["args"]["op_name"]
    return {
        "name": f"{kind} {name}",
        "kind": kinds.get(name) or kind_of_type(kind),
        "runs_by": TITLE,
        "node": None,
        "us": event["dur"],
    }


if __name__ == "__main__":
    sys.exit(run_as_program(take, sys.argv[1:]))
