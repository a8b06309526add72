"""Bad input, found before anything is written, and named by sample and field."""

from collections.abc import Sequence

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.units import how_many
from helpers.tasks.detection.exact_coco.reading import Collected, LabelColumns

# A detector's box may stick out of its image, or lie on the padding beside it; one that is off by more
# than the image itself is in other units.
FARTHEST = 1.0
# COCO's area is that of the outline: never much above the box's, if the image's size is right.
LARGEST_AREA_RATIO, SMALL_PX = 2.0, 16.0
SOLID = ("3d", "point-cloud", "three-d")
IN_SPACE = "use method='coco', which evaluates 3D boxes."
# Frames are views that FiftyOne makes anew; a copy has samples of its own, which results can be kept with.
OF_FRAMES = (
    "evaluate a copy of the frames: `.clone()` of the view of frames that you have, or "
    "`dataset.to_frames(sample_frames=True).clone()`."
)


def require_supported(samples, config) -> None:
    """Raise unless this is a collection of images with detections.

    Raises:
        LabError: frames, patches, other kinds of labels, or masks.
    """
    import fiftyone as fo

    if samples.media_type in SOLID:
        refuse(f"media of kind {samples.media_type!r}.", "images with boxes of pixels", IN_SPACE)
    if samples.media_type == "group":
        cure = "evaluate one slice: `dataset.select_group_slices(...)`."
        refuse("a grouped data set.", "images", cure)
    for field in (config.gt_field, config.pred_field):
        if samples._is_frame_field(field):
            refuse(f"field {field!r} belongs to video frames.", "images", OF_FRAMES)
        kind = samples._get_label_field_type(field)
        if not issubclass(kind, fo.Detections):
            refuse(f"field {field!r} holds {kind.__name__}.", "Detections", "use method='coco' for these.")
    if samples._is_generated:
        frames = samples._is_frames and not samples._is_patches
        cure = OF_FRAMES if frames else "evaluate the data set that it was made from."
        refuse(f"a view of kind {type(samples).__name__}.", "a data set, or a view of its samples", cure)
    if config.use_masks or config.use_boxes:
        refuse("use_masks or use_boxes is set.", "boxes", "use method='coco' for masks and polylines.")
    if config.iou is None or not 0 < config.iou <= 1:
        refuse(f"iou = {config.iou!r}.", "an IoU threshold in (0, 1]", "leave it out for 0.5.")


def refuse(found: str, expected: str, cure: str) -> None:
    raise LabError(found, expected, cure)


def require_valid(collected: Collected, config) -> None:
    """Raise on the first thing that cannot be evaluated.

    Raises:
        LabError: it names the sample and the field.
    """
    require_sizes(collected)
    for labels, field in ((collected.truth, config.gt_field), (collected.found, config.pred_field)):
        checker = Checker(collected, labels, field)
        checker.require_labels(config.categories)
        checker.require_boxes()
    truth = Checker(collected, collected.truth, config.gt_field)
    truth.require_inside()
    truth.require_areas(config.area)
    Checker(collected, collected.found, config.pred_field).require_scores()


def require_boxes_there(samples, config) -> None:
    """Raise where no detection of a field has a box: 3D boxes stand in other attributes.

    Raises:
        LabError: it names the field.
    """
    for field in (config.gt_field, config.pred_field):
        boxed = {"$match": {f"{field}.detections.bounding_box.0": {"$exists": True}}}
        if any(samples._aggregate(post_pipeline=[boxed, {"$limit": 1}, {"$project": {"_id": True}}])):
            continue
        count = samples.count(f"{field}.detections")
        if count:
            refuse(f"field {field!r} has {count} detections, none with a bounding box.",
                   "boxes [x, y, width, height], relative to the image", IN_SPACE)  # fmt: skip


