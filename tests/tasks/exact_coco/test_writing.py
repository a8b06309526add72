"""Predictions written in bulk."""

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.tasks.detection.exact_coco import writing
from helpers.tasks.detection.exact_coco.writing import SampleDetections, write_detections
from tests.tasks.exact_coco.cases import case, predictions_of
from tests.tasks.exact_coco.coco_dataset import FOUND


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


def test_a_sample_that_the_data_set_does_not_have_is_refused(make):
    dataset = make(*case(54))
    strange = SampleDetections("0" * 24, [], np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(LabError, match=r"detections of sample 0{24}, which data set"):
        write_detections(dataset, FOUND, [strange])
