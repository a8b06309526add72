"""Machines side by side, drawn: marks where the tables have them, each with its own noise floor."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from helpers.compare.figures import machines as drawing
from helpers.compare.figures.rows_machines import Machine, scale_axis, title_of
from helpers.compare.noise import noise_floor
from helpers.compare.tables.machines import machines_table, notes
from helpers.lab.intervals import Interval
from tests.support.example_machines import machine, pair, slower
from tests.support.example_results import ALL, MODEL, USUAL, example_results, fail

LONG_HOST = "Intel(R) Xeon(R) Platinum 8488C CPU with a Very Long Trade Name (R) @ 2.40GHz (96 cores)"


def lines_of(axes) -> dict[str, object]:
    return {line.get_gid(): line for line in axes.lines if ":" in str(line.get_gid())}


def words(figure: Figure) -> str:
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return " ".join(texts).replace("\n", " ")


def test_marks_and_intervals_lie_where_each_machines_table_has_them():
    both = pair(slower(example_results(), 2))
    left, right = drawing.machines(both).axes
    for axes, column in ((left, "latency_ms_p50"), (right, "latency_ratio")):
        lines = lines_of(axes)
        assert len(lines) == 2 * 2 * (len(USUAL) - 1)
        for one, row in itertools.product(both, both[0].results["variant"][:-1]):
            cells = one.row(MODEL, row)
            value, bar = (lines[f"{kind}:{one.letter}:{row}"] for kind in ("value", "interval"))
            assert value.get_xdata()[0] == cells[column]
            assert list(bar.get_xdata()) == [cells[f"{column}_low"], cells[f"{column}_high"]]


def test_machines_are_told_apart_by_row_fill_and_letter_and_variants_by_colour():
    three = [machine(letter, slower(example_results(), k)) for k, letter in enumerate("ABC", start=1)]
    left = drawing.machines(three).axes[0]
    marks = [lines_of(left)[f"value:{letter}:int8"] for letter in "ABC"]
    assert len({mark.get_ydata()[0] for mark in marks}) == 3
    assert len({(mark.get_fillstyle(), mark.get_markerfacecolor()) for mark in marks}) == 3
    assert len({mark.get_markeredgecolor() for mark in marks}) == 1
    letters = [label.get_text() for label in left.get_yticklabels(minor=True)]
    assert letters == ["A", "B", "C"] * (len(USUAL) - 1)


def test_each_row_has_the_noise_floor_of_its_own_machine():
    results = slower(example_results(), 2)
    results.loc[results["variant"] == "float32-control", "latency_ratio_low"] = 0.5
    both = pair(results)
    right = drawing.machines(both).axes[1]
    bands = {str(p.get_gid()): p for p in right.patches if "noise-floor" in str(p.get_gid())}
    assert len(bands) == 2 * (len(USUAL) - 1)
    for gid, band in bands.items():
        _, letter, variant = gid.split(":")
        floor = noise_floor(both["AB".index(letter)].results, "latency")
        assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((floor.low, floor.high))
        y = lines_of(right)[f"value:{letter}:{variant}"].get_ydata()[0]
        assert band.get_y() < y < band.get_y() + band.get_height()


@pytest.mark.parametrize(("factor", "scale"), [(2.9, "linear"), (3.1, "log"), (1 / 3.1, "log"), (900, "log")])
def test_the_axis_is_logarithmic_where_machines_lie_far_apart(factor, scale):
    left, right = drawing.machines(pair(slower(example_results(), factor))).axes
    assert (left.get_xscale(), right.get_xscale()) == (scale, "linear")
    low, high = left.get_xlim()
    assert (low == 0) == (scale == "linear")
    ticks = [tick for tick in left.get_xticks() if low <= tick <= high]
    assert len(ticks) >= 2
    values = [line.get_xdata()[0] for line in lines_of(left).values()]
    assert all(low < value < high for value in values)


@settings(max_examples=40)
@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=5), st.floats(1, 1e3))
def test_every_mark_lies_within_the_axis(values, spread):
    axes = Figure().subplots()
    scale_axis(axes, [Interval(v, 0.9 * v, 1.2 * v) for v in values], spread)
    low, high = axes.get_xlim()
    assert low <= min(values) * 0.9
    assert high >= max(values) * 1.2


@pytest.mark.parametrize("grades", list(itertools.product("ABCD", repeat=2)))
def test_two_grades_never_share_an_axis(grades):
    both = [
        machine(x, slower(example_results(), k, g))
        for k, (x, g) in enumerate(zip("AB", grades, strict=True), 1)
    ]
    figure = drawing.machines_energy(both)
    assert len(figure.axes) == len(set(grades))
    shown = [t.get_text()[6] for axes in figure.axes for t in axes.texts if t.get_gid() == "grade"]
    assert shown == sorted(set(grades))
    for axes, grade in zip(figure.axes, shown, strict=True):
        letters = {gid.split(":")[1] for gid in lines_of(axes)}
        expected = {x for x, g in zip("AB", grades, strict=True) if g == grade}
        assert letters == (set() if grade == "D" else expected)


def test_a_machine_with_two_grades_is_drawn_on_two_axes():
    results = slower(example_results(), 2, "C")
    results.loc[results["variant"] == "int8", "energy_grade"] = "A"
    first, second = drawing.machines_energy(pair(results)).axes
    assert set(lines_of(first)) == {"value:B:int8", "interval:B:int8"}
    assert "value:B:int8" not in lines_of(second)
    assert {"value:A:int8", "value:B:float32"} <= set(lines_of(second))


def test_no_energy_figure_is_one_row_with_its_reason():
    results = slower(example_results(), 2, "D").assign(energy_reason="the counters are for root alone")
    axes = drawing.machines_energy(pair(results)).axes[1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all variants"]
    assert [label.get_text() for label in axes.get_yticklabels(minor=True)] == ["B"]
    assert "n/a: the counters are for root alone" in [text.get_text() for text in axes.texts]
    assert lines_of(axes) == {}


def test_numbers_beside_the_rows_keep_about_four_digits():
    figure = drawing.machines(pair(slower(example_results(), 1000)))
    assert "6.10 [6.06, 6.14]" in words(figure)
    assert "6100 [6063, 6137]" in words(figure)


def test_failed_and_absent_variants_keep_their_row():
    results = fail(slower(example_results(), 2), "int8")
    figure = drawing.machines(pair(results[results["variant"] != "float16"]))
    assert "value:B:int8" not in lines_of(figure.axes[0])
    for part in ("failed: kernels", "n/a: not in run run-B"):
        assert part in words(figure)
    energy = drawing.machines_energy(pair(results))
    assert len(energy.axes) == 1
    assert "failed: kernels" in words(energy)


def test_a_model_that_only_one_run_has_is_left_out():
    ours = pd.concat([example_results(), example_results(model="yolo")])
    theirs = pd.concat([slower(example_results(), 2), example_results(model="centernet")])
    both = [machine("A", ours), machine("B", theirs)]
    assert [axes.get_title(loc="left") for axes in drawing.machines(both).axes] == [MODEL, ""]
    assert set(machines_table(both)["Model"]) == {MODEL}
    assert "of centernet" in " ".join(notes(both))


@pytest.mark.parametrize("name", drawing.FIGURES_BESIDE)
def test_captions_and_legend_name_every_host_and_run(name):
    both = pair(slower(example_results(), 2), host="Intel(R) Core(TM) i7 (8 cores)", threads=4)
    figure = drawing.FIGURES_BESIDE[name].function(both)
    for part in ("run-A", "run-B", "Maker A (4 cores)", "Intel(R) Core(TM) i7 (8 cores)", "95 %"):
        assert part in figure.caption.replace("Run ", "")
    legend = [text.get_text() for text in figure.legends[0].texts]
    assert legend == [title_of(one) for one in both]
    assert legend[1] == "B: Intel Core i7 (8 cores), 4 threads, run run-B"


def test_the_caption_says_where_the_intervals_of_ratios_have_another_level():
    second = slower(example_results(), 2)
    assert "of ratios" not in drawing.machines(pair(second, ratio_level=0.95)).caption
    caption = drawing.machines(pair(second, ratio_level=0.99)).caption
    assert "(of ratios, since rounds could end on their width: B 99 %)" in caption


def shown_boxes(figure: Figure) -> list:
    """Boxes of all texts: of axes, ticks (both kinds), legend and caption."""
    figure.draw_without_rendering()
    texts = [*figure.legends[0].texts, figure._supxlabel]
    for axes in figure.axes:
        left, right = axes.get_xlim()
        ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        texts += [label for at, label in ticks if left <= at <= right]
        texts += [*axes.get_yticklabels(), *axes.get_yticklabels(minor=True), *axes.texts]
        texts += [axes.xaxis.label, axes._left_title]
    renderer = figure.canvas.get_renderer()
    return [(t.get_text(), t.get_window_extent(renderer).padded(-1)) for t in texts if t.get_text().strip()]


def crowd() -> list[Machine]:
    """Six machines, long names, two models, every grade, a failure."""
    both = pd.concat([example_results(ALL), example_results(model="yolo")])
    grades = ["C", "A", "B", "D", "C", "A"]
    found = [machine(x, slower(both, 1.7**k, g), host=LONG_HOST, run="r" * 40)
             for k, (x, g) in enumerate(zip("ABCDEF", grades, strict=True))]  # fmt: skip
    found[2] = machine("C", fail(found[2].results, "int8"))
    return found


CASES = {
    "two": pair(slower(example_results(), 2)),
    "far apart": pair(slower(example_results(), 700, "A")),
    "near": pair(slower(example_results(("float32", "float16", "float32-control")), 1.01)),
    "crowd": crowd(),
}


@pytest.mark.parametrize("name", drawing.FIGURES_BESIDE)
@pytest.mark.parametrize("case", CASES)
def test_no_text_covers_another_or_leaves_the_page(name, case):
    figure = drawing.FIGURES_BESIDE[name].function(CASES[case])
    boxes = shown_boxes(figure)
    covering = [(a, b) for (a, x), (b, y) in itertools.combinations(boxes, 2) if x.overlaps(y)]
    page = figure.bbox.padded(1)
    off = [a for a, x in boxes if not (page.x0 <= x.x0 and x.x1 <= page.x1 and x.y1 <= page.y1)]
    assert (covering, off) == ([], [])
    assert all(math.isfinite(side) for side in figure.get_size_inches())
    assert np.ptp(figure.axes[0].get_position().intervalx) > 0.1
