"""Variants that fail stop nothing else; what is unfinished or wrong does not pass."""

import dataclasses
import json
import shutil

import pandas as pd
import pytest

from helpers.compare import present
from helpers.compare import stage as compare
from helpers.compare.checks import check_compare
from helpers.compare.figures.catalogue import FIGURES
from helpers.compare.report.lacking import lacking
from helpers.download import stage as download
from helpers.energy import stage as measure
from helpers.energy.checks import check_measure
from helpers.energy.parts import stage as parts
from helpers.energy.why import stage as why
from helpers.evaluate import stage as evaluate
from helpers.evaluate.checks import check_evaluate
from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.quantize import stage as quantize
from helpers.quantize.checks import check_quantize
from helpers.quantize.recipes import catalogue
from helpers.quantize.recipes.contract import Recipe
from helpers.run.cured_forms import CURED
from helpers.run.variants import CONTROL
from helpers.show.checks import require
from helpers.suite import publish
from tests.support.finished_run import copy_run, finish, written_times

OTHERS = ("float32", "float16", "int8-dynamic")
REASON = "this operator has no integer kernel"
FAILURE = f"RuntimeError: {REASON}"


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


def fail_int8(patch, error: Exception) -> None:
    class Failing(Recipe):
        def make(self, work):
            raise error

    patch.setattr(catalogue, "RECIPES", {**catalogue.RECIPES, "int8": Failing()})


@pytest.fixture
def failing_int8(monkeypatch):
    fail_int8(monkeypatch, RuntimeError(REASON))


def without_int8(finished, name: str):
    model = finished.model.id
    return copy_run(finished, name, (f"variants/{model}/int8.tflite", f"variants/{model}/int8.json"))


def test_a_variant_that_fails_is_shown_as_failed_and_stops_nothing(finished, failing_int8):
    run = without_int8(finished, "failing")
    model = run.models[0]
    before = written_times(run.paths.folder / "variants" / model.id)
    records = quantize.make_variants(run, model)
    assert {variant: record.failure for variant, record in records.items()} == {
        **dict.fromkeys(OTHERS, ""),
        "int8": FAILURE,
        CURED: "",
    }
    after = written_times(run.paths.folder / "variants" / model.id)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"int8.json"}
    assert list(quantize.variants_table(run, model)["failed"]) == ["", "", "", FAILURE, ""]
    check_quantize(run)

    dataset = download.prepare_data(run)
    failures = evaluate.detect_all(run, model, dataset)
    scored = evaluate.score_all(run, model, dataset, failures)
    assert [scored[v].failure for v in (*OTHERS, "int8", CURED)] == ["", "", "", FAILURE, ""]
    check_evaluate(run)
    taken = (measure.latency, measure.latency_by_threads, measure.memory, measure.energy)
    for quantity in (*taken, parts.parts, why.explain_speed):
        quantity(run, model)
    check_measure(run)

    results, frames = compare.build_results(run), compare.build_frames(run)
    rows = results.set_index("variant")
    assert list(rows.index) == [*OTHERS, "int8", CURED, CONTROL]
    assert list(rows["failed"]) == ["", "", "", FAILURE, "", ""]
    assert pd.isna(rows.loc["int8", ["ap", "size_bytes", "latency_ms_p50", "energy_j_per_image"]]).all()
    assert rows.loc[["float16", CONTROL], ["ap", "size_bytes", "latency_ms_p50"]].notna().all(axis=None)
    assert set(frames["latency_samples"]["variant"]) == {*OTHERS, CURED, CONTROL}

    context = compare.build_context(run)
    present.save_figures(run, results, frames, context)
    present.save_tables(run, results, frames, context)
    present.save_report(run, results, frames, context)
    check_compare(run, results, context)
    for path in (run.paths.report, run.paths.results("csv"), run.paths.results("md")):
        assert REASON in path.read_text()


