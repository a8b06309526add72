"""Tables and findings: exact in CSV, rounded for people, and never more than the intervals allow."""

import math
import re
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from helpers.compare.findings import (
    Judgement,
    accuracy_finding,
    findings,
    headlines,
    judge_difference,
    judge_ratio,
    latency_finding,
    size_finding,
)
from helpers.compare.noise import NoiseFloor, noise_floor
from helpers.compare.report.lacking import lacking
from helpers.compare.tables import writing as tables
from helpers.compare.tables.latex import escape_latex
from helpers.compare.tables.loss import class_frame, error_frame, with_totals
from helpers.compare.verdict import FEW_IMAGES, FEW_RESAMPLES, NO_VALUE, UNJUDGED, YES
from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval
from helpers.run.variants import BASELINE, CONTROL
from tests.support.example_results import (
    CONTEXT,
    MODEL,
    NAN,
    REASON,
    USUAL,
    example_losses,
    example_results,
    fail,
    without_energy,
)

positive = st.floats(0.01, 100)
points = st.floats(-1, 1)


def test_csv_round_trips_to_the_last_digit_and_keeps_the_order_of_columns(tmp_path):
    results = fail(example_results(), "int8", reason='commas, "quotes"\nand lines')
    csv, markdown, latex = tables.write_results(results, tmp_path, CONTEXT)
    assert [p.name for p in (csv, markdown, latex)] == ["results.csv", "results.md", "results.tex"]
    read = tables.read_results(csv)
    assert tuple(read.columns[: len(tables.COLUMNS)]) == tables.COLUMNS
    reasons = [column for column in read if column.endswith("_reason")]
    assert set(read[reasons].to_numpy().ravel()) == {""}
    numbers = [column for column in results if column not in reasons]
    pd.testing.assert_frame_equal(read[numbers], results[numbers], check_dtype=False, check_exact=True)


def test_markdown_rounds_and_keeps_one_line_per_variant():
    text = tables.markdown(fail(example_results(), "int8", "a | b\nc"), CONTEXT)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    lines = lines[: 2 + 5]
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert cells == {len(tables.SUMMARY) + 2}
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
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2 + len(tables.DETAILS)
    body = re.sub(r"\\[{}]", "", text)
    assert body.count("{") == body.count("}")
    widths = [len(cells) for cells in (tables.SUMMARY, tables.ACCURACY, *tables.DETAILS.values())]
    for width, table in zip(widths, text.split(r"\end{table*}"), strict=False):
        rows = [line for line in table.splitlines() if re.match(r"(float|int8-)", line)]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {width - 1}


def set_width_pt(cell: str, size_pt: float) -> float:
    """Width of a cell in LaTeX's own font, Computer Modern, which matplotlib brings."""
    plain = re.sub(r"\\(scriptsize|emph|Delta|times|pm|ldots|textbf) ?|[{}$\\]", "", cell).strip()
    font = FontProperties(fname=str(Path(matplotlib.get_data_path()) / "fonts/ttf/cmr10.ttf"))
    return TextPath((0, 0), plain, size_pt, prop=font).get_extents().width if plain else 0.0


def test_every_table_fits_across_a_page_of_a4():
    """455 pt: A4 with margins of 2.5 cm; in a document of 11 pt scriptsize is 8 pt."""
    text = tables.latex(example_results(USUAL), CONTEXT)
    for table in text.split(r"\end{table*}")[:-1]:
        body = table.split(r"\toprule")[1].split(r"\bottomrule")[0]
        rows = [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in body.splitlines()]
        count = max(map(len, rows))
        cells = [row for row in rows if len(row) == count]
        widths = [max(set_width_pt(cell, 8) for cell in column)
                  for column in zip(*cells, strict=True)]  # fmt: skip
        assert sum(widths) + 8 * count < 455, (table.splitlines()[2], widths)


@given(st.text())
def test_latex_special_characters_never_survive_bare(text):
    escaped = escape_latex(text)
    bare = re.sub(r"\\[&%$#_{}]|\\[a-z]+\{\}|\$\\[A-Za-z]+\$|\$-\$|\$\^2\$", "", escaped)
    assert not set(bare) & set("&%$#_{}~^\\")


