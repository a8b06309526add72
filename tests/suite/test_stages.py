"""Stages whose input is missing, damaged or one's own."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from helpers.compare import stage as compare
from helpers.download import stage as download
from helpers.energy.records import Energy, read_measurement
from helpers.evaluate import stage as evaluate
from helpers.evaluate.checks import check_evaluate
from helpers.evaluate.cured_steps import score_cures
from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.models.families import prepare_files
from helpers.models.files.sources import Embedded, SavedModelSource
from helpers.quantize import stage as quantize
from helpers.run.experiment import open_run
from tests.support.drawing import draw
from tests.support.finished_run import copy_run, finish, written_times


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture
def absent_run(finished):
    return open_run("smoke", "absent")


@pytest.fixture(scope="module")
def drawn_calibration(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("drawn"), "calibration", 8)


@pytest.fixture
def own_data(drawn_photos, drawn_calibration, tmp_path):
    """A folder of one's own: 12 photos to evaluate on, 8 to calibrate on, and a run on it."""
    root = tmp_path / "own"
    for name, source, count in (("validation", drawn_photos, 12), ("calibration", drawn_calibration, 8)):
        copy_photos(source, root / name, count)
    return root


def copy_photos(source, target, count: int) -> None:
    """The first ``count`` photos of a COCO folder, as somebody else would have them: no checksums."""
    labels = json.loads((source / "labels.json").read_text())
    images = [{k: v for k, v in image.items() if k != "sha256"} for image in labels["images"][:count]]
    kept = {image["id"] for image in images}
    annotations = [a for a in labels["annotations"] if a["image_id"] in kept]
    (target / "data").mkdir(parents=True)
    for image in images:
        shutil.copy(source / "data" / image["file_name"], target / "data")
    content = {"images": images, "annotations": annotations, "categories": labels["categories"]}
    (target / "labels.json").write_text(json.dumps(content))


def run_on(folder, name: str = "own"):
    run = open_run("smoke", name)
    profile = dataclasses.replace(run.profile, data=str(folder), images=12, calibration_images=8)
    return dataclasses.replace(run, profile=profile)


def edit_labels(folder, change) -> None:
    path = folder / "validation" / "labels.json"
    labels = json.loads(path.read_text())
    change(labels)
    path.write_text(json.dumps(labels))


@pytest.mark.parametrize(
    ("needs", "notebook"),
    [
        (lambda run, model: quantize.working_files(run, model), "02_quantize"),
        (lambda run, model: quantize.load_interface(run, model), "02_quantize"),
        (lambda run, model: quantize.variants_table(run, model), "02_quantize"),
        (lambda run, model: evaluate.read_score(run, model, "int8"), "03_evaluate"),
        (lambda run, model: read_measurement(run, model, Energy), "04_energy"),
        (lambda run, model: compare.build_results(run), "02_quantize"),
    ],
)
def test_what_is_missing_names_the_notebook_that_makes_it(absent_run, needs, notebook):
    with pytest.raises(LabError) as caught:
        needs(absent_run, absent_run.models[0])
    assert caught.value.cure == f"run {notebook}.ipynb first."


@pytest.mark.parametrize(
    ("without", "notebook"),
    [("scores", "03_evaluate"), ("measurements", "04_energy"), ("variants", "02_quantize")],
)
def test_comparing_names_the_one_stage_that_was_not_run(finished, without, notebook):
    run = copy_run(finished, "partial", without=(without,))
    with pytest.raises(LabError) as caught:
        compare.build_results(run)
    assert caught.value.cure == f"run {notebook}.ipynb first."


def test_without_the_savedmodel_01_is_named(finished, tmp_path):
    nowhere = dataclasses.replace(finished.model, source=SavedModelSource(str(tmp_path)))
    nowhere = dataclasses.replace(nowhere, id="nowhere")
    run = dataclasses.replace(copy_run(finished, "nowhere"), models=(nowhere,))
    with pytest.raises(
        LabError, match=r"no model is left to go on with.\n.*files of .* are absent"
    ) as caught:
        quantize.make_models(run)
    assert "run 01_download.ipynb first." in str(caught.value)


def test_detections_that_are_gone_name_the_notebook(finished):
    dataset = download.prepare_data(finished.run)
    run = copy_run(finished, "no-detections", without=("detections",))
    with pytest.raises(LabError, match="1 of 1 shards of int8's detections are absent") as caught:
        evaluate.load_detections(evaluate.Progress(run, finished.model, dataset), "int8")
    assert "03_evaluate.ipynb" in caught.value.cure


def damaged_copy(model, tmp_path):
    """The model with weights of which one byte changed."""
    for source in (model.source.weights, model.source.weights.with_suffix(".json")):
        shutil.copy(source, tmp_path)
    weights = tmp_path / model.source.weights.name
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    return dataclasses.replace(model, source=Embedded(weights))


def test_weights_with_another_checksum_are_refused(finished, tmp_path):
    with pytest.raises(LabError, match="another checksum than its training record") as caught:
        prepare_files(damaged_copy(finished.model, tmp_path), None)
    assert "git checkout -- data/embedded" in caught.value.cure
    assert len(caught.value.expected.removeprefix("sha256 ")) == 64


