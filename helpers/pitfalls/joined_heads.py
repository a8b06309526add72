"""Failure 1: boxes and scores in one int8 tensor, and so on one scale."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.photos.decoding import core_input, read_photo
from helpers.pitfalls.bench import Bench
from helpers.pitfalls.figures import ranked_scores
from helpers.pitfalls.outcome import Claim, Outcome, not_made, or_why_not, rounded
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.grid import Grid
from helpers.runtimes.litert.reader import read_graph
from helpers.show.context import picture_context
from helpers.show.style import LabFigure
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.selection import Detections, select

TITLE = "boxes and scores in one int8 tensor"
FAILURE = "one int8 tensor keeps 2 levels of score and a tenth of AP at most"
CURE = "two int8 tensors keep over 20 levels, decoding outside no less AP"
ONE_FLOAT, ONE, TWO = "float32, one tensor", "int8, one tensor", "int8, two tensors"
RAW = "int8 of 02, decoded outside"
REASON = "decoding is built into the embedded network's own graph; this model's graph is not at hand."
SIDE_PX = 640
SCORE_PHOTOS = 8  # whose scores are looked at one by one
FEW, MANY = 2, 20  # levels of score that are none at all, and enough to rank by


@dataclass(frozen=True)
class DecodedTail:
    """Suppression after a core that decodes inside; its outputs joined or apart."""

    limits: Limits

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        boxes, scores = decoded(heads)
        return Detections(
            *select(scores, self.limits.score_threshold, lambda index: boxes[index] / SIDE_PX, self.limits)
        )


def decoded(heads: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes ``[N, 4]`` in 0..640 and scores ``[N, classes]`` of one image."""
    if len(heads) == 1:
        (joined,) = heads.values()
        return joined[0, :, :4], joined[0, :, 4:]
    return heads["boxes"][0], heads["scores"][0]


@or_why_not(TITLE)
def reproduce(bench: Bench) -> Outcome:
    """Quantize two cores that compute the same, one with a single output tensor."""
    if bench.foreign:
        return not_made(TITLE, REASON)
    files, tail = make_cores(bench), DecodedTail(bench.interface.tail.limits)
    scores = {name: all_scores(bench, file, read_decoded) for name, file in files.items()}
    precision = {name: bench.precision(bench.detections(file, tail=tail))[0] for name, file in files.items()}
    raw = bench.variant("int8")
    scores[RAW] = all_scores(bench, raw, lambda heads: bench.interface.tail(heads).scores)
    precision[RAW] = bench.precision(bench.detections(raw))[0]
    levels = {name: len(np.unique(values)) for name, values in scores.items()}
    return Outcome(
        TITLE,
        score_table(scores, precision),
        Claim(
            FAILURE,
            f"highest score {scores[ONE].max():.2g}, levels of score: {levels[ONE]}; "
            f"AP {100 * precision[ONE]:.1f} points",
            levels[ONE] <= FEW and precision[ONE] < 0.1 * precision[ONE_FLOAT],
        ),
        Claim(
            CURE,
            f"{levels[TWO]} levels, AP {100 * precision[TWO]:.1f} points; "
            f"decoded outside: {100 * precision[RAW]:.1f}",
            levels[TWO] > MANY and precision[ONE] < precision[TWO] <= precision[RAW],
        ),
        {"scores": {name: scores[name] for name in (ONE_FLOAT, TWO, ONE)}, "grid": shared_grid(files[ONE])},
    )


def make_cores(bench: Bench) -> dict[str, Path]:
    """What is compared -> file."""
    from helpers.pitfalls.graphs import write_decoding_cores

    names = ("joined-float32", "separate-float32", "joined-int8", "separate-int8")
    joined, separate, joined_int8, separate_int8 = map(bench.file, names)
    write_decoding_cores(bench.weights_file, joined, separate)
    for source, made in ((joined, joined_int8), (separate, separate_int8)):
        bench.quantize(source, "int8", bench.calibration_inputs(), made)
    return {ONE_FLOAT: joined, ONE: joined_int8, TWO: separate_int8}


def shared_grid(file: Path) -> Grid:
    """The one scale of the joined output, as the file has it: of the integers that become its floats."""
    return next(op.inputs[0].grid for op in reversed(read_graph(file).operators) if op.type == "DEQUANTIZE")


def one_grid(outcome: Outcome) -> Grid:
    """The grid that boxes and scores share; without such a file, that of 0 to 640."""
    return outcome.drawn.get("grid", Grid(SIDE_PX / 255, -128))


def read_decoded(heads: dict[str, np.ndarray]) -> np.ndarray:
    return decoded(heads)[1].ravel()


def all_scores(bench: Bench, file: Path, read: Callable[[dict], np.ndarray]) -> np.ndarray:
    """Scores of the first photos, best first."""
    core, photos = Core(file), list(bench.photos.values())[:SCORE_PHOTOS]
    heads = (core(core_input(read_photo(photo), bench.interface.preprocessing)) for photo in photos)
    return -np.sort(-np.concatenate([read(outputs) for outputs in heads]))


def score_table(scores: dict[str, np.ndarray], precision: dict[str, float]) -> pd.DataFrame:
    rows = [
        {
            "core": name,
            "score levels": len(np.unique(values)),
            "highest score": float(values.max()),
            "AP": rounded(precision[name]),
        }
        for name, values in scores.items()
    ]
    return pd.DataFrame(rows)


def picture(bench: Bench, outcome: Outcome) -> LabFigure | None:
    """Scores by rank; None where the failure was not made."""
    if outcome.absent:
        return None
    return ranked_scores(outcome.drawn["scores"], SCORE_PHOTOS, picture_context(bench.run))
