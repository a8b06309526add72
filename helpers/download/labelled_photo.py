"""One labelled photo: its entry in COCO's JSON, its FiftyOne sample, and the photo with its boxes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from helpers.download.pictures import boxes_of
from helpers.download.stage import data_folders
from helpers.photos.coco.labels import LABELS
from helpers.photos.dataset import GROUND_TRUTH, IMAGE_ID
from helpers.photos.decoding import read_photo
from helpers.run.experiment import Run
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context, picture_context
from helpers.show.pictures import DrawnBox, class_colours, draw_box
from helpers.show.style import SMALL_PT, WIDTH_IN, LabFigure, new_figure, styled

NO_OBJECT = "No photo of the data set has an object: this is its first photo."
TALLEST_IN = 4.5


def labels_file(run: Run) -> Path:
    """The JSON that the evaluation photos were imported from."""
    return data_folders(run).validation / LABELS


def open_sample(dataset):
    """The FiftyOne sample of the first photo with an object; of the first photo, and told, where none has."""
    labels = dataset.values(["id", f"{GROUND_TRUTH}.detections.label"])
    found = next((sample for sample, names in zip(*labels, strict=True) if names), None)
    if found is None:
        print(NO_OBJECT)
    return dataset[found or labels[0][0]]


def objects_of(sample) -> list:
    """The sample's ground truth, in the order of the JSON."""
    return list(sample[GROUND_TRUTH].detections) if sample[GROUND_TRUTH] else []


def picture(run: Run, dataset, sample) -> LabFigure:
    """The photo with its boxes, on axes in pixels and in relative numbers."""
    boxes = boxes_of(dataset, [sample[IMAGE_ID]], GROUND_TRUTH)[0]
    return draw_boxes(read_photo(Path(sample.filepath)), boxes, picture_context(run))


@styled
def draw_boxes(image: np.ndarray, boxes: Sequence[DrawnBox], context: Context) -> LabFigure:
    """``image``: uint8 ``[H, W, 3]``, RGB. The sides of the first box are marked."""
    text = (
        f"n = 1 photo, {len(boxes)} labelled objects, no interval. Below and left: pixels; above and right: "
        "shares of the photo's width and height. Dot: x, y of the first object; dashed: crowd region."
    )
    height, width = image.shape[:2]
    height_in = min(TALLEST_IN, 0.8 * WIDTH_IN * height / width) + 0.7
    figure = new_figure(height_in + FOOTER_IN)
    axes = figure.subplots()
    axes.imshow(image, interpolation="antialiased")
    axes.grid(visible=False)
    draw_objects(axes, image, boxes)
    label_sides(axes, width, height)
    return add_caption(figure, text, context)


def draw_objects(axes: Axes, image: np.ndarray, boxes: Sequence[DrawnBox]) -> None:
    colours = class_colours(boxes)
    for box in boxes:
        draw_box(axes, box, colours[box.label], image.shape)
    for x, y, _, _ in [box.xywh for box in boxes[:1]]:
        style = {"color": colours[boxes[0].label], "markeredgecolor": "black", "markersize": 5, "zorder": 5}
        axes.plot([x], [y], "o", clip_on=False, gid="corner", **style)


def label_sides(axes: Axes, width: int, height: int) -> None:
    """Pixels on two sides, shares of the whole on the others."""
    axes.set_xlabel("x in pixels")
    axes.set_ylabel("y in pixels")
    for side, length, make in (("top", width, axes.secondary_xaxis), ("right", height, axes.secondary_yaxis)):
        share = make(side, functions=(lambda n, all_=length: n / all_, lambda n, all_=length: n * all_))
        share.tick_params(labelsize=SMALL_PT)
        share.spines[:].set_visible(False)