def test_display_table_shows_the_same_texts_and_escapes_them():
    html = tables.display_table(fail(example_results(), "int8", "<b>&"), CONTEXT)._repr_html_()
    assert "62.0\n[60.6, 63.3]" in html
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
    judgement = judge_difference(Interval(value, low, high))
    assert (judgement is Judgement.NONE_SHOWN) == (low <= 0 <= high)
    if judgement is Judgement.BETTER:
        assert value > 0
    if judgement is Judgement.WORSE:
        assert value < 0


@given(positive, positive, positive, st.floats(0, 0.5))
def test_a_ratio_is_shown_exactly_if_it_leaves_one_and_the_noise_floor(a, b, c, relative):
    low, value, high = sorted((a, b, c))
    floor = NoiseFloor(relative)
    judgement = judge_ratio(Interval(value, low, high), floor)
    assert (judgement is Judgement.BETTER) == (high < 1 - relative)
    assert (judgement is Judgement.WORSE) == (low > 1 + relative)


@given(positive, positive, positive)
def test_a_known_noise_floor_never_adds_findings(a, b, c):
    low, value, high = sorted((a, b, c))
    ratio = Interval(value, low, high)
    assert judge_ratio(ratio, NoiseFloor(0.05)) in (judge_ratio(ratio, None), Judgement.NONE_SHOWN)


@given(st.tuples(points, points, points))
def test_accuracy_text_agrees_with_its_judgement_and_never_says_equal(numbers):
    low, value, high = sorted(numbers)
    judgement, text = accuracy_finding({"ap_diff": value, "ap_diff_low": low, "ap_diff_high": high})
    expected = {
        Judgement.BETTER: "AP rises",
        Judgement.WORSE: "AP falls",
        Judgement.NONE_SHOWN: "no difference in AP",
    }
    assert text.startswith(expected[judgement])
    assert "equal" not in text
    bounds = re.search(r"\[(.*), (.*)\]", text.replace("−", "-"))
    assert float(bounds[1]) <= float(bounds[2])


def test_findings_read_as_intended():
    texts = {(f.variant, f.quantity): (f.judgement, f.text) for f in findings(example_results())}
    assert texts["int8", "latency"] == (Judgement.BETTER, "1.69× faster [1.67, 1.71]")
    assert texts["int8", "accuracy"] == (
        Judgement.WORSE,
        "AP falls by 2.00 points [1.67, 2.35]; within 1 point of float32: no; "
        "its 80 distinct scores leave AP between 59.3 and 60.9 by the order of ties",
    )
    assert texts["float16", "accuracy"][1].endswith("points; within 1 point of float32: yes")
    assert texts["int8-dynamic", "accuracy"][1].endswith(": not enough images (about 1,300 needed)")
    assert texts["int8-dynamic", "latency"][0] is Judgement.WORSE
    assert texts["float16", "latency"][0] is Judgement.NONE_SHOWN
    assert "noise floor" in texts["float16", "latency"][1]
    assert "grade C, an estimate" in texts["int8", "energy"][1]
    assert texts["float16", "size"][1] == "0.51× float32's file size (1.48 MB against 2.91 MB)"
    assert {variant for variant, _ in texts} == {"float16", "int8-dynamic", "int8"}


@pytest.mark.parametrize(
    ("size_bytes", "judgement"),
    [(412_904, Judgement.NONE_SHOWN), (416_000, Judgement.NONE_SHOWN), (400_000, Judgement.BETTER)],
)
def test_a_header_more_or_less_is_no_difference_in_size(size_bytes, judgement):
    assert size_finding({"size_bytes": size_bytes}, 413_000.0)[0] is judgement


