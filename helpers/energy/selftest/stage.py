"""The self-test of measuring, stored with the run."""

from dataclasses import replace

from helpers.energy.rounds.partial import PartialRounds
from helpers.energy.selftest.records import SelfTestRuns
from helpers.energy.selftest.runs import REPEATS, ROUNDS, RUNS, measure_selftest
from helpers.energy.stage import sample_inputs
from helpers.lab.records import Record, current_record
from helpers.meters.proof import measure_known_power
from helpers.models.registry import Model
from helpers.run.experiment import Run, keep, origin
from helpers.run.variant_files import variant_file
from helpers.run.variants import BASELINE


def selftest(run: Run, model: Model, runs: int = RUNS, busy: bool = False) -> Record[SelfTestRuns]:
    """Measure float32 against itself and against known delays, and the RAPL meter at a known power.

    An interrupted self-test goes on. One of a machine that is kept busy has a record of its own: 05 reads
    that of the machine as it is.
    """
    path, file = run.paths.selftest_record(model.id), variant_file(run, model, BASELINE)
    path = path.with_stem(f"{path.stem}-busy") if busy else path
    settings = {"runs": runs, "rounds": ROUNDS, "repeats": REPEATS, "busy": busy}
    settings |= {"threads": run.threads, "seed": run.profile.seed}
    source = origin({BASELINE: file}, settings, "helpers.energy.selftest.runs")
    record = current_record(path, SelfTestRuns, source)
    if record:
        return record
    partial = PartialRounds(path.with_suffix(".partial"), source, SelfTestRuns)
    inputs = sample_inputs(run, model)[file]
    raw = measure_selftest(file, inputs, **settings, done=partial.earlier(), on_round=partial.keep)
    record = keep(path, "selftest", source, replace(raw, rapl=measure_known_power()))
    partial.forget()
    return record
