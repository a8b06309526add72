"""Runs of several machines side by side: clear errors, each with its host, no two grades on one axis."""

import itertools
import json
import math
import platform
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from helpers import host
from helpers.errors import LabError
from helpers.experiment import open_run
from helpers.intervals import Interval
from helpers.records import Origin, Record, write_record
from helpers.show import figures_machines as drawing
from helpers.show.noise import noise_floor
from helpers.show.report import render_report
from helpers.show.rows_machines import FILLS, Machine, scale_axis, title_of
from helpers.show.tables import write_results
from helpers.show.tables_machines import ap_note, display_machines, machines_table, notes
from helpers.stages import machines as stage
from tests.example_results import ALL, CONTEXT, MODEL, NAN, USUAL, example_results, fail, without_energy

LATENCY = [f"latency_ms_p50{end}" for end in ("", "_low", "_high")]
ENERGY = ["energy_j_per_image", "energy_low", "energy_high"]
LONG_HOST = "Intel(R) Xeon(R) Platinum 8488C CPU with a Very Long Trade Name (R) @ 2.40GHz (96 cores)"


def slower(results: pd.DataFrame, factor: float, grade: str = "C") -> pd.DataFrame:
    """The same variants on a machine that takes ``factor`` times as long, its energy of ``grade``."""
    changed = results.assign(**{column: results[column] * factor for column in [*LATENCY, *ENERGY]})
    return without_energy(changed) if grade == "D" else changed.assign(energy_grade=grade)


def machine(letter: str, results: pd.DataFrame, **context) -> Machine:
    named = {"run": f"run-{letter}", "host": f"Maker {letter} (4 cores)", **context}
    return Machine(letter, results, {**CONTEXT, **named}, {"machine": "x86_64", "isa_flags": ["avx2"]})


def pair(second: pd.DataFrame, **context) -> list[Machine]:
    return [machine("A", example_results()), machine("B", second, **context)]


def lines_of(axes) -> dict[str, object]:
    return {line.get_gid(): line for line in axes.lines if ":" in str(line.get_gid())}


