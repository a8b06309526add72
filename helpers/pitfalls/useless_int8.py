"""Failure 7: "int8 is useless for this model", from plain int8 alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.files import write_bytes
from helpers.lab.intervals import Interval, interval_of
from helpers.pitfalls.bench import Bench
from helpers.pitfalls.outcome import Claim, Outcome, not_made, or_why_not, points, rounded
from helpers.run.cured_forms import CURED
from helpers.run.variants import BASELINE
from helpers.runtimes.catalogue import LITERT, get_runtime

TITLE = "“int8 is useless for this model”"
FAILURE = "plain int8 loses more than the margin, with its whole interval"
CURE = "cured int8 wins back over half of that, with its whole interval"
LOUDER = 1024  # a power of two: scaled by it and back, float32 keeps every bit
FLOAT, PLAIN, OWN_CURED, EQUALIZED = "float32", "plain int8", "int8-cured of 02", "int8, channels equalized"
LOUD = ", one channel 1,024 times as large"
REASON = (
    "it plants its fault in a .tflite file, and cures it there; this model's home is {}. Name "
    "int8-cured@openvino among the run's variants: 05 and the report then show what cures win back of it."
)

Draws = dict[str, np.ndarray]


@or_why_not(TITLE)
def reproduce(bench: Bench) -> Outcome:
    """The run's own model in plain and in cured int8; where plain int8 loses little, a planted fault."""
    if bench.model.runtime != LITERT.id:
        return not_made(TITLE, REASON.format(get_runtime(bench.model.runtime).title))
    margin = bench.run.margin_points / 100
    own = precisions(bench, own_files(bench))
    collapsed = interval_of(own[PLAIN] - own[FLOAT]).value < -margin
    shown = own if collapsed else precisions(bench, planted_files(bench))
    base, plain, cured = shown.values()
    lost, won = interval_of(plain - base), interval_of(cured - plain)
    half = interval_of(cured - (base + plain) / 2)
    rows = [row(name, found, own[FLOAT]) for name, found in {**own, **shown}.items()]
    return Outcome(
        TITLE,
        pd.DataFrame(rows),
        Claim(FAILURE, f"{told_of(collapsed)}: {points(lost)} points", lost.high < -margin),
        Claim(CURE, f"{points(won)} points; {left(interval_of(cured - base))}", half.low > 0),
    )


def told_of(collapsed: bool) -> str:
    return "this model" if collapsed else "this model with one channel made loud"


def left(difference: Interval) -> str:
    return f"to float32 it is {points(difference)}"


def precisions(bench: Bench, files: dict[str, Path]) -> Draws:
    """Name -> AP on the photos and their resamples; float32 first, then plain, then cured."""
    return {name: bench.precision(bench.detections(file)) for name, file in files.items()}


def own_files(bench: Bench) -> dict[str, Path]:
    """Of the model as it is; cured by the run's own search, or here where the run has none."""
    base = bench.variant(BASELINE)
    if CURED in bench.files:
        return {FLOAT: base, PLAIN: bench.variant("int8"), OWN_CURED: bench.files[CURED]}
    return {FLOAT: base, PLAIN: bench.variant("int8"), EQUALIZED: equalized_file(bench, base, "equalized")}


def planted_files(bench: Bench) -> dict[str, Path]:
    """Of the model with a loud channel."""
    loud, plain = bench.file("loud-float32"), bench.file("loud-int8")
    write_bytes(loud, with_loud_channel(bench.variant(BASELINE).read_bytes()))
    bench.quantize(loud, "int8", bench.calibration_inputs(), plain)
    cured = equalized_file(bench, loud, "loud-equalized")
    return {FLOAT + LOUD: loud, PLAIN + LOUD: plain, f"the same, {EQUALIZED}": cured}


def with_loud_channel(content: bytes) -> bytes:
    """The float32 ``.tflite`` with one channel ``LOUDER`` times as large, and read as much smaller.

    Of all channels through which a scale can run it is that of the most tensors.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    from helpers.quantize.cures.channels import channel_groups
    from helpers.quantize.cures.equalize import rescale, scales_of
    from helpers.quantize.trained.constants import whole_model
    from helpers.runtimes.litert.reader import graph_of

    model = whole_model(content)
    graph = graph_of(model, len(content))
    groups = channel_groups(graph, model)
    tensors = np.bincount(np.concatenate([own[own >= 0] for own in groups.of.values()]), minlength=1)
    scales = np.ones(len(tensors))
    scales[tensors.argmax()] = 1 / LOUDER
    for operator in graph.convolutions:
        ends = (operator.image.name, operator.outputs[0].name)
        rescale(model, operator, *(scales_of(groups, scales, name) for name in ends))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def equalized_file(bench: Bench, source: Path, name: str) -> Path:
    """An int8 file of a float32 one whose channels are brought to one size first."""
    from helpers.quantize.cures.workshop import Workshop

    kept = getattr(bench.interface.tail, "float_operators", ())
    shop = Workshop(source, list(bench.calibration_inputs()), {}, kept)
    made = bench.file(name)
    shop.equalized(source.read_bytes(), 1.0).write(made)
    return made


def row(name: str, found: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    difference = "" if name == FLOAT else points(interval_of(found - base))
    return {"file": name, "AP": rounded(found[0]), "points against float32": difference}
