"""A simulated form has an accuracy and a size, no time; nobody is told to deploy it."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from helpers.compare.answer import About, answers
from helpers.compare.choice import choice_of
from helpers.compare.report.lacking import lacking
from helpers.compare.results import Sources, variant_results
from helpers.compare.stage import AWAY, SAME_FILE, loops_of
from helpers.evaluate.quantities import THROUGHPUT
from helpers.lab.intervals import Absent
from helpers.run.experiment import open_run
from helpers.run.forms import NOT_TIMED, SIMULATED
from helpers.run.variants import BASELINE, CONTROL
from tests.support.example_results import CONTEXT, example_results

NAN = float("nan")


def with_simulated(variant: str = "int8"):
    """The example, of which one form is simulated, smaller than all others."""
    results = example_results()
    timed = [c for c in results if c.startswith(("latency_", "energy_", "peak_rss"))]
    own = results["variant"] == variant
    for column in timed:
        if results[column].dtype.kind == "f":
            results.loc[own, column] = NAN
    for name in ("latency_reason", "memory_reason", "energy_reason"):
        results[name] = np.where(own, NOT_TIMED, "")
    return results.assign(compute_dtype=results["compute_dtype"].mask(own, SIMULATED))


def test_a_simulated_form_is_none_to_choose():
    choice = choice_of(with_simulated(), 1.0)
    assert [row["variant"] for row in choice.simulated] == ["int8"]
    assert "int8" not in [row["variant"] for row in choice.forms]


def test_the_answer_deploys_no_simulated_form_and_says_what_is_not_known_of_it():
    [sentences] = answers(with_simulated(), CONTEXT).values()
    assert not [each for each in sentences if "int8" in each.forms]
    texts = [each.text for each in sentences if each.about == About.UNKNOWN]
    assert "What int8 would take in time: simulated, no runtime here has kernels." in texts


def test_that_it_has_no_time_is_no_failure():
    found = {lack.what: lack for lack in lacking(with_simulated()) if "int8" in lack.what}
    assert set(found) >= {"latency of int8"}
    assert not [lack for lack in found.values() if lack.failed]


def throughput(run, variant: str, scored):
    known = replace(Sources.all_absent("else"), loops=loops_of(run, variant, scored))
    found = variant_results("m", variant, "litert", known)
    return next(result for result in found if result.quantity == THROUGHPUT.id)


def test_throughput_is_a_value_or_a_reason():
    run, scored = open_run("smoke", variants=["ternary+edges"]), SimpleNamespace(loops=((64, 2.0), (64, 4.0)))
    base = throughput(run, BASELINE, scored)
    assert (base.value, base.low, base.high, base.reason) == (128 / 6, 16, 32, "")
    without = {
        "ternary+edges": throughput(run, "ternary+edges", scored),
        CONTROL: throughput(run, CONTROL, scored),
        BASELINE: throughput(run, BASELINE, SimpleNamespace(loops=())),
        "failed": throughput(run, BASELINE, Absent("it ran out of memory")),
    }
    assert all(math.isnan(result.value) for result in without.values())
    assert {name: result.reason for name, result in without.items()} == {
        "ternary+edges": NOT_TIMED, CONTROL: SAME_FILE.reason, BASELINE: AWAY.reason,
        "failed": "it ran out of memory",
    }  # fmt: skip
