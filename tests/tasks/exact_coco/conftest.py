"""FiftyOne data sets made for one test, and the evaluation."""

import pytest

from helpers.photos.dataset import fiftyone
from tests.tasks.exact_coco.coco_dataset import FOUND, TRUTH, make_dataset


@pytest.fixture(scope="module")
def fo():
    return fiftyone()


@pytest.fixture
def make(fo, request):
    """Makes data sets of COCO's dictionaries; they are deleted afterwards."""
    names = []

    def made(truth, detections, order=None):
        names.append(f"{request.node.name}-{len(names)}")
        return make_dataset(names[-1], truth, detections, order)

    yield made
    for name in names:
        fo.delete_dataset(name)


@pytest.fixture
def exact(fo):
    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    def evaluate(samples, key="eval", **options):
        options = {"gt_field": TRUTH, "compute_mAP": True, "progress": False} | options
        return samples.evaluate_detections(FOUND, eval_key=key, method=ExactCOCOEvaluationConfig, **options)

    return evaluate
