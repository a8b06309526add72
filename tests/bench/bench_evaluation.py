"""Evaluating 5,000 images x 100 detections x 80 classes: against FiftyOne's own way, and pycocotools.

FiftyOne's own way (``fo.Detection`` objects, ``set_values``, ``evaluate_detections(method="coco",
compute_mAP=True)``) is timed on a view of 40 images and scaled by the number of images: all 5,000 would
take most of an hour. What is ours is timed on all of them; what is compared takes turns in one process.
"""

import contextlib
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import hotcoco
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.compare.results import resample_variants
from helpers.lab.paths import ROOT
from helpers.photos.dataset import fiftyone
from helpers.tasks.detection.exact_coco.reading import Fields, collect
from helpers.tasks.detection.exact_coco.writing import write_detections
from helpers.tasks.detection.score import gather, score
from tests.bench.generated import NAMES, as_coco, generate, make_dataset, sample_detections
from tests.bench.ledger import note

IMAGES, PER_IMAGE = int(os.environ.get("BENCH_IMAGES", 5000)), 100  # fewer for a look on a busy machine
SLOW_IMAGES = 40
MANY_IMAGES = 20_000
VARIANTS, RESAMPLES = 5, 1000
PAIR_IMAGES, ROUNDS = 2000, 2
GIB = 2**30
RATE = "evaluate_s_per_1000_images_at"


@pytest.fixture(scope="module")
def fo(tmp_path_factory):
    """FiftyOne on a database of the benchmark's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTLAB_DATA", str(tmp_path_factory.mktemp("bench-data")))
        yield fiftyone()


@pytest.fixture(scope="module")
def columns():
    return generate(IMAGES, PER_IMAGE, seed=1)


@pytest.fixture(scope="module")
def dataset(fo, columns):
    dataset = make_dataset(fo, "bench-evaluation", columns[0], IMAGES)
    yield dataset
    dataset.delete()


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def evaluate(samples, field: str = "ours", key: str | None = "ours"):
    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    return samples.evaluate_detections(
        field, eval_key=key, method=ExactCOCOEvaluationConfig,
        image_id="coco_id", categories=NAMES, compute_mAP=True, progress=False,
    )  # fmt: skip


def add_natively(fo, view, detections) -> None:
    """As FiftyOne's documentation adds predictions: one object per detection."""
    samples = sample_detections(view._dataset.values("id"), detections)
    labels = [
        fo.Detections(
            detections=[
                fo.Detection(label=label, bounding_box=box, confidence=confidence)
                for label, box, confidence in zip(
                    sample.labels, sample.boxes.tolist(), sample.scores.tolist(), strict=True
                )
            ]
        )
        for sample in itertools.islice(samples, len(view))
    ]
    view.set_values("native", labels)


def evaluate_natively(view):
    return view.evaluate_detections(
        "native", eval_key="native", method="coco", compute_mAP=True, progress=False
    )


def by_pycocotools(truth: dict, found: list[dict]) -> list[float]:
    """The index of the ground truth is made beforehand: that is reading, not evaluating."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


def evaluate_columns(dataset, detections, key: str = "columns"):
    """As 03 does: ground truth is read, the detections are at hand and go to FiftyOne with their results."""
    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    truth = collect(dataset, Fields("ground_truth", None, image_id="coco_id", categories=NAMES))
    options = {"image_id": "coco_id", "categories": NAMES, "compute_mAP": True, "iou": 0.5, "classwise": True}
    config = ExactCOCOEvaluationConfig(key, "ground_truth", **options)
    return config.build().evaluate_columns(dataset, truth, detections, key)


def test_evaluation_against_fiftyone(fo, dataset, columns):
    """Written and evaluated, by all routes in turns.

    ``write_evaluate_vs_fiftyone``: detections at hand, as 03 has them, to results and fields in FiftyOne.
    ``write_then_evaluate_vs_fiftyone``: in two steps, as any user of FiftyOne who has predictions there.
    """
    _, detections = columns
    ids, view, scale = dataset.values("id"), dataset.limit(SLOW_IMAGES), IMAGES / SLOW_IMAGES
    routes = {
        "native write": lambda: add_natively(fo, view, detections),
        "native evaluate": lambda: evaluate_natively(view),
        "columns": lambda: evaluate_columns(dataset, detections),
        "steps": lambda: (
            write_detections(dataset, "ours", sample_detections(ids, detections)),
            evaluate(dataset),
        ),
        "metric": lambda: score(*columns, IMAGES, len(NAMES)),
    }
    times = {name: [] for name in routes}
    for _ in range(ROUNDS):
        for name, route in routes.items():
            times[name].append(seconds(route) * (scale if "native" in name else 1))
    print(f"\n{IMAGES} images x {PER_IMAGE}, seconds (native: {SLOW_IMAGES} images, scaled): {times}")
    native = [sum(pair) for pair in zip(times["native write"], times["native evaluate"], strict=True)]
    note(
        write_evaluate_vs_fiftyone=ratio(native, times["columns"]),
        write_then_evaluate_vs_fiftyone=ratio(native, times["steps"]),
        metric_vs_fiftyone=ratio(times["native evaluate"], times["metric"]),
    )


def ratio(slow: list[float], fast: list[float]) -> float:
    """Median over rounds."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def test_metric_against_pycocotools(columns):
    """``metric_vs_pycocotools``: COCO's numbers, curves and the evidence; timed before and after theirs."""
    before_s = seconds(lambda: score(*columns, IMAGES, len(NAMES)))
    theirs_s = pycocotools_seconds(*columns)
    ours_s = [before_s, *(seconds(lambda: score(*columns, IMAGES, len(NAMES))) for _ in range(2))]
    print(f"\nthe metric of {IMAGES} images: ours {ours_s} s, pycocotools {theirs_s:.1f} s")
    note(metric_vs_pycocotools=theirs_s / statistics.median(ours_s))


