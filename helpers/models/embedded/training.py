"""Training of the embedded detector: seeded, resumable after every epoch, recorded."""

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
import tf_keras as keras

from helpers.lab.files import sha256_file, write_json
from helpers.lab.progress import progress
from helpers.models.embedded.architecture import INPUT_SIDE, anchors, build_network
from helpers.models.embedded.loss import detection_loss
from helpers.models.embedded.weights import save_network
from helpers.photos.decoding import read_photo
from helpers.photos.synthetic.dataset import generate_split

MOST_OBJECTS = 16
STATISTICS_BATCHES = 60


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn."""

    photos: int = 7000
    epochs: int = 20
    batch: int = 32
    peak_rate: float = 3e-3
    warmup_steps: int = 300
    weight_decay: float = 2e-5
    seed: int = 7


@keras.utils.register_keras_serializable("quantlab")
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then half a cosine down to zero."""

    def __init__(self, peak: float, warmup_steps: int, steps: int):
        self.peak, self.warmup_steps, self.steps = peak, warmup_steps, steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        done = tf.clip_by_value((step - self.warmup_steps) / (self.steps - self.warmup_steps), 0, 1)
        rise = tf.minimum((step + 1) / self.warmup_steps, 1)
        return self.peak * rise * 0.5 * (1 + tf.cos(np.pi * done))

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "steps": self.steps}


