"""Failure 5: photos that are not prepared as the network was trained."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.intervals import Interval, interval_of
from helpers.models.parity import LEAST_MATCHED, matches
from helpers.photos.decoding import core_input, read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.pitfalls.bench import Bench
from helpers.pitfalls.figures import core_inputs
from helpers.pitfalls.outcome import Claim, Outcome, or_why_not, points, rounded
from helpers.run.variants import BASELINE
from helpers.runtimes.catalogue import load_core
from helpers.show.context import picture_context
from helpers.show.style import LabFigure
from helpers.tasks.detection.tails.selection import Detections

TITLE = "preprocessing that does not match"
FAILURE = "normalizing twice leaves a tenth of AP at most, another range loses"
CURE = "the parity check passes photos as trained, and no others"
OWN, SWAPPED, TWICE, RANGE = "as trained", "red and blue swapped", "normalized twice", "another range"
PARITY_PHOTOS = 16
UNIT, SIGNED = (1 / 255, 0.0), (1 / 127.5, -1.0)  # scale and offset of 0..1 and of -1..1


@or_why_not(TITLE)
def reproduce(bench: Bench) -> Outcome:
    """One float32 core, four ways of preparing its photos."""
    core, ways = bench.variant(BASELINE), preparations(bench.interface.preprocessing)
    precision = {name: bench.precision(bench.detections(core, way)) for name, way in ways.items()}
    matched = parity(bench, core, ways)
    lost = {name: interval_of(found - precision[OWN]) for name, found in precision.items()}
    wrong = [name for name in ways if name != OWN]
    collapsed = lost[TWICE].high < 0 and precision[TWICE][0] < 0.1 * precision[OWN][0]
    rows = [row(name, ways[name], precision[name], lost[name], matched[name]) for name in ways]
    return Outcome(
        TITLE,
        pd.DataFrame(rows),
        Claim(
            FAILURE,
            "; ".join(f"{name}: {points(lost[name])} points" for name in wrong),
            collapsed and lost[RANGE].high < 0,
        ),
        Claim(
            CURE,
            f"it asks for {LEAST_MATCHED:.0%} and finds {matched[OWN]:.1%} as trained, "
            f"at most {max(matched[name] for name in wrong):.1%} otherwise",
            matched[OWN] >= LEAST_MATCHED > max(matched[name] for name in wrong),
        ),
        {"inputs": first_inputs(bench, ways)},
    )


def preparations(own: Preprocessing) -> dict[str, Preprocessing]:
    """What is done to a photo, right and wrong. All are of the same form, so the same code applies them."""
    scale, offset = np.array(own.scale), np.array(own.offset)
    # A core that takes pixels as they are is normalized once too often, not twice.
    again = (scale * scale, scale * offset + offset)
    if np.all(scale == 1) and np.all(offset == 0):
        again = (np.full(3, UNIT[0]), np.full(3, UNIT[1]))
    other = SIGNED if np.allclose(scale, UNIT[0]) else UNIT
    return {
        OWN: own,
        SWAPPED: dataclasses.replace(own, channels="RGB" if own.channels == "BGR" else "BGR"),
        TWICE: dataclasses.replace(own, scale=tuple(again[0].tolist()), offset=tuple(again[1].tolist())),
        RANGE: dataclasses.replace(own, scale=(other[0],) * 3, offset=(other[1],) * 3),
    }


def value_range(way: Preprocessing) -> str:
    """``-1 to 1``."""
    return "{:.3g} to {:.3g}".format(*ends(way))


def ends(way: Preprocessing) -> tuple[float, float]:
    """Smallest and largest value that a pixel of 0..255 becomes."""
    values = np.outer([0, 255], way.scale) + way.offset
    return float(values.min()), float(values.max())


def parity(bench: Bench, core: Path, ways: dict[str, Preprocessing]) -> dict[str, float]:
    """Share of the original's detections that the core has too, on the first photos."""
    photos = [read_photo(path) for path in list(bench.photos.values())[:PARITY_PHOTOS]]
    original = original_answers(bench, core, photos)
    found = {name: answers(bench, core, photos, way) for name, way in ways.items()}
    return {name: matched_share(original, ours) for name, ours in found.items()}


def original_answers(bench: Bench, core: Path, photos: Sequence[np.ndarray]) -> list[Detections]:
    """Of the embedded detector itself; of another model the float32 core, which 02 held against its own."""
    if bench.foreign:
        return answers(bench, core, photos, bench.interface.preprocessing)
    from helpers.pitfalls.graphs import original_answers as embedded_answers

    return embedded_answers(bench.weights_file, photos)


def answers(bench: Bench, core: Path, photos: Sequence[np.ndarray], way: Preprocessing) -> list[Detections]:
    loaded = load_core(core)
    return [bench.interface.tail(loaded(core_input(photo, way))) for photo in photos]


def matched_share(original: Sequence[Detections], ours: Sequence[Detections]) -> float:
    """As ``parity.summarize`` counts it."""
    pairs = list(zip(original, ours, strict=True))
    total = sum(len(reference.scores) for reference, _ in pairs)
    return sum(matches(reference, found) for reference, found in pairs) / max(1, total)


def row(
    name: str, way: Preprocessing, precision: np.ndarray, lost: Interval, matched: float
) -> dict[str, Any]:
    return {
        "photos": name,
        "the core gets": f"{way.channels}, {value_range(way)}",
        "AP": rounded(precision[0]),
        "points against as trained": "0" if name == OWN else points(lost),
        "found as the original (%)": round(100 * matched, 1),
    }


def first_inputs(bench: Bench, ways: dict[str, Preprocessing]) -> dict[str, np.ndarray]:
    """What the core gets of the first photo, way by way: float32 ``[H, W, 3]``."""
    photo = read_photo(next(iter(bench.photos.values())))
    seen = {name: dataclasses.replace(way, layout="NHWC") for name, way in ways.items()}
    return {name: core_input(photo, way)[0] for name, way in seen.items()}


def picture(bench: Bench, outcome: Outcome) -> LabFigure | None:
    """The first photo as the core gets it, way by way; None where the failure was not made."""
    if outcome.absent:
        return None
    inputs = outcome.drawn["inputs"]
    return core_inputs(inputs, ends(bench.interface.preprocessing), picture_context(bench.run))
