"""The loop: seeded, resumable after every epoch, with a bar and a history."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

from helpers.lab.files import read_json, write_json
from helpers.lab.progress import progress
from helpers.lab.records import jsonable, structured
from helpers.models.embedded.training import WarmCosine
from helpers.quantize.records import EpochLoss
from helpers.quantize.trainable.distance import output_distance
from helpers.quantize.trainable.network import Network
from helpers.quantize.trainable.rounded_layer import RoundedLayer, TrainedLayer
from helpers.training.losses import OUTPUTS_PART, label_losses
from helpers.training.photos import Batch, Photos

MOMENT_BATCHES = 40
NORM_LIMIT = 10.0
SHOWN_EVERY = 5


@dataclass(frozen=True)
class FormSchedule:
    """How long and how fast a form is trained.

    Attributes:
        photos: training photos; each is seen once in an epoch.
        peak_rate: of Adam, whose variables are weights in units of their channel's root mean square,
            logarithms of steps, and biases; it falls to 0 by half a cosine.
        outputs_weight: of the distance to the float32 network's heads beside the labels' losses.
    """

    epochs: int
    photos: int
    batch: int = 32
    peak_rate: float = 2e-3
    warmup_steps: int = 20
    outputs_weight: float = 4.0
    seed: int = 11

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self.photos // self.batch)

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch


class FormTrainer:
    """A network that is rounded in the loop, its teacher, and the photos.

    Args:
        student: the network in training, over ``layers``; ``more``: what else of it has variables.
        teacher: the float32 network.
        labelled: whether the photos' batches hold boxes and labels, which are learned too.
        folder: where checkpoints and the history lie.
    """

    def __init__(
        self,
        student: Network,
        layers: Sequence[RoundedLayer],
        teacher: Network,
        photos: Photos,
        schedule: FormSchedule,
        folder: Path,
        labelled: bool,
        more: Sequence[tf.Module] = (),
    ):
        self.student, self.layers, self.teacher = student, list(layers), teacher
        self.photos, self.schedule, self.folder, self.labelled = photos, schedule, folder, labelled
        self.variables = [v for module in (*layers, *more) for v in module.trainable_variables]
        rate = WarmCosine(
            schedule.peak_rate, schedule.warmup_steps, max(schedule.steps, schedule.warmup_steps + 1)
        )
        self.optimizer = keras.optimizers.Adam(rate, global_clipnorm=NORM_LIMIT)
        self.optimizer.build(self.variables)
        self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.history: list[EpochLoss] = []
        state = tf.train.Checkpoint(variables=self.variables, optimizer=self.optimizer, epoch=self.epoch)
        self.checkpoints = tf.train.CheckpointManager(state, str(folder / "checkpoints"), max_to_keep=2)
        # AutoGraph may take a bound method for a builtin, where a notebook has put one there.
        self.step = tf.function(self._step, autograph=False)
        self._moments = tf.function(self._batch_moments, autograph=False)

    def losses(self, batch: Batch) -> dict[str, tf.Tensor]:
        """By name, each as it counts in the sum."""
        image, *truth = batch
        found, wanted = self.student(image), self.teacher(image)
        distance = output_distance(found, wanted)
        if not self.labelled:
            return {OUTPUTS_PART: distance}
        return label_losses(found, truth) | {OUTPUTS_PART: self.schedule.outputs_weight * distance}

    def _step(self, batch: Batch) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            parts = self.losses(batch)
            total = tf.add_n(list(parts.values()))
        gradients = tape.gradient(total, self.variables, unconnected_gradients="zero")
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        return parts

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Batches of one epoch; order and changes follow from seed and epoch."""
        size = self.schedule.batch
        order = np.random.default_rng([self.schedule.seed, epoch]).permutation(len(self.photos))
        for step in range(self.schedule.steps_per_epoch):
            chosen = np.take(order, np.arange(step * size, (step + 1) * size), mode="wrap")
            yield self.photos.batch(chosen, (epoch * 3 + self.schedule.seed, step * 3))

    def resume(self) -> int:
        """Load the last checkpoint, if any; return the first epoch to do."""
        self.checkpoints.restore_or_initialize()
        done = int(self.epoch)
        path = self.folder / "history.json"
        self.history = list(structured(tuple[EpochLoss, ...], read_json(path, "")))[:done] if done else []
        return done

    def run(self) -> None:
        for epoch in range(self.resume(), self.schedule.epochs):
            self.history.append(self.train_epoch(epoch))
            self.epoch.assign(epoch + 1)
            write_json(self.folder / "history.json", jsonable(self.history))
            self.checkpoints.save()

    def train_epoch(self, epoch: int) -> EpochLoss:
        title, steps = f"epoch {epoch + 1}/{self.schedule.epochs}", self.schedule.steps_per_epoch
        start, sums = time.perf_counter(), {}
        bar = progress(self.batches(epoch), title, "step", total=steps)
        for count, batch in enumerate(bar, start=1):
            for name, value in self.step(batch).items():
                sums[name] = sums.get(name, 0.0) + float(value)
            if count % SHOWN_EVERY == 0:
                bar.set_postfix({name: f"{total / count:.4f}" for name, total in sums.items()})
        parts = {name: total / steps for name, total in sums.items()}
        rate = float(self.optimizer.learning_rate)
        seconds = round(time.perf_counter() - start, 1)
        return EpochLoss(epoch + 1, steps, sum(parts.values()), parts, rate, seconds)

    def trained(self) -> list[TrainedLayer]:
        """The layers as they are deployed: where they are normalized, by the final weights' own moments."""
        moments = self.moments() if any(layer.normalized for layer in self.layers) else {}
        return [layer.trained(moments.get(n)) for n, layer in enumerate(self.layers)]

    def _batch_moments(self, image: tf.Tensor) -> dict[int, tuple[tf.Tensor, tf.Tensor]]:
        self.student(image)
        return {n: tuple(layer.moments) for n, layer in enumerate(self.layers) if layer.normalized}

    def moments(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Layer -> mean and variance of its product over many batches, with the final weights (Wu and
        Johnson 2021, "Rethinking Batch in BatchNorm", section 3: precise statistics)."""
        count = min(MOMENT_BATCHES, self.schedule.steps_per_epoch)
        sums: dict[int, np.ndarray] = {}
        batches = zip(range(count), self.batches(self.schedule.epochs), strict=False)
        for _, (image, *_) in progress(batches, "moments", "batch", total=count):
            for n, pair in self._moments(image).items():
                sums[n] = sums.get(n, 0) + np.stack([part.numpy() for part in pair]) / count
        return {n: (mean, variance) for n, (mean, variance) in sums.items()}


def output_moments(teacher: Network, batches: Sequence[Batch]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Layer -> mean and standard deviation ``[channels]`` of the float32 convolution's output."""

    def watch(layer: int, place: int, value: tf.Tensor):
        axes = list(range(value.shape.rank - 1))
        return layer, tf.stack(tf.nn.moments(value, axes))

    found: dict[int, list[np.ndarray]] = {}
    run = tf.function(lambda image: dict(teacher.walked(image, watch=watch)[1]), autograph=False)
    for image, *_ in batches:
        for layer, pair in run(image).items():
            found.setdefault(int(layer), []).append(pair.numpy())
    means = {n: np.mean(pairs, 0) for n, pairs in found.items()}
    return {n: (mean, np.sqrt(np.maximum(variance, 0))) for n, (mean, variance) in means.items()}
