"""Small FiftyOne data sets made of COCO's dictionaries, for tests of the evaluation."""

from helpers.photos.dataset import fiftyone

TRUTH, FOUND = "ground_truth", "pred"
FIELDS = (TRUTH, FOUND)


def make_dataset(name: str, truth: dict, detections: list[dict], order=None):
    """A data set with COCO's image ids in ``coco_id``; no image files, as evaluating reads none.

    Args:
        truth, detections: as pycocotools takes them, boxes in pixels.
        order: places of the images, in the order in which samples are to stand.
    """
    fo = fiftyone()
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = fo.Dataset(name)
    labels = {c["id"]: c["name"] for c in truth["categories"]}
    images = [truth["images"][i] for i in order] if order is not None else truth["images"]
    samples = []
    for image in images:
        sample = fo.Sample(filepath=f"/nowhere/{image['id']}.jpg", coco_id=image["id"])
        sample.metadata = fo.ImageMetadata(width=image["width"], height=image["height"])
        for field, entries in ((TRUTH, truth["annotations"]), (FOUND, detections)):
            own = [as_label(fo, e, image, labels) for e in entries if e["image_id"] == image["id"]]
            sample[field] = fo.Detections(detections=own)
        samples.append(sample)
    dataset.add_samples(samples, dynamic=True, progress=False)
    for field in FIELDS:  # also where no image has any
        dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    return dataset


def as_label(fo, entry: dict, image: dict, labels: dict[int, str]):
    """An annotation or a detection as FiftyOne has it, its box relative to the image."""
    x, y, w, h = entry["bbox"]
    width, height = image["width"], image["height"]
    box = [x / width, y / height, w / width, h / height]
    if "score" in entry:
        return fo.Detection(label=labels[entry["category_id"]], bounding_box=box, confidence=entry["score"])
    more = {name: entry[name] for name in ("area", "iscrowd") if name in entry}
    return fo.Detection(label=labels[entry["category_id"]], bounding_box=box, **more)


def written(dataset, key: str) -> dict:
    """All that an evaluation wrote, by path; the values in the order of the samples and their labels."""
    names = [f"{key}{end}" for end in ("_tp", "_fp", "_fn")]
    names += [f"{field}.detections.{key}{end}" for field in FIELDS for end in ("", "_id", "_iou")]
    return {name: dataset.values(name) for name in names}


def schema_of(dataset) -> set[str]:
    return set(dataset.get_field_schema(flat=True))
