"""Evaluating 5,000 images x 100 detections x 80 classes: against FiftyOne's own way, and pycocotools.

FiftyOne's own way (``fo.Detection`` objects, ``set_values``, ``evaluate_detections(method="coco",
compute_mAP=True)``) is timed on a view of 40 images and scaled by the number of images: all 5,000 would
take most of an hour. What is ours is timed on all of them.
"""

import contextlib
import io
import itertools
import json
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
from helpers.tasks.detection.exact_coco.writing import write_detections
from helpers.tasks.detection.score import gather, score
from tests.bench.generated import NAMES, as_coco, generate, make_dataset, sample_detections
from tests.bench.ledger import note

IMAGES, PER_IMAGE = 5000, 100
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


def test_evaluation_against_fiftyone_and_pycocotools(fo, dataset, columns):
    """Written, evaluated, and the metric alone; all ratios of one session."""
    objects, detections = columns
    ids = dataset.values("id")
    write_s = seconds(lambda: write_detections(dataset, "ours", sample_detections(ids, detections)))
    evaluate_s = seconds(lambda: evaluate(dataset))
    metric_s = min(seconds(lambda: score(*columns, IMAGES, len(NAMES))) for _ in range(2))
    view = dataset.limit(SLOW_IMAGES)
    scale = IMAGES / SLOW_IMAGES
    native_write_s = scale * seconds(lambda: add_natively(fo, view, detections))
    native_evaluate_s = scale * seconds(lambda: evaluate_natively(view))
    print(
        f"\n{IMAGES} images x {PER_IMAGE}: written in {write_s:.1f} s, evaluated in {evaluate_s:.1f} s, the "
        f"metric alone in {metric_s:.1f} s; FiftyOne's own: {native_write_s:.0f} s and "
        f"{native_evaluate_s:.0f} s, timed on {SLOW_IMAGES} images and scaled by {scale:g}"
    )
    note(
        write_evaluate_vs_fiftyone=(native_write_s + native_evaluate_s) / (write_s + evaluate_s),
        metric_vs_fiftyone=native_evaluate_s / metric_s,
        metric_vs_pycocotools=pycocotools_seconds(objects, detections) / metric_s,
    )


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
from helpers.runtimes.litert.memory_probe import peak_rss
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
    note(bootstrap_vs_hotcoco=statistics.median(b / a for a, b in zip(ours_s, theirs_s, strict=True)))


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
