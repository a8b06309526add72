"""Latency by thread count, drawn: marks where the numbers are, counts as ticks, nothing overlapping."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.compare.figures.threads import latency_threads, spread_out, tidy_ticks
from helpers.run.variants import BASELINE
from tests.support.example_results import ALL, CONTEXT, NAN, REASON, example_results, example_threads, fail
from tests.support.figure_checks import lines_by_gid, overlapping, visible_texts

REPEATS, ROUNDS = 6, 25

USUAL, SEVEN = example_results(), example_results(ALL)
TWO_MODELS = pd.concat([USUAL, fail(example_results(model="yolo"), "int8")])
MANY = (1, 2, 4, 8, 16, 32, 64, 96)
CASES = {
    "usual": (USUAL, example_threads(USUAL)),
    "two cores": (USUAL, example_threads(USUAL, (1, 2))),
    "six cores": (SEVEN, example_threads(SEVEN, (1, 2, 4, 6))),
    "one core": (USUAL, example_threads(USUAL, (1,))),
    "many cores": (SEVEN, example_threads(SEVEN, MANY)),
    "failed": (fail(USUAL, "int8"), example_threads(fail(USUAL, "int8"))),
    "two models": (TWO_MODELS, example_threads(TWO_MODELS)),
    "nothing": (fail(USUAL, "int8"), example_threads(USUAL).iloc[:0]),
}


@pytest.fixture(scope="module")
def drawn():
    return {case: latency_threads(*frames, CONTEXT) for case, frames in CASES.items()}


@pytest.mark.parametrize("case", CASES)
def test_no_text_covers_another_and_all_are_large_enough(drawn, case):
    assert overlapping(drawn[case]) == []
    assert min(text.get_fontsize() for text in visible_texts(drawn[case])) >= 8


@pytest.mark.parametrize("case", ["usual", "one core", "many cores"])
def test_marks_and_intervals_lie_where_the_table_has_them(drawn, case):
    results, frame = CASES[case]
    lines = lines_by_gid(drawn[case])
    for variant in results["variant"]:
        own = frame[frame["variant"] == variant]
        [marks] = lines[f"value:{variant}"]
        assert list(marks.get_xdata()) == list(own["threads"])
        assert list(marks.get_ydata()) == pytest.approx(list(own["latency_ms_p50"]))
        bounds = own[["latency_ms_p50_low", "latency_ms_p50_high"]].to_numpy()
        assert np.array([line.get_ydata() for line in lines[f"interval:{variant}"]]) == pytest.approx(bounds)


@pytest.mark.parametrize("case", CASES)
def test_all_marks_and_intervals_lie_within_the_axes_and_beside_one_another(drawn, case):
    figure = drawn[case]
    figure.draw_without_rendering()
    for axes in figure.axes:
        lines = [line for line in axes.lines if str(line.get_gid()).startswith(("value:", "interval:"))]
        pixels = {line: line.get_transform().transform(line.get_xydata()) for line in lines}
        assert all(axes.bbox.padded(1).contains(*point) for points in pixels.values() for point in points)
        values = [line for line in lines if line.get_gid().startswith("value:")]
        firsts = [pixels[line][0][0] for line in values]
        assert all(b - a > 2 for a, b in itertools.pairwise(firsts))
        places = {}
        for line in values:
            for count, pixel in zip(line.get_xdata(), pixels[line], strict=True):
                places.setdefault(count, []).append(pixel[0])
        for low, high in itertools.pairwise(sorted(places)):
            assert max(places[low]) < min(places[high])


@pytest.mark.parametrize("case", ["failed", "one core", "two models"])
def test_notes_cover_no_mark(drawn, case):
    figure = drawn[case]
    figure.draw_without_rendering()
    noted = 0
    for axes in figure.axes:
        marks = [line for line in axes.lines if str(line.get_gid()).startswith(("value:", "interval:"))]
        for note in (text for text in axes.texts if text.get_gid() == "absent"):
            noted += 1
            box = note.get_window_extent().padded(3)
            points = [p for mark in marks for p in mark.get_transform().transform(mark.get_xydata())]
            assert not any(box.contains(*point) for point in points)
    assert noted == 1


def notes_of(figure) -> str:
    texts = [text.get_text() for axes in figure.axes for text in axes.texts if text.get_gid() == "absent"]
    return " ".join("\n".join(texts).split("\n"))


def test_a_failed_variant_is_named_with_its_reason(drawn):
    assert "int8: failed: kernels" in notes_of(drawn["failed"])
    assert "value:int8" not in lines_by_gid(drawn["failed"])
    assert "int8: failed: kernels" in notes_of(drawn["nothing"])
    assert "float16: n/a: not measured" in notes_of(drawn["nothing"])


def test_a_variant_that_fails_at_some_counts_is_drawn_at_the_others():
    frame = example_threads(USUAL)
    gone = (frame["variant"] == "int8") & (frame["threads"] >= 4)
    frame.loc[gone, ["latency_ms_p50", "latency_ms_p50_low", "latency_ms_p50_high"]] = NAN
    frame.loc[gone, "failed"] = REASON
    figure = latency_threads(USUAL, frame, CONTEXT)
    assert list(lines_by_gid(figure)["value:int8"][0].get_xdata()) == [1, 2]
    assert "int8, 4, 8 threads: failed: kernels" in notes_of(figure)
    assert overlapping(figure) == []


def test_one_core_says_so_and_has_no_ideal(drawn):
    assert "One core only" in notes_of(drawn["one core"])
    assert "ideal" not in lines_by_gid(drawn["one core"])
    assert "Dotted" not in drawn["one core"].caption


def test_the_ideal_divides_the_time_of_float32_by_the_threads(drawn):
    [ideal] = lines_by_gid(drawn["many cores"])["ideal"]
    p50_ms = SEVEN.set_index("variant").loc[BASELINE, "latency_ms_p50"]
    assert list(ideal.get_xdata()) == [1, 96]
    assert list(ideal.get_ydata()) == pytest.approx([p50_ms, p50_ms / 96])
    assert [axes.get_xscale() for axes in drawn["many cores"].axes] == ["log"]
    assert list(drawn["many cores"].axes[0].get_xticks()) == list(MANY)


def test_the_caption_names_n_interval_host_and_what_was_disturbed(drawn):
    caption = drawn["usual"].caption
    for part in ("n = 20 to 75 interleaved rounds", "95 %", "bootstrap", "Example CPU", "quick-example"):
        assert part in caption
    assert "disturbed" not in caption
    busy = example_threads(USUAL).assign(disturbed=15)
    assert "Most rounds at 2, 4, 8 threads were disturbed." in latency_threads(USUAL, busy, CONTEXT).caption


@given(st.lists(st.tuples(st.floats(0, 200), st.sampled_from([11.5, 23.0])), min_size=1, max_size=8))
def test_names_keep_their_order_cover_none_and_move_only_if_they_must(names):
    wanted, heights = zip(*sorted(names), strict=True)
    placed = spread_out(wanted, list(heights), 0, 200)
    for (a, low), (b, high) in itertools.pairwise(zip(placed, heights, strict=True)):
        assert b - a >= (low + high) / 2 - 1e-9
    assert placed[0] >= heights[0] / 2 - 1e-9
    assert placed[-1] <= 200 - heights[-1] / 2 + 1e-9 or sum(heights) > 200
    assert spread_out(placed, list(heights), 0, max(200, sum(heights))) == pytest.approx(placed)


@given(st.floats(1e-3, 1e4), st.floats(1.3, 1e4))
def test_ticks_are_round_within_the_limits_and_neither_few_nor_many(low, span):
    ticks = tidy_ticks(low, low * span)
    assert ticks == sorted(set(ticks))
    assert 2 <= len(ticks) <= 8
    assert low <= ticks[0] < ticks[-1] <= low * span
    assert all(float(f"{tick:.2g}") == tick for tick in ticks)
