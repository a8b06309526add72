"""What is made of the times of parts: medians, shares and ratios as defined, with intervals that hold."""

import dataclasses
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.energy.parts.summary import PARTS, parts_rows, summarize_parts
from helpers.energy.records import LoopTimes, LoopVisit, Parts, PartsRound, PartsSettings
from helpers.run.variants import BASELINE
from tests.support.raw_results import NOW, UNWATCHED


@pytest.fixture(scope="module")
def photos(drawn_photos):
    return sorted((drawn_photos / "data").iterdir())[:3]


def loop(own: np.ndarray) -> LoopVisit:
    """``[5, photos]`` in ns, a photo's share of the store last."""
    times = LoopTimes(*(tuple(part) for part in own[:-1].tolist()), own[-1].sum().item())
    return LoopVisit(times, times)


def invented(times: dict[str, np.ndarray], failures: dict | None = None) -> Parts:
    """A raw result; ``times``: variant -> ns ``[rounds, 5, photos]``, a photo's share of the store last."""
    rounds, _, photos = next(iter(times.values())).shape
    visits = [{variant: loop(own[number]) for variant, own in times.items()} for number in range(rounds)]
    played = tuple(PartsRound(tuple(times), NOW, UNWATCHED, 0.0, each) for each in visits)
    names = tuple(f"{number}.jpg" for number in range(photos))
    settings = PartsSettings(tuple(times), threads=1, seed=0, photos=names, warmups=0)
    return Parts(settings, None, played, failures or {}, "", None, None)


@st.composite
def spent(draw):
    rounds, photos = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    numbers = st.integers(10**4, 10**8)
    shape = (rounds, len(PARTS), photos)
    cells = st.lists(numbers, min_size=math.prod(shape), max_size=math.prod(shape))
    return {variant: np.array(draw(cells)).reshape(shape) for variant in (BASELINE, "int8")}


@settings(max_examples=40)
@given(spent())
def test_summaries_are_what_the_definition_says(times):
    found = summarize_parts(invented(times), resamples=30)
    for variant, own in times.items():
        rounds, _, photos = own.shape
        expected = []
        for place, part in enumerate(PARTS):
            columns = [[own[r, place, p] for r in range(rounds)] for p in range(photos)]
            if part == "store":
                columns = [[own[r, place].sum() / photos for r in range(rounds)]] * photos
            expected.append(statistics.fmean(statistics.median(column) for column in columns) * 1e-6)
        summary = found[variant]
        assert [summary.parts[part].value for part in PARTS] == pytest.approx(expected)
        assert summary.total.value == pytest.approx(sum(expected))
        assert summary.core_share.value == pytest.approx(expected[2] / sum(expected))
        for interval in (*summary.parts.values(), summary.total, summary.ratio):
            assert 0 < interval.low <= interval.high
    assert found[BASELINE].ratio.low == found[BASELINE].ratio.high == 1
    assert found["int8"].ratio.value == pytest.approx(ratio_by_definition(**times))


def ratio_by_definition(float32, int8):
    """Median over rounds of the median over photos of one photo's whole loop over the other's."""
    rounds, _, photos = float32.shape

    def loop(own, r, p):
        return sum(own[r, :4, p].tolist()) + sum(own[r, 4].tolist()) / photos

    return statistics.median(
        statistics.median(loop(int8, r, p) / loop(float32, r, p) for p in range(photos))
        for r in range(rounds)
    )


@settings(max_examples=20)
@given(spent(), st.integers(2, 9))
def test_a_slower_machine_changes_times_but_neither_shares_nor_ratios(times, factor):
    slow = {variant: own * factor for variant, own in times.items()}
    before, after = (summarize_parts(invented(each), resamples=30)["int8"] for each in (times, slow))
    assert after.total.value == pytest.approx(factor * before.total.value)
    assert dataclasses.astuple(after.core_share) == pytest.approx(dataclasses.astuple(before.core_share))
    assert dataclasses.astuple(after.ratio) == pytest.approx(dataclasses.astuple(before.ratio))


def test_drift_and_a_rare_interruption_leave_the_ratio_alone():
    drift = np.linspace(1, 3, 9)[:, None, None]
    base = np.full((9, len(PARTS), 4), 1e6) * drift
    faster = base.copy()
    faster[:, 2] *= 0.5
    faster[4, 0, 1] += 5e8
    summary = summarize_parts(invented({BASELINE: base, "int8": faster}), resamples=200)["int8"]
    assert (summary.ratio.value, summary.ratio.low, summary.ratio.high) == pytest.approx((0.9,) * 3)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """120 measurements of 12 rounds, each with a state of its own and noise on every part of every photo."""
    generator, hits = np.random.default_rng(3), np.zeros(2)
    truth = np.array([0.7, 0.5, 2.0, 0.5, 0.8])[None, :, None] * np.linspace(0.8, 1.2, 8)
    for _ in range(120):
        shared = np.exp(generator.normal(0, 0.05, (12, 1, 1)))
        noisy = [truth * shared * np.exp(generator.normal(0, 0.05, (12, 5, 8))) * 1e6 for _ in range(2)]
        raw = invented({BASELINE: noisy[0], "int8": noisy[1]})
        summary = summarize_parts(raw, resamples=100)["int8"]
        hits += [not summary.total.excludes(4.5), not summary.ratio.excludes(1)]
    assert ((hits / 120 > 0.88) & (hits / 120 < 0.99)).all()


def test_rows_are_tidy_and_say_what_is_missing():
    times = {BASELINE: np.full((2, 5, 3), 10**6), "int8": np.full((2, 5, 3), 2 * 10**6)}
    raw = invented(times, {"int8": "no kernel"})
    frame = parts_rows(raw, "ssd", resamples=20)
    assert frame["part"].tolist() == [*PARTS, ""]
    assert set(frame["model"]) == {"ssd"}
    failed = frame.iloc[-1]
    assert failed["failed"] == "no kernel"
    assert np.isnan([failed["ms"], failed["total_ms"], failed["ratio"]]).all()
    whole = frame[frame["variant"] == BASELINE]
    assert whole["total_ms"].to_numpy() == pytest.approx(whole["ms"].sum())
    assert (whole["photos"] == 3).all()
