"""COCO's metric inside FiftyOne: against FiftyOne's own method, pycocotools, and what kills a process."""

import gc
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.dataset import fiftyone
from helpers.evidence import Evidence
from helpers.exact_coco import writing
from helpers.exact_coco.reading import Fields, collect
from helpers.exact_coco.writing import SampleDetections, write_detections
from helpers.paths import ROOT
from helpers.score import STATS
from tests.coco_dataset import FIELDS, FOUND, TRUTH, make_dataset, schema_of, written
from tests.random_coco import as_columns, by_pycocotools, random_detections, random_ground_truth

SIGKILLED = -9


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
    from helpers.exact_coco.method import ExactCOCOEvaluationConfig

    def evaluate(samples, key="eval", **options):
        options = {"gt_field": TRUTH, "compute_mAP": True, "progress": False} | options
        return samples.evaluate_detections(FOUND, eval_key=key, method=ExactCOCOEvaluationConfig, **options)

    return evaluate


def native(samples, key="theirs", **options):
    """FiftyOne's own."""
    options = {"gt_field": TRUTH, "compute_mAP": True, "progress": False} | options
    return samples.evaluate_detections(FOUND, eval_key=key, method="coco", **options)


def case(seed: int, images: int = 6, levels: int | None = None) -> tuple[dict, list[dict]]:
    """Objects, three in ten of them crowds, and detections, of which some have another's class."""
    random = np.random.default_rng(seed)
    truth = random_ground_truth(random, images)
    for entry in truth["annotations"]:
        entry["iscrowd"] = int(random.random() < 0.3)
    detections = random_detections(random, truth, levels)
    for entry in detections:
        if random.random() < 0.2:
            entry["category_id"] = int(random.integers(1, 4))
    return truth, detections


