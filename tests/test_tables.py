"""Tables and findings: exact in CSV, rounded for people, and never more than the intervals allow."""

import math
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.errors import LabError
from helpers.intervals import Interval
from helpers.show import tables
from helpers.show.findings import (
    Verdict,
    accuracy_finding,
    findings,
    headlines,
    judge_difference,
    judge_ratio,
    latency_finding,
)
from helpers.show.noise import NoiseFloor, noise_floor
from tests.example_results import CONTEXT, NAN, REASON, example_results, fail, without_energy

positive = st.floats(0.01, 100)
points = st.floats(-1, 1)


def test_csv_round_trips_to_the_last_digit_and_keeps_the_order_of_columns(tmp_path):
    results = fail(example_results(), "int8", reason='commas, "quotes"\nand lines')
    shuffled = results[results.columns[::-1]]
    csv, markdown, latex = tables.write_results(shuffled, tmp_path, CONTEXT)
    assert [p.name for p in (csv, markdown, latex)] == ["results.csv", "results.md", "results.tex"]
    read = tables.read_results(csv)
    assert tuple(read.columns[: len(tables.COLUMNS)]) == tables.COLUMNS
    pd.testing.assert_frame_equal(read[results.columns], results, check_dtype=False, check_exact=True)


def test_markdown_rounds_and_keeps_one_line_per_variant():
    text = tables.markdown(fail(example_results(), "int8", "a | b\nc"), CONTEXT)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 5
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert cells == {len(tables.HUMAN) + 2}
    assert "62.0 [60.6, 63.3]" in text
    assert "failed: a \\| b c" in text


def test_notes_state_noise_floor_and_grade():
    note = tables.table_note(example_results(), CONTEXT)
    assert "grade C: estimate" in note
    assert noise_floor(example_results(), "latency").text() in note
    assert "n = 500" in note
    assert "energy unknown" in tables.table_note(without_energy(example_results()), CONTEXT)


def test_latex_escapes_and_balances():
    text = tables.latex(fail(example_results(), "int8", r"100% & $x_1$ #{} ~^\ <é"), CONTEXT)
    assert r"ssd\_mobilenet\_v2\_small" in text
    expected = r"100\% \& \$x\_1\$ \#\{\} \textasciitilde{}\textasciicircum{}\textbackslash{}"
    assert expected in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    body = re.sub(r"\\[{}]", "", text)
    assert body.count("{") == body.count("}")
    rows = [line for line in text.splitlines() if re.match(r"(float|int8-)", line)]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(tables.LATEX_COLUMNS) - 1}


@given(st.text())
def test_latex_special_characters_never_survive_bare(text):
    escaped = tables.escape_latex(text)
    bare = re.sub(r"\\[&%$#_{}]|\\[a-z]+\{\}|\$\\[a-z]+\$|\$-\$|\$\^2\$", "", escaped)
    assert not set(bare) & set("&%$#_{}~^\\")


def test_display_table_shows_the_same_texts_and_escapes_them():
    html = tables.display_table(fail(example_results(), "int8", "<b>&"), CONTEXT)._repr_html_()
    assert "62.0 [60.6, 63.3]" in html
    assert "&lt;b&gt;&amp;" in html
    assert "Noise floor" in html


def test_unreadable_tables_are_explained(tmp_path):
    with pytest.raises(LabError, match="05_compare"):
        tables.read_results(tmp_path / "results.csv")
    (tmp_path / "results.csv").write_text("")
    with pytest.raises(LabError, match="not a results table"):
        tables.read_results(tmp_path / "results.csv")
    with pytest.raises(LabError, match="storage_dtype"):
        tables.write_results(example_results().drop(columns="storage_dtype"), tmp_path)


@given(st.tuples(points, points, points))
def test_a_difference_is_shown_exactly_if_zero_is_excluded(numbers):
    low, value, high = sorted(numbers)
    verdict = judge_difference(Interval(value, low, high))
    assert (verdict is Verdict.NONE_SHOWN) == (low <= 0 <= high)
    if verdict is Verdict.BETTER:
        assert value > 0
    if verdict is Verdict.WORSE:
        assert value < 0


