"""Label-free fine-tuning: the rounded network learns float32's raw heads, with the rounding in the loop.

Weights, their steps, biases and the activations' ranges are moved together, with gradients that pass the
rounding (``trainable.rounded_layer``); the teacher is the float32 file, so that no label is needed. As
knowledge distillation into the quantized network (Mishra and Marr 2018, arXiv:1711.05852), on few photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
import tf_keras as keras

from helpers.lab.errors import LabError
from helpers.lab.progress import progress
from helpers.models.embedded.training import WarmCosine
from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.planned import (
    Meeting,
    PlannedActivations,
    along,
    evenly,
    met,
    rounded_convolutions,
)
from helpers.quantize.cures.writing import weight_codes, weight_steps
from helpers.quantize.trainable.distance import output_distance
from helpers.quantize.trainable.network import FixedLayer, Network
from helpers.quantize.trainable.rounded_layer import LayerStart, RoundedLayer
from helpers.quantize.trained.constants import WeightLayer, weight_layers, whole_model
from helpers.runtimes.litert.graph import Graph, Operator
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS
from helpers.runtimes.litert.reader import graph_of

FEWEST_PHOTOS = 8
HELD_BACK = 5  # every fifth photo
SPREAD_PHOTOS = 8
NORM_LIMIT = 1.0
# A weight begins this far from its code at most, in steps: learnt codes must not be lost to the first noise.
INSIDE = 0.3
KEPT_BYTES, COPIES_KEPT = 3e9, 4  # what activations of a batch may take, and how often each is there
# What the default length comes from: multiply-adds that all steps take forward, and its ends.
MULTIPLY_ADDS, FEWEST_STEPS, MOST_STEPS = 2e11, 40, 80


@dataclass(frozen=True)
class Schedule:
    """
    Attributes:
        steps: None: by the network's size, so that it is about a minute on two cores.
        rate: of Adam at its peak, in units of a channel's root mean square.
        checks: how often the held-back photos are looked at.
        codes: whether codes are moved too, not steps, biases and ranges alone.
    """

    steps: int | None = None
    rate: float = 3e-4
    batch: int = 8
    checks: int = 6
    codes: bool = True
    seed: int = 0


def tuned(content: bytes, plan: Plan, photos: Sequence[np.ndarray], schedule: Schedule = Schedule()) -> Plan:
    """The plan after a short training; the one given where held-back photos say that none is better.

    Args:
        content: the float32 ``.tflite``.
        photos: core inputs ``[1, H, W, C]``, float32; every fifth is held back.

    Raises:
        LabError: there are too few photos, or the network has an operator that has no gradient here.
    """
    if len(photos) < FEWEST_PHOTOS:
        raise LabError(
            f"{len(photos)} photos to tune by.", f"{FEWEST_PHOTOS} or more", "give more calibration photos."
        )
    tuning = Tuning(content, plan, photos, schedule)
    tuning.run()
    return tuning.plan()


def seen_photos(photos: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Those that are not held back."""
    return [photo for n, photo in enumerate(photos) if n % HELD_BACK]


