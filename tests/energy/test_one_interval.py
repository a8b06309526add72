"""One interval made by hand: from raw timings to the table's own bounds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.energy import one_interval
from helpers.energy.summary import latency_ratio
from helpers.run.experiment import open_run
from helpers.run.variants import BASELINE, CONTROL
from helpers.show.context import Context
from tests.energy.test_measure_summary import latency_raw
from tests.support.figure_checks import lines_by_gid, overlapping
from tests.support.raw_results import ended

RUN = open_run("smoke", "one-interval")


@pytest.fixture
def opened_of(monkeypatch):
    """Open a raw result of variants whose kernels are known."""

    def open_raw(raw, computed):
        records = {
            name: SimpleNamespace(values=SimpleNamespace(facts=SimpleNamespace(compute_dtype=dtype)))
            for name, dtype in computed.items()
        }
        monkeypatch.setattr(one_interval, "read_measurement", lambda *_: SimpleNamespace(values=raw))
        monkeypatch.setattr(one_interval, "timed_files", lambda *_: dict.fromkeys((BASELINE, *computed)))
        monkeypatch.setattr(one_interval, "read_variant", lambda run, model, variant: records[variant])
        return one_interval.open_ratio(RUN, RUN.models)

    return open_raw


def test_percentiles_of_resampled_medians_are_the_tables_interval(opened_of):
    raw = latency_raw(seed=3)
    opened = opened_of(raw, {"int8": "int8"})
    ratios = np.median(opened.own, axis=1) / np.median(opened.base, axis=1)
    table = latency_ratio(raw, "int8", RUN.profile.resamples, RUN.profile.seed)
    assert opened.table == table
    assert np.median(ratios) == pytest.approx(table.value)
    low, high = np.percentile(np.median(ratios[opened.drawn], axis=1), opened.percent)
    assert (low, high) == pytest.approx((table.low, table.high))


def test_where_rounds_could_end_on_the_width_the_percentiles_are_wider(opened_of):
    raw = replace(latency_raw(seed=3), stopping=ended(width=0.02))
    assert opened_of(raw, {"int8": "int8"}).percent == pytest.approx((1.5, 98.5))


def test_integer_kernels_are_opened_before_others(opened_of):
    raw = latency_raw(seed=1, true_ms={BASELINE: 4.0, "float16": 4.0, "int8": 3.0, CONTROL: 4.0})
    assert opened_of(raw, {"float16": "float32", "int8": "int8"}).variant == "int8"
    assert opened_of(raw, {"float16": "float32"}).variant == "float16"


def test_float32_alone_is_opened_beside_its_control(opened_of):
    raw = latency_raw(seed=1, true_ms={BASELINE: 4.0, CONTROL: 4.0})
    assert opened_of(raw, {}).variant == CONTROL


def test_one_round_is_an_interval_without_width(opened_of):
    opened = opened_of(latency_raw(seed=1, rounds=1), {"int8": "int8"})
    assert opened.own.shape[0] == 1
    assert opened.table.low == opened.table.high
    figure = one_interval.draw_ratio(opened, np.full(10, opened.table.value), Context())
    assert "n = 1 rounds" in figure.caption


def test_without_a_round_the_reason_is_told(opened_of, capsys):
    raw = replace(latency_raw(seed=1), rounds=(), failures={"int8": "no kernel"})
    assert opened_of(raw, {"int8": "int8"}) is None
    assert "int8: no ratio to open: no kernel." in capsys.readouterr().out


def test_the_picture_has_a_dot_per_round_and_the_interval(opened_of):
    opened = opened_of(latency_raw(seed=3), {"int8": "int8"})
    ratios = np.median(opened.own, axis=1) / np.median(opened.base, axis=1)
    figure = one_interval.draw_ratio(opened, np.median(ratios[opened.drawn], axis=1), Context(run="r"))
    lines = lines_by_gid(figure)
    assert len(lines["rounds"][0].get_xdata()) == len(ratios)
    assert list(lines["interval"][0].get_xdata()) == pytest.approx([opened.table.low, opened.table.high])
    assert overlapping(figure) == []