@pytest.mark.parametrize("answer", UNJUDGED)
def test_where_nothing_is_judged_there_are_numbers_and_one_sentence_why(answer, tmp_path):
    results = example_results()
    compared = ~results["variant"].isin([BASELINE, CONTROL])
    results["ap_within"] = results["ap_within"].mask(compared, answer)
    assert {finding.judgement for finding in findings(results)} == {Judgement.NOT_JUDGED}
    texts = {(f.variant, f.quantity): f.text for f in findings(results)}
    assert texts["int8", "latency"].startswith("latency ratio 0.59 [0.5")
    assert texts["int8", "accuracy"] == f"AP differs by −2.00 [−2.35, −1.67] points; {answer}"
    said = " ".join([*texts.values(), *headlines(results).values()])
    said += " ".join(path.read_text() for path in tables.write_results(results, tmp_path, CONTEXT)[1:])
    assert not re.search(r"\b(better|worse|faster|slower|yes|no difference|rises|falls)\b|: no\b", said)
    assert "Within 1 point" not in tables.human_frame(results)
    assert "Within 1 point" not in tables.accuracy_frame(results)
    note = tables.accuracy_note(results, CONTEXT)
    assert f"N{answer[1:]}: it is not said whether a loss is within 1 point." in note


def test_a_value_that_is_missing_is_listed_once_with_its_reason():
    results = example_results()
    lost = results["variant"].isin(["int8", "float16"])
    results.loc[lost, ["latency_ms_p50", "latency_ratio"]] = NAN
    results["latency_reason"] = results["variant"].map({"int8": REASON, "float16": REASON}).fillna("")
    [lack] = lacking(results)
    assert (lack.what, lack.reason, lack.failed) == ("latency of float16 and int8", REASON, True)
    assert tables.markdown(results, CONTEXT).count(REASON) == 1
    [unmetered] = lacking(without_energy(example_results()).assign(energy_reason="no counter"))
    assert (unmetered.what, unmetered.failed) == ("energy of every variant", False)


def test_missing_numbers_are_not_judged():
    results = without_energy(fail(example_results(), "int8"))
    judged = {(f.variant, f.quantity): f.judgement for f in findings(results)}
    assert {judged["int8", q] for q in ("accuracy", "latency", "size", "energy")} == {Judgement.NOT_JUDGED}
    assert judged["float16", "energy"] is Judgement.NOT_JUDGED
    assert headlines(results)[results["model"].iloc[0], "int8"] == f"failed: {REASON}"
    no_bounds = {"latency_ratio": 0.5, "latency_ratio_low": NAN, "latency_ratio_high": NAN}
    assert latency_finding(no_bounds, None) == (
        Judgement.NOT_JUDGED,
        "latency ratio 0.500, without interval: not judged",
    )


@pytest.mark.parametrize(("noise", "source"), [(0.5, "self-test"), (1e-6, "control"), (NAN, "control")])
def test_the_larger_of_control_and_self_test_is_the_noise_floor(noise, source):
    results = example_results()
    alone, floor = noise_floor(results, "latency"), noise_floor(with_noise(results, noise), "latency")
    assert floor.source == source
    assert floor.relative == (noise if source == "self-test" else alone.relative)
    assert noise_floor(with_noise(results, noise), "energy") == noise_floor(results, "energy")


def test_a_difference_within_the_self_tests_noise_is_not_shown():
    results = example_results()
    judged = {f.variant: f.judgement for f in findings(results) if f.quantity == "latency"}
    noisy = {f.variant: f for f in findings(with_noise(results, 50.0)) if f.quantity == "latency"}
    assert Judgement.NONE_SHOWN not in judged.values() or set(judged.values()) != {Judgement.NONE_SHOWN}
    assert {f.judgement for f in noisy.values()} == {Judgement.NONE_SHOWN}
    assert all("noise floor 1 ± 50.000 (self-test)" in f.text for f in noisy.values())


def with_noise(results, noise: float):
    return results.assign(latency_selftest_noise=noise)


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


def row_of(results: pd.DataFrame, variant: str) -> dict:
    return results[results["variant"] == variant].iloc[0].to_dict()


