"""What goes before and after a core, written and read again."""

import dataclasses

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.models.interface import Interface
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.ssd import SSDTail

ANCHORS = np.random.default_rng(3).uniform(0.1, 0.9, (12, 4)).astype(np.float32)
PREPROCESSING = Preprocessing(20, 30, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), "corner", "BGR", True)
INTERFACE = Interface(PREPROCESSING, SSDTail(ANCHORS, Limits(0.45, 0.01, 7)))


def test_what_was_written_is_read(tmp_path):
    INTERFACE.save(tmp_path / "interface.npz")
    read = Interface.load(tmp_path / "interface.npz")
    assert read.preprocessing == PREPROCESSING
    assert read.tail.limits == INTERFACE.tail.limits
    for field in dataclasses.fields(SSDTail):
        np.testing.assert_array_equal(getattr(read.tail, field.name), getattr(INTERFACE.tail, field.name))


def test_the_same_interface_gives_the_same_bytes(tmp_path):
    for name in "ab":
        INTERFACE.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 half"], ids=["absent", "empty", "damaged"])
def test_a_file_that_is_no_interface_names_its_cure(tmp_path, content):
    path = tmp_path / "interface.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabError, match="cannot be read") as caught:
        Interface.load(path)
    assert "02_quantize" in caught.value.cure
