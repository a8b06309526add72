"""What 08 shows: records of trained forms, what they won back, a few weights by hand, the checks."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.lab.files import write_json, write_text
from helpers.lab.intervals import Absent, Interval
from helpers.lab.records import jsonable
from helpers.ladder.stage import draws_file
from helpers.quantize.records import LABELS, EpochLoss, TrainedForm
from helpers.quantize.trained import trained_codes
from helpers.run.experiment import open_run
from helpers.run.forms import ALL, TRAINED
from helpers.training import few_weights, stage, tables
from helpers.training.checks import check_training
from helpers.training.won_back import UNTRAINED_PAIR, ap_of, pairs


def record(form: str, epochs: int = 2) -> TrainedForm:
    losses = [3.0 / (epoch + 1) for epoch in range(epochs)]
    history = tuple(EpochLoss(n, 10, loss, {"labels": loss}, 1e-3, 60) for n, loss in enumerate(losses, 1))
    model, schedule = "ssd_mobilenet_v2_synthetic", {"epochs": epochs}
    started = "int4-qat" if form == "int2-qat" else ""
    return TrainedForm(form, model, LABELS, 320, "0", schedule, history, "1", "2", started, {})


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of the embedded model, none of whose forms are trained."""
    monkeypatch.setattr(trained_codes, "EMBEDDED", tmp_path)
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "data"))
    return open_run("smoke", "trained")


def write_ladder(run, **found: tuple[float, float, float]) -> None:
    """``ladder.csv`` with these forms (``_`` for ``-``): AP and its bounds."""
    rows = [(run.models[0].id, form.replace("_", "-"), *ap) for form, ap in found.items()]
    table = pd.DataFrame(rows, columns=["model", "variant", "ap", "ap_low", "ap_high"]).assign(failed="")
    write_text(run.paths.folder / "ladder.csv", table.to_csv(index=False))


def keep(run, form: str) -> None:
    path = stage.codes_file(run.models[0], form).with_suffix(".json")
    write_json(path, jsonable(record(form)))


def test_every_trained_form_has_a_pair_of_the_same_bits():
    assert list(UNTRAINED_PAIR) == list(TRAINED)
    assert set(UNTRAINED_PAIR.values()) <= set(ALL)


def test_a_form_that_is_not_trained_says_with_which_command_it_is(run):
    records = stage.trained_records(run)
    assert [form for _, form in records] == list(TRAINED)
    assert all("python -m helpers train --form" in each.reason for each in records.values())
    table = tables.trained_table(run, records)
    assert list(table.columns) == list(tables.COLUMNS)
    assert table["trained on"].str.contains("not trained").all()


def test_of_another_model_the_command_names_it(run):
    other = dataclasses.replace(run.models[0], id="mine", name="/a/net.onnx", source=None)
    found = stage.trained_record(other, "int4-qat")
    assert "`python -m helpers train --model /a/net.onnx --form int4-qat`" in found.reason
    both = dataclasses.replace(run, models=(*run.models, other))
    assert list(tables.trained_table(both, stage.trained_records(both))["model"].unique()) == [
        run.models[0].id,
        "mine",
    ]


def test_records_are_read_back_as_they_were_written(run):
    keep(run, "int2-qat")
    records = stage.trained_records(run)
    assert records[run.models[0].id, "int2-qat"] == record("int2-qat")
    row = tables.trained_table(run, records).set_index("form").loc["int2-qat"]
    assert (row["began with"], row["first loss"], row["last loss"], row["epochs"]) == (
        "int4-qat",
        3.0,
        1.5,
        2,
    )


@pytest.mark.parametrize("text", ["{", '{"form": "int4-qat"}'])
def test_a_broken_record_is_a_reason_and_stops_nothing(run, text):
    write_text(stage.codes_file(run.models[0], "int4-qat").with_suffix(".json"), text)
    found = stage.trained_record(run.models[0], "int4-qat")
    assert isinstance(found, Absent)
    assert "int4-qat.json" in found.reason


def test_without_07_every_pair_says_so(run):
    found = pairs(run)
    assert [pair.trained for pair in found] == list(TRAINED)
    assert not any(pair.known for pair in found)
    table = tables.won_back_table(run, found)
    assert table["AP trained"].str.startswith("not compared by 07 in this run (--form").all()
    assert (table["won back [95 %]"] == "").all()
    assert stage.won_back_picture(run, found).axes[0].texts


def test_ap_is_that_of_07(run):
    nan = float("nan")
    write_ladder(
        run, float32=(0.5, 0.47, 0.53), int8=(0.49, 0.46, 0.52), int8_qat=(0.5, 0.47, 0.53),
        uniform_2_channel_lse=(0.01, 0.0, 0.02), int2_qat=(0.4, 0.37, 0.43), ternary=(nan, nan, nan),
    )  # fmt: skip
    draws = np.linspace(-0.005, 0.005, 401) / 0.95
    for form, ap in (("int2-qat", 0.4 + draws), ("uniform-2-channel-lse", np.full(401, 0.01))):
        file = draws_file(run, run.models[0], form)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.concatenate([[0.4 if form == "int2-qat" else 0.01], ap]))
    found = {pair.trained: pair for pair in pairs(run)}
    assert found["int2-qat"].after == Interval(0.4, 0.37, 0.43)
    table = tables.won_back_table(run, list(found.values())).set_index("form")
    assert table.loc["int2-qat", "AP trained"] == "40.0 [37.0, 43.0]"
    assert table.loc["int2-qat", "won back [95 %]"] == "+39.00 [+38.50, +39.50]"
    assert table.loc["int8-qat", "won back [95 %]"] == ""
    assert table.loc["ternary-qat", "AP not trained"] == "it has no AP"
    drawn = stage.won_back_picture(run, list(found.values()))
    names = [tick.get_text() for tick in drawn.axes[0].get_yticklabels()]
    assert names == ["int8", "int8-qat", "uniform-2-channel-lse", "int2-qat"]


def test_a_failed_form_has_its_reason():
    table = pd.DataFrame([{"model": "m", "variant": "int8", "ap": None, "failed": "no kernel"}])
    assert ap_of(table, "m", "int8") == Absent("no kernel")


def test_figures_are_kept_and_the_checks_pass(run):
    for form in ("int4-qat", "int2-qat"):
        keep(run, form)
    records, gradients = stage.trained_records(run), []
    drawn = stage.loss_picture(run, records)
    assert {line.get_gid() for line in drawn.axes[0].lines} == {"loss:int4-qat", "loss:int2-qat"}
    with pytest.raises(LabError, match="the figures are written"):
        check_training(run, records, gradients)
    stage.won_back_picture(run, pairs(run))
    stage.gradients_picture(run, gradients)
    assert set(check_training(run, records, gradients).data["passed"]) == {"yes"}
    assert stage.describe(run, records, gradients)["forms trained"] == "int4-qat, int2-qat"


@given(st.lists(st.floats(-2, 2, width=32), max_size=30))
def test_weights_by_hand_are_those_of_tensorflow(values):
    few = few_weights.pick(np.array(values or [0.0], np.float32))
    ratios = few.weights / few.step
    codes = np.clip(np.rint(ratios), -few.top, few.top)
    rounded, gradient = few_weights.by_tensorflow(few)
    assert np.allclose(rounded, codes * few.step, rtol=1e-5)
    assert np.allclose(gradient, 2 * (rounded - few.target) * (abs(ratios) <= few.top), rtol=1e-4, atol=1e-6)
    assert gradient[-1] == 0
    assert len(tables.weights_table(few, codes, rounded, gradient)) == few.weights.size
