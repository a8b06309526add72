"""What the notebook trains while one watches: one batch's gradients, and a few steps of three forms."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf

from helpers.lab.paths import datasets_dir
from helpers.run.experiment import Run
from helpers.training.gradients.backward import convolutions, stochastic, to_grid
from helpers.training.gradients.forms import FORMS, get_form
from helpers.training.gradients.learning import Learner, Photos, draw_photos, training_batch
from helpers.training.gradients.records import Schedule
from helpers.training.gradients.stage import tensor_row

LAYER = "block_6_expand"
ROUNDINGS = 64
COMPARED = ("float32", "4-nearest", "4-stochastic")
SEED = 1
# Photos and steps of a run whose numbers can support a conclusion, and of one that only checks.
STEPS, FEW_STEPS = 24, 4
PHOTOS, BATCH = 64, 8


@dataclass(frozen=True, eq=False)
class Live:
    """A fresh network, photos, and the gradients of its first batch.

    Attributes:
        names: of the convolutions, from the image to the heads.
        gradients: what flows back to the output of each, float32 ``[8, h, w, channels]``.
    """

    learner: Learner
    photos: Photos
    names: tuple[str, ...]
    gradients: tuple[np.ndarray, ...]

    def of(self, layer: str) -> np.ndarray:
        return self.gradients[self.names.index(layer)]


def open_live(run: Run) -> Live:
    """Draw photos, build the network, and take the gradients of one batch in float32."""
    steps = STEPS if run.profile.conclusive else FEW_STEPS
    schedule = Schedule(photos=PHOTOS, steps=steps, batch=BATCH, warmup_steps=4, held_out=0)
    photos = draw_photos(datasets_dir(), "train", PHOTOS, schedule.side)
    learner = Learner(schedule)
    learner.begin(SEED)
    names = tuple(layer.name for layer in convolutions(learner.network))
    found = learner.arriving_once(*training_batch(photos, schedule, SEED, 0))
    return Live(learner, photos, names, tuple(each.numpy() for each in found))


def described(live: Live, layer: str = LAYER) -> dict[str, object]:
    """Facts of one layer's gradient."""
    values = live.of(layer)
    largest = np.abs(values).max()
    return {
        "layer": layer,
        "shape": " × ".join(map(str, values.shape)),
        "values": f"{values.size:,}",
        "largest": f"{largest:.3g}",
        "half of them are smaller than": f"{np.median(np.abs(values)) / largest:.2g} of the largest",
        "step of 4 bits": f"{largest / 7:.3g}, a seventh of the largest",
    }


def averaged(values: np.ndarray, bits: int, draws: int = ROUNDINGS) -> np.ndarray:
    """Mean of so many stochastic roundings of the same values."""
    rounds = (stochastic(tf.constant(values), bits, (draw, 0)).numpy() for draw in range(draws))
    return sum(each.astype(np.float64) for each in rounds) / draws


def rounding_table(live: Live, layer: str = LAYER) -> pd.DataFrame:
    """One row per number of bits and way: what one rounding leaves, and what the mean of many does."""
    values, rows = live.of(layer), []
    for bits in sorted({form.bits for form in FORMS.values() if form.bits}, reverse=True):
        nearest = to_grid(tf.constant(values), bits).numpy()
        once = stochastic(tf.constant(values), bits, (0, 0)).numpy()
        rows += [
            rounded_row(f"{bits} bits, nearest", values, nearest),
            rounded_row(f"{bits} bits, stochastic, once", values, once),
            rounded_row(f"{bits} bits, stochastic, mean of {ROUNDINGS}", values, averaged(values, bits)),
        ]
    return pd.DataFrame(rows)


def rounded_row(title: str, exact: np.ndarray, rounded: np.ndarray) -> dict[str, object]:
    vanished, bias, error = tensor_row(exact, rounded)
    return {
        "rounding": title,
        "different values": len(np.unique(rounded)),
        "vanished (%)": f"{100 * vanished:.1f}",
        "bias (%)": f"{100 * bias:+.1f}".replace("-", "−"),
        "error (%)": f"{100 * error:.1f}",
    }


def few_steps(live: Live) -> pd.DataFrame:
    """Loss of the same batches in three trainings from the same weights: means of the thirds of the steps."""
    losses = {get_form(name).title: few_losses(live, name) for name in COMPARED}
    parts = {title: [part.mean() for part in np.array_split(each, 3)] for title, each in losses.items()}
    names = ["first third", "second third", "last third"]
    rows = [{"gradients": title, **dict(zip(names, part, strict=True))} for title, part in parts.items()]
    return pd.DataFrame(rows).round(3)


def few_losses(live: Live, name: str) -> np.ndarray:
    learner = live.learner
    learner.begin(SEED)
    learner.backward.set_to(get_form(name))
    steps = range(learner.schedule.steps)
    batches = (training_batch(live.photos, learner.schedule, SEED, step) for step in steps)
    return np.array([float(learner.step(*batch)) for batch in batches])
