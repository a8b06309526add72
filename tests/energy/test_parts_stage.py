"""The loop in parts as a stage: FiftyOne's data set, the record, the frame."""

import dataclasses
import types
from pathlib import Path

import numpy as np
import pytest

from helpers.energy.parts import stage
from helpers.energy.parts.timing import Found, measure_parts
from helpers.models.interface import Interface
from helpers.photos.dataset import fiftyone
from helpers.run.experiment import keep, open_run, origin
from helpers.run.variants import BASELINE, CONTROL
from helpers.tasks.detection.tails.selection import Detections
from tests.support.timed_parts import INPUT, around, tail
from tests.support.tiny_models import recorded, tiny_core


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cores")
    small = tiny_core(folder / "small.tflite")
    return {BASELINE: small, "int8": tiny_core(folder / "large.tflite", channels=64), CONTROL: small}


@pytest.fixture(scope="module")
def photos(drawn_photos):
    return sorted((drawn_photos / "data").iterdir())[:3]


def test_boxes_are_stored_relative_to_the_photo():
    found = Detections(np.array([[0.1, 0.2, 0.5, 0.6]], np.float32), np.array([0.9]), np.array([2]))
    stretched = stage.as_sample("id", Found(None, 100, 200, found), INPUT, ["ball", "crate"])
    assert stretched.labels == ["crate"]
    assert stretched.boxes[0] == pytest.approx([0.2, 0.1, 0.4, 0.4])
    # A photo twice as wide as high fills the upper half of a padded input.
    padded = dataclasses.replace(INPUT, pad=True)
    half = dataclasses.replace(found, boxes=np.array([[0.0, 0.0, 0.25, 1.0], [0.1, 0.0, 0.9, 0.5]]),
                               classes=np.array([1, 2]))  # fmt: skip
    boxes = stage.as_sample("id", Found(None, 100, 200, half), padded, ["ball", "crate"]).boxes
    assert boxes.tolist() == [pytest.approx([0, 0, 1, 0.5]), pytest.approx([0, 0.2, 0.5, 0.8])]


def test_detections_go_to_a_data_set_that_is_gone_afterwards_even_on_failure(photos):
    fo = fiftyone()
    users = fo.Dataset("parts-of-a-user")
    before = fo.list_datasets()
    core, heads = Path("a.tflite"), {"heads": np.zeros((1, 2))}
    found = [Found(path, 100, 100, tail(heads), core) for path in photos]

    def store_then_fail():
        with stage.storing(photos, {core: Interface(INPUT, tail)}, ["ball", "crate"]) as store:
            store(found)
            [name] = set(fo.list_datasets()) - set(before)
            inside = fo.load_dataset(name)
            assert not inside.persistent
            assert inside.values("found.detections.label") == [["crate"]] * len(photos)
            assert inside.first()["found"].detections[0].bounding_box == [0.5, 0.25, 0.5, 0.5]
            raise ValueError("the loop failed")

    with pytest.raises(ValueError, match="the loop failed"):
        store_then_fail()
    assert fo.list_datasets() == before
    assert len(users) == 0
    users.delete()


def test_without_a_database_storing_is_absent_with_the_reason(photos, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.delenv("FIFTYONE_PRIVATE_DATABASE_PORT", raising=False)
    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", str(tmp_path / "file" / "database"))
    with stage.storing(photos, {}, ["ball"]) as store:
        assert "cannot be made" in store.reason


@pytest.fixture
def small_run(files, drawn_photos, tmp_path, monkeypatch):
    """A run of two variants whose cores are tiny, on drawn photos."""
    (tmp_path / "validation").symlink_to(drawn_photos, target_is_directory=True)
    run = open_run("smoke", "parts", variants=["float32", "int8"])
    profile = dataclasses.replace(run.profile, data=str(tmp_path), energy_rounds=1)
    run = dataclasses.replace(run, profile=profile)
    model = run.models[0]
    for variant in ("float32", "int8"):
        path = run.paths.variant_file(model.id, variant)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[BASELINE if variant == "float32" else "int8"].read_bytes())
        record = run.paths.variant_record(model.id, variant)
        keep(record, "variant", origin({}, {}, "helpers.run.variants"), recorded(path), [path])
    sides = types.SimpleNamespace(preprocessing=INPUT, tail=tail)
    monkeypatch.setattr(stage, "load_interface", lambda run, model, variant: sides)
    return run


def test_the_stage_measures_once_and_tells_it_as_a_frame(small_run):
    model = small_run.models[0]
    record = stage.parts(small_run, model)
    assert len(record.values.rounds) == 2
    assert len(record.values.settings.photos) == stage.PHOTOS
    assert (record.values.store_absent, record.values.failures) == ("", {})
    assert stage.parts(small_run, model).provenance == record.provenance
    frame = stage.parts_frame(small_run, small_run.models)
    assert frame.groupby("variant")["ms"].sum().to_dict() == pytest.approx(
        frame.drop_duplicates("variant").set_index("variant")["total_ms"].to_dict()
    )
    results, frames, context = stage.parts_picture(small_run)
    assert results["variant"].tolist() == ["float32", "int8", CONTROL]
    assert frames["parts"].equals(frame)
    assert context.run == "parts"


def test_each_core_may_have_its_own_preparing_and_tail(files, photos):
    """As a file of the user's own has."""
    taken = []

    def noted(name):
        def told(heads):
            taken.append(name)
            return tail(heads)

        return told

    arounds = {path: around(tail=noted(path.name)) for path in files.values()}
    raw = measure_parts(files, photos, arounds, rounds=1, warmups=1, progress=False)
    assert not raw.failures
    assert set(taken) == {path.name for path in files.values()}
