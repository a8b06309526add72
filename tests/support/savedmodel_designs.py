"""Small SavedModels of several detector designs, with random weights, written as the published ones are."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

IMAGE = tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")
SIDE, CLASSES = 64, 5
MEAN, SPREAD = (123.68, 116.28, 103.53), (58.395, 57.12, 57.375)
PER_LEVEL = 3


class Network(tf.Module):
    """Strided convolutions with batch norm; ``maps`` are those at strides 8 and 16."""

    def __init__(self, seed: int, padded: bool = False, activation: Callable = tf.nn.relu6):
        super().__init__()
        self.activation = activation
        self.generator, self.padded, self.weights = np.random.default_rng(seed), padded, []
        widths = (3, 12, 16, 24, 24)
        self.stages = [self.stage(*pair) for pair in itertools.pairwise(widths)]

    def kernel(self, side: int, before: int, after: int, gain: float = 1.4):
        values = self.generator.normal(0, gain / (side * before**0.5), (side, side, before, after))
        self.weights.append(tf.Variable(values.astype(np.float32)))
        return self.weights[-1]

    def vector(self, low: float, high: float, size: int):
        self.weights.append(tf.Variable(self.generator.uniform(low, high, size).astype(np.float32)))
        return self.weights[-1]

    def stage(self, before: int, after: int):
        norm = [self.vector(*ends, after) for ends in ((0.8, 1.2), (-0.2, 0.2), (-0.1, 0.1), (0.8, 1.2))]
        return self.kernel(3, before, after), norm

    def maps(self, image):
        found = []
        for kernel, norm in self.stages:
            # Padding as ResNets have it: a tensor [1, h, w, 3] that is not the image any more.
            image = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]]) if self.padded else image
            image = tf.nn.conv2d(image, kernel, 2, "VALID" if self.padded else "SAME")
            image = self.activation(tf.compat.v1.nn.fused_batch_norm(image, *norm, is_training=False)[0])
            found.append(image)
        return found[2:]

    def head(self, outputs: int, low: float = 0.0, high: float = 0.0, gain: float = 1.4):
        kernel, bias = self.kernel(1, 24, outputs, gain), self.vector(low, high, outputs)
        return lambda features: tf.nn.bias_add(tf.nn.conv2d(features, kernel, 1, "SAME"), bias)


def save(folder: Path, module: tf.Module, detect: Callable, spec: tf.TensorSpec = IMAGE) -> Path:
    module.detect = tf.function(detect, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(folder), signatures=module.detect)
    return folder


def named(boxes, scores, classes, count) -> dict:
    return {
        "detection_boxes": boxes,
        "detection_scores": scores,
        "detection_classes": tf.cast(classes, tf.float32),
        "num_detections": tf.cast(count, tf.float32),
    }


def keeping_aspect(image):
    """The Object Detection API's ``resize_to_range`` with padding: image and its true shape."""
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    size = tf.cast(tf.round(size * SIDE / tf.reduce_max(size)), tf.int32)
    return tf.image.pad_to_bounding_box(tf.image.resize(image, size), 0, 0, SIDE, SIDE), size


