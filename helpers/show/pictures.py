"""Photos with boxes: sample data with its ground truth, and what each variant detects."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from helpers.lab.errors import LabError
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context
from helpers.show.style import LabFigure, new_figure, styled

GROUND_TRUTH = "ground truth"
SHOWN_FROM_SCORE = 0.3
_COLUMN_IN = 1.9
_LABEL_PT = 7
_LINE_IN = 0.13
# Colours that differ in lightness as well, so that classes stay apart in print.
_CLASS_COLOURS = (
    "#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00",
    "#FFFFFF", "#0072B2", "#9ADE00", "#B79CFF", "#FF8FA3", "#7FE5D0",
)  # fmt: skip


def lost_name(model_id: str, variant_id: str) -> str:
    """Name of the picture of the photos on which a variant lost most, without suffix."""
    return f"lost_{model_id}_{variant_id}"


class DrawnBox(NamedTuple):
    """One box on one picture.

    Attributes:
        label: class name.
        xywh: left, top, width, height in pixels.
        score: 0..1; None for ground truth.
        crowd: a group of objects, drawn dashed.
    """

    label: str
    xywh: tuple[float, float, float, float]
    score: float | None = None
    crowd: bool = False


@styled
def detections_grid(
    images: Sequence[np.ndarray],
    panels: Mapping[str, Sequence[Sequence[DrawnBox]]],
    context: Context,
    titles: Sequence[str] = (),
    shown_from_score: float = SHOWN_FROM_SCORE,
) -> LabFigure:
    """One row per image, one column per entry of ``panels``: ground truth first, then variants.

    Args:
        images: uint8 ``[H, W, 3]``, RGB.
        panels: column name -> boxes of each image, in the order of ``images``.
        titles: text below the first picture of each row, such as the image's name.
        shown_from_score: detections with a lower score are not drawn.
    """
    require_boxes(images, panels)
    text = (
        f"Boxes drawn from score {shown_from_score:g} up, only here: AP counts every detection. "
        "Colour: class. Dashed: crowd region."
    )
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    figure, axes = rows_of_pictures(images, len(panels), len(text), lines)
    colours = class_colours([box for rows in panels.values() for boxes in rows for box in boxes])
    for column, (name, rows) in enumerate(panels.items()):
        for row, (image, boxes) in enumerate(zip(images, rows, strict=True)):
            draw_picture(axes[row, column], image, visible_boxes(boxes, shown_from_score), colours)
        axes[0, column].set_title(name, fontsize=9, loc="center")
    for panel, title in zip(axes[:, 0], titles, strict=False):
        panel.set_xlabel(title, fontsize=8, loc="left")
    return add_caption(figure, text, context)


def rows_of_pictures(
    images: Sequence[np.ndarray], columns: int, caption_length: int, title_lines: int
) -> tuple[LabFigure, np.ndarray]:
    """A figure with one row per image, each as high as its image asks for."""
    width_in = max(columns * _COLUMN_IN, 5.4)
    below_in = _LINE_IN * title_lines + 0.06
    heights = [width_in / columns * image.shape[0] / image.shape[1] + below_in for image in images]
    figure = new_figure(sum(heights) + FOOTER_IN, width_in)
    figure.set_layout_engine("compressed", w_pad=0.03, h_pad=0.02, hspace=0, wspace=0.01)
    return figure, figure.subplots(len(images), columns, squeeze=False, height_ratios=heights)


@styled
def contact_sheet(
    images: Sequence[np.ndarray],
    boxes: Sequence[Sequence[Sequence[float]]],
    labels: Sequence[Sequence[str]],
    context: Context,
    columns: int = 4,
) -> LabFigure:
    """Sample photos with their ground truth.

    Args:
        images: uint8 ``[H, W, 3]``, RGB.
        boxes: ``[n, 4]`` absolute xywh in pixels, per image.
        labels: class name of each box, per image.
    """
    drawn = [
        [DrawnBox(label, tuple(xywh)) for xywh, label in zip(b, names, strict=True)]
        for b, names in zip(boxes, labels, strict=True)
    ]
    require_boxes(images, {GROUND_TRUTH: drawn})
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    text = f"{len(images)} sample images with their ground truth. Colour: class."
    figure = picture_figure(images, columns, rows, len(text))
    axes, colours = (
        figure.subplots(rows, columns, squeeze=False).ravel(),
        class_colours([box for image in drawn for box in image]),
    )
    for panel, image, image_boxes in zip(axes, images, drawn, strict=False):
        draw_picture(panel, image, image_boxes, colours)
    for panel in axes[len(images) :]:
        panel.set_axis_off()
    return add_caption(figure, text, context)


def require_boxes(images: Sequence[np.ndarray], panels: Mapping[str, Sequence]) -> None:
    wrong = [name for name, rows in panels.items() if len(rows) != len(images)]
    if wrong or not len(images) or not panels:
        raise LabError(
            f"{len(images)} images, and boxes for { ({name: len(rows) for name, rows in panels.items()}) }.",
            "at least one image, and one list of boxes per image in every column",
            "pass an empty list for an image without boxes.",
        )


def picture_figure(images: Sequence[np.ndarray], columns: int, rows: int, caption_length: int) -> LabFigure:
    height, width = np.mean([image.shape[:2] for image in images], axis=0)
    width_in = max(columns * _COLUMN_IN, 5.4)
    row_in = width_in / columns * height / width
    figure = new_figure(rows * row_in + 0.35 + FOOTER_IN, width_in)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, hspace=0.01, wspace=0.01)
    return figure


def class_colours(boxes: Sequence[DrawnBox]) -> dict[str, str]:
    """One colour per class, by alphabetical order of the classes that occur."""
    names = sorted({box.label for box in boxes})
    return {name: _CLASS_COLOURS[index % len(_CLASS_COLOURS)] for index, name in enumerate(names)}


def visible_boxes(boxes: Sequence[DrawnBox], from_score: float) -> list[DrawnBox]:
    """Boxes to draw, the best last, so that it lies on top."""
    kept = [box for box in boxes if box.score is None or box.score >= from_score]
    return sorted(kept, key=lambda box: box.score or 0)


def draw_picture(axes: Axes, image: np.ndarray, boxes: Sequence[DrawnBox], colours: Mapping) -> None:
    axes.imshow(image, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    for box in boxes:
        draw_box(axes, box, colours[box.label], image.shape)


def draw_box(axes: Axes, box: DrawnBox, colour: str, shape: tuple[int, ...]) -> None:
    """A coloured box with a dark rim, legible on any photo, and its label inside the picture."""
    left, top, width, height = box.xywh
    rim = [matplotlib.patheffects.withStroke(linewidth=2.8, foreground="#000000aa")]
    style = "--" if box.crowd else "-"
    axes.add_patch(
        Rectangle((left, top), width, height, fill=False, edgecolor=colour, linewidth=1.5,
                  linestyle=style, path_effects=rim)
    )  # fmt: skip
    text = box.label if box.score is None else f"{box.label} {box.score:.2f}"
    above, right = top > 0.1 * shape[0], left > 0.7 * shape[1]
    axes.text(
        min(left + width, shape[1] - 1) if right else max(left, 1), max(top, 0), text, fontsize=_LABEL_PT,
        va="bottom" if above else "top", ha="right" if right else "left", clip_on=True, color="black",
        bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
    )  # fmt: skip
