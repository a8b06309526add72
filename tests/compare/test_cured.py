"""How int8 was cured, in 05: sentences, the waterfall, tables; of a finished run, sections of the report."""

import numpy as np
import pandas as pd
import pytest

from helpers.compare.cured import COLUMNS, by_variant, cured_frame, sentences
from helpers.compare.figures.waterfall import LEFT, waterfall
from helpers.compare.report import cures
from helpers.compare.stage import build_context
from helpers.compare.tables.steps import floats_table, steps_frame
from helpers.evaluate.cured_steps import draws_file, steps_record
from helpers.quantize.courses import NONE
from helpers.run.experiment import open_run
from helpers.run.variants import BASELINE
from helpers.show.context import Context
from tests.support.cured_frames import NAMES, NO_TIME, cured_steps
from tests.support.finished_run import PROFILE, copy_run, finish

CONTEXT = Context(run="made up", images=400, resamples=4000, threads=1, host="none")


def told(frame: pd.DataFrame) -> str:
    (text,) = sentences(frame)
    return text


def test_the_sentence_says_what_was_won_back_by_what_and_what_is_left():
    text = told(cured_steps([4.2, 4.1, 1.6, 0.8]))
    assert text.startswith("int8-cured wins back 3.4 of 4.2 points of AP by equalization (+2.5) and")
    assert "It takes 10 % more time than plain int8." in text
    assert text.endswith("To float32 it is −0.80 [−1.40, −0.20] points.")


def test_times_whose_intervals_meet_are_not_told_apart():
    frame = cured_steps([4.2, 0.8])
    ratio = ["latency_ratio", "latency_ratio_low", "latency_ratio_high"]
    frame.loc[2, ratio] = frame.loc[1, ratio] - 0.005
    assert "as long as plain int8, as far as the intervals tell (−0.8 %)." in told(frame)


def test_a_gain_that_is_not_shown_is_not_called_one():
    assert "no gain for sure" in told(cured_steps([0.4, 0.3]))


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([0.3], "is plain int8, as no cure was kept"),
        ([0.5, -0.2], "wins back all 0.5 points of AP that plain int8 loses, and 0.2 more,"),
        ([1.0, 2.0], "wins nothing back, and loses 1.0 points of AP more"),
        ([-0.5, -1.5], "adds 1.0 points of AP to plain int8"),
    ],
)
def test_what_is_won_back_is_said_as_it_is(losses, expected):
    assert expected in told(cured_steps(losses))


def test_what_is_left_is_told_and_judged_elsewhere():
    """With one interval for all variants at once, and not at all in a small run."""
    text = told(cured_steps([5.0, 0.2]))
    assert text.endswith("To float32 it is −0.20 [−0.80, +0.40] points.")


def test_steps_without_any_ap_have_a_reason():
    assert told(cured_steps([4.0, 1.0], failed=(1, 2))) == "Of int8-cured the steps have no AP: broken."


def bars_of(figure) -> dict[str, tuple[float, float]]:
    """Label -> where its bar begins and ends, in points."""
    axes = figure.axes[0]
    names = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    bars = {}
    for patch in axes.patches:
        if str(patch.get_gid()).startswith("step:"):
            place = round(patch.get_y() + patch.get_height() / 2)
            bars[names[place]] = (patch.get_x(), patch.get_x() + patch.get_width())
    return bars


@pytest.mark.parametrize("count", range(1, 11))
def test_the_waterfall_falls_from_step_to_step(count):
    losses = list(np.linspace(5, 0.5, count))
    figure = waterfall(cured_steps(losses), 1.0, CONTEXT)
    bars, ends = bars_of(figure), [0.0, *(-loss for loss in losses)]
    found = {name: bars[name] for name in NAMES[: count - (count == 10)]}
    for place, span in enumerate(found.values()):
        if count < 10:  # two of ten share a name
            assert sorted(span) == pytest.approx(sorted(ends[place : place + 2]))
    assert (LEFT in bars) == (count > 1)
    assert figure.caption.startswith("Steps from plain int8 to int8-cured of yolo")
    assert "n = 400 images" in figure.caption
    assert "12 interleaved rounds in 12 fresh processes" in figure.caption
    gids = {line.get_gid() for axes in figure.axes for line in axes.lines}
    assert {"margin-line", *(f"time:{place}" for place in range(count))} <= gids