def pycocotools_seconds(objects, detections) -> float:
    labels, found = as_coco(objects, detections, IMAGES)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = labels
        truth.createIndex()
    return seconds(lambda: by_pycocotools(truth, found))


PEAK = """
import json
import fiftyone as fo
from tests.bench.bench_evaluation import evaluate

evaluate(fo.load_dataset("bench-evaluation"))
from helpers.runtimes.memory_probe import peak_rss
print(json.dumps(peak_rss()))
"""


def test_peak_memory_of_an_evaluation_in_a_process_of_its_own(dataset):
    done = subprocess.run([sys.executable, "-c", PEAK], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    note(evaluate_peak_gib=json.loads(done.stdout.splitlines()[-1])["peak_rss_bytes"] / GIB)


def test_bootstrap_over_evaluation(dataset):
    """Paired resamples of five variants, over evaluating the five."""
    ids, evidence, evaluate_s = dataset.values("id"), {}, 0.0
    for number in range(VARIANTS):
        _, detections = generate(IMAGES, PER_IMAGE, seed=10 + number)
        write_detections(dataset, "ours", sample_detections(ids, detections))
        start = time.perf_counter()
        results = evaluate(dataset)
        evaluate_s += time.perf_counter() - start
        evidence[f"variant{number}"] = results.evidence
    resample_s = seconds(lambda: resample_variants(evidence, RESAMPLES, seed=0))
    print(f"\n{RESAMPLES} resamples in {resample_s:.1f} s, {VARIANTS} evaluations in {evaluate_s:.1f} s")
    note(bootstrap_over_evaluate=resample_s / evaluate_s)


def test_bootstrap_against_hotcoco():
    """``bootstrap_vs_hotcoco``: paired resamples of one pair of variants, both already evaluated, in turns.

    hotcoco gives intervals of COCO's twelve numbers, ours those of the six kinds of AP that 05 shows.
    """
    pair = [generate(PAIR_IMAGES, PER_IMAGE, seed) for seed in (1, 2)]
    evidence = {str(n): gather(*each, PAIR_IMAGES, len(NAMES)) for n, each in enumerate(pair)}
    theirs = by_hotcoco(pair, PAIR_IMAGES)
    ours_s, theirs_s = [], []
    for _ in range(ROUNDS):
        ours_s.append(seconds(lambda: resample_variants(evidence, RESAMPLES, seed=0)))
        theirs_s.append(seconds(lambda: hotcoco.compare(*theirs, n_bootstrap=RESAMPLES, seed=0)))
    print(f"\n{RESAMPLES} paired resamples: ours {ours_s} s, hotcoco {theirs_s} s")
    note(bootstrap_vs_hotcoco=ratio(theirs_s, ours_s))


def by_hotcoco(pair, images: int) -> list:
    """Evaluations of each of ``pair``, done."""
    truth, found = hotcoco.COCO(as_coco(*pair[0], images)[0]), []
    for _, given in pair:
        rows = np.column_stack([given.image + 1, given.box, given.score, given.category + 1])
        found.append(hotcoco.COCOeval(truth, truth.load_res(rows.astype(float)), "bbox"))
        found[-1].evaluate()
    return found


def test_time_grows_with_the_images_alone(fo):
    objects, detections = generate(MANY_IMAGES, PER_IMAGE, seed=1)
    dataset = make_dataset(fo, "bench-evaluation-many", objects, MANY_IMAGES)
    write_detections(dataset, "ours", sample_detections(dataset.values("id"), detections))
    times = {}
    for thousands in (1, 5, 20):
        view = dataset.limit(1000 * thousands)
        times[f"{RATE}_{thousands}k"] = seconds(lambda view=view: evaluate(view)) / thousands
    dataset.delete()
    note(**times)
