"""The embedded detector, trained from scratch for a while with gradients of any form, on smaller photos."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

from helpers.lab.files import sha256_file
from helpers.models.embedded.architecture import ANCHOR_RATIOS, ANCHOR_SCALES, build_network
from helpers.models.embedded.loss import detection_loss
from helpers.models.embedded.training import WarmCosine, augment, load_photos
from helpers.photos.synthetic.dataset import generate_split
from helpers.tasks.detection.boxes import make_anchors
from helpers.training.gradients.backward import convolutions, round_gradients
from helpers.training.gradients.records import Schedule

CLIP_NORM = 10.0
STRIDES = (8, 16, 32, 64)


@dataclass(frozen=True)
class Photos:
    """Pixels uint8 ``[n, side, side, 3]``, boxes ``[n, 16, 4]``, labels int32 ``[n, 16]``, and their hash."""

    pixels: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    sha256: str

    def batch(self, chosen: np.ndarray) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return tuple(tf.constant(part[chosen]) for part in (self.pixels, self.boxes, self.labels))


def draw_photos(root: Path, split: str, count: int, side: int) -> Photos:
    """The first synthetic photos of a split, drawn below ``root`` where they are not yet."""
    folder = generate_split(root, split, count)
    pixels, boxes, labels = load_photos(folder)
    return Photos(shrunk(pixels, side), boxes, labels, sha256_file(folder / "labels.json"))


def shrunk(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 ``[n, S, S, 3]`` to ``[n, side, side, 3]`` by the mean of squares; ``side`` divides S."""
    times = pixels.shape[1] // side
    squares = pixels.reshape(len(pixels), side, times, side, times, 3)
    return np.stack([np.rint(square.mean((1, 3))).astype(np.uint8) for square in squares])


def anchors_of(side: int) -> np.ndarray:
    """The detector's anchors on photos of that side: float32 ``[N, 4]`` (cy, cx, h, w), relative."""
    sizes = tuple(-(-side // stride) for stride in STRIDES)
    return make_anchors(sizes, ANCHOR_SCALES, ANCHOR_RATIOS)


class Learner:
    """One network and its optimizer, begun anew for every training: so they are traced only once."""

    def __init__(self, schedule: Schedule):
        self.schedule = schedule
        shape = (schedule.side, schedule.side, 3)
        self.network = keras.models.clone_model(build_network(), input_tensors=keras.Input(shape))
        self.backward = round_gradients(self.network)
        self.anchors = tf.constant(anchors_of(schedule.side))
        rate = WarmCosine(schedule.peak_rate, schedule.warmup_steps, schedule.steps)
        # The legacy one has a kernel of its own, hundreds of operations fewer: it is traced in half the time.
        self.optimizer = keras.optimizers.legacy.Adam(rate)
        variables = self.network.trainable_variables
        self.optimizer.apply_gradients([(tf.zeros_like(each), each) for each in variables])
        outputs = [layer.output for layer in convolutions(self.network)]
        self.fresh: dict[int, list[np.ndarray]] = {}
        self.tapped = keras.Model(self.network.input, [*self.network.outputs, *outputs])

    def begin(self, seed: int) -> None:
        """Fresh weights, which follow from the seed, and an optimizer that has seen nothing."""
        if seed not in self.fresh:
            keras.utils.set_random_seed(seed)
            self.fresh[seed] = build_network().get_weights()
        self.network.set_weights(self.fresh[seed])
        for variable in self.optimizer.variables():
            variable.assign(tf.zeros_like(variable))

    def losses(self, photos: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Loss of classes and of boxes, ``[2]``, with batch norm's statistics of this batch."""
        heads = self.network(photos, training=True)
        return tf.stack(detection_loss(*heads, boxes, labels, self.anchors))

    @tf.function(autograph=False)
    def step(self, photos: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Learn from a batch; return its loss before."""
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(self.losses(photos, boxes, labels))
        variables = self.network.trainable_variables
        gradients, _ = tf.clip_by_global_norm(tape.gradient(total, variables), CLIP_NORM)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.backward.next_draw()
        return total

    @tf.function(autograph=False)
    def held_out(self, photos: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return self.losses(photos, boxes, labels)

    @tf.function(autograph=False)
    def arriving(self, photos: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        """``arriving_once``, traced: for many batches."""
        return self.arriving_once(photos, boxes, labels)

    def arriving_once(self, photos: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        """What flows back to the output of every convolution, before it is rounded there."""
        with tf.GradientTape() as tape:
            encodings, logits, *outputs = self.tapped(photos, training=True)
            total = tf.add_n(detection_loss(encodings, logits, boxes, labels, self.anchors))
        return tape.gradient(total, outputs)


def normalized(photos: tf.Tensor) -> tf.Tensor:
    """uint8 to float32 in -1..1, as ``augment`` makes them."""
    return tf.cast(photos, tf.float32) / 127.5 - 1


def training_batch(photos: Photos, schedule: Schedule, seed: int, step: int) -> tuple:
    """The batch of a step: which photos, how augmented, follows from seed and step, for every form alike."""
    epoch, place = divmod(step, schedule.photos // schedule.batch)
    order = np.random.default_rng([seed, epoch]).permutation(schedule.photos)
    chosen = order[place * schedule.batch : (place + 1) * schedule.batch]
    return augment(*photos.batch(chosen), tf.constant([3 * seed, 3 * step], tf.int32))


def held_out_batches(photos: Photos, batch: int) -> list[tuple]:
    parts = np.split(np.arange(len(photos.labels)), range(batch, len(photos.labels), batch))
    return [(normalized(pixels), boxes, labels) for pixels, boxes, labels in map(photos.batch, parts)]
