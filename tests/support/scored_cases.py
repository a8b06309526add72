"""Cases to score, and ways to score them."""

from hypothesis import strategies as st

from helpers.tasks.detection.score import Score, score
from tests.support.random_coco import as_columns, by_pycocotools

# Around COCO's bounds of sizes, 32 x 32 and 96 x 96, which belong to both neighbours.
SIDES = (0, 8, 16, 31, 32, 33, 64, 96, 97, 128)
AREAS_PX = (0, 1023.5, 1024, 1024.5, 9215.5, 9216, 9216.5)


def box(image: int, x: float, category: int = 1, side: float = 40, **more) -> dict:
    """A square box at ``(x, 10)``, as annotation or detection."""
    square = {"image_id": image, "category_id": category, "bbox": [x, 10, side, side]}
    return {**square, "area": side * side, "iscrowd": 0, **more}


def truth(*objects: dict, images: int = 2, names: tuple[str, ...] = ("ball", "cone")) -> dict:
    return {
        "images": [{"id": i, "width": 400, "height": 400} for i in range(1, images + 1)],
        "annotations": [{**o, "id": i} for i, o in enumerate(objects, start=1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
    }


def found(entry: dict, confidence: float) -> dict:
    return {name: entry[name] for name in ("image_id", "category_id", "bbox")} | {"score": confidence}


def scored(ground_truth: dict, detections: list[dict]) -> Score:
    return score(*as_columns(ground_truth, detections))


def assert_stats_are_pycocotools(ground_truth: dict, detections: list[dict]) -> Score:
    ours, theirs = scored(ground_truth, detections), by_pycocotools(ground_truth, detections)
    assert list(ours.stats.values()) == theirs.stats.tolist(), "to the last digit"
    return ours


@st.composite
def placed_boxes(draw, images: int, classes: int) -> dict:
    """Integer boxes on a coarse grid, so that sizes, overlaps and places coincide."""
    x, y = (8 * draw(st.integers(0, 8)) for _ in "xy")
    return {
        "image_id": draw(st.integers(1, images)) * 7,
        "category_id": draw(st.integers(1, classes)) * 3,
        "bbox": [x, y, draw(st.sampled_from(SIDES)), draw(st.sampled_from(SIDES))],
    }


@st.composite
def copies(draw, objects: list[dict]) -> dict:
    """A detection of an object: the same box, or one that overlaps it by exactly 1/2 or 3/4, or nearly."""
    entry = draw(st.sampled_from(objects))
    x, y, w, h = entry["bbox"]
    part = draw(st.sampled_from([[x, y, w, h], [x, y, w / 2, h], [x, y, w, 0.75 * h], [x + 1, y, w, h]]))
    return {name: entry[name] for name in ("image_id", "category_id")} | {"bbox": part}


@st.composite
def cases(draw) -> tuple[dict, list[dict]]:
    """Ground truth and detections, of images and classes of which some have no objects or detections."""
    images, classes = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    objects = draw(st.lists(placed_boxes(images, classes), max_size=8))
    for number, entry in enumerate(objects, start=1):
        own = entry["bbox"][2] * entry["bbox"][3]
        area = draw(st.sampled_from([own, own, *AREAS_PX]))
        entry |= {"id": number, "area": area, "iscrowd": int(draw(st.integers(0, 5)) == 0)}
    some = copies(objects) | placed_boxes(images, classes) if objects else placed_boxes(images, classes)
    levels = draw(st.sampled_from([1, 2, 5, 1000]))
    detections = [
        entry | {"score": draw(st.integers(1, levels)) / levels}
        for entry in draw(st.lists(some, max_size=16))
    ]
    # Ids with gaps, listed backwards: pycocotools' order is that of the ids.
    ground_truth = {
        "images": [{"id": 7 * i, "width": 400, "height": 400} for i in range(images, 0, -1)],
        "annotations": objects,
        "categories": [{"id": 3 * i, "name": f"class{i}"} for i in range(classes, 0, -1)],
    }
    return ground_truth, detections
