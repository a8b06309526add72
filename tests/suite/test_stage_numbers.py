"""Files that give NaN or infinity: for every photo, failed in 02; for a few, told in 03 and the report."""

import json

import numpy as np
import pytest

from helpers.compare.surprises import surprises
from helpers.download import stage as download
from helpers.evaluate import stage as evaluate
from helpers.evaluate import suspects
from helpers.models.own_tflite.interface import interface
from helpers.photos.dataset import photo_paths
from helpers.photos.decoding import core_input, read_photo
from helpers.quantize import stage as quantize
from helpers.run.experiment import open_run
from helpers.run.own_files import source_of
from helpers.tasks.detection.limits import LIMITS
from tests.support.finished_run import PROFILE, copy_run, finish
from tests.support.own_tflite_files import CLASSES, grid_anchors, heads_bytes

pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")]
OVERFLOWS = float(np.finfo(np.float32).max)


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture
def own(finished, tmp_path):
    """Writes a file of the user's own whose input is multiplied by ``scale``; returns its name."""
    path, names = tmp_path / "mine.tflite", tmp_path / "names.txt"
    path.write_bytes(heads_bytes())
    np.save(path.with_name("mine.anchors.npy"), grid_anchors())
    names.write_text("\n".join(finished.model.categories[:CLASSES]))

    def write(scale: float) -> str:
        path.with_suffix(".json").write_text(json.dumps({"scale": scale, "offset": 0.0}))
        return f"{path}@{names}"

    return write


def opened(finished, name: str, own_name: str):
    copy_run(finished, name)
    return open_run(PROFILE, name, [], ["float32", own_name])


def test_a_file_that_never_gives_a_number_fails_in_02(finished, own):
    run = opened(finished, "no-number", own(OVERFLOWS))
    record = quantize.made_variant(run, run.models[0], run.variants[-1])
    assert "mine.tflite gives NaN or infinity for each of the first 4 photos" in record.failure
    assert "mine.json" in record.failure


def brightest(photos, name: str) -> tuple[list[int], float]:
    """The photos with the brightest pixel in the file's input, and a value between theirs and all others."""
    preprocessing = interface(*source_of(name), LIMITS).preprocessing
    inputs = {image: core_input(read_photo(path), preprocessing) for image, path in photos.items()}
    values = {image: float(pixels.max()) for image, pixels in inputs.items()}
    limit = np.mean(sorted(set(values.values()))[-2:])
    return [image for image, value in values.items() if value > limit], float(limit)


def test_a_few_photos_without_numbers_are_told_in_03_and_in_the_report(finished, own):
    dataset = download.prepare_data(finished.run)
    photos, name = photo_paths(dataset), own(1.0)
    broken, limit = brightest(photos, name)
    assert 0 < len(broken) < len(photos) / 2
    own(OVERFLOWS / limit)

    run = opened(finished, "few-numbers", name)
    variant = run.variants[-1]
    assert quantize.made_variant(run, run.models[0], variant).failure == ""
    models = evaluate.score_models(run, dataset, evaluate.detect_models(run, dataset))
    record = evaluate.read_score(run, run.models[0], variant.id)
    assert record.values.broken_images == len(broken)
    told = f"{run.models[0].id}: {variant.id} gives NaN or infinity for {len(broken)} of {len(photos)} photos"
    assert suspects.told(run, models).startswith(f"{told}, the first is {photos[broken[0]].name}: ")
    assert any(sentence.startswith(told) for sentence in surprises(run))