@given(positive, positive, positive, st.floats(0, 0.5))
def test_a_ratio_is_shown_exactly_if_it_leaves_one_and_the_noise_floor(a, b, c, relative):
    low, value, high = sorted((a, b, c))
    floor = NoiseFloor(relative)
    verdict = judge_ratio(Interval(value, low, high), floor)
    assert (verdict is Verdict.BETTER) == (high < 1 - relative)
    assert (verdict is Verdict.WORSE) == (low > 1 + relative)


@given(positive, positive, positive)
def test_a_known_noise_floor_never_adds_findings(a, b, c):
    low, value, high = sorted((a, b, c))
    ratio = Interval(value, low, high)
    assert judge_ratio(ratio, NoiseFloor(0.05)) in (judge_ratio(ratio, None), Verdict.NONE_SHOWN)


@given(st.tuples(points, points, points))
def test_accuracy_text_agrees_with_its_verdict_and_never_says_equal(numbers):
    low, value, high = sorted(numbers)
    verdict, text = accuracy_finding({"ap_diff": value, "ap_diff_low": low, "ap_diff_high": high})
    expected = {
        Verdict.BETTER: "AP rises",
        Verdict.WORSE: "AP falls",
        Verdict.NONE_SHOWN: "no difference in AP",
    }
    assert text.startswith(expected[verdict])
    assert "equal" not in text
    bounds = re.search(r"\[(.*), (.*)\]", text.replace("−", "-"))
    assert float(bounds[1]) <= float(bounds[2])


def test_findings_read_as_intended():
    texts = {(f.variant, f.quantity): (f.verdict, f.text) for f in findings(example_results())}
    assert texts["int8", "latency"] == (Verdict.BETTER, "1.69× faster [1.67, 1.71]")
    assert texts["int8", "accuracy"] == (Verdict.WORSE, "AP falls by 2.00 points [1.67, 2.35]")
    assert texts["int8-dynamic", "latency"][0] is Verdict.WORSE
    assert texts["float16", "latency"][0] is Verdict.NONE_SHOWN
    assert "noise floor" in texts["float16", "latency"][1]
    assert "grade C, an estimate" in texts["int8", "energy"][1]
    assert texts["float16", "size"][1] == "0.51× float32's file size (1.48 MB against 2.91 MB)"
    assert {variant for variant, _ in texts} == {"float16", "int8-dynamic", "int8"}


def test_missing_numbers_are_not_judged():
    results = without_energy(fail(example_results(), "int8"))
    judged = {(f.variant, f.quantity): f.verdict for f in findings(results)}
    assert {judged["int8", q] for q in ("accuracy", "latency", "size", "energy")} == {Verdict.NOT_JUDGED}
    assert judged["float16", "energy"] is Verdict.NOT_JUDGED
    assert headlines(results)[results["model"].iloc[0], "int8"] == f"failed: {REASON}"
    no_bounds = {"latency_ratio": 0.5, "latency_ratio_low": NAN, "latency_ratio_high": NAN}
    assert latency_finding(no_bounds, None) == (
        Verdict.NOT_JUDGED,
        "latency ratio 0.500, without interval: not judged",
    )


def test_a_failed_control_leaves_the_noise_floor_unknown_and_says_so():
    results = fail(example_results(), "float32-control")
    assert noise_floor(results, "latency") is None
    texts = {(f.variant, f.quantity): f.text for f in findings(results)}
    assert "noise floor unknown" in texts["int8", "latency"]
    assert "noise floor unknown" in texts["float16", "latency"]


@given(st.floats(0.5, 1.5), st.floats(0, 0.2), st.floats(0, 0.2))
def test_noise_floor_holds_the_controls_interval(value, below, above):
    ratio = {"latency_ratio": value, "latency_ratio_low": value - below, "latency_ratio_high": value + above}
    floor = noise_floor(pd.DataFrame([{"variant": "float32-control", **ratio}]), "latency")
    assert floor.low <= ratio["latency_ratio_low"] + 1e-12
    assert ratio["latency_ratio_high"] <= floor.high + 1e-12
    assert math.isclose(1 - floor.low, floor.high - 1, abs_tol=1e-12)
