"""What there is in a figure to look at, and which of its texts cover one another."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tests.support.example_results import (
    ALL,
    example_results,
    fail,
    without_energy,
)

CASES = {
    "usual": example_results(),
    "failed": without_energy(fail(example_results(), "int8")),
    "seven": example_results(ALL),
    "two models": pd.concat([example_results(), fail(example_results(model="yolo"), "int8")]),
}


def lines_by_gid(figure: Figure) -> dict[str, list]:
    found: dict[str, list] = {}
    for axes in figure.axes:
        for line in axes.lines:
            found.setdefault(line.get_gid(), []).append(line)
    return found


def visible_texts(figure: Figure) -> list:
    texts = []
    for axes in figure.axes:
        left, right = sorted(axes.get_xlim())
        ticks = [label for at, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=False)
                 if left <= at <= right]  # fmt: skip
        bottom, top = sorted(axes.get_ylim())
        ticks += [label for at, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=False)
                  if bottom <= at <= top]  # fmt: skip
        named = [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
        texts += [*ticks, *named, *axes.texts]
    return [t for t in [*texts, *figure.texts, figure._supxlabel] if t.get_text().strip() and t.get_visible()]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover one another by more than a pixel, and texts that leave the page."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = {t: t.get_window_extent(renderer).padded(-1) for t in visible_texts(figure)}
    pairs = [
        (a.get_text(), b.get_text())
        for a, b in itertools.combinations(boxes, 2)
        if boxes[a].overlaps(boxes[b])
    ]
    page = figure.bbox.padded(1)
    off = [(t.get_text(), "page") for t, b in boxes.items() if not (page.x0 <= b.x0 and b.x1 <= page.x1)]
    return pairs + off


def pictures(count: int = 2) -> list[np.ndarray]:
    return [np.full((60, 80, 3), 40 * i, np.uint8) for i in range(count)]