def test_absent_weights_are_refused(finished, tmp_path):
    model = damaged_copy(finished.model, tmp_path)
    model.source.weights.unlink()
    with pytest.raises(LabError, match="is absent"):
        prepare_files(model, None)


def test_a_photo_that_is_evaluated_on_must_not_calibrate(own_data):
    source = next((own_data / "validation" / "data").iterdir())
    target = sorted((own_data / "calibration" / "data").iterdir())[3]
    shutil.copy(source, target)  # the same photo under another name
    with pytest.raises(LabError, match=f"1 calibration photo evaluated on too, the first is '{target.name}'"):
        download.prepare_data(run_on(own_data))


def test_a_removed_or_damaged_photo_is_drawn_again_with_the_same_bytes(finished):
    folder = download.data_folders(finished.run).validation
    photos = sorted((folder / "data").iterdir())
    before = [sha256_file(path) for path in photos]
    photos[3].unlink()
    photos[7].write_bytes(photos[7].read_bytes()[:500])
    download.prepare_data(finished.run)
    assert [sha256_file(path) for path in photos] == before


def test_labels_that_do_not_parse_are_named(own_data):
    (own_data / "validation" / "labels.json").write_text('{"images": [')
    with pytest.raises(LabError, match=r"validation/labels\.json is not valid JSON") as caught:
        download.prepare_data(run_on(own_data))
    assert caught.value.cure


def test_labels_that_name_an_absent_image_are_named(own_data):
    gone = sorted((own_data / "validation" / "data").iterdir())[2]
    gone.unlink()
    with pytest.raises(LabError, match=f"1 of 12 images named .* the first is '{gone.name}'"):
        download.prepare_data(run_on(own_data))


def test_labels_without_categories_are_named(own_data):
    edit_labels(own_data, lambda labels: labels.pop("categories"))
    with pytest.raises(LabError, match="has no list categories"):
        download.prepare_data(run_on(own_data))


def test_categories_that_the_model_does_not_know_are_named_and_count(own_data, capsys):
    edit_labels(own_data, lambda labels: labels["categories"][0].update(name="zebra"))
    run = run_on(own_data)
    download.prepare_models(run, download.prepare_data(run))
    assert (
        "has no class of its own for zebra: their AP is 0, and counts in the mean" in capsys.readouterr().out
    )


def test_a_model_that_knows_no_category_is_refused(own_data):
    def rename(labels):
        for number, category in enumerate(labels["categories"]):
            category["name"] = f"zebra {number}"

    edit_labels(own_data, rename)
    run = run_on(own_data)
    dataset = download.prepare_data(run)
    with pytest.raises(LabError, match="not one of the model's 12 classes"):
        download.prepare_models(run, dataset)


def test_a_truncated_photo_stops_the_evaluation_with_its_name(finished, own_data):
    """The data set was imported while the photo was whole; the variants are those of the finished run."""
    run = dataclasses.replace(copy_run(finished, "truncated"), profile=run_on(own_data).profile)
    dataset = download.prepare_data(run)
    photo = sorted((own_data / "validation" / "data").iterdir())[5]
    photo.write_bytes(photo.read_bytes()[:2000])
    with pytest.raises(LabError, match=f"{photo.name} cannot be decoded") as caught:
        evaluate.detect_all(run, finished.model, dataset)
    assert "put the file in place" in caught.value.cure


def test_a_data_set_of_ones_own_goes_through_01_to_03(finished, own_data):
    """Category ids that have gaps and are not the model's class numbers, in another order."""

    def renumber(labels):
        numbers = {category["id"]: 100 - 3 * category["id"] for category in labels["categories"]}
        for category in labels["categories"]:
            category["id"] = numbers[category["id"]]
        for entry in labels["annotations"]:
            entry["category_id"] = numbers[entry["category_id"]]

    edit_labels(own_data, renumber)
    run = dataclasses.replace(
        copy_run(finished, "own", ("scores", "detections")), profile=run_on(own_data).profile
    )
    model = run.models[0]
    before = written_times(run.paths.folder / "variants" / model.id)
    dataset = download.prepare_data(run)
    prepare_files(model, None)
    assert len(dataset) == 12
    records = quantize.make_variants(run, model)
    after = written_times(run.paths.folder / "variants" / model.id)
    # Other calibration photos concern int8 and its cure alone.
    changed = {name for name in after if after[name] != before.get(name)}
    assert {name.partition("/")[0] for name in changed} == {
        "int8.tflite", "int8.json", "int8-cured.tflite", "int8-cured.json", "steps"
    }  # fmt: skip
    assert not any(record.failure for record in records.values())
    assert evaluate.detect_all(run, model, dataset) == {}
    scored = evaluate.score_all(run, model, dataset)
    score_cures(run, run.models)
    check_evaluate(run)
    for record in scored.values():
        assert record.values.images == 12
        assert 0.2 < record.values.stats["ap"] < 0.95
    shards = evaluate.load_detections(evaluate.Progress(run, model, dataset), "int8")
    numbers = {100 - 3 * number for number in range(1, 13)}
    assert set(np.concatenate([shard.category_id for shard in shards]).tolist()) <= numbers
