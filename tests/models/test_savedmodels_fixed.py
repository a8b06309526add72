"""SavedModels whose signature takes photos of one size only."""

import pytest

from helpers.lab.errors import LabError
from helpers.models.savedmodels.convert import convert
from tests.models.test_savedmodels_designs import photos
from tests.support.savedmodel_cut import LIMITS, Cut, assert_same
from tests.support.savedmodel_designs import SIDE, save_fixed


def test_photos_are_stretched_to_the_networks_own_size_first(tmp_path):
    cut = Cut(save_fixed(tmp_path))
    found = cut.interface.preprocessing
    assert (found.height, found.width, found.resize, found.pad) == (SIDE, SIDE, "half-pixel-rounded", False)
    assert_same(cut, photos(8))


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ((48, 96), "takes photos of 48x96 only, and makes 64x64 of them"),
        ((None, 64), "one side open"),
    ],
)
def test_another_fixed_size_is_named(tmp_path, size, found):
    with pytest.raises(LabError, match=found):
        convert(save_fixed(tmp_path, *size), LIMITS, tmp_path / "core.tflite")
