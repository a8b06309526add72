"""Comparison: paired differences, the control, and columns for what is absent."""

import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest

from helpers.compare.quantities import QUANTITIES, wide
from helpers.compare.results import (
    COLUMNS,
    Sources,
    accuracy_of,
    difference_to_baseline,
    long_frame,
    resample_variants,
    results_frame,
    variant_results,
)
from helpers.compare.verdict import FEW_IMAGES, verdict
from helpers.energy.records import Energy
from helpers.energy.rounds.schedule import BARE
from helpers.energy.samples import latency_frame
from helpers.energy.summary import summarize_latency, summarize_memory
from helpers.energy.windows import energy_settings
from helpers.energy.windows_summary import summarize_energy
from helpers.evaluate.records import LoopTime, Scored
from helpers.lab.intervals import Absent, Interval, interval_of, spread
from helpers.meters.absent import AbsentMeter
from helpers.quantize.records import MadeFile
from helpers.run.variants import BASELINE, CONTROL
from helpers.runtimes.file_facts import FileFacts
from helpers.tasks.detection.quantities import NONE_OF_SIZE
from helpers.tasks.detection.score import Score, score
from tests.support.random_coco import random_detections, random_ground_truth
from tests.support.raw_results import latency_of, memory_of, visit
from tests.tasks.test_resample import columns

RESAMPLES, SEED = 200, 5
WHY = "no kernel for it"
DRAWN = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")


def scored_by_coco(truth: dict, detections: list[dict]) -> Score:
    return score(*columns(truth, detections))


@pytest.fixture(scope="module")
def truth():
    return random_ground_truth(np.random.default_rng(1), images=60)


@pytest.fixture(scope="module")
def good(truth):
    return random_detections(np.random.default_rng(2), truth)


@pytest.fixture(scope="module")
def scored(truth, good):
    """Float32; the same again as float16; int8 with every second detection lost."""
    found = {BASELINE: good, "float16": list(good), "int8": good[::2]}
    return {variant: scored_by_coco(truth, detections) for variant, detections in found.items()}


@pytest.fixture(scope="module")
def draws(scored):
    return resample_variants({v: s.evidence for v, s in scored.items()}, RESAMPLES, SEED)


def test_every_quantity_has_the_data_first_and_then_the_resamples(scored, draws):
    for variant, quantities in draws.items():
        assert set(quantities) == set(DRAWN)
        for name, values in quantities.items():
            assert values.shape == (1 + RESAMPLES,)
            assert values[0] == pytest.approx(scored[variant].stats[name], abs=1e-12)


def test_equal_evidence_differs_by_exactly_nothing(draws):
    difference = difference_to_baseline(draws["float16"], draws[BASELINE])
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_a_variant_that_finds_less_is_shown_to_be_worse(draws):
    difference = difference_to_baseline(draws["int8"], draws[BASELINE])
    assert difference.excludes(0)
    assert difference.high < 0
    assert difference.low <= difference.value <= difference.high


