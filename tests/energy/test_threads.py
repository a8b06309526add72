"""Latency by thread count: what is measured, what is made of it, and its figure."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.compare.figures.threads import latency_threads
from helpers.energy import stage as measure
from helpers.energy import tables, threads
from helpers.energy.records import Latency, read_measurement
from helpers.energy.summary import summarize_latency
from helpers.lab import host
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.run.experiment import keep, open_run, origin
from helpers.run.variants import BASELINE, CONTROL
from tests.energy.test_measure_summary import latency_raw
from tests.support.figure_checks import lines_by_gid
from tests.support.finished_run import written_times
from tests.support.raw_results import latency_of
from tests.support.tiny_models import recorded, tiny_core, tiny_images

REPEATS, ROUNDS = 6, 25


@given(st.integers(1, 1024))
def test_counts_are_the_powers_of_two_and_all_cores(cores):
    counts = threads.thread_counts(cores)
    assert counts == sorted(set(counts))
    assert set(counts) == {n for n in range(1, cores + 1) if n & (n - 1) == 0 or n == cores}


def test_counts_of_a_run_hold_its_own_where_there_are_cores_for_it():
    assert threads.counts_of(3, 6) == [1, 2, 3, 4, 6]
    assert threads.counts_of(3, 2) == [1, 2]
    with pytest.raises(LabError, match="at least one"):
        threads.thread_counts(0)


def test_other_counts_get_a_part_of_the_profiles_time():
    quick, smoke, full = (measure.threads_settings(open_run(p), 2) for p in ("quick", "smoke", "full"))
    assert (quick["least_rounds"], quick["budget_s"], quick["width"]) == (20, 6.25, 0.02)
    assert (full["least_rounds"], full["budget_s"]) == (40, 150)
    assert smoke["rounds"] == smoke["least_rounds"] == 6
    assert "budget_s" not in smoke


def rounds_ms(true_ms, seed, rounds=ROUNDS):
    """Samples ``[rounds, REPEATS]`` of rounds that vary by 3 % and samples that vary by 1 % within them."""
    generator = np.random.default_rng(seed)
    by_round = generator.lognormal(0, 0.03, (rounds, 1))
    return true_ms * by_round * generator.lognormal(0, 0.01, (rounds, REPEATS))


def samples(true_ms, seed, rounds=ROUNDS):
    """Each round in a process of its own."""
    return threads.Samples(rounds_ms(true_ms, seed, rounds), tuple(range(rounds)))


def test_speedup_holds_the_truth_as_often_as_it_says():
    found = [threads.speedup(samples(4, 2 * n), samples(2.5, 2 * n + 1, 40), 300, n) for n in range(200)]
    held = np.mean([interval.low <= 1.6 <= interval.high for interval in found])
    assert 0.9 <= held <= 0.99


def test_speedup_draws_the_rounds_of_the_two_independently():
    alone = samples(4, 1, 200)
    found = threads.speedup(alone, dataclasses.replace(alone, ms=alone.ms / 2), 2000, 0)
    assert found.value == pytest.approx(2)
    # In pairs, the quotient would be 2 in every resample; apart, both errors add up.
    low, middle, high = np.quantile(threads.resampled_medians(alone, 2000, 0), [0.025, 0.5, 0.975])
    assert (found.high - found.low) / found.value == pytest.approx(2**0.5 * (high - low) / middle, rel=0.2)


def test_speedup_of_one_measurement_to_itself_is_one_and_of_a_failure_is_its_reason():
    alone = samples(4, 1)
    same = threads.speedup(alone, alone, 100, 0)
    assert (same.value, same.low, same.high) == (1, 1, 1)
    assert threads.speedup(alone, Absent("no memory"), 100, 0).reason == "no memory"
    assert threads.speedup(Absent("no kernel"), alone, 100, 0).reason == "no kernel"


def test_summaries_are_those_of_the_main_measurement_at_every_count():
    raws = {1: latency_raw(1), 2: latency_raw(2, true_ms={BASELINE: 2.5, CONTROL: 2.5, "int8": 2.0})}
    entries = threads.summarize_threads(raws, 400, 7)
    assert [(each.threads, each.variant) for each in entries] == [
        (count, variant) for count in (1, 2) for variant in (BASELINE, CONTROL, "int8")
    ]
    for entry in entries:
        summary = summarize_latency(raws[entry.threads], 400, 7)[entry.variant]
        assert (entry.p50_ms, entry.ratio) == (summary.p50_ms, summary.ratio)
        assert entry.rounds == summary.rounds == entry.processes == summary.processes == 30
        assert isinstance(entry.disturbed, Absent)


def test_a_variant_that_fails_at_one_count_keeps_the_others():
    raws = {1: latency_raw(1), 2: dataclasses.replace(latency_raw(2), failures={"int8": "no memory"})}
    by_place = {(each.threads, each.variant): each for each in threads.summarize_threads(raws, 50, 0)}
    assert by_place[1, "int8"].p50_ms.value > 0
    row = threads.frame_row(by_place[2, "int8"])
    assert (row["failed"], row["rounds"]) == ("no memory", 0)
    assert np.isnan([row["latency_ms_p50"], row["latency_ratio"], row["speedup"]]).all()
    texts = threads.table_row(row)
    assert (texts["p50 (ms)"], texts["ratio to float32"]) == ("failed: no memory", "n/a")


@pytest.fixture(scope="module")
def small_run(lab_data):
    """A run of two tiny variants, as 02 leaves them, whose latency is measured at every thread count."""
    run = open_run("smoke", "threads", variants=["float16"])
    model = run.models[0]
    for variant, channels in ((BASELINE, 64), ("float16", 8)):
        file = tiny_core(run.paths.variant_file(model.id, variant), channels)
        source = origin({"core": file}, {}, "helpers.run.variants")
        keep(run.paths.variant_record(model.id, variant), "variant", source, recorded(file), [file])
    with pytest.MonkeyPatch.context() as patch:
        # A tiny core takes no photos.
        patch.setattr(measure, "sample_inputs", lambda run, model: tiny_images())
        measure.latency(run, model)
        measure.latency_by_threads(run, model)
        yield run


def test_every_count_is_measured_once_on_as_many_cores(small_run):
    model = small_run.models[0]
    counts = threads.thread_counts(host.usable_cores())
    records = threads.read_threads(small_run, model)
    assert list(records) == counts
    folder = small_run.paths.measurement_record(model.id, "latency").parent
    assert {path.name for path in folder.iterdir()} == {
        "latency.json", *(f"latency-{count}-threads.json" for count in counts if count != 1)
    }  # fmt: skip
    for count, record in records.items():
        assert record.values.settings.threads == count
        assert len(record.values.conditions.pinned_to_cpus or range(count)) == count
        assert len(record.values.rounds) == 6


def test_the_note_says_in_how_many_processes_rounds_were_played(small_run):
    note = tables.latency_note(small_run, small_run.models[0])
    assert note.startswith("Ended after 6 rounds in 6 fresh processes: most rounds; the widest interval")


def test_measuring_again_takes_what_is_there(small_run):
    before = written_times(small_run.paths.folder)
    measure.latency_by_threads(small_run, small_run.models[0])
    assert written_times(small_run.paths.folder) == before


def test_the_frame_has_each_model_count_and_variant_with_its_control(small_run):
    frame = threads.threads_frame(small_run, small_run.models)
    assert list(frame.columns) == list(threads.COLUMNS)
    counts = threads.thread_counts(host.usable_cores())
    assert list(zip(frame["threads"], frame["variant"], strict=True)) == list(
        itertools.product(counts, (BASELINE, "float16", CONTROL))
    )
    numbers = frame.drop(columns=["model", "variant", "failed", "disturbed"])
    assert (numbers > 0).all(axis=None)
    assert (frame.loc[frame["threads"] == 1, "speedup"] == 1).all()
    main = summarize_latency(read_measurement(small_run, small_run.models[0], Latency).values)
    assert frame["latency_ms_p50"][0] == main[BASELINE].p50_ms.value


def test_the_table_shows_bounds_in_brackets_and_the_picture_all_variants(small_run):
    table = threads.threads_table(small_run, small_run.models[0])
    brackets = r"\d+\.\d+ \[\d+\.\d+, \d+\.\d+\]"
    assert table["p50 (ms)"].str.fullmatch(brackets).all()
    is_base = table["variant"] == BASELINE
    assert (table.loc[is_base, "ratio to float32"] == "reference").all()
    assert table.loc[~is_base, "ratio to float32"].str.fullmatch(brackets).all()
    alone = table["threads"] == 1
    assert table.loc[~alone, "times as fast as on 1 thread"].str.fullmatch(brackets).all()
    results, frames, context = threads.threads_picture(small_run)
    figure = latency_threads(results, frames["threads"], context)
    assert {f"value:{v}" for v in (BASELINE, "float16", CONTROL)} <= lines_by_gid(figure).keys()
    assert "n = 6 interleaved rounds in 6 fresh processes" in figure.caption


@pytest.mark.skipif(host.usable_cores() < 2, reason="there is one core only")
def test_what_is_missing_or_of_other_variants_is_told(small_run):
    model = small_run.models[0]
    with pytest.raises(LabError, match="04_energy"):
        threads.read_threads(dataclasses.replace(small_run, paths=open_run("smoke", "absent").paths), model)
    assert threads.record_name(2, 2) == "latency"
    path = small_run.paths.measurement_record(model.id, "latency-2-threads")
    whole = path.read_text()
    other = origin({"float32": "another"}, {}, "helpers.energy.latency")
    keep(path, "latency-2-threads", other, latency_of([BASELINE], []))
    try:
        with pytest.raises(LabError, match="other variants"):
            threads.threads_frame(small_run, small_run.models)
    finally:
        path.write_text(whole)
