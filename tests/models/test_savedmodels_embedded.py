"""The embedded detector, cut without the signatures that it has for its parts."""

import pytest

from helpers.lab.paths import ROOT
from helpers.models.embedded.architecture import anchors
from helpers.models.embedded.export import export_detector
from helpers.photos.decoding import read_photo
from helpers.tasks.detection.boxes import CODER_SCALES
from helpers.tasks.detection.tails.selection import Limits
from tests.support.savedmodel_cut import Cut, assert_same

WEIGHTS = ROOT / "data" / "embedded" / "ssd_mobilenet_v2_synthetic.npz"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory) -> Cut:
    return Cut(export_detector(WEIGHTS, tmp_path_factory.mktemp("embedded") / "model"))


def test_the_embedded_detector_s_tail_is_found_in_its_graph(embedded):
    tail = embedded.interface.tail
    assert (tail.conversion, tail.background, tail.limits) == ("sigmoid", False, Limits(0.6, 1e-3, 100))
    assert tail.scales == CODER_SCALES
    assert abs(tail.anchors - anchors()).max() < 1e-6


def test_it_detects_as_the_savedmodel_does(embedded, drawn_photos):
    files = sorted((drawn_photos / "data").glob("*"))[:12]
    assert_same(embedded, [read_photo(file) for file in files])
