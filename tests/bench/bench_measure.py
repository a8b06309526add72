"""What measuring latency costs besides invoking: of the whole window, how much is not the interpreter's."""

import time
from pathlib import Path

import pytest

from helpers.download.stage import prepare_data
from helpers.energy.latency import measure_latency
from helpers.energy.records import Latency
from helpers.energy.rounds.partial import PartialRounds
from helpers.energy.stage import measured_files, sample_inputs
from helpers.lab.records import Origin
from helpers.models.families import prepare_files
from helpers.quantize.stage import make_variants
from helpers.run.experiment import open_run
from tests.bench.ledger import note


@pytest.fixture(scope="module")
def prepared():
    run = open_run("quick", run_name="bench")
    model = run.models[0]
    prepare_data(run)
    prepare_files(model, run.model_dir)
    make_variants(run, model)
    return run, measured_files(run, model), sample_inputs(run, model)


class Saver:
    """What 04 does after every round, timed."""

    def __init__(self, path: Path):
        self._partial, self.saving_s = PartialRounds(path, Origin({}, {}, "", {}), Latency), 0.0

    def __call__(self, raw: Latency) -> None:
        started_s = time.perf_counter()
        self._partial.keep(raw)
        self.saving_s += time.perf_counter() - started_s


def total(raw: Latency, name: str) -> float:
    return sum(getattr(played, name) for played in raw.rounds)


def test_overhead_of_measuring(prepared, tmp_path):
    """``measure_overhead``: the share of the whole call that is not ``Core.invoke``, warm-ups included.

    The call is the one of 04, its saving after every round included. Of the overhead, starting processes and
    loading cores in them are on purpose (``energy.rounds.team``), so they are also given apart; in rounds
    there are the setting of images, the freeing of cores and notes of the system; between rounds, looks at
    widths.
    """
    run, files, inputs = prepared
    profile = run.profile
    saver = Saver(tmp_path / "latency.partial")
    started_s = time.perf_counter()
    raw = measure_latency(
        files,
        inputs,
        profile.latency_rounds,
        profile.latency_repeats,
        progress=False,
        width=0.0,
        on_round=saver,
    )
    window_s = time.perf_counter() - started_s
    invoke_s, load_s, start_s, wall_s = (
        total(raw, name) for name in ("invoke_s", "load_s", "start_s", "wall_s")
    )
    note(
        measure_overhead=1 - invoke_s / window_s,
        measure_overhead_starting=start_s / window_s,
        measure_overhead_loading=load_s / window_s,
        measure_overhead_in_rounds=(wall_s - start_s - load_s - invoke_s) / window_s,
        measure_overhead_saving=saver.saving_s / window_s,
        measure_overhead_between_rounds=1 - (wall_s + saver.saving_s) / window_s,
        measure_window_s=window_s,
        measure_widest_interval=max(raw.stopping.reached_widths.values()),
    )
