"""The tail of a file with suppression inside: its rows are detections already."""

from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.tails.postprocessed import renumbered
from helpers.tasks.detection.tails.selection import Detections, Limits


@dataclass(frozen=True)
class FoundRowsTail:
    """What the file has kept, best first.

    Attributes:
        input_size: height and width of the input, in pixels.
        outputs: names of the file's outputs: boxes, scores and classes, and perhaps the count of them; or one
            that has box, score and class in its six columns.
        classes: how many.
        limits: scores up to the threshold are dropped and the best are kept; ``nms_iou`` is not used.
        pixels: whether boxes are in pixels of the input; else relative to it.
        numbers: as for ``postprocessed.renumbered``.
    """

    input_size: tuple[int, int]
    outputs: tuple[str, ...]
    classes: int
    limits: Limits
    pixels: bool = True
    numbers: tuple[int, ...] = ()

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``: boxes (x1, y1, x2, y2) ``[1, n, 4]``, scores ``[1, n]`` and classes from 0 ``[1, n]``,
        each with or without the batch's axis.
        """
        boxes, scores, classes = self.columns(heads)
        order = np.argsort(-scores, kind="stable")
        best = order[scores[order] > self.limits.score_threshold][: self.limits.most_detections]
        height, width = self.input_size if self.pixels else (1, 1)
        ends = boxes[best][:, [1, 0, 3, 2]] / np.float32([height, width, height, width])
        kinds = np.rint(classes[best]).astype(np.int32) + 1
        found = Detections(np.clip(ends, 0, 1).astype(np.float32), scores[best].astype(np.float32), kinds)
        return renumbered(found, self.numbers)

    def columns(self, heads: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if len(self.outputs) == 1:
            rows = heads[self.outputs[0]].reshape(-1, 6)
            return rows[:, :4], rows[:, 4], rows[:, 5]
        boxes, scores, classes, *count = (heads[name] for name in self.outputs)
        kept = slice(int(count[0].reshape(-1)[0]) if count else None)
        return boxes.reshape(-1, 4)[kept], scores.reshape(-1)[kept], classes.reshape(-1)[kept]
