"""How long 07 takes: all forms of the embedded detector on 500 photos, and making those of a real one."""

import shutil
import time

from helpers.download.stage import prepare_data, prepare_models
from helpers.ladder import stage
from helpers.ladder.making import make_files
from helpers.quantize.stage import make_variants
from helpers.run.experiment import open_run
from tests.bench.ledger import note
from tests.support.real_photos import coco_dir

YOLO = "yolo_fastest_xl"


def opened(run) -> stage.Ladder:
    """The ladder of the run's model, of which 02 has made float32 alone."""
    prepare_models(run, prepare_data(run))
    make_variants(run, run.models[0])
    return stage.open_ladder(run, run.models[0])


def test_all_forms_of_the_embedded_detector():
    """``ladder_quick_s``: from the float32 file and photos to the AP of every form and its resamples."""
    ladder = opened(open_run("quick", "bench-ladder", variants=["float32"]))
    shutil.rmtree(ladder.folder, ignore_errors=True)
    start = time.perf_counter()
    stage.climb(ladder)
    note(ladder_quick_s=time.perf_counter() - start, ladder_forms=len(ladder.forms))


def test_making_all_forms_of_a_darknet_detector(tmp_path):
    """``ladder_make_yolo_s``: every form's file, those that are calibrated on 100 photos among them."""
    folder = coco_dir()
    chosen = {"coco_dir": str(folder), "model_dir": str(folder / "models")}
    ladder = opened(open_run("coco-500", "bench-ladder-yolo", [YOLO], ["float32"], **chosen))
    files = {form.id: tmp_path / f"{form.id}.tflite" for form in ladder.forms}
    start = time.perf_counter()
    made = dict(make_files(ladder.run, ladder.model, ladder.forms, files))
    note(ladder_make_yolo_s=time.perf_counter() - start)
    assert not [why for why in made.values() if isinstance(why, str)]
