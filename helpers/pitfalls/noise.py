"""Failure 3: activation ranges taken from noise instead of photos."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.intervals import interval_of
from helpers.photos.preprocessing import Preprocessing
from helpers.pitfalls.bench import Bench
from helpers.pitfalls.outcome import Claim, Outcome, or_why_not, points, rounded
from helpers.run.variants import BASELINE

TITLE = "calibration on noise"
FAILURE = "each kind of noise loses AP against photos, with its whole interval"
CURE = "photos lose less against float32 than any noise"
PHOTOS, UNIT, PIXELS = "photos (02)", "random numbers 0..1", "random pixels 0..255"

Draw = Callable[[tuple[int, ...]], np.ndarray]


@or_why_not(TITLE)
def reproduce(bench: Bench) -> Outcome:
    """Quantize float32 with ranges from two kinds of noise."""
    base = bench.precision(bench.detections(bench.variant(BASELINE)))
    photos = bench.precision(bench.detections(bench.variant("int8")))
    noise = {name: noisy_precision(bench, name, draw) for name, draw in draws(bench).items()}
    lost = {name: interval_of(found - photos) for name, found in noise.items()}
    left = interval_of(photos - base)
    rows = [row(BASELINE, base, ""), row(PHOTOS, photos, points(left))]
    rows += [row(name, found, points(interval_of(found - base))) for name, found in noise.items()]
    return Outcome(
        TITLE,
        pd.DataFrame(rows),
        Claim(
            FAILURE,
            "; ".join(f"{name}: {points(d)} points" for name, d in lost.items()),
            all(difference.high < 0 for difference in lost.values()),
        ),
        Claim(
            CURE,
            f"{points(left)} points",
            all(left.low > interval_of(found - base).value for found in noise.values()),
        ),
    )


def draws(bench: Bench) -> dict[str, Draw]:
    """Kind of noise -> core input of a shape. The first is what most examples of the converter show."""
    generator = np.random.default_rng(bench.run.profile.seed)
    return {
        UNIT: generator.random,
        PIXELS: lambda shape: prepared(generator.integers(0, 256, shape), bench.interface.preprocessing),
    }


def prepared(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Pixels 0..255 of the shape of a core's input, as it takes them."""
    each = (3, 1, 1) if preprocessing.layout == "NCHW" else (3,)
    scale, offset = (np.reshape(values, each) for values in (preprocessing.scale, preprocessing.offset))
    return pixels * scale + offset


def noisy_precision(bench: Bench, name: str, draw: Draw) -> np.ndarray:
    made = bench.file("calibrated-on-" + name.split("..")[0].replace(" ", "-"))
    bench.quantize(bench.variant(BASELINE), "int8", bench.noise(draw), made)
    return bench.precision(bench.detections(made))


def row(name: str, precision: np.ndarray, difference: str) -> dict[str, Any]:
    label = "none: float32" if name == BASELINE else name
    return {"ranges from": label, "AP": rounded(precision[0]), "points against float32": difference or "0"}
