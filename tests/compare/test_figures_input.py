"""Figures of odd tables: bad, empty, without bounds, with dollar signs."""

from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.figure import Figure

from helpers.compare.figures import catalogue as figures
from helpers.energy.quantities import MEMORY
from helpers.lab.errors import LabError
from helpers.quantize.quantities import SIZE
from tests.support.example_results import (
    CONTEXT,
    NAN,
    example_frames,
    example_layers,
    example_operators,
    example_parts,
    example_results,
    fail,
)
from tests.support.figure_checks import CASES, lines_by_gid, overlapping, pictures


def test_bad_input_is_explained():
    with pytest.raises(LabError, match="05_compare"):
        figures.bars(pd.DataFrame(), CONTEXT, SIZE)
    with pytest.raises(LabError, match="one list of boxes per image"):
        figures.detections_grid(pictures(2), {"int8": [[]]}, CONTEXT)
    with pytest.raises(LabError, match="pareto"):
        figures.draw("pareton", CASES["usual"], {}, CONTEXT)
    with pytest.raises(LabError, match="ap_loss without: losses"):
        figures.draw("ap_loss", CASES["usual"], {}, CONTEXT)
    with pytest.raises(LabError, match="created_utc"):
        figures.save_figure(Figure(), None, "x", replace(CONTEXT, created_utc="yesterday"))


def test_every_number_missing_still_gives_every_figure():
    results = example_results()
    for variant in results["variant"]:
        results = fail(results, variant)
    empty = {name: frame.iloc[:0] for name, frame in example_frames(example_results()).items()}
    empty |= {"operators": example_operators(results), "parts": example_parts(results)}
    empty["layers"] = example_layers(results)
    for figure in figures.draw_all(results, empty, CONTEXT).values():
        assert overlapping(figure) == []


def test_dollar_signs_in_texts_are_printed_as_they_are():
    results = fail(example_results(), "int8", r"$\frac{ and $ more_of^it")
    for figure in figures.draw_all(results, example_frames(results), replace(CONTEXT, host="$x$_")).values():
        figure.draw_without_rendering()


def test_memory_has_whiskers_where_the_table_has_bounds():
    results = example_results()
    peak = results["peak_rss_bytes"]
    bounded = results.assign(peak_rss_bytes_low=peak - 2e5, peak_rss_bytes_high=peak + 1e5)
    whiskers = lines_by_gid(figures.bars(bounded, CONTEXT, MEMORY))
    assert list(whiskers["interval:int8"][0].get_xdata()) == pytest.approx([6.1, 6.4])
    assert "interval:int8" not in lines_by_gid(figures.bars(results, CONTEXT, MEMORY))


def test_values_without_bounds_are_drawn_without_bar():
    results = example_results().assign(ap_diff_low=NAN, ap_diff_high=NAN)
    lines = lines_by_gid(figures.ap_difference(results, CONTEXT))
    assert "value:int8" in lines
    assert "interval:int8" not in lines