def test_verdicts_name_the_margin_and_what_is_lacking():
    frame = tables.accuracy_frame(example_results()).set_index("Variant")
    assert list(frame.index) == ["float32", "float16", "int8-dynamic", "int8"]
    assert list(frame["Within 1 point"]) == ["–", "yes", "not enough images (about 1,300 needed)", "no"]
    assert list(frame["AP by order of ties"]) == ["62.0", "62.0", "61.5", "59.3 to 60.9"]
    assert frame.loc["int8", ["Resamples worse", "Distinct scores"]].tolist() == ["99.2 %", "80"]
    assert frame.loc["int8", "ΔAP, all at once"] == "[−2.45, −1.58]"
    half = tables.human_frame(example_results().assign(ap_margin=0.005))
    assert "Within 0.5 points" in half
    assert "Within the margin" in tables.human_frame(example_results().assign(ap_margin=NAN))


@pytest.mark.parametrize("answer", [YES, FEW_IMAGES, FEW_RESAMPLES, NO_VALUE])
def test_the_answer_stands_in_every_form_of_the_table(answer, tmp_path):
    results = example_results().assign(ap_within=answer, ap_images_needed=NAN)
    paths = tables.write_results(results, tmp_path, CONTEXT)
    texts = [path.read_text() for path in paths] + [tables.display_accuracy(results, CONTEXT)._repr_html_()]
    assert all(answer in text for text in texts)
    assert f"of float32: {answer}" in accuracy_finding(row_of(results, "int8"))[1]


def test_a_variant_without_bounds_for_all_at_once_shows_none():
    results = example_results().assign(ap_joint_low=NAN, ap_joint_high=NAN)
    frame = tables.accuracy_frame(fail(results, "int8-dynamic")).set_index("Variant")
    assert list(frame["ΔAP, all at once"]) == ["–", "n/a", "n/a", "n/a"]
    assert frame.loc["int8-dynamic", "Within 1 point"] == "n/a"


def test_ties_are_warned_of_only_where_they_outweigh_the_interval():
    row = row_of(example_results(), "int8")
    assert "by the order of ties" in accuracy_finding(row)[1]
    narrow = row | {"ap_ties_low": row["ap"] - 0.003, "ap_ties_high": row["ap"] + 0.003}
    assert "order of ties" not in accuracy_finding(narrow)[1]
    assert "its equal scores leave" in accuracy_finding(row | {"distinct_scores": NAN})[1]


def test_a_narrow_range_of_ties_keeps_both_its_ends():
    row = row_of(example_results(), "int8") | {"ap_ties_low": 0.5999, "ap_ties_high": 0.6003}
    assert tables.ACCURACY["AP by order of ties"](row) == "59.99 to 60.03"
    assert tables.ACCURACY["AP by order of ties"](row | {"ap_ties_high": 0.59991}) == "60.0"


def test_float32_alone_still_gives_every_table(tmp_path):
    alone = example_results((BASELINE, CONTROL))
    csv, markdown, *_ = tables.write_results(alone, tmp_path, CONTEXT, example_losses(alone))
    assert "Where the loss is" not in markdown.read_text()
    assert tables.read_results(csv)["variant"].tolist() == [BASELINE, CONTROL]


def test_the_errors_add_up_and_the_total_has_the_interval_of_the_difference():
    results = example_results()
    losses = with_totals(example_losses(results), results)
    rows = error_frame(losses).set_index(["Variant", "Kind of error"])
    assert rows.loc[("int8", "total"), "Sum"] == "−2.000 [−2.350, −1.670]"
    assert rows.loc[("int8", "total"), "Objects"] == "–"
    assert rows.loc[("int8", "shifted box")].tolist() == [
        MODEL, "−0.750", "−0.250", "−1.000 [−1.100, −0.900]"
    ]  # fmt: skip
    assert pd.isna(losses.loc[losses["name"] == "remainder", ["low", "high"]]).all(axis=None)


def test_the_losses_are_written_in_full_precision(tmp_path):
    results = example_results()
    losses = example_losses(results)
    path = tables.write_results(results, tmp_path, CONTEXT, losses)[-1]
    assert path.name == "losses.csv"
    pd.testing.assert_frame_equal(pd.read_csv(path, float_precision="round_trip"), losses, check_exact=True)


def test_only_classes_that_lose_are_listed_worst_first():
    frame = class_frame(example_losses(example_results()), MODEL)
    assert frame["int8"].tolist() == ["cup −1.000", "t_shirt & tie −0.500"]
    assert frame["float16"].tolist() == ["", ""]
