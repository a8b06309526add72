"""Another machine's run beside a finished one: results, report and what makes 05 run again."""

import dataclasses

import pytest

from helpers.compare import machines, present
from helpers.compare import stage as compare
from helpers.compare.tables.writing import csv_text, read_results
from helpers.lab.files import read_json, write_json
from helpers.suite.ledger import STAGES, why_not_current
from tests.support.finished_run import copy_run, finish

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture(scope="module")
def beside(finished):
    """The finished run, and beside it one of a machine that is half as fast."""
    other = copy_run(finished, "slow-machine")
    results = read_results(other.paths.results("csv"))
    slower = results.assign(latency_ms_p50=2 * results["latency_ms_p50"], latency_ms_p99=9.0)
    other.paths.results("csv").write_text(csv_text(slower))
    context = read_json(other.paths.folder / "context.json", "")
    context["host"] |= {"host_id": "another", "cpu": "Slow CPU"}
    context["context"] |= {"host": "Slow CPU (4 cores)"}
    write_json(other.paths.folder / "context.json", context)
    return dataclasses.replace(copy_run(finished, "here"), runs=("slow-machine",))


def test_a_run_beside_concerns_05_alone(beside):
    reasons = {name: why_not_current(beside, name) for name in STAGES}
    assert {name for name, reason in reasons.items() if reason} == {"05_compare"}
    assert reasons["05_compare"] == "changed: inputs, parameters"


def test_the_report_shows_both_machines_each_with_its_host(beside, capsys):
    results, frames = compare.build_results(beside), compare.build_frames(beside)
    context = compare.build_context(beside)
    machines.show_beside(beside, machines.lay_beside(beside, results, context, beside.runs))
    present.save_figures(beside, results, frames, context)
    present.save_tables(beside, results, frames, context)
    html = present.save_report(beside, results, frames, context).read_text()
    assert "Slow CPU (4 cores)" in html
    assert context.host in html
    assert (beside.paths.figures / "machines.png").is_file()
