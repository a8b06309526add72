"""AP by class: a row per variant that worked and class that occurs, with the objects behind it."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.evaluate import classes
from helpers.run.variants import BASELINE
from tests.support.random_coco import random_detections, random_ground_truth
from tests.tasks.test_resample import evidence_of

NAMES = ("cup", "bow", "kite")


@pytest.fixture
def frame(tmp_path, monkeypatch):
    random = np.random.default_rng(4)
    truth = random_ground_truth(random, images=20)
    truth["annotations"] = [each for each in truth["annotations"] if each["category_id"] != 2]
    evidence = evidence_of(truth, random_detections(random, truth))
    evidence.save(tmp_path / "evidence.npz")
    scores = {
        BASELINE: SimpleNamespace(ap_per_class=dict(zip(NAMES, (0.5, -1, 0.25), strict=True))),
        "int8": SimpleNamespace(ap_per_class=dict(zip(NAMES, (0.4, -1, -1), strict=True))),
    }
    monkeypatch.setattr(classes, "scored_variants", lambda run, model: scores)
    run = SimpleNamespace(
        paths=SimpleNamespace(evidence_file=lambda model, variant: tmp_path / "evidence.npz")
    )
    counted = [each["category_id"] for each in truth["annotations"] if not each["iscrowd"]]
    return classes.classes_frame(run, SimpleNamespace(id="net")), counted


def test_classes_without_an_object_are_left_out_and_crowds_do_not_count(frame):
    table, counted = frame
    assert list(table["class"]) == ["cup", "kite"] * 2
    assert list(table["objects"]) == [counted.count(1), counted.count(3)] * 2
    assert list(table.columns) == classes.COLUMNS


def test_no_ap_is_no_number(frame):
    table, _ = frame
    assert table["ap"].tolist() == pytest.approx([0.5, 0.25, 0.4, np.nan], nan_ok=True)