def texts_of(figure) -> str:
    return " ".join(text.get_text().replace("\n", " ") for axes in figure.axes for text in axes.texts)


def test_without_times_it_says_why():
    figure = waterfall(cured_steps([4, 1], timed=False), 1.0, CONTEXT)
    assert f"n/a: {NO_TIME}" in texts_of(figure)
    assert "Milliseconds" not in figure.caption


def test_a_step_that_failed_says_why_and_the_next_goes_on_from_the_one_before():
    figure = waterfall(cured_steps([4, 2, 1], failed=(2,)), 1.0, CONTEXT)
    assert "failed: broken" in texts_of(figure)
    assert sorted(bars_of(figure)["equalization"]) == pytest.approx([-4, -1])


def test_the_table_has_each_step_with_the_order_of_ties():
    texts = steps_frame(cured_steps([4.2, 0.8], failed=(1,)))
    assert texts["Step"].tolist() == ["float32", "plain int8", "more in 8 bits"]
    assert texts.loc[1, "What was chosen"] == "failed: broken"
    assert texts.loc[2, "AP by order of ties"] == "14.10 to 14.40"
    assert texts.loc[0, "Time / float32"] == "reference"


def test_operators_that_stay_float_are_counted_by_kind_and_reason():
    names = [f"layer{n}" for n in range(6)]
    rows = [("m", "int8-cured", name, "CONV_2D", "it gains most") for name in names]
    floats = pd.DataFrame([*rows, ("m", "int8-cured", "out", "ADD", "the tail needs it")])
    floats.columns = ["model", "variant", "operator", "type", "why"]
    found = floats_table(floats)
    assert found["How many"].tolist() == ["6", "1"]
    assert found.loc[0, "Which"] == "layer0, layer1, layer2, layer3 and 2 more"


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.mark.pipeline
def test_the_run_has_a_row_for_each_step_and_the_last_is_the_variant(finished):
    stored = pd.read_csv(finished.folder / cures.CSV)
    assert tuple(stored.columns) == COLUMNS
    results = pd.read_csv(finished.folder / "results.csv").set_index("variant")
    for _, variant, rows in by_variant(stored):
        assert rows["ap"].iloc[0] == pytest.approx(results.loc[BASELINE, "ap"], abs=1e-12)
        assert rows["ap"].iloc[-1] == pytest.approx(results.loc[variant, "ap"], abs=1e-12)
        last = rows.iloc[-1][["ap_diff", "ap_diff_low", "ap_diff_high"]].astype(float)
        assert last.to_numpy() == pytest.approx(
            results.loc[variant, ["ap_diff", "ap_diff_low", "ap_diff_high"]].astype(float).to_numpy()
        )
        assert (rows["latency_ms"] > 0).all()


@pytest.mark.pipeline
def test_the_report_tells_it_in_a_section_of_its_own(finished):
    html = finished.run.paths.report.read_text()
    assert f"<h2>{cures.TITLE}</h2>" in html
    assert cures.FLOATS_TITLE in html
    name = cures.figure_name(finished.model.id, "int8-cured")
    assert f'id="figure-{name}"' in html
    assert (finished.run.paths.figures / f"{name}.pdf").is_file()


@pytest.mark.pipeline
def test_a_run_without_cured_variants_says_so_in_a_line(finished, capsys):
    run = open_run(PROFILE, variants=["int8"])
    context = build_context(run)
    assert len(cured_frame(run)) == 0
    assert cures.cures_sections(run, context) == []
    copied = open_run(PROFILE, copy_run(finished, "uncured").paths.name, variants=["int8"])
    cures.show_cures(copied, context)
    assert capsys.readouterr().out.strip() == NONE
    assert len(pd.read_csv(copied.paths.folder / cures.CSV)) == 0


@pytest.mark.pipeline
def test_steps_that_were_not_scored_are_told_and_stop_nothing(finished):
    run = copy_run(finished, "unscored")
    steps_record(run, run.models[0], "int8-cured").unlink()
    draws_file(run, run.models[0], "int8-cured").unlink()
    frame = cured_frame(run)
    assert len(frame) == 1
    assert "does not exist" in frame["failed"].iloc[0]
    titles = [section.title for section in cures.cures_sections(run, build_context(run))]
    assert titles == [cures.TITLE, cures.STEPS_TITLE, cures.FLOATS_TITLE]
