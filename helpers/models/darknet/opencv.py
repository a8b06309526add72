"""The original Darknet model run by OpenCV DNN: the independent run that a core is compared with."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from helpers.lab.errors import LabError, UnavailableError
from helpers.models.darknet.architecture import parse_architecture
from helpers.models.darknet.cfg import parse_cfg, plain_text, read_text
from helpers.tasks.detection.tails.selection import Detections, Limits, survivors

NUMBERS_OF_A_BOX = 5  # centre x, centre y, width, height, objectness


def reference(cfg: Path, weights: Path, limits: Limits) -> Callable[[np.ndarray], Detections]:
    """A detector by OpenCV DNN: RGB uint8 photo ``[H, W, 3]`` -> ``Detections``, boxes relative to the photo.

    OpenCV sets class scores up to the ``thresh`` of a ``[yolo]`` section (0.2 where it is absent) to 0; so it
    is set to the limits' threshold, in memory. With no ``nms_threshold`` in a section OpenCV suppresses
    nothing; suppression within each class follows here, with the same limits as in our tails.

    Raises:
        UnavailableError: this OpenCV reads no Darknet.
        LabError: the files are absent, damaged, or hold what OpenCV does not know.
    """
    require_reader()
    text = read_text(cfg)
    architecture = parse_architecture(text, cfg.name)
    height, width, _ = architecture.image
    plain = plain_text(parse_cfg(text, cfg.name))
    network = load(with_threshold(plain, limits.score_threshold), weights)
    names = network.getUnconnectedOutLayersNames()

    def detect(photo: np.ndarray) -> Detections:
        whole, share, margin = (letter_boxed if architecture.letter_box else stretched)(photo, height, width)
        network.setInput(cv2.dnn.blobFromImage(whole, 1 / 255, (width, height)))
        rows = np.concatenate(network.forward(names))
        rows[:, 0:2] = (rows[:, 0:2] - margin) / share
        rows[:, 2:4] /= share
        return detections(rows, limits)

    return detect


def stretched(photo: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What ``letter_boxed`` returns, of a photo that ``blobFromImage`` stretches."""
    return photo, np.ones(2, np.float32), np.zeros(2, np.float32)


def letter_boxed(photo: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As Darknet's ``letterbox_image`` and ``correct_yolo_boxes`` have it.

    Returns:
        The photo on grey, ``[height, width, 3]``; its share of width and height; the margin left of it and
        above it, as a share of width and height.
    """
    ratio = min(width / photo.shape[1], height / photo.shape[0])
    inner = np.array([int(photo.shape[1] * ratio + 1e-9), int(photo.shape[0] * ratio + 1e-9)])
    inner = np.maximum(inner, 1)
    rest = np.array([width, height]) - inner
    left, top = rest // 2
    small = cv2.resize(photo, inner.tolist(), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    sides = int(top), int(rest[1] - top), int(left), int(rest[0] - left)
    whole = cv2.copyMakeBorder(small, *sides, cv2.BORDER_CONSTANT, value=(127.5,) * 3)
    size = np.array([width, height], np.float32)
    return whole, inner / size, rest / 2 / size


def require_reader() -> None:
    """Raise unless OpenCV reads Darknet, which it does up to version 4."""
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        raise UnavailableError(
            f"OpenCV {cv2.__version__} reads no Darknet",
            "OpenCV 4, which runs the original model",
            'install it: `python -m pip install "opencv-python-headless<5"`, and start a new session.',
        )


def with_threshold(text: str, threshold: float) -> str:
    """The text of a ``.cfg`` whose ``[yolo]`` sections have ``thresh=threshold`` and suppress nothing."""
    lines, within = [], False
    for line in text.splitlines():
        bare = "".join(line.split())
        if bare.startswith("["):
            within = bare == "[yolo]"
            lines += [line, f"thresh={threshold}"] if within else [line]
        elif not (within and bare.startswith(("thresh=", "nms_threshold="))):
            lines.append(line)
    return "\n".join(lines) + "\n"


def load(cfg: str, weights: Path) -> cv2.dnn.Net:
    """OpenCV's network from the text of a ``.cfg`` and a file of weights."""
    try:
        return from_memory(cfg, weights.read_bytes())
    except (OSError, cv2.error) as error:
        raise LabError(
            f"OpenCV cannot load {weights}: {error}",
            "a .cfg and its .weights, with sections that OpenCV knows",
            "give the .weights file that was published with this .cfg, downloaded whole.",
        ) from error


def from_memory(cfg: str, weights: bytes) -> cv2.dnn.Net:
    network = cv2.dnn.readNetFromDarknet(
        np.frombuffer(cfg.encode(), np.uint8), np.frombuffer(weights, np.uint8)
    )
    network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    return network


def detections(rows: np.ndarray, limits: Limits) -> Detections:
    """Rows ``[N, 5 + classes]``: centre, size, objectness, scores, of all heads -> ``Detections``."""
    scores = rows[:, NUMBERS_OF_A_BOX:]
    row, label = np.nonzero(scores > limits.score_threshold)
    centres, halves = rows[row, 0:2], rows[row, 2:4] / 2
    boxes = np.concatenate([centres - halves, centres + halves], 1)[:, [1, 0, 3, 2]]
    ranking = scores[row, label]
    kept = survivors(boxes, ranking, label, limits)
    return Detections(np.clip(boxes[kept], 0, 1), ranking[kept], label[kept].astype(np.int32) + 1)
