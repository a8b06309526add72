"""The whole graph as it was exported, run by ONNX Runtime and decoded apart from our tails: the original.

Shared with what it checks are the facts of the design (``designs.catalogue``) and which of the outputs is
what. Letter-boxing, decoding and suppression are written anew, in pixels, as the publishers' scripts do it.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from helpers.models.onnx.convert import chosen, preprocessing
from helpers.models.onnx.library import answers, session
from helpers.models.onnx.network import Network, read
from helpers.models.onnx.plan import Understood
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.selection import Detections

# Corners (x1, y1, x2, y2) in pixels of the input ``[N, 4]``, and scores ``[N, classes]``.
Candidates = tuple[np.ndarray, np.ndarray]
Placed = tuple[np.ndarray, np.ndarray, np.ndarray]


def reference(
    path: Path, limits: Limits, classes: int, named: str = ""
) -> Callable[[np.ndarray], Detections]:
    """A detector: RGB uint8 photo ``[H, W, 3]`` -> ``Detections``, boxes relative to the photo.

    Args:
        limits, classes, named: as for ``convert.convert``.

    Raises:
        LabError: as ``convert.convert``.
    """
    network = read(path)
    known, _ = chosen(network, classes, named, limits)
    before, running = preprocessing(network, known), session(network.model, path)

    def detect(photo: np.ndarray) -> Detections:
        image, share, margin = prepared(photo, before)
        outputs = answers(running, image, path)
        if known.reading.kind == "found":
            return on_photo(*found(outputs, known), photo, share, margin)
        corners, scores = candidates(outputs, known, network)
        if known.reading.kind == "cells":
            kept = suppressed(corners, scores, known.tail.limits)
        else:
            kept = best(scores, known.tail.limits)
        row, label = kept
        return on_photo(corners[row], scores[row, label], label, photo, share, margin)

    return detect


def prepared(photo: np.ndarray, how: Preprocessing) -> Placed:
    """The input; how many of its pixels a pixel of the photo is, in x and y; and what lies left and above."""
    height, width = photo.shape[:2]
    if not how.pad:
        whole = stretched(photo, how)
        share, margin = np.array([how.width / width, how.height / height]), np.zeros(2)
    else:
        whole, share, margin = letter_boxed(photo, how)
    ordered = whole[:, :, ::-1] if how.channels == "BGR" else whole
    image = (ordered * np.array(how.scale) + np.array(how.offset)).astype(np.float32)
    image = np.moveaxis(image, 2, 0) if how.layout == "NCHW" else image
    return np.ascontiguousarray(image[None]), share, margin


def stretched(photo: np.ndarray, how: Preprocessing) -> np.ndarray:
    """``[height, width, 3]``. NanoDet warps: corners of pixels, not their centres, are laid on each other."""
    size = (how.width, how.height)
    if how.resize != "corner":
        return cv2.resize(photo, size, interpolation=cv2.INTER_LINEAR)
    matrix = np.diag([how.width / photo.shape[1], how.height / photo.shape[0], 1.0])
    return cv2.warpPerspective(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def letter_boxed(photo: np.ndarray, how: Preprocessing) -> Placed:
    """As YOLOX's ``preproc`` and Ultralytics' ``LetterBox`` do it."""
    height, width = photo.shape[:2]
    gain = min(how.height / height, how.width / width)
    if how.centre:
        inner = round(width * gain), round(height * gain)
        rest = (how.width - inner[0]) / 2, (how.height - inner[1]) / 2
        left, top = (round(side - 0.1) for side in rest)
        right, bottom = (round(side + 0.1) for side in rest)
    else:
        inner = int(width * gain), int(height * gain)
        left, top, right, bottom = 0, 0, how.width - inner[0], how.height - inner[1]
    small = cv2.resize(photo, tuple(max(1, side) for side in inner), interpolation=cv2.INTER_LINEAR)
    fill = tuple(how.fill[:: -1 if how.channels == "BGR" else 1])
    whole = cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_CONSTANT, value=fill)
    return whole[: how.height, : how.width], np.full(2, gain), np.array([left, top], float)


def found(outputs: dict[str, np.ndarray], known: Understood) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners in pixels, scores, classes from 0, of a graph that suppresses itself."""
    tail = known.tail
    boxes, scores, classes = tail.columns(outputs)
    kept = np.flatnonzero(scores > tail.limits.score_threshold)
    kept = kept[np.argsort(-scores[kept], kind="stable")][: tail.limits.most_detections]
    unit = 1 if tail.pixels else np.tile(tail.input_size[::-1], 2)
    return boxes[kept] * unit, scores[kept], np.rint(classes[kept]).astype(int)


