"""Runtimes beside one another on a real detector, 03's loop beside each runtime's own, ONNX forms made."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest

from helpers.download.stage import data_folders, prepare_data
from helpers.energy.latency import measure_latency
from helpers.energy.stage import sample_inputs
from helpers.energy.summary import latency_ratio
from helpers.evaluate.detect import CorePool, decode, detect
from helpers.lab.host import usable_cores
from helpers.models.families import prepare_files
from helpers.photos.coco.labels import DATA, read_labels
from helpers.quantize import stage as quantize
from helpers.run.cured_forms import CURED
from helpers.run.experiment import open_run
from helpers.run.forms import OTHER_RUNTIMES
from helpers.run.variant_files import variant_file
from helpers.run.variants import VARIANTS
from tests.bench.ledger import note
from tests.support.real_photos import coco_dir

YOLO, YOLOX = "yolo_fastest_xl", "yolox_nano.onnx"
COMPARED = ("float32", "int8")
# A search for cures takes minutes, and is measured by bench_cures.
FORMS = [name for name in (*VARIANTS, *OTHER_RUNTIMES) if not name.startswith(CURED)]
ROUNDS, REPEATS, PHOTOS = 30, 20, 64
BARE_ROUNDS = 9


@pytest.fixture(scope="module")
def prepared():
    folder = coco_dir()
    models = [YOLO, str(folder / "models" / YOLOX)]
    chosen = {"coco_dir": str(folder), "model_dir": str(folder / "models")}
    run = open_run("coco", "bench-runtimes", models, FORMS, **chosen)
    prepare_data(run)
    for model in run.models:
        prepare_files(model, run.model_dir)
    return run


def test_openvino_over_litert(prepared):
    """``openvino_over_litert_float32`` and ``_int8``: latency of one over the other, paired by round, over
    fresh processes, one thread."""
    model = prepared.models[0]
    quantize.make_variants(prepared, model)
    names = [f"{form}{runtime}" for form in COMPARED for runtime in ("", "@openvino")]
    files = {name: variant_file(prepared, model, name) for name in names}
    inputs = {path: made for path, made in sample_inputs(prepared, model).items() if path in files.values()}
    raw = measure_latency(files, inputs, ROUNDS, REPEATS, progress=False)
    for form in COMPARED:
        ratio = latency_ratio(raw, f"{form}@openvino", base=form)
        name = f"openvino_over_litert_{form}"
        note(**{name: ratio.value, f"{name}_low": ratio.low, f"{name}_high": ratio.high})


def test_onnx_build(prepared):
    """``onnx_build_s``: all forms of YOLOX-nano in ONNX Runtime and OpenVINO, 128 calibration photos."""
    model = prepared.models[1]
    for variant in prepared.variants:
        prepared.paths.variant_record(model.id, variant.id).unlink(missing_ok=True)
    start = time.perf_counter()
    records = quantize.make_variants(prepared, model)
    note(onnx_build_s=time.perf_counter() - start)
    assert not [record.failure for record in records.values() if record.failure]


def bare_openvino(path, inputs) -> Callable[[], None]:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": usable_cores()}
    request = openvino.Core().compile_model(str(path), "CPU", settings).create_infer_request()

    def loop() -> None:
        for image in inputs:
            request.infer([image])

    return loop


def bare_onnxruntime(path, inputs) -> Callable[[], None]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def loop() -> None:
        for image in inputs:
            session.run(None, {name: image})

    return loop


BARE = {
    "openvino": (0, "float32@openvino", bare_openvino),
    "onnxruntime": (1, "float32", bare_onnxruntime),
}


@pytest.mark.parametrize("runtime", BARE)
def test_inference_loop_over_bare(prepared, runtime):
    """``inference_loop_over_bare_<runtime>``: 03's loop, tail included, over what anybody would write first,
    tail not included, on all threads of the runtime."""
    place, variant, bare = BARE[runtime]
    model = prepared.models[place]
    quantize.make_variants(prepared, model)
    folder = data_folders(prepared).validation
    images = read_labels(folder)["images"][:PHOTOS]
    photos = {image["id"]: folder / DATA / image["file_name"] for image in images}
    path, interface = variant_file(prepared, model, variant), quantize.load_interface(prepared, model)
    shard, pool = decode(photos, interface.preprocessing), CorePool(path)
    loop, ids = bare(path, shard.inputs), np.arange(1, len(model.categories) + 1)
    ratios = []
    for _ in range(BARE_ROUNDS):
        times = []
        for work in (lambda: detect(pool, interface.tail, shard, ids), loop):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        ratios.append(times[0] / times[1])
    note(**{f"inference_loop_over_bare_{runtime}": statistics.median(ratios)})