def load_photos(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A COCO folder as uint8 ``[n, 192, 192, 3]``, boxes ``[n, 16, 4]`` and labels int32 ``[n, 16]``.

    Labels are 1..classes, 0 for padding, -1 for crowd regions.
    """
    coco = json.loads((folder / "labels.json").read_text())
    position = {image["id"]: i for i, image in enumerate(coco["images"])}
    photos = [load_photo(folder / "data" / image["file_name"]) for image in coco["images"]]
    boxes = np.zeros((len(photos), MOST_OBJECTS, 4), np.float32)
    labels = np.zeros((len(photos), MOST_OBJECTS), np.int32)
    used = np.zeros(len(photos), int)
    for entry in coco["annotations"]:
        i = position[entry["image_id"]]
        if used[i] == MOST_OBJECTS:
            continue
        x, y, w, h = entry["bbox"]
        width, height = coco["images"][i]["width"], coco["images"][i]["height"]
        boxes[i, used[i]] = y / height, x / width, (y + h) / height, (x + w) / width
        labels[i, used[i]] = -1 if entry["iscrowd"] else entry["category_id"]
        used[i] += 1
    return np.stack(photos), boxes, labels


def load_photo(path: Path) -> np.ndarray:
    """RGB uint8 ``[192, 192, 3]``."""
    return cv2.resize(read_photo(path), (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_LINEAR)


def augment(photos: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor):
    """Mirror half of a uint8 batch ``[B, H, W, 3]``, vary its light, scale it to -1..1."""
    size = tf.shape(photos)[0]
    mirrored = tf.random.stateless_uniform([size], seed) < 0.5
    photos = tf.cast(photos, tf.float32) / 127.5 - 1
    photos = tf.where(mirrored[:, None, None, None], photos[:, :, ::-1], photos)
    flipped = tf.stack([boxes[..., 0], 1 - boxes[..., 3], boxes[..., 2], 1 - boxes[..., 1]], -1)
    boxes = tf.where(mirrored[:, None, None] & (labels != 0)[..., None], flipped, boxes)
    gain = tf.random.stateless_uniform([size, 1, 1, 3], seed + 1, 0.8, 1.25)
    shift = tf.random.stateless_uniform([size, 1, 1, 1], seed + 2, -0.15, 0.15)
    return tf.clip_by_value(photos * gain + shift, -1, 1), boxes, labels


class Trainer:
    """Network, optimizer and data; ``run`` trains, from the last finished epoch if there is one."""

    def __init__(self, data_root: Path, work_folder: Path, schedule: Schedule):
        keras.utils.set_random_seed(schedule.seed)
        self.schedule, self.work_folder = schedule, work_folder
        folder = generate_split(data_root, "train", schedule.photos)
        self.data_sha256 = sha256_file(folder / "labels.json")
        self.data = load_photos(folder)
        self.steps_per_epoch = schedule.photos // schedule.batch
        rate = WarmCosine(schedule.peak_rate, schedule.warmup_steps, schedule.epochs * self.steps_per_epoch)
        self.network = build_network()
        self.optimizer = keras.optimizers.AdamW(
            rate, weight_decay=schedule.weight_decay, global_clipnorm=10.0
        )
        self.optimizer.build(self.network.trainable_variables)
        self.epoch = tf.Variable(0, dtype=tf.int64)
        self.history: list[dict] = []
        state = tf.train.Checkpoint(network=self.network, optimizer=self.optimizer, epoch=self.epoch)
        self.checkpoints = tf.train.CheckpointManager(state, str(work_folder / "checkpoints"), max_to_keep=2)

    def resume(self) -> int:
        """Load the last checkpoint, if any; return the first epoch to do."""
        self.checkpoints.restore_or_initialize()
        path = self.work_folder / "history.json"
        done = int(self.epoch)
        self.history = json.loads(path.read_text())[:done] if done else []
        return done

    @tf.function(autograph=False)
    def step(self, photos, boxes, labels):
        with tf.GradientTape() as tape:
            encodings, logits = self.network(photos, training=True)
            parts = detection_loss(encodings, logits, boxes, labels, tf.constant(anchors()))
            total = tf.add_n(parts)
        gradients = tape.gradient(total, self.network.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_variables, strict=True))
        return tf.stack(parts)

    def batches(self, epoch: int):
        """Batches of one epoch; the order and every augmentation follow from seed and epoch."""
        order = np.random.default_rng([self.schedule.seed, epoch]).permutation(self.schedule.photos)
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.schedule.batch : (step + 1) * self.schedule.batch]
            seed = tf.constant([epoch * 3, step * 3], tf.int32)
            yield augment(*(tf.constant(part[chosen]) for part in self.data), seed)

    def train_epoch(self, epoch: int) -> dict:
        title = f"epoch {epoch + 1}/{self.schedule.epochs}"
        bar = progress(self.batches(epoch), title, "step", total=self.steps_per_epoch)
        total = np.zeros(2)
        for count, batch in enumerate(bar, start=1):
            total += self.step(*batch).numpy()
            if count % 10 == 0:
                bar.set_postfix(classes=f"{total[0] / count:.3f}", boxes=f"{total[1] / count:.3f}")
        classes, boxes = total / self.steps_per_epoch
        return {"epoch": epoch + 1, "class_loss": float(classes), "box_loss": float(boxes)}

    def run(self) -> None:
        for epoch in range(self.resume(), self.schedule.epochs):
            self.history.append(self.train_epoch(epoch))
            self.epoch.assign(epoch + 1)
            write_json(self.work_folder / "history.json", self.history)
            self.checkpoints.save()

    def refresh_statistics(self) -> None:
        """Measure batch norm's means and variances afresh, with the final weights.

        Their running averages remember a thousand steps, in which the weights have moved on (Wu and
        Johnson 2021, "Rethinking Batch in BatchNorm", section 3: precise statistics).
        """
        layers = [x for x in self.network.layers if isinstance(x, keras.layers.BatchNormalization)]
        totals = [[0.0, 0.0] for _ in layers]
        for layer in layers:
            layer.momentum = 0.0
        count = min(STATISTICS_BATCHES, self.steps_per_epoch)
        batches = itertools.islice(self.batches(self.schedule.epochs), count)
        for photos, _, _ in progress(batches, "batch norm", "batch", total=count):
            self.forward(photos)
            for total, layer in zip(totals, layers, strict=True):
                total[0] += layer.moving_mean.numpy() / count
                total[1] += layer.moving_variance.numpy() / count
        for (mean, variance), layer in zip(totals, layers, strict=True):
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)

    @tf.function(autograph=False)
    def forward(self, photos):
        return self.network(photos, training=True)

    def record(self) -> dict:
        """What the weights were made from and how."""
        return {
            "schedule": asdict(self.schedule),
            "train_labels_sha256": self.data_sha256,
            "parameters": int(self.network.count_params()),
            "tensorflow": tf.__version__,
            "history": self.history,
        }


def train(data_root: Path, work_folder: Path, weights: Path, schedule: Schedule) -> dict:
    """Train to the end and write ``weights`` and, beside it, the training record; return the record."""
    trainer = Trainer(data_root, work_folder, schedule)
    trainer.run()
    trainer.refresh_statistics()
    save_network(trainer.network, weights)
    record = {**trainer.record(), "weights_sha256": sha256_file(weights)}
    write_json(weights.with_suffix(".json"), record)
    return record
