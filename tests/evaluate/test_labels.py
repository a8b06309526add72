"""A label map that does not fit the photos is named before anything is scored."""

import dataclasses

import pytest

from helpers.download import stage as download
from helpers.evaluate import label_check as labels
from helpers.lab.errors import LabError
from helpers.photos.dataset import photo_paths
from helpers.quantize.stage import load_interface
from helpers.run.variants import BASELINE
from tests.support.finished_run import finish

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture(scope="module")
def asked(finished):
    run, model = finished.run, finished.model
    dataset = download.prepare_data(run)
    file, interface = run.paths.variant_file(model.id, BASELINE), load_interface(run, model)

    def ask(categories) -> None:
        named = dataclasses.replace(model, categories=tuple(categories))
        labels.require_fitting_labels(file, interface, photo_paths(dataset), named, dataset)

    return ask


def test_the_models_own_label_map_fits(asked, finished):
    asked(finished.model.categories)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda names: ["", *names], "the label map counts a class before the model's first"),
        (lambda names: [*names[1:], names[0]], "the model counts background first"),
    ],
    ids=["one too many", "one too few"],
)
def test_a_label_map_that_is_off_by_one_is_named(asked, finished, change, found):
    with pytest.raises(LabError, match=found) as caught:
        asked(change(finished.model.categories))
    assert "have the right class when read so" in caught.value.found


def test_a_label_map_that_is_too_short_says_how_many_classes_there_are(asked, finished):
    with pytest.raises(LabError, match="label map names 3 classes") as caught:
        asked(finished.model.categories[:3])
    assert "label map" in caught.value.cure
