"""Real detectors on real photos (``COCO_DIR``): building, accuracy, and the loop beside OpenCV's."""

import itertools
import statistics
import time

import cv2
import pytest

from helpers.download.stage import data_folders, prepare_data
from helpers.evaluate import stage as evaluate
from helpers.evaluate.detect import CorePool, decode, detect
from helpers.models.families import prepare_files, reference
from helpers.photos.coco.labels import DATA, read_labels
from helpers.photos.decoding import read_photo
from helpers.quantize import stage as quantize
from helpers.run.experiment import open_run
from tests.bench.ledger import note
from tests.support.real_photos import coco_dir

YOLO, SSD = "yolo_fastest_xl", "ssd_mobilenet_v1_coco"
ROUNDS = 5
PHOTOS = 64


@pytest.fixture(scope="module")
def prepared():
    folder = coco_dir()
    chosen = {"coco_dir": str(folder), "model_dir": str(folder / "models")}
    run = open_run("coco", "bench-coco", [YOLO, SSD], **chosen)
    return run, prepare_data(run)


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def model_of(run, name: str):
    return next(model for model in run.models if model.id == name)


def test_building(prepared):
    """``yolo_build_s``: all four variants from cfg and weights, calibration on 128 photos and the comparison
    of layers included."""
    run, _ = prepared
    model = model_of(run, YOLO)
    prepare_files(model, run.model_dir)
    for variant in run.variants:
        run.paths.variant_record(model.id, variant.id).unlink(missing_ok=True)
    note(yolo_build_s=seconds(lambda: quantize.make_variants(run, model)))


@pytest.mark.parametrize(("name", "prefix"), [(YOLO, "yolo"), (SSD, "ssd")])
def test_accuracy(prepared, name, prefix):
    run, dataset = prepared
    model = model_of(run, name)
    prepare_files(model, run.model_dir)
    quantize.make_variants(run, model)
    evaluate.score_all(run, model, dataset, evaluate.detect_all(run, model, dataset))
    stats = {v.id: evaluate.read_score(run, model, v.id).values.stats for v in run.variants}
    note(
        **{
            f"{prefix}_ap_float32": stats["float32"]["ap"],
            f"{prefix}_ap50_float32": stats["float32"]["ap50"],
            f"{prefix}_ap_int8_drop": stats["float32"]["ap"] - stats["int8"]["ap"],
        }
    )


def test_loop_over_opencv(prepared):
    """``yolo_vs_opencv_dnn``: seconds of OpenCV DNN over ours, both from files to detections, on all cores.

    OpenCV runs one photo after another on its own threads, as its users do; ours is 03's loop.
    """
    run, _ = prepared
    model = model_of(run, YOLO)
    files = prepare_files(model, run.model_dir)
    quantize.make_variants(run, model)
    folder = data_folders(run).validation
    images = read_labels(folder)["images"][:PHOTOS]
    photos = {image["id"]: folder / DATA / image["file_name"] for image in images}
    interface, theirs = quantize.load_interface(run, model), reference(model, files)
    pool = CorePool(run.paths.variant_file(model.id, "float32"))

    def ours() -> None:
        detect(pool, interface.tail, decode(photos, interface.preprocessing), range(1, 81))

    def opencv() -> None:
        for path in photos.values():
            theirs(read_photo(path))

    times = {"ours": [], "opencv": []}
    for _, (name, work) in itertools.product(range(ROUNDS), (("ours", ours), ("opencv", opencv))):
        times[name].append(seconds(work))
    ratios = [b / a for a, b in zip(times["ours"], times["opencv"], strict=True)]
    note(yolo_vs_opencv_dnn=statistics.median(ratios), opencv_threads=cv2.getNumThreads())
