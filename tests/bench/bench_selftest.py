"""What size of difference in latency this machine can show, and how often it shows one that is not there.

Alone on the machine, for what is said of a quiet one to be true; the busy half brings its own disturbance.
"""

import pytest

from helpers.download.stage import prepare_data
from helpers.energy.selftest.stage import selftest
from helpers.energy.selftest.summary import SelfTest, summarize_selftest
from helpers.models.families import prepare_files
from helpers.quantize.stage import make_variants
from helpers.run.experiment import open_run
from tests.bench.ledger import note

RUNS = 40


@pytest.fixture(scope="module")
def prepared():
    run = open_run("quick", run_name="bench")
    model = run.models[0]
    prepare_data(run)
    prepare_files(model, run.model_dir)
    make_variants(run, model)
    return run, model


def taken_anew(prepared, busy: bool) -> SelfTest:
    run, model = prepared
    for path in run.paths.selftest_record(model.id).parent.glob("*"):
        path.unlink()
    return summarize_selftest(selftest(run, model, RUNS, busy).values)


def numbers(found: SelfTest, ending: str = "") -> dict[str, float]:
    rate, smallest = found.false_alarm_rate, found.smallest_effect
    named = {
        "selftest_false_alarm": rate.value,
        "selftest_false_alarm_low": rate.low,
        "selftest_false_alarm_high": rate.high,
        "selftest_noise": found.noise,
        "selftest_two_percent_found": found.found[0.02],
        **({"selftest_smallest_effect": smallest} if smallest else {}),
    }
    return {f"{name}{ending}": value for name, value in named.items()}


def test_selftest(prepared):
    """``selftest_smallest_effect``: smallest delay found in 80 % of the measurements; absent if none was."""
    note(**numbers(taken_anew(prepared, busy=False)))


def test_selftest_while_a_second_process_burns_a_core(prepared):
    """The same, as ``selftest_..._busy``."""
    note(**numbers(taken_anew(prepared, busy=True), "_busy"))
