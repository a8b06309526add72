"""The inference loop: boxes in pixels, every photo once, the same answer on any number of workers."""

import collections
import threading

import numpy as np
import pytest
from PIL import Image

from helpers.evaluate.detect import (
    CorePool,
    Shard,
    ShardResult,
    as_columns,
    decode,
    detect,
    split,
)
from helpers.lab.errors import LabError
from helpers.lab.host import usable_cores
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.stage import load_interface
from helpers.tasks.detection.tails.selection import Detections
from tests.support.finished_run import finish
from tests.support.tiny_models import tiny_core

NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


@pytest.fixture(scope="module")
def core_file(tmp_path_factory):
    return tiny_core(tmp_path_factory.mktemp("core") / "tiny.tflite")


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


def found(*entries: tuple[list[float], float, int]) -> Detections:
    boxes, scores, classes = zip(*entries, strict=True)
    return Detections(np.float32(boxes), np.float32(scores), np.int32(classes))


def shard(image_ids: list[int], sizes: list[tuple[int, int]]) -> Shard:
    margins = np.zeros((len(sizes), 2))
    return Shard(image_ids, np.array(sizes), np.array(sizes, float), margins, [None] * len(sizes), 0.0)


def test_relative_corners_become_pixels_of_each_photo_as_coco_has_them():
    """A box is (ymin, xmin, ymax, xmax) in 0..1, COCO's is (x, y, w, h); photos are (height, width)."""
    detections = [
        found(([0.5, 0.25, 1.0, 0.75], 0.9, 1), ([0, 0, 1, 1], 0.5, 2)),
        NOTHING,
        found(([0.1, 0.2, 0.3, 0.6], 0.7, 2)),
    ]
    photos = shard([11, 12, 13], [(100, 200), (50, 50), (1000, 10)])
    image, category, bbox, score = as_columns(photos, detections, np.array([7, 8]))
    assert image.tolist() == [11, 11, 13]
    assert category.tolist() == [7, 8, 8]
    assert bbox == pytest.approx(np.array([[50, 50, 100, 50], [0, 0, 200, 100], [2, 100, 4, 200]]), rel=1e-6)
    assert score == pytest.approx([0.9, 0.5, 0.7], rel=1e-6)
    assert (bbox.dtype, score.dtype, image.dtype) == (np.float64, np.float64, np.int64)


def test_classes_that_the_data_set_does_not_have_are_left_out():
    detections = [found(([0, 0, 1, 1], 0.9, 1), ([0, 0, 0.5, 0.5], 0.8, 2), ([0, 0, 1, 1], 0.7, 3))]
    image, category, bbox, score = as_columns(shard([5], [(10, 10)]), detections, np.array([4, -1, 9]))
    assert category.tolist() == [4, 9]
    assert score == pytest.approx([0.9, 0.7], rel=1e-6)
    assert len(image) == len(bbox) == 2


def test_a_category_whose_id_is_0_is_kept():
    _, category, _, _ = as_columns(shard([5], [(10, 10)]), [found(([0, 0, 1, 1], 0.9, 1))], np.array([0]))
    assert category.tolist() == [0]


def test_photos_without_detections_give_empty_columns():
    columns = as_columns(shard([5, 6], [(10, 10)] * 2), [NOTHING, NOTHING], np.array([1]))
    assert [len(column) for column in columns] == [0, 0, 0, 0]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_shards_hold_every_photo_once_in_order(count, sizes, tmp_path):
    photos = {number: tmp_path / f"{number}.jpg" for number in range(count, 0, -1)}
    shards = split(photos, 4)
    assert [len(part) for part in shards] == sizes
    assert [item for part in shards for item in part.items()] == list(photos.items())


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_pool_hands_out_every_index_once_and_no_core_to_two_at_a_time(core_file, workers):
    pool, served, busy = CorePool(core_file, workers), collections.Counter(), collections.Counter()
    overlaps, lock = [], threading.Lock()

    def work(core, index):
        with lock:
            busy[id(core)] += 1
            overlaps.append(busy[id(core)])
        core.set_input(np.zeros(core.input_shape, np.float32))
        core.invoke()
        with lock:
            served[index] += 1
            busy[id(core)] -= 1

    pool.map(work, 300)
    assert served == collections.Counter(range(300))
    assert set(overlaps) == {1}
    assert len(set(map(id, pool.cores))) == workers


def test_a_pool_has_one_core_per_processor_and_knows_their_input(core_file):
    pool = CorePool(core_file)
    assert len(pool.cores) == usable_cores()
    assert pool.input_shape == (1, 32, 32, 3)


def test_what_goes_wrong_in_a_worker_is_raised(core_file):
    def work(core, index):
        if index == 3:
            raise LabError("photo 3 is bad")

    with pytest.raises(LabError, match="photo 3 is bad"):
        CorePool(core_file, 2).map(work, 10)


