"""One interval made by hand: from raw timings to the table's own bounds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.energy import one_interval
from helpers.energy.next_process import pair_averages
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


def averages_of(opened):
    """As the notebook makes them."""
    logs = np.log(np.min(opened.own, axis=1) / np.min(opened.base, axis=1))
    each = [np.median(logs[opened.processes == number]) for number in np.unique(opened.processes)]
    return np.exp(pair_averages(np.array(each)))


@pytest.mark.parametrize("per_process", [1, 3])
def test_pairs_of_processes_are_the_tables_interval(opened_of, per_process):
    raw = latency_raw(seed=3, per_process=per_process)
    opened = opened_of(raw, {"int8": "int8"})
    averages = averages_of(opened)
    assert opened.table == latency_ratio(raw, "int8")
    assert np.median(averages) == pytest.approx(opened.table.value)
    assert len(np.unique(opened.processes)) == 30 / per_process
    bounds = averages[[opened.outside, -1 - opened.outside]]
    assert bounds == pytest.approx((opened.table.low, opened.table.high))


def test_where_rounds_could_end_on_the_width_fewer_pairs_are_left_out(opened_of):
    raw = latency_raw(seed=3)
    wider = opened_of(replace(raw, stopping=ended(width=0.02)), {"int8": "int8"})
    assert (wider.level, opened_of(raw, {"int8": "int8"}).level) == (0.96, 0.95)
    assert wider.outside < opened_of(raw, {"int8": "int8"}).outside


def test_integer_kernels_are_opened_before_others(opened_of):
    raw = latency_raw(seed=1, true_ms={BASELINE: 4.0, "float16": 4.0, "int8": 3.0, CONTROL: 4.0})
    assert opened_of(raw, {"float16": "float32", "int8": "int8"}).variant == "int8"
    assert opened_of(raw, {"float16": "float32"}).variant == "float16"


def test_float32_alone_is_opened_beside_its_control(opened_of):
    raw = latency_raw(seed=1, true_ms={BASELINE: 4.0, CONTROL: 4.0})
    assert opened_of(raw, {}).variant == CONTROL


@pytest.mark.parametrize(("rounds", "bounds"), [(1, "one process: no bounds"), (3, " to ")])
def test_few_processes_are_told_of(opened_of, rounds, bounds):
    opened = opened_of(latency_raw(seed=1, rounds=rounds), {"int8": "int8"})
    assert opened.outside == -1
    figure = one_interval.draw_ratio(opened, averages_of(opened), Context())
    assert f"n = {rounds} round" in figure.caption
    assert "too few processes for ranks" in figure.caption
    [text] = [text.get_text() for axes in figure.axes for text in axes.texts if text.get_gid() == "bounds"]
    assert bounds in text


def test_without_a_round_the_reason_is_told(opened_of, capsys):
    raw = replace(latency_raw(seed=1), rounds=(), failures={"int8": "no kernel"})
    assert opened_of(raw, {"int8": "int8"}) is None
    assert "int8: no ratio to open: no kernel." in capsys.readouterr().out


def test_the_picture_has_a_dot_per_round_at_its_process_and_the_interval(opened_of):
    opened = opened_of(latency_raw(seed=3, per_process=2), {"int8": "int8"})
    figure = one_interval.draw_ratio(opened, averages_of(opened), Context(run="r"))
    lines = lines_by_gid(figure)
    assert len(lines["rounds"][0].get_xdata()) == len(opened.own)
    assert list(lines["rounds"][0].get_ydata()) == [1 + number // 2 for number in range(30)]
    assert list(lines["interval"][0].get_xdata()) == pytest.approx([opened.table.low, opened.table.high])
    assert "30 rounds" in figure.caption
    assert "15 fresh processes" in figure.caption
    assert overlapping(figure) == []
