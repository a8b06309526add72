"""What size of difference in latency this machine can show, and how often it shows one that is not there."""

from helpers.download.stage import prepare_data
from helpers.energy.selftest.stage import selftest
from helpers.energy.selftest.summary import summarize_selftest
from helpers.models.families import prepare_files
from helpers.quantize.stage import make_variants
from helpers.run.experiment import open_run
from tests.bench.ledger import note


def test_selftest():
    """``selftest_smallest_effect``: smallest delay found in 80 % of the processes; absent if none was."""
    run = open_run("quick", run_name="bench")
    model = run.models[0]
    prepare_data(run)
    prepare_files(model, run.model_dir)
    make_variants(run, model)
    run.paths.selftest_record(model.id).unlink(missing_ok=True)
    found = summarize_selftest(selftest(run, model).values)
    note(
        selftest_false_alarm=found.false_alarm_rate.value,
        selftest_false_alarm_low=found.false_alarm_rate.low,
        selftest_false_alarm_high=found.false_alarm_rate.high,
        selftest_noise=found.noise,
        **({"selftest_smallest_effect": found.smallest_effect} if found.smallest_effect else {}),
    )