def words(figure: Figure) -> str:
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return " ".join(texts).replace("\n", " ")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A data folder of its own, for ``data/runs``."""
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "runs"


def finished(name: str, results: pd.DataFrame, **context):
    """A run with what 05 reads of its machine and writes of its results, by the code that writes them."""
    run = open_run("quick", name)
    results = results.assign(model=results["model"].replace(MODEL, run.models[0].id))
    record = Record("latency", Origin({}, {}, "", host.setting()), host.provenance(), {})
    write_record(run.paths.measurement_record(run.models[0].id, "latency"), record)
    full = {**CONTEXT, "run": name, **context}
    write_results(results, run.paths.folder, full)
    stage.save_context(run, full)
    return run, results, full


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
        assert dict(other.context) == context
        pd.testing.assert_frame_equal(other.results[results.columns], results, check_dtype=False)
        assert other.host == {name: host.provenance()[name] for name in stage.HOST_FACTS}


def test_the_context_names_no_host(runs):
    run, _, _ = finished("here", example_results())
    content = json.loads((run.paths.folder / "context.json").read_text())
    assert set(content["host"]) == set(stage.HOST_FACTS)
    values = [str(v) for part in (content["host"], content["context"]) for v in part.values()]
    assert platform.node() not in values


DAMAGES = {
    "there is no run and no folder": lambda folder: shutil.rmtree(folder),
    r"no results\.csv and no context\.json: that run is not finished": lambda folder: [
        (folder / name).unlink() for name in stage.FILES
    ],
    r"has no context\.json: that run is not finished": lambda folder: (folder / "context.json").unlink(),
    "is no context of this version": lambda folder: (folder / "context.json").write_text("[1]"),
    "is not valid JSON": lambda folder: (folder / "context.json").write_text('{"format"'),
    "lacks: .*latency_ratio": lambda folder: (folder / "results.csv").write_text("model,variant\na,b\n"),
    "is not a results table": lambda folder: (folder / "results.csv").write_text(""),
}


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


@settings(max_examples=25)
@given(st.floats(0.01, 100))
def test_the_table_scales_latency_and_leaves_each_machines_own_ratios(factor):
    both = pair(slower(example_results(), factor))
    table = machines_table(both).set_index(["Variant", "Machine"])
    assert len(table) == 2 * (len(USUAL) - 1)
    for row in both[1].results.iloc[:-1].to_dict("records"):
        first, second = table.loc[row["variant"]].to_dict("records")
        assert second["Latency p50 (ms)"].startswith(f"{row['latency_ms_p50']:.2f} [")
        assert first["Latency ratio"] == second["Latency ratio"]
        assert first["AP"] == second["AP"]


def test_the_table_gives_each_machine_its_noise_floor_grade_meter_and_threads():
    results = slower(fail(example_results(), "int8"), 2, "A")
    results.loc[results["variant"] == "float32-control", "latency_ratio_high"] = 1.25
    both = pair(results[results["variant"] != "float16"], threads=8, meter="pyRAPL")
    table = machines_table(both)
    theirs = table[table["Machine"].str.startswith("B")].set_index("Variant")
    assert all(text.startswith("1 ± 0.250") for text in theirs["Noise floor"])
    assert set(theirs["Meter"]) == {"pyRAPL"}
    assert set(theirs["Threads"]) == {"8"}
    assert theirs.loc["int8-dynamic", "Grade"] == "A"
    assert theirs.loc["int8", "AP"].startswith("failed: kernels")
    assert theirs.loc["float16", "AP"] == "n/a: not in run run-B"
    ours = table[table["Machine"].str.startswith("A")]
    assert set(ours["Noise floor"]).isdisjoint(theirs["Noise floor"])


@settings(max_examples=40)
@given(st.floats(-0.01, 0.01).filter(lambda gap: abs(abs(gap) - 1e-4) > 1e-9))
def test_ap_is_said_to_differ_exactly_where_it_does(gap):
    results = example_results()
    results.loc[results["variant"] == "int8", "ap"] += gap
    text = ap_note(*pair(results))
    assert ("differs" in text) == (abs(gap) > 1e-4)
    assert ("int8 " in text) == (abs(gap) > 1e-4)


def test_ap_is_not_judged_where_photos_differ_or_none_is_there():
    assert "different photos" in ap_note(*pair(example_results(), images=100))
    assert "No variant has an AP" in ap_note(*pair(example_results().assign(ap=NAN)))


def test_notes_say_what_differs_beside_the_machine_and_nothing_where_nothing_does():
    first, second = pair(slower(example_results(ALL), 2, "A"), profile="full", threads=2, commit="f" * 40)
    hosts = [
        {"packages": {"ai-edge-litert": "2.3"}, "isa_flags": ["avx2", "amx_int8"], "hypervisor": "no"},
        {"packages": {"ai-edge-litert": "2.2"}, "isa_flags": ["avx2"], "hypervisor": "KVM"},
    ]
    both = [Machine(m.letter, m.results, m.context, h) for m, h in zip([first, second], hosts, strict=True)]
    text = " ".join(notes(both))
    for part in (
        "Different profiles: A quick, B full.", "Different numbers of threads: A 1, B 2.",
        "Different commits of the code: A 0123456789, B ffffffffff.", "ai-edge-litert 2.3 and 2.2",
        "Instructions of A that B lacks: amx_int8.", "int16x8 of", "run run-B, a virtual machine.",
        "Energies of different grades are not to be compared",
    ):  # fmt: skip
        assert part in text
    assert "Instructions of B" not in text
    same = " ".join(notes(pair(slower(example_results(), 2))))
    assert "ifferent" not in same


def test_marks_and_intervals_lie_where_each_machines_table_has_them():
    both = pair(slower(example_results(), 2))
    left, right = drawing.machines(both).axes
    for axes, column in ((left, "latency_ms_p50"), (right, "latency_ratio")):
        lines = lines_of(axes)
        assert len(lines) == 2 * 2 * (len(USUAL) - 1)
        for one, row in itertools.product(both, both[0].results["variant"][:-1]):
            cells = one.row(MODEL, row)
            value, bar = (lines[f"{kind}:{one.letter}:{row}"] for kind in ("value", "interval"))
            assert value.get_xdata()[0] == cells[column]
            assert list(bar.get_xdata()) == [cells[f"{column}_low"], cells[f"{column}_high"]]


def test_machines_are_told_apart_by_row_fill_and_letter_and_variants_by_colour():
    three = [machine(letter, slower(example_results(), k)) for k, letter in enumerate("ABC", start=1)]
    left = drawing.machines(three).axes[0]
    marks = [lines_of(left)[f"value:{letter}:int8"] for letter in "ABC"]
    assert len({mark.get_ydata()[0] for mark in marks}) == 3
    assert len({(mark.get_fillstyle(), mark.get_markerfacecolor()) for mark in marks}) == 3
    assert len({mark.get_markeredgecolor() for mark in marks}) == 1
    letters = [label.get_text() for label in left.get_yticklabels(minor=True)]
    assert letters == ["A", "B", "C"] * (len(USUAL) - 1)


def test_each_row_has_the_noise_floor_of_its_own_machine():
    results = slower(example_results(), 2)
    results.loc[results["variant"] == "float32-control", "latency_ratio_low"] = 0.5
    both = pair(results)
    right = drawing.machines(both).axes[1]
    bands = {str(p.get_gid()): p for p in right.patches if "noise-floor" in str(p.get_gid())}
    assert len(bands) == 2 * (len(USUAL) - 1)
    for gid, band in bands.items():
        _, letter, variant = gid.split(":")
        floor = noise_floor(both["AB".index(letter)].results, "latency")
        assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((floor.low, floor.high))
        y = lines_of(right)[f"value:{letter}:{variant}"].get_ydata()[0]
        assert band.get_y() < y < band.get_y() + band.get_height()


@pytest.mark.parametrize(("factor", "scale"), [(2.9, "linear"), (3.1, "log"), (1 / 3.1, "log"), (900, "log")])
def test_the_axis_is_logarithmic_where_machines_lie_far_apart(factor, scale):
    left, right = drawing.machines(pair(slower(example_results(), factor))).axes
    assert (left.get_xscale(), right.get_xscale()) == (scale, "linear")
    low, high = left.get_xlim()
    assert (low == 0) == (scale == "linear")
    ticks = [tick for tick in left.get_xticks() if low <= tick <= high]
    assert len(ticks) >= 2
    values = [line.get_xdata()[0] for line in lines_of(left).values()]
    assert all(low < value < high for value in values)


@settings(max_examples=40)
@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=5), st.floats(1, 1e3))
def test_every_mark_lies_within_the_axis(values, spread):
    axes = Figure().subplots()
    scale_axis(axes, [Interval(v, 0.9 * v, 1.2 * v) for v in values], spread)
    low, high = axes.get_xlim()
    assert low <= min(values) * 0.9
    assert high >= max(values) * 1.2


@pytest.mark.parametrize("grades", list(itertools.product("ABCD", repeat=2)))
def test_two_grades_never_share_an_axis(grades):
    both = [
        machine(x, slower(example_results(), k, g))
        for k, (x, g) in enumerate(zip("AB", grades, strict=True), 1)
    ]
    figure = drawing.machines_energy(both)
    assert len(figure.axes) == len(set(grades))
    shown = [t.get_text()[6] for axes in figure.axes for t in axes.texts if t.get_gid() == "grade"]
    assert shown == sorted(set(grades))
    for axes, grade in zip(figure.axes, shown, strict=True):
        letters = {gid.split(":")[1] for gid in lines_of(axes)}
        expected = {x for x, g in zip("AB", grades, strict=True) if g == grade}
        assert letters == (set() if grade == "D" else expected)


def test_a_machine_with_two_grades_is_drawn_on_two_axes():
    results = slower(example_results(), 2, "C")
    results.loc[results["variant"] == "int8", "energy_grade"] = "A"
    first, second = drawing.machines_energy(pair(results)).axes
    assert set(lines_of(first)) == {"value:B:int8", "interval:B:int8"}
    assert "value:B:int8" not in lines_of(second)
    assert {"value:A:int8", "value:B:float32"} <= set(lines_of(second))


def test_no_energy_figure_is_one_row_with_its_reason():
    results = slower(example_results(), 2, "D").assign(energy_reason="the counters are for root alone")
    axes = drawing.machines_energy(pair(results)).axes[1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all variants"]
    assert [label.get_text() for label in axes.get_yticklabels(minor=True)] == ["B"]
    assert "n/a: the counters are for root alone" in [text.get_text() for text in axes.texts]
    assert lines_of(axes) == {}


def test_numbers_beside_the_rows_keep_about_four_digits():
    figure = drawing.machines(pair(slower(example_results(), 1000)))
    assert "6.10 [6.06, 6.14]" in words(figure)
    assert "6100 [6063, 6137]" in words(figure)


def test_failed_and_absent_variants_keep_their_row():
    results = fail(slower(example_results(), 2), "int8")
    figure = drawing.machines(pair(results[results["variant"] != "float16"]))
    assert "value:B:int8" not in lines_of(figure.axes[0])
    for part in ("failed: kernels", "n/a: not in run run-B"):
        assert part in words(figure)
    energy = drawing.machines_energy(pair(results))
    assert len(energy.axes) == 1
    assert "failed: kernels" in words(energy)


def test_a_model_that_only_one_run_has_is_left_out():
    ours = pd.concat([example_results(), example_results(model="yolo")])
    theirs = pd.concat([slower(example_results(), 2), example_results(model="centernet")])
    both = [machine("A", ours), machine("B", theirs)]
    assert [axes.get_title(loc="left") for axes in drawing.machines(both).axes] == [MODEL, ""]
    assert set(machines_table(both)["Model"]) == {MODEL}
    assert "of centernet" in " ".join(notes(both))


@pytest.mark.parametrize("name", drawing.FIGURES_BESIDE)
def test_captions_and_legend_name_every_host_and_run(name):
    both = pair(slower(example_results(), 2), host="Intel(R) Core(TM) i7 (8 cores)", threads=4)
    figure = drawing.FIGURES_BESIDE[name].function(both)
    for part in ("run-A", "run-B", "Maker A (4 cores)", "Intel(R) Core(TM) i7 (8 cores)", "95 %"):
        assert part in figure.caption.replace("Run ", "")
    legend = [text.get_text() for text in figure.legends[0].texts]
    assert legend == [title_of(one) for one in both]
    assert legend[1] == "B: Intel Core i7 (8 cores), 4 threads, run run-B"


def test_the_caption_says_where_the_intervals_of_ratios_have_another_level():
    second = slower(example_results(), 2)
    assert "of ratios" not in drawing.machines(pair(second, ratio_level=0.95)).caption
    caption = drawing.machines(pair(second, ratio_level=0.99)).caption
    assert "(of ratios, since rounds could end on their width: B 99 %)" in caption


def shown_boxes(figure: Figure) -> list:
    """Boxes of all texts: of axes, ticks (both kinds), legend and caption."""
    figure.draw_without_rendering()
    texts = [*figure.legends[0].texts, figure._supxlabel]
    for axes in figure.axes:
        left, right = axes.get_xlim()
        ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        texts += [label for at, label in ticks if left <= at <= right]
        texts += [*axes.get_yticklabels(), *axes.get_yticklabels(minor=True), *axes.texts]
        texts += [axes.xaxis.label, axes._left_title]
    renderer = figure.canvas.get_renderer()
    return [(t.get_text(), t.get_window_extent(renderer).padded(-1)) for t in texts if t.get_text().strip()]


def crowd() -> list[Machine]:
    """Six machines, long names, two models, every grade, a failure."""
    both = pd.concat([example_results(ALL), example_results(model="yolo")])
    grades = ["C", "A", "B", "D", "C", "A"]
    found = [machine(x, slower(both, 1.7**k, g), host=LONG_HOST, run="r" * 40)
             for k, (x, g) in enumerate(zip("ABCDEF", grades, strict=True))]  # fmt: skip
    found[2] = machine("C", fail(found[2].results, "int8"))
    return found


CASES = {
    "two": pair(slower(example_results(), 2)),
    "far apart": pair(slower(example_results(), 700, "A")),
    "near": pair(slower(example_results(("float32", "float16", "float32-control")), 1.01)),
    "crowd": crowd(),
}


@pytest.mark.parametrize("name", drawing.FIGURES_BESIDE)
@pytest.mark.parametrize("case", CASES)
def test_no_text_covers_another_or_leaves_the_page(name, case):
    figure = drawing.FIGURES_BESIDE[name].function(CASES[case])
    boxes = shown_boxes(figure)
    covering = [(a, b) for (a, x), (b, y) in itertools.combinations(boxes, 2) if x.overlaps(y)]
    page = figure.bbox.padded(1)
    off = [a for a, x in boxes if not (page.x0 <= x.x0 and x.x1 <= page.x1 and x.y1 <= page.y1)]
    assert (covering, off) == ([], [])
    assert all(math.isfinite(side) for side in figure.get_size_inches())
    assert np.ptp(figure.axes[0].get_position().intervalx) > 0.1
