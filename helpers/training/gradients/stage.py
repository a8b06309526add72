"""Trains every form of gradients with several seeds; what is there already is not trained again."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tensorflow as tf

from helpers.lab.progress import progress
from helpers.training.gradients.backward import stochastic, to_grid
from helpers.training.gradients.forms import FORMS, Form
from helpers.training.gradients.learning import (
    Learner,
    Photos,
    draw_photos,
    held_out_batches,
    training_batch,
)
from helpers.training.gradients.records import (
    FOLDER,
    Loss,
    Rounding,
    Schedule,
    Trained,
    file_of,
    read_trained,
    write_trained,
)

SEEDS = (1, 2, 3)
HELD_OUT_BATCH = 32


def train_gradients(
    root: Path, folder: Path = FOLDER, seeds: Iterable[int] = SEEDS, schedule: Schedule | None = None
) -> list[Path]:
    """Train what is not there yet, all forms of one seed before the next; return the new records' files."""
    schedule = schedule or Schedule()
    asked = [(form, seed) for seed in seeds for form in FORMS.values()]
    lacking = [(form, seed) for form, seed in asked if not done(folder, form, seed, schedule)]
    if not lacking:
        return []
    learned = draw_photos(root, "train", schedule.photos, schedule.side)
    unseen = draw_photos(root, "validation", schedule.held_out, schedule.side)
    learner = Learner(schedule)
    return [write_trained(folder, train(learner, learned, unseen, *each)) for each in lacking]


def done(folder: Path, form: Form, seed: int, schedule: Schedule) -> bool:
    path = file_of(folder, form.id, seed)
    return path.exists() and read_trained(path).schedule == schedule


def train(learner: Learner, learned: Photos, unseen: Photos, form: Form, seed: int) -> Trained:
    """One network from scratch."""
    schedule = learner.schedule
    learner.begin(seed)
    learner.backward.set_to(form)
    batches = held_out_batches(unseen, HELD_OUT_BATCH)
    losses: list[float] = []
    held_out, rounding = [held_out_loss(learner, batches, 0)], look(learner, form, batches[0], 0)
    bar = progress(range(schedule.steps), f"{form.title}, seed {seed}", "step")
    for step in bar:
        losses.append(float(learner.step(*training_batch(learned, schedule, seed, step))))
        if (step + 1) % schedule.every == 0 or step + 1 == schedule.steps:
            held_out.append(held_out_loss(learner, batches, step + 1))
            rounding += look(learner, form, batches[0], step + 1)
            bar.set_postfix(loss=f"{held_out[-1].total:.3f}")
    hashes = {"train": learned.sha256, "validation": unseen.sha256}
    versions = {name: version(name) for name in ("tensorflow", "tf_keras", "numpy")}
    return Trained(form.id, seed, schedule, tuple(losses), tuple(held_out), tuple(rounding), hashes, versions)


def held_out_loss(learner: Learner, batches: list[tuple], step: int) -> Loss:
    classes, boxes = np.mean([learner.held_out(*batch).numpy() for batch in batches], axis=0)
    return Loss(step, float(classes), float(boxes))


def look(learner: Learner, form: Form, batch: tuple, step: int) -> list[Rounding]:
    """What rounding does to one batch's gradients as they arrive in this network; nothing for float32."""
    if not form.bits:
        return []
    gradients = learner.arriving(*(part[: learner.schedule.batch] for part in batch))
    return [measured(gradients, form, step)]


def measured(gradients: list[tf.Tensor], form: Form, step: int) -> Rounding:
    """The sums of ``Rounding`` over all tensors, in float64; each tensor counts by its own size of gradient.

    Layers differ by orders of magnitude, so ratios are taken per tensor and averaged.
    """
    rows = [tensor_row(each.numpy(), rounded_once(each, form, step, i)) for i, each in enumerate(gradients)]
    vanished, bias, error = np.mean([row for row in rows if row is not None], axis=0)
    return Rounding(step, float(vanished), float(bias), float(error))


def rounded_once(gradient: tf.Tensor, form: Form, step: int, layer: int) -> np.ndarray:
    if form.way == "nearest":
        return to_grid(gradient, form.bits).numpy()
    return stochastic(gradient, form.bits, (step, layer)).numpy()


def tensor_row(exact: np.ndarray, rounded: np.ndarray) -> tuple[float, float, float] | None:
    """Share vanished, bias and error of one tensor; None where nothing arrives."""
    exact, rounded = exact.astype(np.float64), rounded.astype(np.float64)
    there = exact != 0
    if not there.any():
        return None
    change = rounded - exact
    return (
        float(np.mean(rounded[there] == 0)),
        float(np.sum(np.sign(exact) * change) / np.sum(np.abs(exact))),
        float(np.sqrt(np.sum(change**2) / np.sum(exact**2))),
    )