def whole_numbers(seed: int, levels: int | None = None) -> tuple[dict, list[dict]]:
    """Integer boxes in images of odd sizes; detections that overlap by exactly 1/2, 3/4 or all."""
    random = np.random.default_rng(seed)
    truth = {
        "images": [
            {"id": 7 * i, "width": int(random.integers(401, 700)), "height": int(random.integers(401, 700))}
            for i in range(1, 11)
        ],
        "categories": [{"id": 3 * i, "name": name} for i, name in enumerate(("zebra", "ant", "cow"), 1)],
        "annotations": [],
    }
    detections = []
    for image in truth["images"]:
        for _ in range(random.integers(0, 7)):
            x, y = random.integers(0, 200, 2).tolist()
            w, h = random.choice([12, 32, 64, 96, 100, 148], 2).tolist()
            place = {"image_id": image["id"], "category_id": int(random.choice([3, 6, 9]))}
            crowd = int(random.random() < 0.1)
            number = len(truth["annotations"]) + 1
            entry = place | {"id": number, "bbox": [x, y, w, h], "area": w * h, "iscrowd": crowd}
            truth["annotations"].append(entry)
            parts = [[x, y, w // 2, h], [x, y, w, 3 * h // 4], [x, y, w, h], [x + 150, y, w, h]]
            for part in random.permutation(4)[: random.integers(0, 4)]:
                detections.append(place | {"bbox": parts[part], "score": float(random.random())})
    for entry in detections if levels else ():
        entry["score"] = float(np.ceil(entry["score"] * levels) / levels)
    return truth, detections


def flat(lists) -> list:
    return list(itertools.chain.from_iterable(lists))


def assert_same_fields(dataset, ours="eval", theirs="theirs") -> None:
    own, other = written(dataset, ours), written(dataset, theirs)
    for (name, values), expected in zip(own.items(), other.values(), strict=True):
        if name.endswith("_iou"):
            assert_same_overlaps(values, expected)
        else:
            assert values == expected, name


def assert_same_overlaps(one, other) -> None:
    for mine, expected in zip(one, other, strict=True):
        assert (mine is None) == (expected is None)
        assert [v is None for v in mine or ()] == [v is None for v in expected or ()]
        assert [v for v in mine or () if v] == pytest.approx([v for v in expected or () if v], abs=1e-9)


# Fields of objects and samples


@pytest.mark.parametrize("classwise", [True, False])
@pytest.mark.parametrize(("iou", "levels"), [(0.3, None), (0.5, 2), (0.75, None)])
def test_fields_are_those_of_fiftyone(make, exact, iou, levels, classwise):
    """With ties, too: within an image both take them as they stand."""
    dataset = make(*case(1, images=12, levels=levels))
    exact(dataset, iou=iou, classwise=classwise, compute_mAP=False)
    native(dataset, iou=iou, classwise=classwise, compute_mAP=False)
    assert_same_fields(dataset)
    assert {"tp", "fp"} == set(dataset.count_values("pred.detections.eval"))


def views(dataset) -> dict:
    from fiftyone import ViewField as F

    return {
        "limited": dataset.shuffle(seed=3).limit(4),
        "matched": dataset.match(F("coco_id") > 2),
        "sorted": dataset.sort_by("coco_id", reverse=True),
        "selected": dataset.select_fields(list(FIELDS)),
        "filtered": dataset.filter_labels(FOUND, F("confidence") > 0.5, only_matches=False).filter_labels(
            TRUTH, F("label") != "class2", only_matches=False
        ),
        "matching": dataset.filter_labels(FOUND, F("label") == "class1"),
    }


@pytest.mark.parametrize("kind", ["limited", "matched", "sorted", "selected", "filtered", "matching"])
def test_fields_of_a_view_are_those_of_fiftyone(make, exact, kind):
    dataset = make(*case(3))
    results, expected = exact(views(dataset)[kind]), native(views(dataset)[kind])
    assert_same_fields(dataset)
    assert results.mAP() == pytest.approx(expected.mAP(), abs=1e-9)
    assert results.mAR() == pytest.approx(expected.mAR(), abs=1e-9)
    exact(views(dataset)[kind], classwise=False, compute_mAP=False)
    native(views(dataset)[kind], classwise=False, compute_mAP=False)
    assert_same_fields(dataset)


def test_labels_that_a_view_filters_out_keep_their_earlier_evaluation(make, exact):
    from fiftyone import ViewField as F

    dataset = make(*case(4))
    exact(dataset, "before")
    before = written(dataset, "before")
    exact(dataset.filter_labels(FOUND, F("confidence") > 0.5), "after")
    assert written(dataset, "before") == before
    verdicts = flat(dataset.values("pred.detections.after"))
    scores = flat(dataset.values("pred.detections.confidence"))
    assert all((v is not None) == (s > 0.5) for v, s in zip(verdicts, scores, strict=True))


def test_samples_without_labels_count_and_get_zeros(make, exact):
    truth, detections = case(5)
    dataset = make(truth, detections)
    first, second, third = list(dataset)[:3]
    first[FOUND] = None
    second[TRUTH] = None
    third[FOUND] = third[TRUTH] = None
    for sample in (first, second, third):
        sample.save()
    exact(dataset)
    native(dataset)
    assert_same_fields(dataset)
    assert dataset.values(FOUND)[0] is None
    assert (third["eval_tp"], third["eval_fp"], third["eval_fn"]) == (0, 0, 0)


def test_samples_in_memory_are_refreshed(make, exact):
    dataset = make(*case(6))
    samples = list(dataset)
    exact(dataset)
    assert [s["eval_fp"] for s in samples] == dataset.values("eval_fp")
    assert [[d["eval"] for d in s[FOUND].detections] for s in samples] == dataset.values(
        "pred.detections.eval"
    )


def test_nothing_else_of_a_label_changes(make, exact):
    dataset = make(*case(7))
    before = {field: dataset.values(f"{field}.detections") for field in FIELDS}
    exact(dataset)
    for field, samples in before.items():
        after = dataset.values(f"{field}.detections")
        for old, new in zip(flat(samples), flat(after), strict=True):
            assert {**new.to_dict(), **old.to_dict()} == new.to_dict()


def test_views_on_the_fields_work(make, exact):
    from fiftyone import ViewField as F

    dataset = make(*case(8))
    exact(dataset)
    wrong = dataset.filter_labels(FOUND, F("eval") == "fp")
    assert wrong.count("pred.detections") == sum(dataset.values("eval_fp")) > 0
    patches = dataset.to_evaluation_patches("eval")
    verdicts = patches.count_values("type")
    assert verdicts["fp"] == sum(dataset.values("eval_fp"))
    assert verdicts["fn"] == sum(dataset.values("eval_fn"))


# Results


@pytest.mark.parametrize("seed", range(2))
def test_without_ties_ap_and_ar_are_fiftyones(make, exact, seed):
    from fiftyone.utils.eval.coco import COCODetectionResults

    dataset = make(*case(10 + seed))
    ours, theirs = exact(dataset), native(dataset)
    assert isinstance(ours, COCODetectionResults)
    assert ours.classes.tolist() == theirs.classes.tolist()
    assert ours.mAP() == pytest.approx(theirs.mAP(), abs=1e-9)
    assert ours.mAR() == pytest.approx(theirs.mAR(), abs=1e-9)
    for name in ours.classes:
        assert ours.mAP(classes=[name]) == pytest.approx(theirs.mAP(classes=[name]), abs=1e-9)
    assert ours.report() == theirs.report()
    np.testing.assert_array_equal(ours.confusion_matrix(), theirs.confusion_matrix())
    # At recall 0 COCO names the best score of all, FiftyOne that of the best counted one.
    np.testing.assert_allclose(ours.precision, theirs.precision, atol=1e-9)
    np.testing.assert_allclose(ours.thresholds[..., 1:], theirs.thresholds[..., 1:], atol=1e-9)


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_twelve_numbers_are_pycocotools_on_the_original_boxes(make, exact, seed, levels):
    """The boxes went to fractions of the image and back; overlaps of exactly 1/2 must still count."""
    truth, detections = whole_numbers(seed, levels)
    order = np.random.default_rng(seed).permutation(len(truth["images"]))
    results = exact(make(truth, detections, order), image_id="coco_id")
    theirs = by_pycocotools(truth, detections)
    assert tuple(results.stats) == STATS
    assert list(results.stats.values()) == pytest.approx(theirs.stats.tolist(), abs=1e-12, rel=0)
    assert results.mAP() == pytest.approx(theirs.stats[0], abs=1e-12)
    assert results.image_ids == sorted(image["id"] for image in truth["images"])
    assert results.evidence.images == len(truth["images"])


def test_an_overlap_of_exactly_one_half_is_lost_without_care_for_rounding(make, exact):
    """The case that the test above is about does occur: FiftyOne's own method misses some."""
    dataset = make(*whole_numbers(1))
    exact(dataset, compute_mAP=False)
    native(dataset, compute_mAP=False)
    assert sum(dataset.values("eval_tp")) > sum(dataset.values("theirs_tp"))


def test_ties_are_broken_by_image_id_if_it_is_named_else_by_the_order_of_samples(make, exact):
    truth, detections = tied()
    backwards = [1, 0]
    assert exact(make(truth, detections)).stats["ap50"] == pytest.approx(1)
    assert exact(make(truth, detections, backwards)).stats["ap50"] == pytest.approx(0.5)
    dataset = make(truth, detections, backwards)
    assert exact(dataset, image_id="coco_id").stats["ap50"] == pytest.approx(1)
    assert exact(dataset, "other", image_id=None).image_ids == dataset.values("id")


def tied() -> tuple[dict, list[dict]]:
    """A hit in image 1 and a false alarm in image 2, of one score."""
    place = {"category_id": 1, "bbox": [10, 10, 50, 50]}
    truth = {
        "images": [{"id": i, "width": 400, "height": 300} for i in (1, 2)],
        "annotations": [place | {"id": 1, "image_id": 1, "area": 2500, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "ball"}],
    }
    return truth, [place | {"image_id": i, "score": 0.5} for i in (2, 1)]


@pytest.mark.parametrize("seed", range(3))
def test_among_few_scores_fiftyones_ap_is_the_best_order_and_ours_is_pycocotools(make, exact, seed):
    truth, detections = whole_numbers(seed, levels=2)
    detections = once_per_cell(detections)
    dataset = make(truth, detections)
    results, theirs = exact(dataset, image_id="coco_id"), native(dataset).mAP()
    worst, best = results.tie_bounds
    reference = by_pycocotools(truth, detections).stats[0]
    assert results.mAP() == pytest.approx(reference, abs=1e-12)
    assert results.distinct_scores == 2
    assert worst <= reference < theirs <= best + 1e-9


def once_per_cell(detections: list[dict]) -> list[dict]:
    """The first detection of each image and class: so that the order of ties moves no match."""
    return list({(d["image_id"], d["category_id"]): d for d in reversed(detections)}.values())


def test_the_numbers_are_printed_and_the_curves_drawn(make, exact, capsys):
    results = exact(make(*case(20)))
    results.print_stats()
    printed = capsys.readouterr().out
    assert f"{results.stats['ap']:.4f}" in printed
    assert "by order of ties" in printed
    figure = results.plot_pr_curves(backend="matplotlib")
    assert len(figure.axes[0].lines) >= 3
    assert set(results.ap_per_class) == set(results.classes)
    assert results.ap_per_class["class1"] == pytest.approx(results.mAP(classes=["class1"]))


def test_a_subset_of_classes_is_evaluated_alone(make, exact):
    truth, detections = case(21)
    dataset = make(truth, detections)
    names = ["class3", "class1"]
    results = exact(dataset, classes=names)
    assert results.classes.tolist() == names
    assert results.mAP() == pytest.approx(native(dataset, classes=names).mAP(), abs=1e-9)
    kept = [d for d in detections if d["category_id"] != 2]
    objects = {**truth, "annotations": [a for a in truth["annotations"] if a["category_id"] != 2]}
    expected = by_pycocotools(objects, kept).stats
    assert list(results.stats.values()) == pytest.approx(expected.tolist(), abs=1e-12)
    assert len(results.evidence.score) == len(kept)


def test_a_class_that_does_not_occur_has_no_ap(make, exact):
    results = exact(make(*case(21)), classes=["class1", "unicorn"])
    assert results.ap_per_class["unicorn"] == -1
    assert results.mAP() == results.stats["ap"] == pytest.approx(results.ap_per_class["class1"])


def test_classes_are_numbered_as_in_the_label_map(make, exact):
    dataset = make(*case(21))
    names = ["unicorn", "class3", "class1", "class2"]
    free, mapped = exact(dataset), exact(dataset, categories=names)
    assert free.classes.tolist() == sorted(names[1:])
    assert mapped.classes.tolist() == names
    assert mapped.stats == pytest.approx(free.stats, abs=1e-12)
    assert mapped.ap_per_class == {"unicorn": -1} | free.ap_per_class
    counts = dataset.count_values("ground_truth.detections.label")
    numbers = np.bincount(mapped.evidence.object_category, minlength=4)
    assert numbers.tolist() == [counts.get(name, 0) for name in names]


def test_what_is_read_back_is_what_pycocotools_is_given(make):
    truth, detections = whole_numbers(7)
    truth["images"].reverse()
    names = [c["name"] for c in truth["categories"]]
    dataset = make(truth, detections)
    read = collect(dataset, Fields(TRUTH, FOUND, image_id="coco_id", categories=names))
    objects, found, _, _ = as_columns(truth, detections)
    for ours, given in ((read.objects(), objects), (read.detections(), found)):
        order = np.argsort(given.image, kind="stable")
        for name, values in vars(ours).items():
            np.testing.assert_array_equal(values, getattr(given, name)[order])
    assert len(collect(dataset, Fields(TRUTH, None)).objects()) == len(objects)


def test_no_labels_at_all_are_no_error(make, exact):
    truth, _ = case(22)
    results = exact(make({**truth, "annotations": []}, []))
    assert set(results.stats.values()) == {-1}
    assert results.mAP() == -1
    assert results.evidence.score.shape == (0,)


def test_without_map_there_are_fields_and_a_report_alone(make, exact):
    dataset = make(*case(23))
    results = exact(dataset, compute_mAP=False)
    native(dataset, compute_mAP=False)
    assert_same_fields(dataset)
    assert not hasattr(results, "stats")
    assert results.report()["micro avg"]["support"] > 0
    assert dataset.load_evaluation_results("eval", cache=False).metrics() == results.metrics()


def test_without_a_key_nothing_is_written(make, exact):
    dataset = make(*case(24))
    before, documents = schema_of(dataset), contents(dataset)
    results = exact(dataset, None)
    assert results.mAP() == pytest.approx(native(dataset, None).mAP(), abs=1e-9)
    assert schema_of(dataset) == before
    assert contents(dataset) == documents
    assert dataset.list_evaluations() == []


def contents(dataset) -> list[dict]:
    """The samples as the database has them."""
    return list(dataset._sample_collection.find())


# Runs: kept, loaded, renamed, deleted, repeated


def in_process(code: str, folder: Path, **variables: str) -> str:
    """The last line that a Python of its own prints, connected to the same database."""
    command, environment = [sys.executable, "-c", code], {**os.environ, **variables}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


LOAD = """
import json, sys
import fiftyone as fo
from plugins.panels.model_evaluation import EvaluationPanel
from types import SimpleNamespace as Space

dataset = fo.load_dataset({name!r})
results = dataset.load_evaluation_results("eval")
panel = EvaluationPanel.__new__(EvaluationPanel)
panel.get_dataset = lambda ctx: dataset
state = Space(get_state=lambda *_: {{"key": "eval"}}, set_data=lambda *_: None)
shown = panel.get_evaluation_data(Space(panel=state, params={{}}, dataset=dataset))
print(json.dumps({{
    "type": type(results).__name__,
    "config": type(results.config).__name__,
    "ours": "helpers" in sys.modules,
    "method": results.config.method if "helpers" in sys.modules else None,
    "shown": {{k: float(v) for k, v in shown["metrics"].items() if v is not None}},
    "per_class": shown["per_class_metrics"],
    "matrix": shown["confusion_matrix"]["matrix"].tolist(),
    "report": results.report(),
    "stats": getattr(results, "stats", None),
    "tie_bounds": getattr(results, "tie_bounds", None),
    "ap_per_class": getattr(results, "ap_per_class", None),
    "image_ids": getattr(results, "image_ids", None),
    "distinct_scores": getattr(results, "distinct_scores", None),
    "evidence": getattr(results, "evidence_npz", None),
    "fp": dataset.filter_labels("pred", fo.ViewField("eval") == "fp").count("pred.detections"),
}}))
"""


@pytest.fixture
def evaluated(make, exact):
    dataset = make(*case(30))
    dataset.persistent = True
    return dataset, exact(dataset, image_id="coco_id")


def test_a_fresh_process_loads_the_results_and_the_app_shows_them(evaluated, tmp_path):
    """As the App's server does, which runs in a folder of FiftyOne's."""
    dataset, results = evaluated
    loaded = json.loads(in_process(LOAD.format(name=dataset.name), tmp_path, PYTHONPATH=str(ROOT)))
    assert loaded["type"] == type(results).__name__
    assert loaded["method"] == "exact-coco"
    for name in ("stats", "tie_bounds", "ap_per_class", "image_ids", "distinct_scores"):
        assert loaded[name] == getattr(results, name)
    assert loaded["evidence"] == results.evidence_npz
    assert loaded["report"] == results.report()
    assert loaded["shown"]["mAP"] == pytest.approx(results.mAP(), abs=1e-15)
    assert loaded["shown"]["mAR"] == pytest.approx(results.mAR(), abs=1e-15)
    for name in ("tp", "fp", "fn"):
        assert loaded["shown"][name] == sum(dataset.values(f"eval_{name}"))
    assert loaded["matrix"] == results.confusion_matrix(include_missing=True).tolist()
    assert loaded["per_class"]["class1"]["precision"] == results.report()["class1"]["precision"]


def test_a_process_without_this_project_can_still_use_the_data_set_and_show_the_evaluation(
    evaluated, tmp_path
):
    """FiftyOne falls back to its base class: reports and confusion, but neither AP nor curves."""
    dataset, results = evaluated
    loaded = json.loads(in_process(LOAD.format(name=dataset.name), tmp_path))
    assert not loaded["ours"]
    assert loaded["type"] == "DetectionResults"
    assert loaded["report"] == results.report()
    assert loaded["shown"]["tp"] == sum(dataset.values("eval_tp"))
    assert "mAP" not in loaded["shown"]
    assert loaded["fp"] == sum(dataset.values("eval_fp"))


def test_results_that_were_loaded_are_the_same(evaluated):
    dataset, results = evaluated
    loaded = dataset.load_evaluation_results("eval", cache=False)
    assert loaded is not results
    assert type(loaded) is type(results)
    for name, values in vars(results.evidence).items():
        np.testing.assert_array_equal(getattr(loaded.evidence, name), values)
    assert isinstance(loaded.evidence, Evidence)
    arrays = ("precision", "recall", "iou_threshs", "recall_sweep", "thresholds", "ious", "ytrue", "confs")
    for name in arrays:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(results, name))
    assert (loaded.mAP(), loaded.mAR()) == (results.mAP(), results.mAR())


def test_an_evaluation_is_renamed_with_all_its_fields(evaluated):
    dataset, results = evaluated
    before = list(written(dataset, "eval").values())
    dataset.rename_evaluation("eval", "int8")
    assert list(written(dataset, "int8").values()) == before
    assert dataset.list_evaluations() == ["int8"]
    assert not any("eval" in name for name in schema_of(dataset))
    assert dataset.load_evaluation_results("int8", cache=False).stats == results.stats


def test_an_evaluation_is_deleted_with_all_its_fields(make, exact):
    dataset = make(*case(31))
    schema = schema_of(dataset)
    exact(dataset)
    assert schema_of(dataset) > schema
    dataset.delete_evaluation("eval")
    assert schema_of(dataset) == schema
    assert not any("eval" in str(document) for document in contents(dataset))
    assert dataset.list_evaluations() == []


def test_the_view_that_was_evaluated_is_loaded(make, exact):
    dataset = make(*case(32))
    view = dataset.match_tags([]).limit(3)
    exact(view)
    assert dataset.load_evaluation_view("eval").values("id") == view.values("id")
    assert dataset.get_evaluation_info("eval").config.method == "exact-coco"


def test_evaluating_again_under_one_key_replaces_all_of_it(make, exact):
    dataset = make(*case(33))
    exact(dataset, iou=0.5)
    exact(dataset.limit(2), iou=0.9, classwise=False)
    native(dataset.limit(2), iou=0.9, classwise=False)
    assert_same_fields(dataset)
    assert len(dataset.load_evaluation_results("eval", cache=False).image_ids) == 2


def test_two_evaluations_stand_side_by_side(make, exact):
    dataset = make(*case(34))
    exact(dataset, "loose", iou=0.3)
    loose = written(dataset, "loose")
    exact(dataset, "tight", iou=0.9)
    assert written(dataset, "loose") == loose
    assert sum(dataset.values("loose_tp")) > sum(dataset.values("tight_tp"))
    assert dataset.list_evaluations() == ["loose", "tight"]
    dataset.delete_evaluation("loose")
    native(dataset, iou=0.9, compute_mAP=False)
    assert_same_fields(dataset, "tight")


def test_more_samples_than_one_batch(make, exact, monkeypatch):
    monkeypatch.setattr(writing, "BATCH", 4)
    dataset = make(*case(35, images=11))
    exact(dataset)
    native(dataset)
    assert_same_fields(dataset)


# Interruption


def interrupted_writes(fo, monkeypatch, error: BaseException, after: int) -> None:
    """Let the database's bulk writes fail, all but the first few."""
    usual, count = fo.Dataset._bulk_write, [0]

    def failing(self, *args, **kwargs):
        count[0] += 1
        if count[0] > after:
            raise error
        return usual(self, *args, **kwargs)

    monkeypatch.setattr(fo.Dataset, "_bulk_write", failing)
    monkeypatch.setattr(writing, "BATCH", 2)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")], ids=["ctrl-c", "exception"])
@pytest.mark.parametrize("after", [0, 2])
def test_an_interrupted_evaluation_leaves_the_data_set_as_it_was(fo, make, exact, error, after):
    dataset = make(*case(40))
    schema, predictions = schema_of(dataset), dataset.values("pred.detections.bounding_box")
    with pytest.MonkeyPatch.context() as patch:
        interrupted_writes(fo, patch, error, after)
        with pytest.raises(type(error)):
            exact(dataset)
    assert schema_of(dataset) == schema
    assert dataset.list_evaluations() == []
    assert not any("eval" in str(document) for document in contents(dataset))
    assert [[d.bounding_box for d in s[FOUND].detections] for s in dataset] == predictions
    assert_evaluates_well(dataset, exact)


def test_an_interruption_while_fields_are_declared_leaves_none(fo, make, exact):
    dataset = make(*case(40))
    schema, usual = schema_of(dataset), fo.Dataset.add_sample_field

    def failing(self, name, *args, **kwargs):
        if name.endswith("eval_iou"):
            raise KeyboardInterrupt
        return usual(self, name, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fo.Dataset, "add_sample_field", failing)
        with pytest.raises(KeyboardInterrupt):
            exact(dataset)
    assert schema_of(dataset) == schema
    assert dataset.list_evaluations() == []
    assert_evaluates_well(dataset, exact)


def test_an_interruption_from_the_progress_callback_is_one_like_any_other(make, exact, monkeypatch):
    monkeypatch.setattr(writing, "BATCH", 2)

    def stop(bar):
        if bar.iteration:
            raise KeyboardInterrupt

    dataset = make(*case(40))
    schema = schema_of(dataset)
    with pytest.raises(KeyboardInterrupt):
        exact(dataset, progress=stop)
    assert schema_of(dataset) == schema
    assert_evaluates_well(dataset, exact)


def assert_evaluates_well(dataset, exact) -> None:
    results = exact(dataset)
    assert results.mAP() == pytest.approx(native(dataset).mAP(), abs=1e-9)
    assert_same_fields(dataset)


def test_the_collector_of_cycles_runs_again_afterwards(fo, make, exact, monkeypatch):
    """It is paused while an evaluation makes millions of objects."""
    dataset = make(*case(42))
    assert gc.isenabled()
    exact(dataset)
    write_detections(dataset, "new", predictions_of(dataset, 1))
    assert gc.isenabled()
    interrupted_writes(fo, monkeypatch, OSError("disk full"), 0)
    with pytest.raises(OSError, match="disk full"):
        exact(dataset)
    assert gc.isenabled()


KILLED = """
import os, signal
from helpers.dataset import fiftyone
from helpers.exact_coco import writing
from helpers.exact_coco.method import ExactCOCOEvaluationConfig

fo = fiftyone()
writing.BATCH, usual = 2, fo.Dataset._bulk_write
calls = []

def killing(self, *args, **kwargs):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return usual(self, *args, **kwargs)

fo.Dataset._bulk_write = killing
fo.load_dataset({name!r}).evaluate_detections("pred", eval_key="eval", method=ExactCOCOEvaluationConfig)
"""


@pytest.mark.skipif(sys.platform.startswith("win"), reason="no SIGKILL")
def test_after_a_kill_the_data_set_loads_and_evaluates_again(fo, make, exact):
    dataset = make(*case(41))
    dataset.persistent = True
    predictions = dataset.values("pred.detections.confidence")
    command = [sys.executable, "-c", KILLED.format(name=dataset.name)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert killed.returncode == SIGKILLED, killed.stderr
    dataset.reload()
    verdicts = [v for sample in dataset.values("pred.detections.eval") for v in sample]
    assert None in verdicts
    assert "tp" in verdicts or "fp" in verdicts
    assert [[d.confidence for d in s[FOUND].detections] for s in dataset] == predictions
    assert dataset.load_evaluation_results("eval") is None
    assert_evaluates_well(dataset, exact)


# Predictions


def predictions_of(dataset, count: int, label: str = "class1"):
    for number, sample in enumerate(dataset.values("id")):
        boxes = np.full((count, 4), 0.25) + 0.01 * number
        yield SampleDetections(sample, [label] * count, boxes, np.linspace(0.1, 0.9, count))


def test_predictions_are_read_as_fiftyones_own(fo, make):
    dataset = make(*case(50))
    held = dataset.first()
    write_detections(dataset, "new", predictions_of(dataset, 3))
    for number, sample in enumerate(dataset):
        assert isinstance(sample["new"], fo.Detections)
        for detection, score in zip(sample["new"].detections, (0.1, 0.5, 0.9), strict=True):
            assert isinstance(detection, fo.Detection)
            assert detection.label == "class1"
            assert detection.confidence == pytest.approx(score)
            assert detection.bounding_box == pytest.approx([0.25 + 0.01 * number] * 4)
            assert detection.tags == []
    ids = dataset.values("new.detections.id", unwind=True)
    assert len(set(ids)) == 3 * len(dataset)
    assert held["new"] == dataset.first()["new"]
    usual = fo.Detection(label="a", confidence=1).to_dict()
    assert held["new"].detections[0].to_dict().keys() == usual.keys()


def test_predictions_replace_those_of_before_and_only_in_the_samples_named(make):
    dataset = make(*case(51))
    write_detections(dataset, "new", predictions_of(dataset, 3))
    write_detections(dataset, "new", list(predictions_of(dataset, 1, "class2"))[:2])
    counts = [len(labels) for labels in dataset.values("new.detections")]
    assert counts == [1, 1, 3, 3, 3, 3]
    assert dataset.count_values("new.detections.label") == {"class2": 2, "class1": 12}


def test_a_sample_without_detections_gets_an_empty_list(make, exact):
    dataset = make(*case(52))
    empty = SampleDetections(dataset.first().id, [], np.zeros((0, 4)), np.zeros(0))
    write_detections(dataset, FOUND, [empty])
    assert dataset.first()[FOUND].detections == []
    exact(dataset)
    assert dataset.first()["eval_fp"] == 0


def test_predictions_are_taken_batch_by_batch(fo, make, monkeypatch):
    """So that they may be read from disk meanwhile, in memory that does not grow."""
    monkeypatch.setattr(writing, "BATCH", 2)
    dataset = make(*case(53))
    events, usual = [], fo.Dataset._bulk_write

    def watched(items):
        for number, item in enumerate(items):
            events.append(number)
            yield item

    def noted(self, *args, **kwargs):
        events.append("write")
        return usual(self, *args, **kwargs)

    monkeypatch.setattr(fo.Dataset, "_bulk_write", noted)
    write_detections(dataset, "new", watched(predictions_of(dataset, 2)))
    assert events == [0, 1, "write", 2, 3, "write", 4, 5, "write"]
