"""Time by operator: LiteRT's own profiler, which also tells the operators inside XNNPACK's part.

XNNPACK's delegate hides the operators that it takes; LiteRT's profiler (C interface, ``CompiledModel``) asks
it for their times. It calls them by its own names, fused as it runs them: a 1x1 convolution is "Fully
Connected ... GEMM".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.runtimes.kinds_of_operators import CASTS, DENSE, DEPTHWISE, ELEMENTWISE, MOVES, OTHER, POINTWISE
from helpers.runtimes.litert.operator_kinds import LITERT, XNNPACK
from helpers.runtimes.operator_profile import mean_times, profile_apart

INVOCATIONS = 50
# tflite::Profiler::EventType: a node that LiteRT runs; an operator inside a delegate, of two ways to tell it.
NODE, DELEGATE_OPERATORS, GENERAL = 2, (4, 8), 1
KNOWN_TYPES = {1 << bit for bit in range(9)}
WHOLE, DELEGATE = "Invoke", "DELEGATE"
# The first that is part of the name decides: XNNPACK's words (xnnpack/src/operators) and LiteRT's operators.
_KINDS = (
    (("DWConv", "DEPTHWISE"), DEPTHWISE),
    (("IGEMM", "CONV_2D", "TRANSPOSE_CONV", "Deconvolution"), DENSE),
    (("GEMM", "Fully Connected", "FULLY_CONNECTED", "VMulCAddC"), POINTWISE),
    (("Convolution",), DENSE),
    (("Convert", "QUANTIZE", "CAST"), CASTS),
    (("Copy", "Reshape", "RESHAPE", "Resize", "RESIZE", "Concat", "CONCAT", "Pad", "PAD", "Transpose",
      "TRANSPOSE", "Slice", "SLICE", "Split", "SPLIT", "PACK", "Depth To Space", "Space To Depth"), MOVES),
    (("Add", "ADD", "Sub", "SUB", "Mul", "MUL", "Div", "DIV", "Clamp", "RELU", "Sigmoid", "LOGISTIC",
      "HardSwish", "HARD_SWISH", "Max", "Min", "Softmax", "SOFTMAX", "Tanh", "TANH"), ELEMENTWISE),
)  # fmt: skip


def profile_file(path: Path, invocations: int = INVOCATIONS, threads: int = 1) -> dict[str, Any]:
    """Time by operator of one file, in a fresh process.

    Returns:
        ``{"invocations", "threads", "plain_us": [...], "whole_us": [...], "operators": [{"name", "kind",
        "runs_by": "XNNPACK" or "LiteRT", "node": number in the graph or None, "us": mean}], "whole_mean_us",
        "between_us"}``, or ``{"absent": reason}``; JSON-serializable.

        The profiler counts whole microseconds, so an operator's time is a mean: over the faster half of the
        invocations, the same half for every operator. So the operators and ``between_us`` (what is spent
        outside of every operator) add up to ``whole_mean_us`` exactly.
    """
    raw = profile_apart("helpers.runtimes.litert.operator_times_probe", path, invocations, threads)
    if "absent" in raw:
        return raw
    return {"invocations": invocations, "threads": threads, "plain_us": raw["plain_us"], **summarized(raw)}


def summarized(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Means by operator from the events of every invocation, or ``{"absent": reason}``."""
    runs = [operators_of(events) for events in raw["invocations"]]
    wholes = [whole_of(events) for events in raw["invocations"]]
    if None in wholes or not unknown_free(raw["invocations"]):
        return {"absent": "the profiler's events are not those of the LiteRT that this was written for"}
    return mean_times(runs, wholes)


def unknown_free(invocations: Sequence[Sequence[Sequence[Any]]]) -> bool:
    return all(event[0] in KNOWN_TYPES for events in invocations for event in events)


def whole_of(events: Sequence[Sequence[Any]]) -> float | None:
    """Time of the whole inference in µs, buffers' registration left out: as the interpreter's ``invoke``."""
    return next((us for kind, tag, _, us in events if kind == GENERAL and tag == WHOLE), None)


def operators_of(events: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Operators in their order: of XNNPACK, and those nodes that LiteRT's own kernels ran."""
    operators = []
    for kind, tag, node, elapsed_us in events:
        inside = kind in DELEGATE_OPERATORS
        if inside or (kind == NODE and DELEGATE not in tag.upper()):
            ran = {"runs_by": XNNPACK, "node": None} if inside else {"runs_by": LITERT, "node": node}
            operators.append({"name": tag, "kind": kind_of_name(tag), **ran, "us": elapsed_us})
    return operators


def kind_of_name(name: str) -> str:
    """One of ``kinds_of_operators.KINDS`` for an operator's name."""
    return next((kind for words, kind in _KINDS if any(word in name for word in words)), OTHER)
