"""Evaluations as FiftyOne keeps them: loaded elsewhere, shown in the App, renamed, deleted, repeated."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.lab.paths import ROOT
from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.exact_coco import writing
from tests.tasks.exact_coco.cases import assert_same_fields, case, contents, native
from tests.tasks.exact_coco.coco_dataset import schema_of, written


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