def require_sizes(collected: Collected) -> None:
    bad = ~(np.isfinite(collected.sizes) & (collected.sizes > 0)).all(1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        found = [None if np.isnan(n) else int(n) for n in collected.sizes[first]]
        raise LabError(
            f"sample {hexed(collected.sample_ids[first])} has metadata.width, metadata.height = {found}; "
            f"{others(bad)}.",
            "the size of every image in pixels: COCO's object sizes need it",
            "set metadata of these samples; `dataset.compute_metadata()` could not: look whether their files "
            "are there.",
        )


class Checker:
    """Checks one field's labels."""

    def __init__(self, collected: Collected, labels: LabelColumns, field: str):
        self.collected, self.labels, self.field = collected, labels, field

    def require_labels(self, categories: Sequence[str] | None) -> None:
        names = self.collected.names
        self.refuse(self.labels.name < 0, "has no label", "a label", "set it, or delete the detection.")
        if categories is None:
            return
        unknown = np.array([name not in set(categories) for name in names], bool)
        cure = "add it to `categories`, or map the model's labels to the data set's."
        self.refuse(
            np.append(unknown, False)[self.labels.name],
            "has label {label!r}, which is not in the label map",
            f"one of the {len(categories)} categories, such as {', '.join(list(categories)[:3])}",
            cure,
        )

    def require_boxes(self) -> None:
        x, y, w, h = self.labels.box.T
        expected = "a bounding box [x, y, width, height], relative to the image (0..1)"
        bad = ~np.isfinite(self.labels.box).all(1)
        self.refuse(bad, "has the bounding box {box}", expected, "repair or delete it.")
        bad = (w < 0) | (h < 0)
        cure = "width and height must not be negative: perhaps these are corners, not sizes."
        self.refuse(bad, "has the bounding box {box}", expected, cure)
        far = (np.minimum(x, y) < -FARTHEST) | (np.maximum(x + w, y + h) > 1 + FARTHEST)
        cure = "if it is in pixels, divide by the image's width and height; if the model made it, clip it."
        self.refuse(far, "has the bounding box {box}, far outside the image", expected, cure)

    def require_inside(self) -> None:
        x, y, w, h = self.labels.box.T
        off = (np.maximum(x, y) > 1) | (np.minimum(x + w, y + h) < 0)
        expected = "objects within their image, at least in part"
        self.refuse(off, "has the bounding box {box}, outside the image", expected, "repair or delete it.")

    def require_areas(self, name: str) -> None:
        area = self.labels.extra["area"]
        self.refuse(area < 0, f"has {name} = {{area}}", "an area in pixels, not negative", "repair it.")
        boxes = self.collected.pixels(self.labels)
        most = LARGEST_AREA_RATIO * boxes[:, 2] * boxes[:, 3] + SMALL_PX
        self.refuse(
            area > most,
            f"has {name} = {{area}} pixels, more than twice its box ({{size}} image)",
            "an area within the box: else the image's size is not the one that was labelled",
            "check metadata.width and metadata.height, and the unit of the areas.",
        )

    def require_scores(self) -> None:
        bad = ~np.isfinite(self.labels.extra["score"])
        expected = "a finite number by which detections are ranked"
        cure = "set `confidence` of every detection."
        self.refuse(bad, "has no finite confidence ({score})", expected, cure)

    def refuse(self, bad: np.ndarray, found: str, expected: str, cure: str) -> None:
        if not bad.any():
            return
        row = int(np.flatnonzero(bad)[0])
        sample, name = self.labels.sample[row], self.labels.name[row]
        facts = {
            "label": self.collected.names[name] if name >= 0 else None,
            "box": self.labels.box[row].round(6).tolist(),
            "score": self.labels.extra.get("score", [None] * len(bad))[row],
            "area": self.labels.extra.get("area", [None] * len(bad))[row],
            "size": "x".join(f"{n:.0f}" for n in self.collected.sizes[sample]),
        }
        raise LabError(
            f"sample {hexed(self.collected.sample_ids[sample])}, field {self.field!r}: detection "
            f"{hexed(self.labels.id[row])} {found.format(**facts)}; {others(bad)}.",
            expected,
            cure,
        )


def others(bad: np.ndarray) -> str:
    """How many there are besides the one that is named."""
    count = int(bad.sum()) - 1
    if not count:
        return "no other has"
    return f"so {'has' if count == 1 else 'have'} {how_many(count, 'other')}"


def hexed(identifier: np.void) -> str:
    return bytes(identifier).hex()
