"""Time by operator of OpenVINO, by its own counters.

``python -m helpers.runtimes.openvino.operator_times FILE INVOCATIONS THREADS`` takes it.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.runtimes.ends import image_for
from helpers.runtimes.kinds_of_operators import kind_of_convolution, kind_of_type
from helpers.runtimes.openvino.core import OpenVINOCore
from helpers.runtimes.openvino.reader import Convolution, convolutions
from helpers.runtimes.openvino.representation import read_ir
from helpers.runtimes.operator_profile import (
    WARM_UPS,
    alternately,
    mean,
    mean_times,
    profile_apart,
    profile_told,
    run_as_program,
)

MODULE = "helpers.runtimes.openvino.operator_times"
TITLE = "OpenVINO"
Operator = dict[str, Any]


def profile_file(path: Path, invocations: int, threads: int) -> dict[str, Any]:
    """As ``litert.operator_times.profile_file``; an operator with others fused into it has their time.

    OpenVINO tells of every operator the mean over all inferences so far, in whole microseconds. So the means
    are over all invocations but the first, not over the faster half.
    """
    return profile_told(profile_apart(MODULE, path, invocations, threads), invocations, threads)


def take(path: Path, invocations: int, threads: int) -> dict[str, Any]:
    timed, plain = OpenVINOCore(path, threads, timed=True), OpenVINOCore(path, threads)
    known = {each.name: each for each in convolutions(read_ir(path))}
    timed.set_input(image_for(timed))
    wholes: list[float] = []
    counted: list[list[Operator]] = []

    def profiled() -> None:
        start_ns = time.perf_counter_ns()
        timed.invoke()
        wholes.append((time.perf_counter_ns() - start_ns) / 1000)
        if len(wholes) == WARM_UPS:
            counted.append(operators_of(timed, known))

    _, plain_us = alternately(profiled, plain, invocations)
    operators = since(counted[0], operators_of(timed, known), len(wholes))
    measured = wholes[WARM_UPS:]
    told = mean_times([operators], [mean(measured)])
    return {"plain_us": plain_us, **told, "whole_us": measured}


def since(first: Sequence[Operator], last: Sequence[Operator], inferences: int) -> list[Operator]:
    """Means over the inferences after the warm-ups, from those at their end and at the end of all.

    What took no time at either is left out: it runs as a part of another operator.
    """
    after, pairs = inferences - WARM_UPS, zip(first, last, strict=True)
    timed = [(then["us"] * WARM_UPS, now) for then, now in pairs if now["us"] or then["us"]]
    sums = [(now, now["us"] * inferences - before) for before, now in timed]
    # What takes less than a microsecond may come out below 0.
    return [{**each, "us": max(0.0, us / after)} for each, us in sums]


def operators_of(timed: OpenVINOCore, known: Mapping[str, Convolution]) -> list[Operator]:
    """Every operator, fused ones too, with their means so far."""
    return [
        {
            "name": f"{info.node_type} ({info.exec_type}) {info.node_name}",
            "kind": kind_of(info.node_type, known.get(info.node_name)),
            "runs_by": TITLE,
            "node": None,
            "us": info.real_time.total_seconds() * 1e6,
        }
        for info in timed.request.get_profiling_info()
    ]


def kind_of(operator: str, convolution: Convolution | None) -> str:
    """One of ``kinds_of_operators.KINDS``."""
    if convolution is None:
        return kind_of_type(operator)
    shape = convolution.shape
    if convolution.type == "MatMul":
        return kind_of_convolution(1, shape[0], ())
    if convolution.type.startswith("Group"):  # [groups, out, in, h, w]
        return kind_of_convolution(shape[0], shape[2], shape[3:])
    return kind_of_convolution(1, shape[1], shape[2:])


if __name__ == "__main__":
    sys.exit(run_as_program(take, sys.argv[1:]))
