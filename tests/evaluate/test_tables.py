"""03's tables: what COCO's tool marks with -1 is not there."""

import dataclasses
from types import SimpleNamespace

import pytest

from helpers.evaluate import tables
from helpers.evaluate.records import LoopTime, Scored
from helpers.show.frames import neat

FOUND = Scored(
    stats={"ap": -1.0, "ap_50": 0.25},
    ap_per_class={"ball": -1.0, "cone": 0.5},
    tie_bounds=(-1.0, -1.0),
    distinct_scores=2,
    images=1,
    detections=3,
    field="",
    timing=LoopTime(0, 0, 0, 0),
    loops=(),
    broken_images=0,
    findings=(),
)


@pytest.fixture
def unscored(monkeypatch):
    record = SimpleNamespace(values=FOUND, failure="")
    monkeypatch.setattr(tables, "read_score", lambda *_: record)
    monkeypatch.setattr(tables, "scored", lambda *_: ["float32"])
    return SimpleNamespace(variants=[SimpleNamespace(id="float32")])


@pytest.mark.parametrize("table", [tables.score_table, tables.class_table, tables.tie_table])
def test_no_ap_is_no_number(unscored, table):
    shown = neat(table(unscored, None)).to_html()
    assert "n/a" in shown
    assert "-1" not in shown


def test_time_is_that_of_the_photos_that_this_machine_went_through(unscored, monkeypatch):
    assert "n/a" in neat(tables.timing_table(unscored, None)).to_html()
    here = dataclasses.replace(FOUND, images=100, timing=LoopTime(1, 2, 3, 0.5), loops=((6, 1.5), (4, 0.5)))
    monkeypatch.setattr(tables, "read_score", lambda *_: SimpleNamespace(values=here, failure=""))
    (row,) = tables.timing_table(unscored, None).to_dict("records")
    assert row == {"variant": "float32", "decode": 100, "loop": 200, "core": 300, "tail": 50}
