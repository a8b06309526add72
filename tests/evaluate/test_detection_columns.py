"""Shards of detections as columns of one data set: what is scored, and what FiftyOne is given."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from helpers.evaluate import stage
from helpers.evaluate.detect import ShardResult
from helpers.evaluate.stage import detection_columns


def shard(image: list[int], category: list[int]) -> ShardResult:
    count = len(image)
    box = np.arange(4.0 * count).reshape(count, 4)
    columns = np.array(image, np.int64), np.array(category, np.int64), box, np.linspace(0.9, 0.1, count)
    return ShardResult(*columns, 0.0, 0.0, 0.0, 0.0, 2)


def test_images_and_classes_are_known_by_their_places_and_boxes_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(stage, "category_numbers", lambda dataset: {"ball": 3, "cone": 18, "bin": 90})
    photos = {number: Path(f"{number}.jpg") for number in (7, 9, 20, 1000)}
    work = SimpleNamespace(photos=photos, dataset=None)
    shards = [shard([7, 7, 9], [90, 3, 18]), shard([], []), shard([1000], [3])]
    found = detection_columns(work, iter(shards))
    assert found.image.tolist() == [0, 0, 1, 3]
    assert found.category.tolist() == [2, 0, 1, 0]
    assert (found.image.dtype, found.category.dtype) == (np.int32, np.int16)
    assert np.array_equal(found.box, np.concatenate([part.bbox for part in shards]))
    assert np.array_equal(found.score, np.concatenate([part.score for part in shards]))