def candidates(outputs: dict[str, np.ndarray], known: Understood, network: Network) -> Candidates:
    """All boxes and scores, decoded row by row of the exported outputs."""
    height, width = network.size
    if known.reading.kind == "queries":
        rows = np.concatenate([outputs[name][0] for name in known.tail.outputs], 1).astype(float)
        centres = rows[:, :4] * [width, height, width, height]
        return corners_of(centres), likelihoods(rows[:, 4:], known)
    rows = outputs[known.tail.outputs[0]][0].astype(float)
    rows = rows.T if known.reading.columns_first else rows
    decode = {"exponents": exponents, "distances": distances}.get(known.tail.decoding)
    if decode:
        return decode(rows, known, network)
    unit = np.ones(4) if known.tail.pixels else np.array([width, height, width, height])
    return corners_of(rows[:, :4] * unit), scored(rows[:, 4:], known)


def likelihoods(logits: np.ndarray, known: Understood) -> np.ndarray:
    if known.tail.conversion == "none":
        return logits[:, : known.tail.classes]
    if known.tail.conversion == "sigmoid":
        return 1 / (1 + np.exp(-logits))
    powers = np.exp(logits - logits.max(1)[:, None])
    return (powers / powers.sum(1)[:, None])[:, :-1]


def scored(columns: np.ndarray, known: Understood) -> np.ndarray:
    return columns[:, 1:] * columns[:, :1] if known.reading.design.objectness else columns


def exponents(rows: np.ndarray, known: Understood, network: Network) -> Candidates:
    """YOLOX's ``demo_postprocess``."""
    grid, step = cells(known, network)
    centres = np.concatenate([(rows[:, :2] + grid) * step, np.exp(rows[:, 2:4]) * step], 1)
    return corners_of(centres), scored(rows[:, 4:], known)


def distances(rows: np.ndarray, known: Understood, network: Network) -> Candidates:
    """NanoDet's ``Integral`` and ``distance2bbox``."""
    classes = known.reading.classes
    grid, step = cells(known, network)
    bins = np.exp(rows[:, classes:]).reshape(len(rows), 4, -1)
    away = (bins * np.arange(bins.shape[2])).sum(2) / bins.sum(2) * step
    centre = (grid + known.reading.design.offset) * step
    corners = np.concatenate([centre - away[:, :2], centre + away[:, 2:]], 1)
    ends = np.array([network.size[1], network.size[0]] * 2)
    return np.clip(corners, 0, ends) if known.reading.design.clipped else corners, rows[:, :classes]


def cells(known: Understood, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of each cell ``[N, 2]``, and its stride ``[N, 1]``."""
    grids, steps = [], []
    for stride in known.reading.strides:
        x, y = np.meshgrid(np.arange(-(-network.size[1] // stride)), np.arange(-(-network.size[0] // stride)))
        grids.append(np.stack([x, y], 2).reshape(-1, 2))
        steps.append(np.full((grids[-1].shape[0], 1), stride))
    return np.concatenate(grids), np.concatenate(steps)


def corners_of(centres: np.ndarray) -> np.ndarray:
    x, y, width, height = centres.T
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)


def suppressed(corners: np.ndarray, scores: np.ndarray, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes that OpenCV's ``NMSBoxes`` keeps, class by class, best first."""
    rows, labels = [], []
    for label in range(scores.shape[1]):
        near = np.flatnonzero(scores[:, label] > limits.score_threshold)
        if not len(near):
            continue
        sides = np.concatenate([corners[near, :2], corners[near, 2:] - corners[near, :2]], 1)
        kept = cv2.dnn.NMSBoxes(
            sides.tolist(), scores[near, label].tolist(), limits.score_threshold, limits.nms_iou
        )
        rows += near[np.asarray(kept, int).ravel()].tolist()
        labels += [label] * len(kept)
    row, label = np.array(rows, int), np.array(labels, int)
    order = np.argsort(-scores[row, label], kind="stable")[: limits.most_detections]
    return row[order], label[order]


def best(scores: np.ndarray, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes of the best scores above the threshold."""
    order = np.argsort(-scores.ravel(), kind="stable")[: limits.most_detections]
    order = order[scores.ravel()[order] > limits.score_threshold]
    return np.divmod(order, scores.shape[1])


def on_photo(
    corners: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    photo: np.ndarray,
    share: np.ndarray,
    margin: np.ndarray,
) -> Detections:
    """Corners in pixels of the input, and classes from 0 -> boxes relative to the photo, clipped to it."""
    sides = np.array(photo.shape[1::-1])
    placed = (corners - np.tile(margin, 2)) / np.tile(share, 2) / np.tile(sides, 2)
    boxes = np.clip(placed, 0, 1)[:, [1, 0, 3, 2]].astype(np.float32)
    return Detections(boxes, scores.astype(np.float32), labels.astype(np.int32) + 1)
