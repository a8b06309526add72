"""Another machine's run: read from its two files, refused where it cannot stand beside this one."""

import json
import platform
import shutil

import pandas as pd
import pytest

from helpers.compare import machines as stage
from helpers.compare.figures.rows_machines import FILLS
from helpers.compare.report.page import render_report
from helpers.compare.tables.machines import display_machines
from helpers.lab import host
from helpers.lab.errors import LabError
from tests.support.example_machines import DAMAGES, finished, slower
from tests.support.example_results import example_results, fail


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A data folder of its own, for ``data/runs``."""
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "runs"


def change_json(path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_run_comes_back_from_its_two_files_alone_by_name_and_by_path(runs, tmp_path):
    here, _, _ = finished("here", example_results())
    there, results, context = finished("there", slower(example_results(), 2))
    copied = tmp_path / "stick" / "theirs"
    copied.mkdir(parents=True)
    for name in stage.FILES:
        shutil.copyfile(there.paths.folder / name, copied / name)
    for given_name in ("there", copied, str(copied)):
        [other] = stage.other_runs(here, [given_name])
        assert other.letter == "B"
        assert other.context == context
        numbers = [column for column in results if not column.endswith("_reason")]
        pd.testing.assert_frame_equal(other.results[numbers], results[numbers], check_dtype=False)
        assert other.host == {name: host.provenance()[name] for name in stage.HOST_FACTS}


def test_the_context_names_no_host(runs):
    run, _, _ = finished("here", example_results())
    content = json.loads((run.paths.folder / "context.json").read_text())
    assert set(content["host"]) == set(stage.HOST_FACTS)
    values = [str(v) for part in (content["host"], content["context"]) for v in part.values()]
    assert platform.node() not in values


@pytest.mark.parametrize("message", DAMAGES)
def test_a_run_that_cannot_be_read_is_one_clear_error_with_a_cure(runs, message):
    here, _, _ = finished("here", example_results())
    there, _, _ = finished("there", slower(example_results(), 2))
    DAMAGES[message](there.paths.folder)
    with pytest.raises(LabError, match=message) as raised:
        stage.other_runs(here, ["there"])
    assert raised.value.cure
    assert raised.value.expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=99), "is no context of this version"),
        (lambda c: c["context"].pop("host"), "is no context of this version"),
        (lambda c: c.update(host="Intel"), "is no context of this version"),
    ],
)
def test_a_context_of_another_form_is_refused(runs, change, message):
    here, _, _ = finished("here", example_results())
    there, _, _ = finished("there", slower(example_results(), 2))
    change_json(there.paths.folder / "context.json", change)
    with pytest.raises(LabError, match=message):
        stage.other_runs(here, ["there"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r.assign(latency_ms_p50="fast"), "texts in latency_ms_p50"),
        (lambda r: pd.concat([r, r.iloc[:1]]), "two rows of one model and variant"),
        (lambda r: r.assign(model="yolo"), "no model in common .*it has: yolo"),
        (lambda r: r[:1].assign(variant="int4"), "no variant in common .*it has: int4"),
    ],
)
def test_a_table_that_cannot_stand_beside_this_one_is_refused(runs, damage, message):
    here, _, _ = finished("here", example_results())
    there, results, _ = finished("there", slower(example_results(), 2))
    damage(results).to_csv(there.paths.results("csv"), index=False)
    with pytest.raises(LabError, match=message):
        stage.other_runs(here, ["there"])


def test_no_run_stands_beside_itself_a_copy_of_itself_or_twice(runs):
    here, results, context = finished("here", fail(example_results(), "int8"))
    finished("there", slower(example_results(), 2))
    shutil.copytree(here.paths.folder, runs / "copy")
    (runs / "latest").symlink_to("here", target_is_directory=True)
    for names, message in (
        (["here"], "is the run itself"),
        ([here.paths.folder], "is the run itself"),
        (["latest"], "is the run itself"),
        (["there", runs / "there"], "is named twice"),
        (["there", "copy"], r"C \(run here\) is a copy of A"),
        (["there"] * len(FILLS), f"at most {len(FILLS) - 1}"),
    ):
        with pytest.raises(LabError, match=message):
            stage.lay_beside(here, results, context, names)


def test_without_other_runs_a_sentence_says_how_and_no_figure_stays(runs, capsys):
    here, results, context = finished("here", example_results())
    finished("there", slower(example_results(), 2))
    stage.save_beside(here, stage.lay_beside(here, results, context, ["there"]))
    assert len(list(here.paths.figures.iterdir())) == 4
    alone = stage.lay_beside(here, results, context, [])
    assert alone == []
    stage.show_beside(here, alone)
    assert "data/runs" in capsys.readouterr().out
    assert list(here.paths.figures.iterdir()) == []
    assert stage.report_figures(here, alone) == stage.report_sections(alone) == []


def test_figures_table_and_notes_reach_notebook_and_report(runs, capsys):
    here, results, context = finished("here", example_results())
    finished("there", slower(example_results(), 2), host="Other CPU (8 cores)")
    beside = stage.lay_beside(here, results, context, ["there"])
    stage.show_beside(here, beside)
    printed = capsys.readouterr().out
    assert ("Styler" in printed, printed.count("Figure")) == (True, 2)
    assert "B: Other CPU (8 cores)" in display_machines(beside).to_html()
    figures, sections = stage.report_figures(here, beside), stage.report_sections(beside)
    page = render_report(results, figures, context, sections=sections, beside=here.paths.folder)
    for part in ('id="figure-machines"', 'id="figure-machines_energy"', 'href="figures/machines.pdf"'):
        assert part in page
    assert "B: Other CPU (8 cores), 1 thread, run there" in page