def edit(path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def failing(*variants: str):
    """A change of a measurement's record, as if these had failed in it."""

    def change(content) -> None:
        content["values"]["failures"] |= dict.fromkeys(variants, FAILURE)

    return change


def unscored(content) -> None:
    content |= {"failure": FAILURE, "values": {}, "outputs": {}}


def shown(run):
    """The results by variant, and the report as 05 writes it."""
    results, frames, context = (
        build(run) for build in (compare.build_results, compare.build_frames, compare.build_context)
    )
    present.save_figures(run, results, frames, context)
    present.save_tables(run, results, frames, context)
    present.save_report(run, results, frames, context)
    check_compare(run, results, context)
    return results.set_index("variant"), lacking(results), run.paths.report.read_text()


def test_a_measurement_that_failed_takes_no_variants_accuracy_with_it(finished):
    run = copy_run(finished, "untimed")
    records = [run.paths.measurement_record(run.models[0].id, name) for name in ("latency", "memory")]
    for path in records:
        edit(path, failing("int8"))
    rows, lacks, html = shown(run)
    assert rows.loc["int8", ["ap", "ap_diff", "ap_diff_low", "size_bytes", "energy_ratio"]].notna().all()
    assert rows.loc["int8", ["latency_ms_p50", "latency_ratio", "peak_rss_bytes"]].isna().all()
    assert [(lack.what, lack.reason) for lack in lacks] == [
        ("latency of int8", FAILURE), ("memory of int8", FAILURE)
    ]  # fmt: skip
    assert html.count("latency of int8") == 2  # above, with a link to why, and there
    for name in ("csv", "md", "tex"):
        assert REASON in run.paths.results(name).read_text()


def test_where_float32_was_not_timed_the_others_keep_all_but_their_ratio(finished):
    run = copy_run(finished, "no-reference")
    edit(run.paths.measurement_record(run.models[0].id, "latency"), failing("float32"))
    rows, lacks, _ = shown(run)
    assert rows["ap"].notna().all()
    assert rows["latency_ms_p50"].notna().tolist() == [False, True, True, True, True, True]
    assert [lack.what for lack in lacks] == [
        "latency of float32", "latency ratio of float16, int8-dynamic, int8, int8-cured and float32-control"
    ]  # fmt: skip


def test_an_accuracy_that_failed_takes_no_variants_size_and_latency_with_it(finished):
    run = copy_run(finished, "unscored")
    edit(run.paths.score_record(run.models[0].id, "int8"), unscored)
    rows, lacks, _ = shown(run)
    assert rows.loc["int8", ["ap", "ap_diff"]].isna().all()
    assert rows.loc["int8", ["size_bytes", "latency_ratio", "peak_rss_bytes", "energy_ratio"]].notna().all()
    assert [(lack.what, lack.reason) for lack in lacks] == [("accuracy of int8", FAILURE)]


def test_without_float32s_accuracy_a_model_keeps_its_sizes_and_latencies(finished):
    """Beside another model, since a run without any accuracy stops in 03."""
    run = copy_run(finished, "no-base")
    good = run.models[0]
    twin = dataclasses.replace(good, id="twin")
    for folder in ("variants", "scores", "measurements", "resampled", "why"):
        path = run.paths.folder / folder / good.id
        if path.is_dir():
            shutil.copytree(path, path.with_name(twin.id))
    edit(run.paths.score_record(twin.id, "float32"), unscored)
    results = compare.build_results(dataclasses.replace(run, models=(good, twin)))
    rows = results[results["model"] == twin.id]
    assert rows["ap"].isna().all()
    assert rows[["size_bytes", "latency_ms_p50"]].notna().all(axis=None)
    assert [lack.what for lack in lacking(results)] == [
        "accuracy of float32", "accuracy of float16, int8-dynamic, int8 and int8-cured"
    ]  # fmt: skip


def test_a_variant_that_failed_is_tried_again(finished, monkeypatch):
    """What made it fail may have been cured: a full disk, too little memory."""
    run = without_int8(finished, "cured")
    error = LabError("int8.tflite cannot be written: No space left on device.", "", "free some space")
    with monkeypatch.context() as patch:
        fail_int8(patch, error)
        assert "No space left" in quantize.make_variants(run, run.models[0])["int8"].failure
    assert quantize.make_variants(run, run.models[0])["int8"].failure == ""
    assert sha256_file(run.paths.variant_file(run.models[0].id, "int8")) == sha256_file(
        finished.run.paths.variant_file(finished.model.id, "int8")
    )


def test_a_file_that_the_runtime_cannot_load_fails_alone(finished):
    """Quantized and recorded, and then refused by the runtime on this machine."""
    run = copy_run(finished, "unloadable", ("scores", "detections"))
    model = run.models[0]
    run.paths.variant_file(model.id, "int8").write_bytes(b"\0\0\0\0TFL3" + b"\0" * 64)
    dataset = download.prepare_data(run)
    failures = evaluate.detect_all(run, model, dataset)
    assert list(failures) == ["int8"]
    assert "cannot be loaded by LiteRT" in failures["int8"]
    scored = evaluate.score_all(run, model, dataset, failures)
    assert [bool(scored[v].failure) for v in (*OTHERS, "int8")] == [False, False, False, True]


def test_the_published_reference_is_the_runs_own(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "FIGURES", tmp_path / "figures")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.png").touch()
    with pytest.raises(LabError, match="its numbers mean little"):
        publish.publish(finished.run)
    # As if the small run were one to draw conclusions from; for its stages that is another profile.
    profile = dataclasses.replace(finished.run.profile, conclusive=True)
    monkeypatch.setattr(publish, "why_not_current", lambda run, name: "")
    run = dataclasses.replace(finished.run, profile=profile)
    files = {path.name: path for path in publish.publish(run)}
    assert "old.png" not in files
    for name in ("pareto.png", "pareto.pdf", "results.csv", "results.md"):
        folder = finished.run.paths.figures if name.startswith("pareto") else finished.folder
        assert files[name].read_bytes() == (folder / name).read_bytes()
    assert json.loads(files["run.json"].read_text())["run"] == "smoke"


def test_an_unfinished_run_is_not_published(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "FIGURES", tmp_path / "figures")
    run = copy_run(finished, "unfinished", ("report.html",))
    with pytest.raises(LabError, match="not finished: 05_compare an output is missing"):
        publish.publish(run)
    assert not (tmp_path / "figures").exists()


def test_checks_that_do_not_pass_are_named():
    with pytest.raises(LabError, match=r"did not pass: two; three\."):
        require({"one": True, "two": False, "three": False})
    assert list(require({"one": True}).data["check"]) == ["one"]


def test_a_file_that_is_not_what_its_record_promises_does_not_pass(finished):
    run = copy_run(finished, "wrong-dtype")
    path = run.paths.variant_record(finished.model.id, "int8")
    content = json.loads(path.read_text())
    content["values"]["facts"]["compute_dtype"] = "int8-dynamic"
    path.write_text(json.dumps(content))
    with pytest.raises(LabError, match="int8 stores int8, computes int8"):
        check_quantize(run)


def test_figures_of_an_earlier_run_do_not_pass(finished):
    run = copy_run(finished, "old-figure")
    results, context = compare.build_results(run), compare.build_context(run)
    check_compare(run, results, context)
    later = dataclasses.replace(context, created_utc="2031-01-01T00:00:00+00:00")
    with pytest.raises(LabError, match=f"{len(FIGURES)} figures, all of this run's records"):
        check_compare(run, results, later)