def save_centres(folder: Path) -> Path:
    """CenterNet: aspect kept, resized in a loop, heat map with 3x3 peaks, the best 100 of all classes."""
    network = Network(1, padded=True)
    heat, offset, size = network.head(CLASSES, -3, -2, 5), network.head(2), network.head(2, 1, 2)

    def detect(input_tensor):
        images, shapes = tf.map_fn(
            keeping_aspect, tf.cast(input_tensor, tf.float32), fn_output_signature=(tf.float32, tf.int32)
        )
        features = network.maps((images - tf.constant(MEAN)) / tf.constant(SPREAD))[0]
        scores = tf.sigmoid(heat(features))
        peaks = tf.where(tf.abs(tf.nn.max_pool2d(scores, 3, 1, "SAME") - scores) < 1e-6, scores, 0.0)
        best, index = tf.math.top_k(tf.reshape(peaks, [tf.shape(peaks)[0], -1]), 100)
        place, label = index // CLASSES, index % CLASSES
        width = tf.shape(scores)[2]
        middle = tf.cast(tf.stack([place // width, place % width], -1), tf.float32)
        rows = [tf.reshape(head(features), [1, -1, 2]) for head in (offset, size)]
        middle += tf.gather(rows[0], place, batch_dims=1)
        half = tf.nn.relu(tf.gather(rows[1], place, batch_dims=1)) / 2
        pixels = 8 * tf.concat([middle - half, middle + half], -1)
        boxes = pixels / tf.cast(tf.tile(shapes, [1, 2]), tf.float32)[:, None]
        found = tf.reduce_sum(tf.cast(best > 0, tf.int32), -1)
        return named(tf.clip_by_value(boxes, 0, 1), best, label + 1, found)

    return save(folder, network, detect)


def level_anchors(features):
    """Anchors (cy, cx, h, w) made from the size that a feature map has, as the API makes them."""
    height, width = tf.shape(features)[1], tf.shape(features)[2]
    ys = (tf.cast(tf.range(height), tf.float32) + 0.5) / tf.cast(height, tf.float32)
    xs = (tf.cast(tf.range(width), tf.float32) + 0.5) / tf.cast(width, tf.float32)
    centres = tf.reshape(tf.stack(tf.meshgrid(ys, xs, indexing="ij"), -1), [-1, 1, 2])
    sides = tf.constant([[1.5, 1.5], [1.0, 2.5], [2.5, 1.0]]) / tf.cast(height, tf.float32)
    shape = [tf.shape(centres)[0], PER_LEVEL, 2]
    pairs = [tf.broadcast_to(centres, shape), tf.broadcast_to(sides[None], shape)]
    return tf.reshape(tf.concat(pairs, -1), [-1, 4])


def suppressed(boxes, scores):
    """Boxes ``[N, 4]`` and scores ``[N, CLASSES]``: at most 7 per class, at most 20 in all."""
    parts = []
    for label in range(CLASSES):
        kept, best = tf.image.non_max_suppression_with_scores(boxes, scores[:, label], 7, 0.45, 0.1)
        classes = tf.fill(tf.shape(kept), label + 1.0)
        parts.append(tf.concat([tf.gather(boxes, kept), best[:, None], classes[:, None]], 1))
    rows = tf.concat(parts, 0)
    rows = tf.gather(rows, tf.math.top_k(rows[:, 4], tf.minimum(20, tf.shape(rows)[0])).indices)
    count = tf.shape(rows)[0]
    return tf.ensure_shape(tf.pad(rows, [[0, 20 - count], [0, 0]]), [20, 6]), count


def save_softmax(folder: Path, activation: Callable = tf.nn.relu6) -> Path:
    """SSD: normalized before a TensorFlow 1 resize, softmax with background, suppression in a loop."""
    network = Network(2, activation=activation)
    heads = [(network.head(4 * PER_LEVEL), network.head((CLASSES + 1) * PER_LEVEL, gain=4)) for _ in range(2)]
    scales = tf.constant((8.0, 8.0, 4.0, 4.0))

    def detect(input_tensor):
        pixels = tf.cast(input_tensor, tf.float32) * (2 / 255) - 1
        image = tf.compat.v1.image.resize_bilinear(pixels, (SIDE, SIDE))
        maps = network.maps(tf.ensure_shape(image, [1, SIDE, SIDE, 3]))
        pairs = list(zip(heads, maps, strict=True))
        encodings = tf.concat([tf.reshape(box(m), [1, -1, 1, 4]) for (box, _), m in pairs], 1)
        logits = tf.concat([tf.reshape(score(m), [1, -1, CLASSES + 1]) for (_, score), m in pairs], 1)
        anchors = tf.concat([level_anchors(features) for features in maps], 0)
        moved = tf.squeeze(encodings, 2)[0] / scales
        centres = moved[:, :2] * anchors[:, 2:] + anchors[:, :2]
        halves = tf.exp(moved[:, 2:]) * anchors[:, 2:] / 2
        boxes = tf.concat([centres - halves, centres + halves], -1)[None]
        scores = tf.nn.softmax(logits)[..., 1:]
        rows, count = tf.map_fn(
            lambda pair: suppressed(*pair), (boxes, scores), fn_output_signature=(tf.float32, tf.int32)
        )
        return named(tf.clip_by_value(rows[..., :4], 0, 1), rows[..., 4], rows[..., 5], count)

    return save(folder, network, detect)


def save_distances(folder: Path) -> Path:
    """FCOS-like: BGR; distances to the four sides; scores times centredness; no anchors."""
    network = Network(3)
    distances, classes, centred = (
        network.head(4, 0, 1),
        network.head(CLASSES, gain=4),
        network.head(1, gain=4),
    )

    def detect(input_tensor):
        image = tf.image.resize(tf.cast(input_tensor, tf.float32), (SIDE, SIDE))
        features = network.maps(tf.reverse(image, [-1]) - 110.0)[0]
        middle = tf.reshape(level_anchors(features)[::PER_LEVEL, :2], [1, -1, 2]) * SIDE
        sides = 8 * tf.exp(tf.reshape(distances(features), [1, -1, 4]) / 2)
        boxes = tf.concat([middle - sides[..., :2], middle + sides[..., 2:]], -1)
        scores = tf.sigmoid(classes(features)) * tf.sigmoid(centred(features))
        scores = tf.sqrt(tf.reshape(scores, [1, -1, CLASSES]))
        kept = tf.image.combined_non_max_suppression(
            boxes[:, :, None], scores, 100, 100, 0.5, 0.001, clip_boxes=False
        )
        corners = tf.clip_by_value(kept.nmsed_boxes / SIDE, 0, 1)
        return named(corners, kept.nmsed_scores, kept.nmsed_classes + 1, kept.valid_detections)

    return save(folder, network, detect)


def save_nearest(folder: Path) -> Path:
    """A preprocessing that is not known here: the nearest pixel."""
    network = Network(4)
    head = network.head(6)

    def detect(input_tensor):
        image = tf.image.resize(tf.cast(input_tensor, tf.float32), (SIDE, SIDE), "nearest")
        rows = tf.reshape(head(network.maps(image / 255)[0]), [1, -1, 6])
        return named(rows[..., :4], tf.sigmoid(rows[..., 4]), rows[..., 5], tf.shape(rows)[1][None])

    return save(folder, network, detect)


def save_classifier(folder: Path) -> Path:
    """No detector."""
    network = Network(5)

    def classify(images):
        return {"logits": tf.reduce_mean(network.maps(images)[0], [1, 2])}

    return save(folder, network, classify, tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32, name="images"))


def save_two_stages(folder: Path) -> Path:
    """Regions chosen by suppression, then looked at by a second network."""
    network = Network(6)
    first, second = network.head(6, gain=4), Network(7)
    network.second = second
    last = second.head(CLASSES)

    def detect(input_tensor):
        image = tf.image.resize(tf.cast(input_tensor, tf.float32), (SIDE, SIDE)) / 255
        rows = tf.reshape(first(network.maps(image)[0]), [-1, 6])
        boxes = tf.sigmoid(rows[:, :4])
        kept = tf.image.non_max_suppression(boxes, rows[:, 4], 10)
        regions = tf.image.crop_and_resize(image, tf.gather(boxes, kept), tf.zeros_like(kept), (32, 32))
        scores = tf.sigmoid(tf.reduce_mean(last(second.maps(regions)[0]), [1, 2]))
        best = tf.reduce_max(scores, -1)[None]
        return named(
            tf.gather(boxes, kept)[None], best, tf.argmax(scores, -1)[None] + 1, tf.shape(best)[1][None]
        )

    return save(folder, network, detect)


def save_soft(folder: Path) -> Path:
    """Suppression that lowers the scores of boxes that overlap rather than drop them."""
    network = Network(8)
    head = network.head(5, gain=4)

    def detect(input_tensor):
        image = tf.image.resize(tf.cast(input_tensor, tf.float32), (SIDE, SIDE)) / 255
        rows = tf.reshape(head(network.maps(image)[0]), [-1, 5])
        kept, scores = tf.image.non_max_suppression_with_scores(
            rows[:, :4], tf.sigmoid(rows[:, 4]), 10, soft_nms_sigma=0.5
        )
        return named(
            tf.gather(rows[:, :4], kept)[None], scores[None], tf.ones_like(kept)[None], tf.shape(kept)
        )

    return save(folder, network, detect)


def save_padded(folder: Path) -> Path:
    """An SSD of one level, prepared as EfficientDet: normalized, then resized and padded with zeros."""
    network = Network(9)
    boxes, classes = network.head(4 * PER_LEVEL), network.head(CLASSES * PER_LEVEL, gain=4)

    def detect(input_tensor):
        pixels = (tf.cast(input_tensor, tf.float32) - tf.constant(MEAN)) / tf.constant(SPREAD)
        images, shapes = tf.map_fn(keeping_aspect, pixels, fn_output_signature=(tf.float32, tf.int32))
        features = network.maps(images)[0]
        encodings = tf.reshape(boxes(features), [-1, 4])
        anchors = level_anchors(features)
        scales = tf.constant((10.0, 10.0, 5.0, 5.0))
        moved = encodings / scales
        centres = moved[:, :2] * anchors[:, 2:] + anchors[:, :2]
        halves = tf.exp(moved[:, 2:]) * anchors[:, 2:] / 2
        window = tf.tile(tf.cast(shapes[0], tf.float32) / SIDE, [2])
        found = tf.concat([centres - halves, centres + halves], -1)[None]
        scores = tf.sigmoid(tf.reshape(classes(features), [1, -1, CLASSES]))
        kept = tf.image.combined_non_max_suppression(
            found[:, :, None], scores, 100, 100, 0.5, 1e-8, clip_boxes=False
        )
        corners = tf.minimum(tf.maximum(kept.nmsed_boxes, 0.0), window) / window
        return named(corners, kept.nmsed_scores, kept.nmsed_classes + 1, kept.valid_detections)

    return save(folder, network, detect)


def save_fixed(folder: Path, height: int = SIDE, width: int = SIDE) -> Path:
    """``save_distances`` for photos of one size only, as exporters write it when they are told a size."""
    inner = tf.Module()
    save_distances(folder / "any")
    inner.any = tf.saved_model.load(str(folder / "any"))
    spec = tf.TensorSpec([1, height, width, 3], tf.uint8, name="input_tensor")
    return save(folder / "fixed", inner, lambda input_tensor: inner.any.detect(input_tensor), spec)