def test_a_file_that_is_no_core_is_a_clear_error(tmp_path):
    broken = tmp_path / "int8.tflite"
    broken.write_bytes(b"\0" * 64)
    with pytest.raises(LabError, match=r"int8\.tflite cannot be loaded"):
        CorePool(broken, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_core_that_gives_no_finite_numbers_is_refused_and_not_scored(core_file, bad):
    """Infinity is a pixel here, as an overflowing layer has it; the core is the real one."""
    pixels = [np.full((1, 32, 32, 3), value, np.float32) for value in (0.5, bad, bad)]
    three = Shard([1, 2, 3], np.full((3, 2), 32), np.full((3, 2), 32.0), np.zeros((3, 2)), pixels, 0.0)
    pool = CorePool(core_file, 1)
    with pytest.raises(LabError, match="NaN or infinity among the outputs for 2 of 3 photos"):
        detect(pool, lambda heads: NOTHING, three, (1,))


def test_a_few_photos_without_numbers_are_counted_and_what_is_no_number_is_dropped(core_file):
    pixels = [np.full((1, 32, 32, 3), value, np.float32) for value in (0.5, np.inf, 0.25)]
    three = Shard([7, 8, 9], np.full((3, 2), 32), np.full((3, 2), 32.0), np.zeros((3, 2)), pixels, 0.0)

    def tail(heads) -> Detections:
        side = 1.0 if np.isfinite(heads["heads"]).all() else np.nan
        return found(([0, 0, 1, side], 0.9, 1), ([0, 0, 0.5, 0.5], 0.8 * side, 1), ([0, 0, 1, 0.5], 0.7, 1))

    result = detect(CorePool(core_file, 1), tail, three, (1,))
    assert result.broken.tolist() == [8]
    assert result.image_id.tolist() == [7, 7, 7, 8, 9, 9, 9]
    assert np.isfinite(result.bbox).all()
    assert np.isfinite(result.score).all()


def test_decoding_keeps_order_sizes_and_the_models_range(tmp_path):
    photos = {}
    for number, (width, height, grey) in enumerate([(30, 20, 0), (64, 64, 255), (10, 90, 102)]):
        photos[100 - number] = tmp_path / f"{number}.png"
        Image.new("RGB", (width, height), (grey,) * 3).save(photos[100 - number])
    result = decode(photos, Preprocessing(16, 24, (1 / 127.5,) * 3, (-1.0,) * 3))
    assert result.image_ids == [100, 99, 98]
    assert result.sizes.tolist() == [[20, 30], [64, 64], [90, 10]]
    assert {i.shape for i in result.inputs} == {(1, 16, 24, 3)}
    assert [float(i.mean()) for i in result.inputs] == pytest.approx([-1, 1, -0.2], abs=1e-5)
    assert {i.dtype for i in result.inputs} == {np.dtype(np.float32)}


def test_a_truncated_photo_is_named(tmp_path):
    path = tmp_path / "half.jpg"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(LabError, match=r"half\.jpg"):
        decode({1: path}, Preprocessing(16, 16, (1.0,) * 3, (0.0,) * 3))


def test_a_stored_shard_is_read_back_as_it_was(tmp_path):
    result = ShardResult(
        np.array([3, 4]), np.array([1, 2]), np.array([[1.5, 2, 3, 4], [0, 0, 1, 1]]), np.array([0.5, 0.25]),
        0.25, 1.5, 1.0, 0.5, 64, np.array([4]),
    )  # fmt: skip
    result.save(tmp_path / "s.npz")
    read = ShardResult.load(tmp_path / "s.npz")
    assert (read.decode_s, read.loop_s, read.core_s, read.tail_s, read.images) == (0.25, 1.5, 1.0, 0.5, 64)
    for name in ("image_id", "category_id", "bbox", "score", "broken"):
        assert np.array_equal(getattr(read, name), getattr(result, name))


@pytest.mark.pipeline
def test_detections_are_the_same_on_one_worker_on_three_and_on_disk(finished):
    """The stored shard of the finished run, computed again."""
    run, model = finished.run, finished.model
    stored = ShardResult.load(next(run.paths.detections_dir(model.id, "int8").glob("*.npz")))
    folder = finished.data / "datasets"
    photos = sorted(folder.glob("*/validation-40/data/*.jpg"))
    numbered = dict(enumerate(photos, start=1))
    interface, results = load_interface(run, model), []
    for workers in (1, 3):
        pool = CorePool(run.paths.variant_file(model.id, "int8"), workers)
        decoded = decode(numbered, interface.preprocessing)
        results.append(detect(pool, interface.tail, decoded, range(1, 13)))
    for result in results:
        assert result.images == stored.images == 40
        for name in ("image_id", "category_id", "bbox", "score"):
            assert np.array_equal(getattr(result, name), getattr(stored, name))
        assert result.core_s > 0
        assert result.tail_s > 0
