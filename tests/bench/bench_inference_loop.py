"""The inference loop of 03_evaluate against bare interpreter loops over the same decoded photos."""

import itertools
import statistics
import time
from collections.abc import Callable

import pytest
from ai_edge_litert.interpreter import Interpreter

from helpers.download.stage import prepare_data
from helpers.evaluate.detect import CorePool, decode, detect
from helpers.lab.host import usable_cores
from helpers.models.families import prepare_files
from helpers.photos.dataset import photo_paths
from helpers.quantize.stage import load_interface, make_variants
from helpers.run.experiment import open_run
from tests.bench.ledger import note

ROUNDS = 15
PHOTOS = 256


@pytest.fixture(scope="module")
def prepared():
    run = open_run("quick", run_name="bench")
    model = run.models[0]
    dataset = prepare_data(run)
    prepare_files(model, run.model_dir)
    make_variants(run, model)
    return run, model, dict(itertools.islice(photo_paths(dataset).items(), PHOTOS))


def bare_loop(path, inputs, threads: int) -> Callable[[], None]:
    """What anybody would write first: one interpreter, one image after the other."""
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    exits = [detail["index"] for detail in interpreter.get_output_details()]

    def loop() -> None:
        for image in inputs:
            interpreter.set_tensor(entry, image)
            interpreter.invoke()
            for index in exits:
                interpreter.get_tensor(index)

    return loop


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_inference_loop_over_bare(prepared):
    """Ours includes the tail, bare does not; loops take turns, ratios are medians over rounds."""
    run, model, photos = prepared
    path = run.paths.variant_file(model.id, "float32")
    pool, interface = CorePool(path), load_interface(run, model)
    shard, tail = decode(photos, interface.preprocessing), interface.tail
    ids = list(range(1, len(model.categories) + 1))
    loops = {
        "ours": lambda: detect(pool, tail, shard, ids),
        "all_threads": bare_loop(path, shard.inputs, usable_cores()),
        "one_thread": bare_loop(path, shard.inputs, 1),
    }
    times = {name: [] for name in loops}
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            times[name].append(seconds(loop))
    middle = {name: statistics.median(values) for name, values in times.items()}
    ratios = [a / b for a, b in zip(times["ours"], times["all_threads"], strict=True)]
    single = [a / b for a, b in zip(times["ours"], times["one_thread"], strict=True)]
    note(
        inference_loop_over_bare=statistics.median(ratios),
        inference_loop_over_bare_one_thread=statistics.median(single),
        inference_loop_photos_per_s=len(photos) / middle["ours"],
    )
