"""Failure 2: ``Optimize.DEFAULT`` without data, reported as "int8"."""

from pathlib import Path
from typing import Any

import pandas as pd

from helpers.energy.latency import measure_latency
from helpers.energy.summary import summarize_latency
from helpers.lab.intervals import Absent
from helpers.photos.decoding import core_input, read_photo
from helpers.pitfalls.bench import Bench
from helpers.pitfalls.outcome import Claim, Outcome, or_why_not, times
from helpers.run.variants import BASELINE, CONTROL
from helpers.runtimes.catalogue import get_runtime, runtime_of
from helpers.runtimes.file_facts import FileFacts

TITLE = "dynamic range mistaken for int8"
FAILURE = "without data the weights are int8, and the activations are not"
CURE = "with calibration photos both are int8"
DEFAULT, DYNAMIC, INT8 = "Optimize.DEFAULT, no data", "int8-dynamic of 02", "int8 of 02"
ROUNDS, REPEATS, BUDGET_S, INPUTS = 8, 12, 8, 8


@or_why_not(TITLE)
def reproduce(bench: Bench, rounds: int = ROUNDS) -> Outcome:
    """Read what the files hold, and time them beside float32."""
    files = make_files(bench)
    facts = {name: get_runtime(runtime_of(file)).facts(file) for name, file in files.items()}
    ratios = latency_ratios(bench, files, rounds)
    mistaken = DEFAULT if DEFAULT in files else DYNAMIC
    wrong, right = facts[mistaken], facts[INT8]
    return Outcome(
        TITLE,
        pd.DataFrame([dtype_row(name, item, ratios[name]) for name, item in facts.items()]),
        Claim(
            FAILURE,
            f"{mistaken}: {wrong.storage_dtype} weights, {float_inputs(wrong)} convolutions take float32; "
            f"{times(ratios[mistaken])} of float32's time",
            wrong.storage_dtype == "int8" and wrong.compute_dtype == "int8-dynamic",
        ),
        Claim(
            CURE,
            f"{float_inputs(right)} convolutions take float32; {times(ratios[INT8])} of float32's time",
            right.storage_dtype == "int8" and right.compute_dtype == "int8",
        ),
    )


def make_files(bench: Bench) -> dict[str, Path]:
    """What is compared -> file; TensorFlow's own converter needs the embedded network's graph."""
    files = {BASELINE: bench.variant(BASELINE)}
    if not bench.foreign:
        from helpers.pitfalls.graphs import write_default_optimized

        files[DEFAULT] = bench.file("optimize-default")
        write_default_optimized(bench.weights_file, files[DEFAULT])
    return files | {DYNAMIC: bench.variant("int8-dynamic"), INT8: bench.variant("int8")}


def latency_ratios(bench: Bench, files: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Name -> ratio to float32 in the same round; the control is float32 timed a second time."""
    photos = list(bench.photos.values())[:INPUTS]
    inputs = [core_input(read_photo(photo), bench.interface.preprocessing) for photo in photos]
    timed = {**files, CONTROL: files[BASELINE]}
    raw = measure_latency(
        timed, inputs, rounds, REPEATS, seed=bench.run.profile.seed, progress=False, budget_s=BUDGET_S,
        least_rounds=6,
    )  # fmt: skip
    summaries = summarize_latency(raw)
    return {name: found if isinstance(found, Absent) else found.ratio for name, found in summaries.items()}


def float_inputs(facts: FileFacts) -> str:
    """``86 of 86``: convolutions whose input is float32."""
    widened = [count for name, count in facts.kernels.items() if name.split()[1].startswith("float32/")]
    return f"{sum(widened)} of {sum(facts.kernels.values())}"


def dtype_row(name: str, facts: FileFacts, ratio: Any) -> dict[str, Any]:
    return {
        "file": name,
        "weights stored as": facts.storage_dtype,
        "convolutions with float32 input": float_inputs(facts),
        "so it is": facts.compute_dtype,
        "time / float32": "1" if name == BASELINE else times(ratio),
    }
