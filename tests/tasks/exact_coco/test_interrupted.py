"""What kills an evaluation leaves the data set usable."""

import gc
import subprocess
import sys

import pytest

from helpers.lab.paths import ROOT
from helpers.tasks.detection.exact_coco import writing
from helpers.tasks.detection.exact_coco.writing import write_detections
from tests.tasks.exact_coco.cases import assert_same_fields, case, contents, native, predictions_of
from tests.tasks.exact_coco.coco_dataset import FOUND, schema_of

SIGKILLED = -9


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
from helpers.photos.dataset import fiftyone
from helpers.tasks.detection.exact_coco import writing
from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

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