class Tuning:
    """The rounded network in training, its teacher and the photos."""

    def __init__(self, content: bytes, plan: Plan, photos: Sequence[np.ndarray], schedule: Schedule):
        keras.utils.set_random_seed(schedule.seed)
        self.content, self.start, self.schedule = content, plan, schedule
        self.graph = graph_of(whole_model(content), len(content))
        self.held, self.seen = list(photos[::HELD_BACK]), seen_photos(photos)
        layers = weight_layers(content)
        self.convolutions = [op for op in self.graph.operators if op.type in CONVOLUTIONS]
        self.activations = PlannedActivations(self.graph, plan, fused=True)
        units = spreads(content, plan, evenly(self.seen, SPREAD_PHOTOS))
        chosen = rounded_convolutions(self.graph, plan)
        self.sources = [self.source(layer, chosen, units) for layer in layers]
        self.layers = [source for source in self.sources if isinstance(source, RoundedLayer)]
        self.student = Network(content, layers, self.sources, self.activations)
        self.teacher = Network(content, (), ())
        moved = (*self.layers, self.activations) if plan.ranges else self.layers
        held = set() if schedule.codes else {id(layer.latent) for layer in self.layers}
        found = [variable for module in moved for variable in module.trainable_variables]
        self.variables = [variable for variable in found if id(variable) not in held]
        self.size = fitting_batch(self.graph, schedule.batch)
        self.steps = schedule.steps or default_steps(self.graph, self.size)
        warmup = max(self.steps // 10, 1)
        rate = WarmCosine(schedule.rate, warmup, self.steps + 1)
        self.optimizer = keras.optimizers.Adam(rate, global_clipnorm=NORM_LIMIT)
        self.optimizer.build(self.variables)
        # AutoGraph may take a bound method for a builtin, where a notebook has put one there.
        self.step = tf.function(self._step, autograph=False)
        self.loss = tf.function(self._loss, autograph=False)
        self.kept: list[np.ndarray] | None = None

    def operators_of(self, layer: WeightLayer) -> list[Operator]:
        return [self.convolutions[n] for n in layer.convolutions]

    def source(self, layer: WeightLayer, chosen: set[int], units: dict[str, np.ndarray]):
        operators = self.operators_of(layer)
        if not {operator.index for operator in operators} <= chosen:
            return FixedLayer(layer)
        names = [operator.outputs[0].name for operator in operators]
        steps = weight_steps(layer.weights, layer.axis, self.start, operators[0].weights.name)
        codes = weight_codes(layer.weights, steps, layer.axis, self.start, operators[0].weights.name)
        biases = zip(layer.biases, names, strict=True)
        start = LayerStart(
            within_cells(layer, codes, steps),
            steps,
            tuple(np.float32(bias + self.start.biases.get(name, 0)) for bias, name in biases),
            bias_units=tuple(units[name] for name in names),
        )
        return RoundedLayer(layer, f"uniform-{self.start.weight_bits}-channel-minmax", start)

    def _loss(self, image: tf.Tensor) -> tf.Tensor:
        return output_distance(self.student(image), self.teacher(image))

    def _step(self, image: tf.Tensor) -> tf.Tensor:
        wanted = self.teacher(image)
        with tf.GradientTape() as tape:
            loss = output_distance(self.student(image), wanted)
        gradients = tape.gradient(loss, self.variables, unconnected_gradients="zero")
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        return loss

    def held_loss(self) -> float:
        size = self.size
        parts = [self.held[n : n + size] for n in range(0, len(self.held), size)]
        found = [float(self.loss(tf.constant(np.concatenate(part)))) * len(part) for part in parts]
        return sum(found) / len(self.held)

    def run(self) -> None:
        """Train; at the end the variables are those of least held-back loss (``kept`` None: the first)."""
        generator = np.random.default_rng(self.schedule.seed)
        least, every = self.held_loss(), max(self.steps // self.schedule.checks, 1)
        bar = progress(range(1, self.steps + 1), "fine-tuning", "step")
        for number in bar:
            self.step(self.batch(generator))
            if number % every == 0 or number == self.steps:
                found = self.held_loss()
                bar.set_postfix(held_back=f"{found:.4f}", least=f"{min(least, found):.4f}")
                if found < least:
                    least, self.kept = found, [variable.numpy() for variable in self.variables]
        for variable, value in zip(self.variables, self.kept or (), strict=False):
            variable.assign(value)

    def batch(self, generator: np.random.Generator) -> tf.Tensor:
        """Photos drawn anew, half of the batches mirrored."""
        size = min(self.size, len(self.seen))
        image = np.concatenate([self.seen[n] for n in generator.choice(len(self.seen), size, replace=False)])
        return tf.constant(np.ascontiguousarray(image[:, :, ::-1]) if generator.random() < 0.5 else image)

    def plan(self) -> Plan:
        if self.kept is None:
            return self.start
        codes, steps, biases = dict(self.start.codes), dict(self.start.steps), dict(self.start.biases)
        for source in self.layers:
            trained = source.trained()
            for operator, bias, own in zip(
                self.operators_of(source.layer), trained.biases, source.layer.biases, strict=True
            ):
                codes[operator.weights.name] = trained.codes.astype(np.int8)
                steps[operator.weights.name] = np.float32(trained.steps)
                biases[operator.outputs[0].name] = np.float32(bias - own)
        ranges = self.activations.trained(self.graph) if self.start.ranges else self.start.ranges
        return replace(self.start, codes=codes, steps=steps, biases=biases, ranges=ranges)


def fitting_batch(graph: Graph, most: int) -> int:
    """Photos whose activations can all be kept for the gradients."""
    made = sum(tensor.size_bytes for operator in graph.operators for tensor in operator.outputs)
    return int(np.clip(KEPT_BYTES / (COPIES_KEPT * max(made, 1)), 1, most))


def within_cells(layer: WeightLayer, codes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Weights as near to float32's as their codes allow."""
    wide = steps.reshape(along(layer.axis, layer.weights.ndim))
    return np.clip(layer.weights, (codes - INSIDE) * wide, (codes + INSIDE) * wide).astype(np.float32)


def spreads(content: bytes, plan: Plan, photos: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Operator's name -> standard deviation ``[channels]`` of float32's outputs, above 0."""
    found: dict[str, np.ndarray] = {}

    def look(meeting: Meeting, plan: Plan) -> Plan:
        own = np.asarray(meeting.exact).reshape(-1, meeting.exact.shape[-1]).std(0)
        found[meeting.name] = np.maximum(own, max(1e-3 * own.max(), 1e-6)).astype(np.float32)
        return plan

    met(content, plan, photos, look)
    return found


def default_steps(graph: Graph, batch: int) -> int:
    size = max(sum(operator.macs for operator in graph.operators) * batch, 1)
    return int(np.clip(MULTIPLY_ADDS / size, FEWEST_STEPS, MOST_STEPS))