def test_the_difference_is_paired_so_that_what_photos_do_to_both_cancels(truth, good):
    """Losing one detection in fifty moves AP far less than another draw of photos does."""
    fewer = [d for i, d in enumerate(good) if i % 50]
    evidence = {BASELINE: scored_by_coco(truth, good).evidence, "int8": scored_by_coco(truth, fewer).evidence}
    drawn = resample_variants(evidence, RESAMPLES, SEED)
    alone, paired = interval_of(drawn["int8"]["ap"]), difference_to_baseline(drawn["int8"], drawn[BASELINE])
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_resamples_depend_on_the_seed_alone(scored):
    evidence = {BASELINE: scored[BASELINE].evidence}
    first, again, other = (resample_variants(evidence, 20, s)[BASELINE]["ap"] for s in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def sources(**known) -> Sources:
    """All absent but what is given."""
    return dataclasses.replace(Sources.all_absent(WHY), **known)


def row_of(known: Sources, variant: str = "int8") -> dict:
    return wide(variant_results("m", variant, "litert", known))[0]


def as_recorded(score: Score) -> Scored:
    """What 03's record says of a score."""
    images, time = score.evidence.images, LoopTime(0, 0, 0, 0)
    return Scored(score.stats, {}, (0.1, 0.9), 7, images, 0, "", time, (), 0, ())


def accuracy_columns(variant: str, score: Score, draws: dict) -> dict[str, float]:
    row = row_of(sources(accuracy=accuracy_of(variant, as_recorded(score), draws)))
    return {name: value for name, value in row.items() if name.startswith("ap") and name != "ap_reason"}


def of_differences(columns: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in columns.items() if "_diff" in name}


def test_the_control_has_the_accuracy_of_float32(scored, draws):
    control, base = (accuracy_columns(variant, scored[BASELINE], draws) for variant in (CONTROL, BASELINE))
    assert set(of_differences(control).values()) == {0}
    assert control.keys() == base.keys()
    for name in set(base) - set(of_differences(base)):
        np.testing.assert_equal(control[name], base[name])


def test_the_baseline_has_no_interval_of_a_difference_to_itself(scored, draws):
    differences = of_differences(accuracy_columns(BASELINE, scored[BASELINE], draws))
    for name in DRAWN:
        assert differences[f"{name}_diff"] == 0
        assert math.isnan(differences[f"{name}_diff_low"])
        assert math.isnan(differences[f"{name}_diff_high"])


def test_every_quantity_has_its_own_paired_difference(scored, draws):
    columns = accuracy_columns("int8", scored["int8"], draws)
    for name in DRAWN:
        expected = difference_to_baseline(draws["int8"], draws[BASELINE], name)
        found = tuple(columns[f"{name}_diff{end}"] for end in ("", "_low", "_high"))
        assert found == (expected.value, expected.low, expected.high)
        assert expected.value == pytest.approx(scored["int8"].stats[name] - scored[BASELINE].stats[name])


def test_a_verdict_says_what_the_answer_rests_on():
    judged = verdict("int8", np.concatenate([[-0.004], np.linspace(-0.03, 0.01, 401)]), 500)
    columns = row_of(sources(verdict=judged))
    assert judged.answer == FEW_IMAGES
    assert (columns["ap_joint_low"], columns["ap_joint_high"]) == (judged.low, judged.high)
    assert columns["ap_margin"] == 0.01
    assert columns["ap_worse_share"] == pytest.approx(0.75, abs=0.01)
    assert columns["ap_images_needed"] == judged.images_needed > 500


def test_accuracy_columns_hold_coco_numbers_within_their_intervals(scored, draws):
    columns = accuracy_columns("int8", scored["int8"], draws)
    assert columns["ap"] == scored["int8"].stats["ap"]
    for name in DRAWN:
        assert columns[f"{name}_low"] < columns[f"{name}_high"]
    expected = scored["int8"].stats["ap"] - scored[BASELINE].stats["ap"]
    assert columns["ap_diff"] == pytest.approx(expected, abs=1e-12)


def test_where_there_is_nothing_to_find_accuracy_is_not_a_number():
    truth = random_ground_truth(np.random.default_rng(4), images=20)
    truth["annotations"] = [a for a in truth["annotations"] if a["area"] < 96**2]
    result = scored_by_coco(truth, random_detections(np.random.default_rng(5), truth))
    draws = resample_variants({BASELINE: result.evidence}, 20, SEED)
    assert result.stats["ap_large"] == -1
    columns = accuracy_columns(BASELINE, result, draws)
    assert all(math.isnan(columns[name]) for name in ("ap_large", "ap_large_low", "ap_large_high"))
    assert columns["ap"] > 0
    row = row_of(sources(accuracy=accuracy_of(BASELINE, as_recorded(result), draws)))
    assert (row["ap_reason"], row["ap_size_reason"]) == ("", NONE_OF_SIZE)


def test_an_absent_quantity_gives_no_number():
    assert all(math.isnan(value) for value in spread("x", Absent(WHY)).values())
    assert spread("x", Interval(2, 1, 3)) == {"x": 2, "x_low": 1, "x_high": 3}


def test_what_is_absent_is_a_reason_for_every_quantity_and_no_number():
    found = variant_results("m", "int8", "litert", Sources.all_absent(WHY))
    assert [result.quantity for result in found] == list(QUANTITIES)
    assert {result.reason for result in found} == {WHY}
    assert all(math.isnan(result.value) for result in found)


def test_the_long_table_and_the_wide_one_hold_the_same_numbers(scored, draws):
    made = MadeFile(FileFacts("int8", "int8", {}, {}, {}, True), 123_457, 100_001)
    found = {v: accuracy_of(v, as_recorded(scored[v]), draws) for v in (BASELINE, "int8")}
    rest = {"made": made, "energy": Absent("no meter")}
    known = {variant: sources(accuracy=accuracy, **rest) for variant, accuracy in found.items()}
    results = [r for variant, each in known.items() for r in variant_results("m", variant, "litert", each)]
    long, frame = long_frame(results), results_frame(results, [{"failed": ""}] * 2)
    assert list(long.columns) == ["model", "variant", "runtime", "quantity", "value", "low", "high", "reason"]
    assert list(frame.columns) == list(COLUMNS)
    for row in long.to_dict("records"):
        wide_row = frame[frame["variant"] == row["variant"]].iloc[0]
        quantity = QUANTITIES[row["quantity"]]
        for column, value in zip(quantity.columns, list(row.values())[4:7], strict=True):
            # A quantity with a column of another shares its value.
            if column and column != quantity.column:
                np.testing.assert_equal(float(wide_row[column]), float(value))
    assert frame["size_bytes"].tolist() == [123_457] * 2
    assert frame["energy_reason"].tolist() == ["no meter"] * 2


@pytest.fixture
def raw():
    """Three rounds of float32 at 4 ms and int8 at 2 ms; float16 could not be loaded; no energy meter."""
    variants = [BASELINE, "float16", "int8"]
    visits = {v: visit([ms * 10**6] * 3, [9 * 10**9]) for v, ms in ((BASELINE, 4), ("int8", 2))}
    failures = {"float16": WHY}
    settings = energy_settings(variants, AbsentMeter(WHY), window_s=1.0, threads=1, seed=0)
    return {
        "latency": latency_of(variants, [visits] * 3, failures),
        "memory": memory_of(variants, [{BARE: 10, BASELINE: 30, "int8": 15}] * 3, failures),
        "energy": replace(Energy.begun(settings), failures=dict.fromkeys(variants, WHY)),
    }


def test_latency_frame_keeps_every_sample_and_marks_the_warmups(raw):
    frame = latency_frame(raw["latency"], "m")
    assert list(frame.columns) == ["model", "variant", "round", "latency_ms", "warmup"]
    assert len(frame) == 3 * 2 * 4
    assert set(frame[frame["warmup"]]["latency_ms"]) == {9000}
    timed = frame[~frame["warmup"]].groupby("variant")["latency_ms"].unique()
    assert timed[BASELINE].tolist() == [4]
    assert timed["int8"].tolist() == [2]
    assert sorted(frame["round"].unique()) == [0, 1, 2]


def test_what_was_measured_leaves_warmups_out_and_shows_what_failed(raw):
    found = {
        "latency": summarize_latency(raw["latency"], 50, SEED),
        "memory": summarize_memory(raw["memory"]),
        "energy": summarize_energy(raw["energy"], 50, SEED),
    }
    rows = {
        variant: row_of(sources(**{name: each[variant] for name, each in found.items()}), variant)
        for variant in (BASELINE, "float16", "int8")
    }
    assert rows["int8"]["latency_ms_p50"] == 2
    assert [rows["int8"][f"latency_ratio{end}"] for end in ("", "_low", "_high")] == [0.5, 0.5, 0.5]
    assert rows["int8"]["peak_rss_bytes"] == 5
    assert math.isnan(rows["float16"]["latency_ms_p50"])
    assert rows["float16"]["latency_reason"] == rows["float16"]["memory_reason"] == WHY
    for row in rows.values():
        assert row["energy_reason"]
        assert math.isnan(row["energy_j_per_image"])
